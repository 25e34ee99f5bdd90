//! Curves of accuracy and Figure 2 on real digits: held against tables that measure each point by itself.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use saddle_experiments::{Finished, Plan, Store, Unobserved, erase_report, render, write_all};
use saddle_report::claims::Outcome;
use saddle_report::curves::{AccuracyCurve, Chart};
use saddle_report::{Report, Status};
use saddle_tests::curves::{CURVES, curves_plan};
use saddle_tests::experiments::{TINY_PLAN, Witness, run_tiny};

const PARTS: [&str; 4] = ["radius", "budget", "section5", "figure2"];

/// The drawings of an undisturbed run, with the tables of the tiny plan; made once for all tests of this file.
fn undisturbed() -> &'static Report {
    static REPORT: OnceLock<Report> = OnceLock::new();
    REPORT.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        run_tiny(&curves_plan(), &store, &[], &mut Unobserved).unwrap().report
    })
}

fn chart<'a>(report: &'a Report, id: &str) -> &'a Chart {
    report.curves.iter().find(|chart| chart.id == id).unwrap()
}

fn curve<'a>(chart: &'a Chart, network: &str, attack: &str) -> &'a AccuracyCurve {
    let own = |curve: &&AccuracyCurve| curve.network == network && curve.attack == attack;
    chart.curves.iter().find(own).unwrap()
}

/// Digits that tables of one row each leave standing, measured by themselves in a plan of their own: a
/// table's settings, an attack, and its radius in l2.
fn standing(attacks: &str, tables: &[(String, String, f64)]) -> Vec<u64> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut text = format!("{}{attacks}\n", TINY_PLAN.split_once("[[table]]").unwrap().0);
    for (number, (settings, attack, epsilon)) in tables.iter().enumerate() {
        text.push_str(&format!(
            "[[table]]\nname = \"{number}\"\nnetworks = [\"natural\"]\n{settings}\n[[table.row]]\nname = \
             \"one\"\nattacks = [\"{attack}\"]\nnorm = \"l2\"\nepsilon = {epsilon:?}\n"
        ));
    }
    let plan = Plan::parse(&text).unwrap();
    let report = run_tiny(&plan, &store, &[], &mut Unobserved).unwrap().report;
    report.cells.iter().map(|cell| cell.correct.unwrap()).collect()
}

#[test]
fn radius_0_is_natural_accuracy_and_every_radius_has_its_bound() {
    let report = undisturbed();
    let radius = chart(report, "radius");
    let places: Vec<_> =
        radius.curves.iter().map(|c| (c.network.as_str(), c.attack.as_str())).collect();
    let expected =
        ["natural", "madry_linf"].map(|name| ["PGD", "S-O"].map(|attack| (name, attack)));
    assert_eq!(places, expected.concat());
    for curve in &radius.curves {
        let cell = report.cells.iter().find(|cell| {
            (cell.table.as_str(), cell.row.as_str()) == ("table1", "natural")
                && cell.network == curve.network
        });
        assert_eq!(Some(curve.points[0].correct), cell.unwrap().correct);
        assert_eq!(curve.points.iter().map(|p| p.at).collect::<Vec<_>>(), [0.0, 0.5, 2.0]);
        assert!(curve.points.iter().all(|point| point.correct <= curve.points[0].correct));
    }
    // The digits left by a row of a table with the same attack, radius and digits.
    let settings = "setting = \"strong\"\ndigits = \"some\"".to_owned();
    let alone = standing("", &[(settings, "pgd".to_owned(), 2.0)]);
    assert_eq!(curve(radius, "natural", "PGD").points[2].correct, alone[0]);
    let bounds: Vec<_> = radius.bound.iter().map(|point| point.at).collect();
    assert_eq!(bounds, [0.5, 2.0]);
    for point in &radius.bound {
        let same = |bound: &&saddle_report::bounds::Bound| {
            bound.epsilon == point.at && bound.rows.iter().any(|row| row.table == "radius")
        };
        let bound = report.bounds.iter().find(same).expect("the witness stands with the others");
        assert_eq!((bound.upper_bound, bound.digits), (point.upper_bound, 12));
    }
    let notes = &report.provenance.notes;
    let missing = "trades_linf in radius is missing: nobody can train it yet.";
    assert!(notes.iter().any(|note| note == missing), "{notes:?}");
}

#[test]
fn the_budget_curve_is_what_runs_with_smaller_budgets_leave() {
    let budget = chart(undisturbed(), "budget");
    let attacks = CURVES.split_once("[bounds]").unwrap().0;
    let mut seen = BTreeSet::new();
    for (label, attack) in [("PGD", "pgd_restarts"), ("S-O", "so_long")] {
        let curve = curve(budget, "natural", label);
        assert!(curve.points.is_sorted_by(|a, b| a.at < b.at && a.correct >= b.correct));
        assert_eq!((curve.points[0].at, curve.points.last().unwrap().at), (1.0, 14.0));
        let tables = (2..=14).map(|cap| {
            let settings = format!("setting = \"strong\"\ndigits = \"many\"\ncap = {cap}");
            (settings, attack.to_owned(), 3.0)
        });
        let alone = standing(attacks, &tables.collect::<Vec<_>>());
        for (cap, alone) in (2..=14).zip(alone) {
            assert_eq!(curve.at(f64::from(cap)).unwrap().correct, alone, "{label} at {cap}");
            seen.insert(alone);
        }
    }
    assert!(seen.len() > 1, "nothing falls on the way: this test has lost its point");
}

#[test]
fn the_step_curve_is_what_shorter_attacks_leave() {
    let section = chart(undisturbed(), "section5");
    let curves = ["final iterate", "any iterate"].map(|label| curve(section, "natural", label));
    let long = CURVES.split_once("[attacks.so_long]").unwrap().1.split_once("\n\n").unwrap().0;
    let short = (1..=6).map(|steps| {
        let settings = long.replace("steps = 6", &format!("steps = {steps}"));
        format!("[attacks.so_{steps}]{settings}\n")
    });
    for (setting, curve) in ["paper", "strong"].into_iter().zip(curves) {
        let tables = (1..=6).map(|steps| {
            let settings = format!("setting = \"{setting}\"\ndigits = \"many\"");
            (settings, format!("so_{steps}"), 2.0)
        });
        let alone = standing(&short.clone().collect::<String>(), &tables.collect::<Vec<_>>());
        for (steps, alone) in (1..=6).zip(alone) {
            assert_eq!(curve.at(f64::from(steps)).unwrap().correct, alone, "{setting} {steps}");
        }
    }
    let any = curves[1];
    assert!(any.points.len() > 2, "nothing falls: this test has lost its point");
    assert!(section.title.starts_with("Section 5: S-O"), "{}", section.title);
    let level = section.threshold.as_ref().unwrap().accuracy;
    assert_eq!(any.crossing, Some(any.crossing(level)));
    // The claim looks at the same curve.
    let claim = &undisturbed().claims[0];
    let [evidence] = &claim.tests[0].evidence[..] else { panic!("one seed: {claim:?}") };
    let end = any.points.last().unwrap();
    assert_eq!(evidence.share.map(|share| share.correct), Some(end.correct));
    assert_ne!(claim.tests[0].outcome, Outcome::Missing);
}

#[test]
fn figure_2_shows_the_first_of_each_class_that_falls() {
    let figure = undisturbed().figure2.as_ref().unwrap();
    assert_eq!((figure.examined, figure.network.as_str()), (104, "natural"));
    assert!(!figure.pairs.is_empty() && figure.fooled >= figure.pairs.len() as u64);
    assert!(figure.pairs.is_sorted_by(|a, b| a.label < b.label), "one of each class");
    for pair in &figure.pairs {
        assert!(pair.natural_prediction == pair.label && pair.prediction != pair.label);
        assert!(pair.distance > 0.0 && pair.distance <= 4.0 * (1.0 + 1e-6));
    }
    // Who falls is known digit by digit from a row with the same attack.
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let text = format!(
        "{TINY_PLAN}{CURVES}\n[[table]]\nname = \"fate\"\nsetting = \"strong\"\nnetworks = [\"natural\"]\n\
         digits = \"many\"\n[[table.row]]\nname = \"natural\"\n[[table.row]]\nname = \"so\"\nnorm = \"l2\"\n\
         epsilon = 4.0\nattacks = [\"so_long\"]\n"
    );
    let plan = Plan::parse(&text).unwrap();
    let details = run_tiny(&plan, &store, &["fate"], &mut Unobserved).unwrap().details;
    let [natural, attacked] = [0, 1].map(|row| &details[row].attacks[0]);
    let fates = details[0].ids.iter().zip(natural.robust.chars().zip(attacked.robust.chars()));
    let fallen: Vec<u64> =
        fates.filter(|(_, fate)| *fate == ('1', '0')).map(|(id, _)| *id).collect();
    assert_eq!(fallen.len() as u64, figure.fooled);
    let labels = &saddle_tests::data::fixture().labels;
    for pair in &figure.pairs {
        let first = fallen.iter().find(|&&id| u32::from(labels[id as usize]) == pair.label);
        assert_eq!(first, Some(&pair.id));
    }
}

fn run(store: &Store, only: &[&str], witness: &mut Witness) -> Finished {
    run_tiny(&curves_plan(), store, only, witness).unwrap()
}

#[test]
fn a_run_that_is_stopped_again_and_again_ends_at_the_same_drawings() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut stops = 0;
    loop {
        let mut witness = Witness { stop_after: Some(6), ..Witness::default() };
        let finished = run(&store, &PARTS, &mut witness);
        let report = finished.report;
        if !finished.interrupted {
            assert_eq!(report.curves, undisturbed().curves);
            assert_eq!(report.figure2, undisturbed().figure2);
            break;
        }
        // A drawing is whole or absent, and the report says which.
        for part in PARTS {
            let missing = format!("{part} is missing: not measured: the run was stopped");
            let noted = report.provenance.notes.iter().any(|note| note.starts_with(&missing));
            let whole = undisturbed().curves.iter().find(|chart| chart.id == part);
            let shown = report.curves.iter().find(|chart| chart.id == part);
            assert!(shown.is_none() || shown == whole);
            let there = shown.is_some() || part == "figure2" && report.figure2.is_some();
            assert_ne!(noted, there, "{part}");
        }
        stops += 1;
        assert!(stops < 40, "the run does not get ahead");
    }
    assert!(stops >= 3, "only {stops} stops: this test has lost its point");
    let mut again = Witness::default();
    run(&store, &PARTS, &mut again);
    assert_eq!((again.planned, again.began.len()), (0, 0));
}

#[test]
fn a_restricted_run_shows_what_is_known_and_says_what_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let report = run(&store, &["section5"], &mut Witness::default()).report;
    let ids: Vec<_> = report.curves.iter().map(|chart| chart.id.as_str()).collect();
    assert_eq!(ids, ["section5"]);
    let notes = &report.provenance.notes;
    for part in ["radius", "budget", "figure2"] {
        let line = format!("{part} is missing: not measured: the run was restricted to section5.");
        assert!(notes.contains(&line), "{part}: {notes:?}");
    }
    let report = run(&store, &["figure2"], &mut Witness::default()).report;
    assert!(report.figure2.is_some());
    assert_eq!(report.curves[0], *chart(undisturbed(), "section5"));
    assert!(report.cells.iter().all(|cell| cell.status == Status::Missing));
}

#[test]
fn a_network_that_diverges_takes_its_own_curves_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (head, tail) = TINY_PLAN.split_once("[networks.madry_linf.training]").unwrap();
    let tail = tail.replacen("learning_rate = 1e-3", "learning_rate = 1e30", 1);
    let text = format!("{head}[networks.madry_linf.training]{tail}{CURVES}");
    let plan = Plan::parse(&text).unwrap();
    let report = run_tiny(&plan, &store, &["radius"], &mut Unobserved).unwrap().report;
    let networks: Vec<_> = report.curves[0].curves.iter().map(|c| c.network.as_str()).collect();
    assert_eq!(networks, ["natural", "natural"]);
    let failure = &report.provenance.failures[0];
    assert_eq!(failure.what, "radius on madry_linf (seed 3)");
    assert!(failure.reason.contains("diverged"), "{}", failure.reason);
}

#[test]
fn the_drawings_are_files_and_an_erased_report_leaves_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store")).unwrap();
    let finished = run(&store, &["section5", "figure2"], &mut Witness::default());
    let out = folder.path().join("report");
    write_all(&out, &curves_plan(), &finished).unwrap();
    let names = ["curve-section5.svg", "figure2.svg", "curves.csv", "figure2.csv"];
    let bytes = names.map(|name| std::fs::read(out.join(name)).unwrap());
    std::fs::remove_file(out.join(names[0])).unwrap();
    assert_eq!(render(&out).unwrap(), finished.report);
    assert_eq!(names.map(|name| std::fs::read(out.join(name)).unwrap()), bytes);
    std::fs::write(out.join("curve-of-mine.txt"), "kept").unwrap();
    erase_report(&out).unwrap();
    let left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["curve-of-mine.txt"]);
}

#[test]
fn curves_that_make_no_sense_are_refused_with_their_place() {
    let plan = format!("{TINY_PLAN}{CURVES}");
    for (from, to, expected) in [
        ("epsilons = [0, 0.5, 2.0]", "epsilons = [0, 2.0, 0.5]", "`radius`"),
        ("epsilons = [0, 0.5, 2.0]", "epsilons = []", "at least one"),
        ("epsilons = [0, 0.5, 2.0]", "epsilons = [-1.0]", "at least 0"),
        ("epsilons = [0, 0.5, 2.0]", "epsilons = [nan]", "finite"),
        ("name = \"radius\"", "name = \"table1\"", "taken"),
        ("name = \"budget\"", "name = \"figure2\"", "taken"),
        ("name = \"section5\"", "name = \"../section\"", "file"),
        ("cap = 14", "cap = 1", "cap"),
        ("\"so\"]\nsetting", "\"pgd\"]\nsetting", "twice"),
        ("attacks = [\"pgd_restarts\", \"so_long\"]", "attacks = []", "no attacks"),
        ("attack = \"so_long\"", "attack = \"pgd_restarts\"", "restarts"),
        ("attack = \"so_long\"", "attack = \"none\"", "`none`"),
        (
            "network = \"natural\"\nnorm = \"l2\"\nepsilon = 4.0\nattack = \"so_long\"",
            "network = \"nobody\"\nnorm = \"l2\"\nepsilon = 4.0\nattack = \"so_long\"",
            "`nobody`",
        ),
    ] {
        assert!(plan.contains(from), "{from}");
        let message = Plan::parse(&plan.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(message.contains(expected), "{to}: {message}");
    }
}

#[test]
fn figure_1_says_its_steps_and_leaves_out_whom_nobody_can_train() {
    let more = "[[figure1.curve]]\nlabel = \"TRADES, S-O\"\nnetwork = \"trades_linf\"\nnorm = \"l2\"\nepsilon = \
                4.0\nattack = \"so\"\n\n[rivals]";
    let plan = Plan::parse(&TINY_PLAN.replacen("[rivals]", more, 1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let report = run_tiny(&plan, &store, &["figure1"], &mut Unobserved).unwrap().report;
    let labels = report.figures[0].series.iter().map(|series| series.label.as_str());
    assert!(
        labels.clone().count() == 1
            && labels.clone().all(|label| label.starts_with("natural, PGD"))
    );
    let caption = &report.figures[0].caption;
    let attack =
        "PGD: unit gradient, 2 steps of 2, from the digit itself, cross-entropy (l2 within 4)";
    for words in ["a test 12 test digits", "No early stop", attack] {
        assert!(caption.contains(words), "{words}: {caption}");
    }
    let note = "figure1, curve `TRADES, S-O`, is missing: nobody can train it yet.";
    assert!(
        report.provenance.notes.iter().any(|known| known == note),
        "{:?}",
        report.provenance.notes
    );
}
