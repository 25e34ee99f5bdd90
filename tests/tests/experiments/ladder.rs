//! The ladder from plan to report: one budget, one store, resumed, and refused where it makes no sense.

use std::sync::OnceLock;

use saddle_experiments::{Climb, Finished, Plan, Precision, Store, Unobserved};
use saddle_report::Report;
use saddle_tests::experiments::{TINY_PLAN, Witness, run_tiny};

const LADDER: &str = r#"
[ladder]
digits = "some"
networks = ["natural", "madry_linf", "trades_linf"]
cap = 40
alpha = 0.05
margin = 5.0

[ladder.compass]
digits = "some"
steps = 2
samples = 2

[[ladder.threat]]
norm = "l2"
epsilon = 2.0

[[ladder.threat]]
norm = "linf"
epsilon = 0.3

[[ladder.row]]
name = "plain"
question = "How far do steps come?"
kind = "first_order"
l2 = { step_per_radius = 0.5, ascent = { rule = "unit", steps = 30 } }
linf = { step_per_radius = 0.1, ascent = { rule = "sign", steps = 30 } }

[[ladder.row]]
name = "double"
question = "And in double precision?"
kind = "first_order"
against = "plain"
l2 = { precision = "double", step_per_radius = 0.5, ascent = { rule = "unit", steps = 30 } }

[[ladder.row]]
name = "so"
question = "And with noise?"
kind = "second_order"
against = "plain"
l2 = { step_per_radius = 0.5, ascent = { direction = { smoothed = { sigma = 0.2, samples = 1 } }, rule = "unit", steps = 2 } }
linf = { step_per_radius = 0.1, ascent = { direction = { smoothed = { sigma = 0.1, samples = 1 } }, rule = "sign", steps = 30 } }

[[ladder.row]]
name = "exact"
question = "And along the curvature?"
kind = "curvature"
against = "plain"
l2 = { step_per_radius = 0.5, curvature = { direction = { eigenvector = { sign = "both" } }, rule = "unit", steps = 30 } }

[[ladder.row]]
name = "iterated"
question = "And by iteration?"
kind = "curvature"
against = "exact"
l2 = { precision = "double", curvature = { direction = { power = { iterations = 2, length = 1e-6 } }, rule = "unit", step_size = 1.0, steps = 30 } }
"#;

fn text() -> String {
    // The comparison of rivals gets the same budget, so that both share an attack.
    format!("{}{LADDER}", TINY_PLAN.replace("cap = 12", "cap = 40"))
}

fn plan() -> Plan {
    Plan::parse(&text()).unwrap()
}

fn whole() -> &'static Finished {
    static FINISHED: OnceLock<Finished> = OnceLock::new();
    FINISHED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        run_tiny(&plan(), &store, &["ladder"], &mut Unobserved).unwrap()
    })
}

fn undisturbed() -> &'static Report {
    &whole().report
}

#[test]
fn every_row_is_climbed_under_one_budget() {
    let report = undisturbed();
    assert!(report.provenance.failures.is_empty(), "{:?}", report.provenance.failures);
    let ladder = report.ladder.as_ref().unwrap();
    let names =
        ladder.rows.iter().map(|row| (row.network.as_str(), row.norm.as_str(), row.rung.as_str()));
    let names: Vec<_> = names.collect();
    let of = |network: &'static str| {
        let l2 = ["plain", "double", "so", "exact", "iterated"].map(|rung| (network, "l2", rung));
        l2.into_iter().chain(["plain", "so"].map(move |rung| (network, "linf", rung)))
    };
    assert_eq!(names, of("natural").chain(of("madry_linf")).collect::<Vec<_>>());
    let planned: Vec<u64> = ladder.threats.iter().map(|threat| threat.planned).collect();
    assert_eq!(planned, [10, 4], "networks without a recipe are not planned");
    for row in &ladder.rows {
        assert_eq!((row.total, row.training_seed), (12, 3));
        assert!(row.passes_per_example.unwrap() <= 40.0, "{row:?}");
        assert_eq!(row.cosines.len(), 2, "{row:?}");
        assert!(row.cosines.iter().all(|cosine| cosine.mean.is_some_and(|c| c.abs() <= 1.0)));
    }
    let best = ladder.rows.iter().filter(|row| row.best_first_order).count();
    assert_eq!(best, 4, "one for each network and threat");
    assert!(
        ladder.rungs[0].attacks[0]
            .starts_with("l2: PGD: unit gradient, 30 steps of 0.5 times the radius")
    );
    assert!(ladder.rungs[4].attacks[0].ends_with("in double precision"), "{:?}", ladder.rungs[4]);
    assert!(report.to_html().contains("How far do steps come?"));
}

/// What a sceptic does with `ladder.jsonl`: counts, and the pairs of each test against the best first-order row.
#[test]
fn every_test_can_be_made_again_from_the_fate_of_every_digit() {
    let ladder = undisturbed().ladder.as_ref().unwrap();
    let details = &whole().ladder;
    assert_eq!(details.len(), 4, "two networks, two threats");
    let mut rows = ladder.rows.iter();
    for detail in details {
        assert_eq!((detail.digits.as_str(), detail.ids.len()), ("some", 12));
        assert!(detail.weights.is_some());
        let own: Vec<_> = rows.by_ref().take(detail.rungs.len()).collect();
        let best = own.iter().position(|row| row.best_first_order).unwrap();
        let best = detail.rungs[best].attack.robust.as_bytes();
        for (row, rung) in own.iter().zip(&detail.rungs) {
            assert_eq!((&row.network, &row.norm), (&detail.network, &detail.norm));
            assert_eq!((&row.rung, row.training_seed), (&rung.rung, detail.training_seed));
            let robust = rung.attack.robust.as_bytes();
            let standing = robust.iter().filter(|&&digit| digit == b'1').count() as u64;
            assert_eq!((standing, robust.len()), (row.correct, 12));
            assert_eq!(Some(rung.attack.passes_per_example), row.passes_per_example);
            let Some(test) = row.against_first_order.as_ref().map(|it| it.mcnemar) else {
                continue;
            };
            let fell = |one: &[u8], other: &[u8]| {
                let pairs = one.iter().zip(other);
                pairs.filter(|(one, other)| (**one, **other) == (b'0', b'1')).count() as u64
            };
            assert_eq!((test.only_this, test.only_other), (fell(robust, best), fell(best, robust)));
        }
    }
    assert!(rows.next().is_none());
}

#[test]
fn a_second_run_works_on_nothing_and_a_stopped_one_ends_at_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut stops = 0;
    loop {
        let store = Store::open(folder.path()).unwrap();
        let mut witness = Witness { stop_after: Some(5), ..Witness::default() };
        let finished = run_tiny(&plan(), &store, &["ladder"], &mut witness).unwrap();
        if !finished.interrupted {
            assert_eq!(&finished.report, undisturbed());
            break;
        }
        let notes = &finished.report.provenance.notes;
        assert!(notes.iter().any(|note| note.starts_with("ladder, at least in part")), "{notes:?}");
        let rows = finished.report.ladder.map_or(0, |ladder| ladder.rows.len());
        assert!(rows < undisturbed().ladder.as_ref().unwrap().rows.len());
        stops += 1;
        assert!(stops < 60, "the run does not get ahead");
    }
    assert!(stops >= 3, "only {stops} stops: this test has lost its point");
    let store = Store::open(folder.path()).unwrap();
    let mut witness = Witness::default();
    let finished = run_tiny(&plan(), &store, &["ladder"], &mut witness).unwrap();
    assert_eq!((witness.planned, witness.began), (0, Vec::new()));
    assert_eq!(&finished.report, undisturbed());
}

#[test]
fn an_attack_that_the_comparison_of_rivals_has_made_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&plan(), &store, &["rivals"], &mut Unobserved).unwrap();
    let mut witness = Witness::default();
    run_tiny(&plan(), &store, &["ladder"], &mut witness).unwrap();
    let of = |network: &str| {
        let so = format!("ladder: so on {network}");
        witness.began.iter().filter(|job| job.starts_with(&so)).count()
    };
    // In l2 and l-infinity; on `madry_linf` in l-infinity only.
    assert_eq!((of("natural"), of("madry_linf")), (2, 1), "{:?}", witness.began);
}

#[test]
fn a_run_restricted_to_other_parts_says_that_the_ladder_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let report = run_tiny(&plan(), &store, &["large"], &mut Unobserved).unwrap().report;
    assert!(report.ladder.is_none());
    let notes = &report.provenance.notes;
    assert!(notes.iter().any(|note| note.starts_with("ladder is missing: ")), "{notes:?}");
}

#[test]
fn a_ladder_reads_back_from_its_own_toml() {
    let plan = plan();
    let written = toml::to_string(&plan).unwrap();
    assert_eq!(Plan::parse(&written).unwrap(), plan);
    assert!(plan.parts().contains(&"ladder"));
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    for (from, to, expected) in [
        ("kind = \"second_order\"", "kind = \"noise\"", "0 rows are of the kind of S-O itself"),
        ("kind = \"curvature\"", "kind = \"second_order\"", "2 rows are of the kind of S-O itself"),
        ("against = \"exact\"", "against = \"exactly\"", "against names no other row `exactly`"),
        ("against = \"exact\"", "against = \"iterated\"", "no other row `iterated`"),
        ("l2 = { precision = \"double\", curvature", "l2 = { curvature", "precision = \"double\""),
        ("name = \"double\"", "name = \"plain\"", "used twice"),
        ("question = \"And with noise?\"", "question = \" \"", "question is empty"),
        ("cap = 40\nalpha", "cap = 1\nalpha", "cap"),
        ("alpha = 0.05", "alpha = 0.7", "alpha"),
        ("margin = 5.0", "margin = 0.0", "margin"),
        ("norm = \"linf\"\nepsilon = 0.3", "norm = \"l1\"\nepsilon = 3.0", "for l2 and linf only"),
        (
            "epsilon = 0.3\n\n[[ladder.row]]",
            "epsilon = 0.3\nbest = \"so\"\n\n[[ladder.row]]",
            "`so` is no first-order row",
        ),
        ("samples = 2\n", "samples = 0\n", "samples"),
        ("iterations = 2", "iterations = 0", "iterations"),
        ("step_size = 1.0", "step_size = -1.0", "step_size"),
        (
            "{ step_per_radius = 0.5, curvature",
            "{ step_per_radius = 0.5, restarts = 3, curvature",
            "random start",
        ),
        ("step_per_radius = 0.1, ascent", "step_per_radius = nan, ascent", "step_per_radius"),
        ("{ step_per_radius = 0.1, ascent", "{ ladder = 1, ascent", "ladder"),
        ("digits = \"some\"\nsteps", "digits = \"none\"\nsteps", "`none`"),
    ] {
        assert!(LADDER.contains(from), "the ladder of the tests holds no `{from}`");
        let changed = format!("{TINY_PLAN}{}", LADDER.replacen(from, to, 1));
        let message = Plan::parse(&changed).expect_err(to).to_string();
        assert!(message.contains(expected), "{to}: {message}");
    }
    let neither = LADDER.replacen("ascent = {", "climb = {", 1);
    assert!(Plan::parse(&format!("{TINY_PLAN}{neither}")).is_err());
}

/// One store serves both plans: what `cpu` has trained the ladder finds.
#[test]
fn the_embedded_ladder_stands_on_the_networks_of_cpu() {
    let (ladder, cpu) = (Plan::profile("ladder").unwrap(), Plan::profile("cpu").unwrap());
    assert_eq!((ladder.seed, ladder.held_out), (cpu.seed, cpu.held_out));
    for (name, network) in &ladder.networks {
        assert_eq!(network.training, cpu.networks[name].training, "{name}");
        assert_eq!(network.architecture, cpu.networks[name].architecture, "{name}");
        assert_eq!((&network.starts_from, network.seeds), (&None, 3), "{name}");
    }
    assert!(cpu.ladder.is_none());
    let plan = ladder.ladder.unwrap();
    let rows = plan.rows.len();
    assert!(ladder.about.contains(&format!("{rows} attacks")), "{}", ladder.about);
    let digits = &ladder.digits[&plan.digits];
    // Settings were looked at on the first thousand test digits.
    assert_eq!((digits.from, digits.count), (1000, Some(500)));
    let attack = |name: &str| plan.rows.iter().find(|row| row.name == name).unwrap().l2.clone();
    let (so, even) = (attack("S-O").unwrap(), attack("even part").unwrap());
    let (Climb::Ascent(so), Climb::Ascent(even)) = (so.climb, even.climb) else { panic!() };
    assert_eq!((so.rule, so.steps, so.loss), (even.rule, even.steps, even.loss));
    assert_eq!(attack("float64").unwrap().precision, Precision::Double);
}
