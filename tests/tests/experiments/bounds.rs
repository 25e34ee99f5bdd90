//! Bounds from a plan to its report: which digits and threats, witnesses that hold by the images alone,
//! results from the store, refusals.

use saddle_data::Dataset;
use saddle_experiments::{Finished, Key, Plan, Store, Unobserved, write_all};
use saddle_report::Report;
use saddle_report::bounds::{TableRow, Witness};
use saddle_tests::data::fixture;
use saddle_tests::experiments::{TINY_PLAN, Witness as Observer, files_called, run_tiny};

/// The plan of the tests with bounds: two tables have l2 4.0 on the same 12 digits, 2.0 is named.
fn plan() -> Plan {
    let bounds = "\n[bounds]\nrounds = 4\n\n[[bounds.threat]]\nnorm = \"l2\"\nepsilon = 2.0\n";
    Plan::parse(&format!("{TINY_PLAN}{bounds}")).unwrap()
}

fn run(store: &Store, only: &[&str], observer: &mut Observer) -> Finished {
    run_tiny(&plan(), store, only, observer).unwrap()
}

/// Squared distance in bytes, the plain way.
fn squared(data: &Dataset, a: usize, b: usize) -> i64 {
    let pixels = data.image(a).iter().zip(data.image(b));
    pixels.map(|(&a, &b)| (i64::from(a) - i64::from(b)).pow(2)).sum()
}

fn row(table: &str, row: &str) -> TableRow {
    TableRow { table: table.to_owned(), row: row.to_owned() }
}

#[test]
fn every_threat_has_a_bound_for_its_digits_and_for_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let finished = run(&store, &["bounds"], &mut Observer::default());
    let bounds = &finished.report.bounds;
    let about: Vec<_> =
        bounds.iter().map(|b| (b.norm.as_str(), b.epsilon, b.digits, b.all_test_digits)).collect();
    assert_eq!(
        about,
        [("l2", 4.0, 12, false), ("l2", 4.0, 200, true), ("l2", 2.0, 200, true)],
        "once for two tables on the same digits"
    );
    assert_eq!(bounds[0].rows, [row("table1", "so_l2"), row("table1_strong", "pgd_l2")]);
    assert!(bounds[1].rows.is_empty() && bounds[2].rows.is_empty());
    assert_eq!(bounds[1].digits_hash, fixture().sha256());
    assert_eq!(bounds[1].digits_hash, bounds[2].digits_hash);
    assert_ne!(bounds[0].digits_hash, bounds[1].digits_hash);

    // Every written witness proves its bound by nothing but ids and images.
    let out = folder.path().join("report");
    write_all(&out, &plan(), &finished).unwrap();
    let lines = std::fs::read_to_string(out.join("bounds.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 3);
    for (line, bound) in lines.lines().zip(bounds) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let witness: Witness = serde_json::from_value(line["witness"].clone()).unwrap();
        let ids: Vec<usize> = serde_json::from_value(line["ids"].clone()).unwrap();
        let data = fixture();
        let limit = (510.0 * bound.epsilon).powi(2) as i64;
        let conflict = |a: u32, b: u32| {
            let [a, b] = [a, b].map(|place| ids[place as usize]);
            data.labels[a] != data.labels[b] && squared(data, a, b) <= limit
        };
        let proven = witness.bounds(ids.len(), conflict).unwrap();
        assert_eq!(proven.to_vec(), bound.by_method);
        let lowest = proven.map(|own| own.upper_bound).into_iter().fold(1.0, f64::min);
        assert_eq!((bound.upper_bound, line["upper_bound"].as_f64()), (lowest, Some(lowest)));
        let pairs = (0..ids.len() as u32).flat_map(|b| (0..b).map(move |a| (a, b)));
        assert_eq!(bound.conflicts, pairs.filter(|&(a, b)| conflict(a, b)).count() as u64);
    }
    assert!(bounds[1].upper_bound < 1.0, "among 200 digits some are in conflict at l2 4.0");
    let back = Report::from_json(&finished.report.to_json().unwrap()).unwrap();
    assert_eq!(back, finished.report);
}

#[test]
fn cells_of_a_run_are_held_against_the_bounds_for_their_digits() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let report = run(&store, &["bounds", "table1"], &mut Observer::default()).report;
    let held: Vec<_> =
        report.held_against_bounds().map(|held| (held.network.clone(), held.row)).collect();
    assert_eq!(held, [("natural".to_owned(), "so_l2"), ("madry_linf".to_owned(), "so_l2")]);
    assert_eq!(report.paper_against_bounds().len(), 24);
    assert!(report.to_markdown().contains("What no classifier can do"));
}

#[test]
fn bounds_come_from_the_store_and_only_when_they_are_wanted_or_known() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut observer = Observer::default();
    let report = run(&store, &["large"], &mut observer).report;
    assert!(report.bounds.is_empty());
    assert!(observer.began.iter().all(|job| !job.contains("bound")), "{:?}", observer.began);
    let reason =
        "bounds, at least in part, is missing: not measured: the run was restricted to large.";
    assert!(report.provenance.notes.iter().any(|note| note == reason));

    let mut first = Observer::default();
    let whole = run(&store, &["bounds"], &mut first);
    assert_eq!(first.began.len(), 3, "{:?}", first.began);
    assert!(first.began[0].contains("bound for 12 digits, l2 within 4"));
    assert!(whole.times.iter().any(|time| time.job == first.began[1]));
    let mut second = Observer::default();
    let again = run(&store, &["bounds"], &mut second);
    assert_eq!(second.began, Vec::<String>::new());
    assert_eq!(again.report.bounds, whole.report.bounds);
    assert_eq!(again.times, whole.times);
    // Known bounds are shown by a run that is about something else.
    let report = run(&store, &["large"], &mut Observer::default()).report;
    assert_eq!(report.bounds, whole.report.bounds);
}

#[test]
fn a_stored_witness_that_proves_nothing_is_found_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let whole = run(&store, &["bounds"], &mut Observer::default()).report.bounds;
    let lies = [
        // In conflict with its neighbour, says the file.
        r#"{"conflicts":1,"witness":{"matching":[[0,1]],"packing":{"pairs":[],"odd_cycles":[]},"cliques":[[0,1,2,3]]}}"#,
        r#"{"conflicts":1,"witness":{"matching":[[0,4000]],"packing":{"pairs":[],"odd_cycles":[]},"cliques":[]}}"#,
        "{}",
    ];
    let jobs = files_called("job.json", folder.path());
    assert_eq!(jobs.len(), 3);
    for (path, lie) in jobs.iter().zip(lies) {
        let name = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let key: Key = serde_json::from_value(name.into()).unwrap();
        store.finish(&key, &"spoilt", lie.as_bytes()).unwrap();
    }
    let mut observer = Observer::default();
    let found = run(&store, &["bounds"], &mut observer).report.bounds;
    assert_eq!((found, observer.began.len()), (whole, 3));
}

#[test]
fn a_stop_leaves_bounds_out_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut observer = Observer { stop_after: Some(0), ..Observer::default() };
    let finished = run(&store, &[], &mut observer);
    assert!(finished.interrupted && finished.report.bounds.is_empty());
    let notes = &finished.report.provenance.notes;
    assert!(notes.iter().any(|note| note.starts_with("bounds, at least in part: ")), "{notes:?}");
}

#[test]
fn a_plan_with_bounds_is_checked() {
    let refusal = |bounds: &str| {
        let text = format!("{TINY_PLAN}\n[bounds]\n{bounds}\n");
        Plan::parse(&text).expect_err("this plan must be refused").to_string()
    };
    assert!(refusal("").contains("rounds"));
    assert!(refusal("rounds = -1").contains("-1"));
    assert!(refusal("rounds = 4\nround = 4").contains("round"));
    let threat = "rounds = 4\n[[bounds.threat]]\nnorm = \"l2\"\nepsilon = ";
    assert!(refusal(&format!("{threat}0.0")).contains("radius"));
    assert!(refusal(&format!("{threat}2.0\nrows = 1")).contains("rows"));
    let taken = TINY_PLAN.replacen("name = \"large\"", "name = \"bounds\"", 1);
    assert!(Plan::parse(&taken).unwrap_err().to_string().contains("two tables"));
    // Without the section there is nothing to ask for.
    let plain = Plan::parse(TINY_PLAN).unwrap();
    assert!(plain.check_only(&["bounds".to_owned()]).is_err());
    assert!(plan().check_only(&["bounds".to_owned()]).is_ok());
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let report = run_tiny(&plain, &store, &["large"], &mut Unobserved).unwrap().report;
    assert!(report.bounds.is_empty());
    assert!(report.provenance.notes.iter().all(|note| !note.contains("bounds")));
}
