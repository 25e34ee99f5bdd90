//! Verdicts on masking from plan to report: every indicator, known cases, one store, resumed, and refused where they make no sense.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use candle_core::{Device, Tensor};
use saddle_attacks::{
    Direction, Disguise, Examples, KNOWN_CASES, ProjectedAscent, Purpose, Square, Start,
    ThreatModel,
};
use saddle_experiments::{
    Finished, Laboratory, Outside, Plan, RadiusTrial, Store, Trials, Unobserved, measure_masking,
};
use saddle_model::{Classifier, Network, load_network};
use saddle_ops::{Draws, Norm, Radius, StepRule};
use saddle_report::masking::{Indicators, Masking, Standing, Thresholds};
use saddle_report::verdicts::Judged;
use saddle_tests::data::fixture;
use saddle_tests::experiments::{TINY_PLAN, Witness, run_tiny, tiny_data, tiny_machine};

const VERDICTS: &str = r#"
[attacks.few_squares]
square = { queries = 12 }

[attacks.so_again]
restarts = 12
step_per_radius = 0.5
ascent = { direction = { smoothed = { sigma = 0.2, samples = 1 } }, rule = "unit", steps = 2 }

[bounds]
rounds = 4

[verdicts]
digits = "some"
networks = ["natural", "madry_linf", "trades_linf"]
sources = ["natural", "madry_linf"]
cap = 12

[verdicts.thresholds]
fewest_digits = 1

[[verdicts.threat]]
norm = "l2"
epsilon = 2.0
gradient = "pgd"
smoothed = "so_again"
black_box = "few_squares"
radii = [3.0, 6.0]

[[verdicts.threat]]
norm = "linf"
epsilon = 0.3
gradient = "pgd"
smoothed = "so_again"
black_box = "few_squares"
radii = [0.5]

[verdicts.calibration]
networks = ["natural"]
norm = "l2"
epsilon = 2.0

[[verdicts.calibration.case]]
name = "plain"
disguise = { kind = "plain" }
masked = false
purpose = "thresholds"

[[verdicts.calibration.case]]
name = "rounded"
disguise = { kind = "quantised_input", levels = 8 }
masked = true
purpose = "held_out"
"#;

fn text() -> String {
    format!("{TINY_PLAN}{VERDICTS}")
}

fn plan() -> Plan {
    Plan::parse(&text()).unwrap()
}

/// A run that nobody disturbs, and the weights of the network without an attack in its training.
fn undisturbed() -> &'static (Finished, Vec<u8>) {
    static FINISHED: OnceLock<(Finished, Vec<u8>)> = OnceLock::new();
    FINISHED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let finished = run_tiny(&plan(), &store, &["verdicts"], &mut Unobserved).unwrap();
        let weights = with(&store, |laboratory| laboratory.trained("natural").unwrap().unwrap());
        (finished, weights)
    })
}

fn with<T>(store: &Store, ask: impl FnOnce(&Laboratory<'_>) -> T) -> T {
    let (plan, data, machine) = (plan(), tiny_data(), tiny_machine());
    ask(&Laboratory { plan: &plan, data: &data, store, machine: &machine, commit: "test" })
}

#[test]
fn every_network_under_every_threat_gets_a_verdict_with_all_its_indicators() {
    let report = &undisturbed().0.report;
    assert!(report.provenance.failures.is_empty(), "{:?}", report.provenance.failures);
    let verdicts = report.verdicts.as_ref().unwrap();
    let of = |judged: &Judged| (judged.network.clone(), judged.norm.clone(), judged.training_seed);
    let places: Vec<_> = verdicts.networks.iter().map(of).collect();
    let place = |network: &str, norm: &str| (network.to_owned(), norm.to_owned(), 3);
    let networks = ["natural", "madry_linf"];
    let expected = networks.iter().flat_map(|name| [place(name, "l2"), place(name, "linf")]);
    assert_eq!(places, expected.collect::<Vec<_>>());
    assert_eq!(verdicts.planned, 4, "networks without a recipe are not planned");
    let notes = &report.provenance.notes;
    assert!(notes.iter().any(|note| note.starts_with("the verdict on trades_linf is missing")));
    let known = verdicts.calibration.as_ref().unwrap();
    let cases = known.cases.iter().map(|case| &case.judged);
    for judged in verdicts.networks.iter().chain(cases) {
        let of = &judged.indicators;
        assert_eq!(of.natural.len(), 12);
        let right = of.natural.iter().filter(|&&right| right).count() as u64;
        let (gradients, slopes) = (of.gradients.unwrap(), of.slopes.unwrap());
        assert_eq!((gradients.total, slopes.total), (right, right));
        let attacks =
            [&of.gradient_attack, &of.more_steps, &of.smoothed, &of.black_box, &of.transfer];
        for standing in attacks {
            let standing: &Standing = standing.as_ref().unwrap();
            assert_eq!(standing.robust.len(), 12, "{}", standing.attack);
            assert!(standing.count() <= right, "{}", standing.attack);
        }
        let radii: Vec<f64> = of.radii.iter().map(|one| one.epsilon).collect();
        assert_eq!(radii, if judged.norm == "l2" { vec![3.0, 6.0] } else { vec![0.5] });
    }
    let from = |judged: &Judged| judged.indicators.transfer.as_ref().unwrap().attack.clone();
    assert!(from(&verdicts.networks[0]).contains("where it ends on madry_linf"));
    assert!(from(&verdicts.networks[2]).contains("where it ends on natural"));
    let doubled = verdicts.networks[0].indicators.more_steps.as_ref().unwrap();
    assert!(doubled.attack.contains("4 steps") && doubled.attack.contains("at most 24 passes"));
    // At half the width of the box all digits of different classes are in conflict: only one class can be kept.
    let last = verdicts.networks[1].indicators.radii[0];
    assert!((1.0 / 12.0..=0.5).contains(&last.bound), "{last:?}");
    assert!(report.bounds.iter().any(|bound| bound.norm == "linf" && bound.epsilon == 0.5));
}

#[test]
fn a_network_that_rounds_is_called_masked_and_one_as_it_is_stands_in_the_other_half() {
    let verdicts = undisturbed().0.report.verdicts.as_ref().unwrap();
    let known = verdicts.calibration.as_ref().unwrap();
    let [plain, rounded] = &known.cases[..] else { panic!("{known:?}") };
    assert_eq!((plain.name.as_str(), plain.masked, plain.held_out), ("plain", false, false));
    // The network as it is has been judged before, by the same jobs.
    assert_eq!(plain.judged, verdicts.networks[0]);
    assert!(rounded.masked && rounded.held_out);
    let gradients = rounded.judged.indicators.gradients.unwrap();
    assert!(gradients.total > 0 && gradients.zero == gradients.total, "{gradients:?}");
    assert_eq!(rounded.judged.verdict.masking, Masking::Masked);
    assert_eq!(known.score(true).sensitivity().unwrap().0, 1.0);
    assert_eq!(known.score(true).false_alarms(), None, "no sound case was held out");
}

/// The digits of the sample, and the network of a weight file.
fn by_hand() -> (Examples, Network) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let details = run_tiny(&plan(), &store, &["table1"], &mut Unobserved).unwrap().details;
    let ids = &details[0].ids;
    assert_eq!(details[0].digits, "some");
    let rows: Vec<usize> = ids.iter().map(|&id| id as usize).collect();
    let data = fixture();
    let shape = (rows.len(), data.channels, data.rows, data.cols);
    let images = Tensor::from_vec(data.pixels_at(&rows), shape, &Device::Cpu).unwrap();
    let labels = rows.iter().map(|&row| u32::from(data.labels[row])).collect();
    let (network, _) = load_network(&undisturbed().1, None, tiny_machine().executor).unwrap();
    (Examples::new(images, labels, ids.clone()).unwrap(), network)
}

/// Jobs, chunks and words aside, the indicators are those of the function that measures in one piece.
#[test]
fn jobs_measure_what_the_library_measures_in_one_piece() {
    let (examples, network) = by_hand();
    let verdicts = undisturbed().0.report.verdicts.as_ref().unwrap();
    let known = &verdicts.calibration.as_ref().unwrap().cases;
    let pgd = |epsilon: f64, steps| ProjectedAscent {
        direction: Direction::Gradient,
        rule: StepRule::Unit,
        step_size: 0.5 * epsilon,
        steps,
        start: Start::Natural,
        ..ProjectedAscent::pgd(Norm::L2, 1.0, 1)
    };
    let (short, long) = (pgd(2.0, 2), pgd(2.0, 4));
    let smoothed =
        ProjectedAscent { direction: Direction::Smoothed { sigma: 0.2, samples: 1 }, ..short };
    let square = Square { queries: 12, ..Square::default() };
    for (number, disguise) in [(0, Disguise::Plain), (1, Disguise::QuantisedInput { levels: 8 })] {
        let jobs = &known[number].judged.indicators;
        let disguised = disguise.put_on(&network).unwrap();
        let trials = Trials {
            gradient: &short,
            more_steps: &long,
            smoothed: &smoothed,
            // As many passes as its queries and two verdicts take: one run.
            black_box: Some((&square, 14)),
            source: None,
            cap: 12,
            draws: Draws::new(plan().seed),
        };
        let wider = [3.0, 6.0].map(|epsilon| pgd(epsilon, 2));
        let radii = jobs.radii.iter().zip(&wider);
        let radii: Vec<RadiusTrial<'_>> = radii
            .map(|(at, attack)| RadiusTrial {
                threat: ThreatModel::new(Norm::L2, at.epsilon).unwrap(),
                attack,
                bound: at.bound,
            })
            .collect();
        let threat = ThreatModel::new(Norm::L2, 2.0).unwrap();
        let classifier: &dyn Classifier = disguised.as_ref();
        let whole = measure_masking(classifier, &examples, threat, &trials, &radii).unwrap();
        assert_eq!(nameless(&whole), nameless(&Indicators { transfer: None, ..jobs.clone() }));
    }
}

/// The same without the attacks' words.
fn nameless(indicators: &Indicators) -> Indicators {
    let mut own = indicators.clone();
    let attacks = [
        &mut own.gradient_attack,
        &mut own.more_steps,
        &mut own.smoothed,
        &mut own.black_box,
        &mut own.transfer,
    ];
    attacks.into_iter().flatten().for_each(|standing| standing.attack.clear());
    own
}

#[test]
fn a_second_run_works_on_nothing_and_a_stopped_one_ends_at_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut stops = 0;
    loop {
        let store = Store::open(folder.path()).unwrap();
        let mut witness = Witness { stop_after: Some(9), ..Witness::default() };
        let finished = run_tiny(&plan(), &store, &["verdicts"], &mut witness).unwrap();
        if !finished.interrupted {
            assert_eq!(finished.report, undisturbed().0.report);
            break;
        }
        let notes = &finished.report.provenance.notes;
        let told = |note: &String| note.starts_with("verdicts, at least in part");
        assert!(notes.iter().any(told), "{notes:?}");
        stops += 1;
        assert!(stops < 60, "the run does not get ahead");
    }
    assert!(stops >= 3, "only {stops} stops: this test has lost its point");
    let store = Store::open(folder.path()).unwrap();
    let mut witness = Witness::default();
    let finished = run_tiny(&plan(), &store, &["verdicts"], &mut witness).unwrap();
    assert_eq!((witness.planned, witness.began), (0, Vec::new()));
    assert_eq!(finished.report, undisturbed().0.report);
}

#[test]
fn an_attack_that_the_comparison_of_rivals_has_made_is_not_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&plan(), &store, &["rivals"], &mut Unobserved).unwrap();
    let mut witness = Witness::default();
    run_tiny(&plan(), &store, &["verdicts"], &mut witness).unwrap();
    let pgd = |network: &str, within: &str| {
        let words = format!("PGD within {within}: unit gradient, 2 steps");
        let own = format!("verdict on {network}, {within}");
        witness.began.iter().any(|job| job.starts_with(&own) && job.contains(&words))
    };
    assert!(pgd("natural", "l2 2") && pgd("madry_linf", "linf 0.3"), "{:?}", witness.began);
    assert!(!pgd("madry_linf", "l2 2"), "{:?}", witness.began);
}

#[test]
fn what_is_left_is_listed_estimated_and_counted_alike() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let only = ["verdicts".to_owned()];
    let stages = with(&store, |laboratory| laboratory.stages(&only).unwrap());
    let names: Vec<&str> = stages.0.iter().map(|stage| stage.name.as_str()).collect();
    assert_eq!(names, ["train natural", "train madry_linf", "verdicts"]);
    let listed =
        with(&store, |laboratory| laboratory.jobs_with(&Outside::default(), &only).unwrap());
    let mut witness = Witness::default();
    run_tiny(&plan(), &store, &["verdicts"], &mut witness).unwrap();
    let passes: u64 = stages.0.iter().map(|stage| stage.passes).sum();
    assert_eq!(passes, witness.planned);
    let keys: BTreeSet<_> = listed.iter().map(|job| job.key.clone()).collect();
    assert_eq!((keys.len(), listed.len()), (witness.began.len(), witness.began.len()));
    assert!(listed.iter().all(|job| job.result.exists()), "something listed was not done");
    let left = with(&store, |laboratory| laboratory.jobs_with(&Outside::default(), &only).unwrap());
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_run_restricted_to_other_parts_says_that_the_verdicts_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let report = run_tiny(&plan(), &store, &["large"], &mut Unobserved).unwrap().report;
    assert!(report.verdicts.is_none());
    let notes = &report.provenance.notes;
    assert!(notes.iter().any(|note| note.starts_with("verdicts is missing: ")), "{notes:?}");
}

#[test]
fn verdicts_read_back_from_their_own_toml() {
    let plan = plan();
    let written = toml::to_string(&plan).unwrap();
    assert_eq!(Plan::parse(&written).unwrap(), plan);
    assert!(plan.parts().contains(&"verdicts"));
    let thresholds = plan.verdicts.unwrap().thresholds;
    assert_eq!(thresholds, Thresholds { fewest_digits: 1, ..Thresholds::STATED });
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    for (from, to, expected) in [
        ("digits = \"some\"\nnetworks", "digits = \"none\"\nnetworks", "`none`"),
        ("\"madry_linf\", \"trades_linf\"]", "\"nobody\"]", "`nobody`"),
        ("[\"natural\", \"madry_linf\"]", "[\"natural\"]", "no source but `natural` itself"),
        ("[\"natural\", \"madry_linf\"]", "[\"trades_linf\"]", "`trades_linf` is missing"),
        ("cap = 12", "cap = 1", "cap"),
        ("cap = 12", "cap = 12\ndirections = 0", "directions"),
        ("fewest_digits = 1", "margin = 0.0", "margin is 0"),
        ("fewest_digits = 1", "honest_slopes = 1.5", "honest_slopes is 1.5"),
        ("fewest_digits = 1", "fewest = 1", "fewest"),
        ("gradient = \"pgd\"", "gradient = \"so\"", "`so` has to follow plain gradients"),
        ("gradient = \"pgd\"", "gradient = \"few_squares\"", "plain gradients"),
        (
            "smoothed = \"so_again\"",
            "smoothed = \"odd\"",
            "`odd` has to be an ascent along smoothed",
        ),
        ("black_box = \"few_squares\"", "black_box = \"pgd\"", "has to do without gradients"),
        ("black_box = \"few_squares\"", "black_box = \"many\"", "`many`"),
        ("radii = [3.0, 6.0]", "radii = []", "no radii"),
        ("radii = [3.0, 6.0]", "radii = [-1.0]", "-1"),
        ("[bounds]\nrounds = 4\n", "", "section [bounds]"),
        (
            "norm = \"linf\"\nepsilon = 0.3\ngradient",
            "norm = \"l2\"\nepsilon = 2.0\ngradient",
            "stands twice",
        ),
        (
            "norm = \"l2\"\nepsilon = 2.0\n\n",
            "norm = \"l2\"\nepsilon = 2.5\n\n",
            "none of the threats",
        ),
        ("levels = 8", "levels = 1", "1 levels leave no image"),
        ("name = \"rounded\"", "name = \"plain\"", "the name is used twice"),
        ("kind = \"quantised_input\", levels = 8", "kind = \"plain\"", "the same as `plain`"),
        ("kind = \"quantised_input\", levels = 8", "kind = \"hidden\"", "hidden"),
        ("purpose = \"held_out\"", "purpose = \"both\"", "both"),
    ] {
        assert!(VERDICTS.contains(from), "the verdicts of the tests hold no `{from}`");
        let changed = format!("{TINY_PLAN}{}", VERDICTS.replacen(from, to, 1));
        let message = Plan::parse(&changed).expect_err(to).to_string();
        assert!(message.contains(expected), "{to}: {message}");
    }
}

/// One store serves both plans, and what is calibrated on is what the attacks' room knows.
#[test]
fn the_embedded_plan_stands_on_the_networks_of_cpu_and_on_the_known_cases() {
    let (masking, cpu) = (Plan::profile("masking").unwrap(), Plan::profile("cpu").unwrap());
    assert_eq!((masking.seed, masking.held_out), (cpu.seed, cpu.held_out));
    for (name, network) in &masking.networks {
        assert_eq!(network.training, cpu.networks[name].training, "{name}");
        assert_eq!(network.architecture, cpu.networks[name].architecture, "{name}");
        assert_eq!((&network.starts_from, network.seeds), (&None, 1), "{name}");
    }
    let verdicts = masking.verdicts.unwrap();
    assert_eq!(verdicts.thresholds, Thresholds::STATED);
    let digits = &masking.digits[&verdicts.digits];
    // Settings were looked at on the first thousand test digits.
    assert_eq!((digits.from, digits.count), (1000, Some(200)));
    let calibration = verdicts.calibration.unwrap();
    assert!(masking.about.contains("24 networks"), "{}", masking.about);
    assert_eq!(calibration.cases.len() * calibration.networks.len(), 24);
    for (case, known) in calibration.cases.iter().zip(KNOWN_CASES) {
        assert_eq!((case.name.as_str(), case.disguise), (known.name, known.disguise));
        assert_eq!((case.masked, case.purpose), (known.masked, known.purpose));
    }
    assert_eq!(calibration.cases.len(), KNOWN_CASES.len());
    let held_out = calibration.cases.iter().filter(|case| case.purpose == Purpose::HeldOut);
    assert_eq!(held_out.count(), 6);
    let linf = verdicts.threats.iter().find(|threat| threat.norm == Norm::Linf).unwrap();
    assert_eq!(linf.radii.last(), Some(&Radius::new(0.5).unwrap()), "there nothing can be kept");
}
