//! A network that is trained against others of its plan: they come first, they count, and they are part of its key.

use saddle_experiments::{Error, Laboratory, Plan, RunObserver, Store, Unobserved, sha256_hex};
use saddle_model::from_bytes;
use saddle_report::Status;
use saddle_tests::experiments::{Witness, files_called, run_tiny, tiny_data, tiny_machine};

/// Two static networks, one that is trained against them, and one cell.
const PLAN: &str = r#"
name = "sources"
about = "a test"
seed = 3
held_out = 140

[digits.some]
part = "test"
count = 12
seed = 1

[networks.first]
architecture = "tramer_d"
defense = "natural"

[networks.first.training]
defense = { kind = "natural" }
iterations = 2
batch = 4
learning_rate = 1e-3
initialization = "glorot"

[networks.second]
architecture = "atda"
defense = "natural"

[networks.second.training]
defense = { kind = "natural" }
iterations = 3
batch = 4
learning_rate = 1e-3
initialization = "glorot"

[networks.target]
architecture = "atda"
defense = "ensemble"
training_norm = "linf"

[networks.target.training]
iterations = 5
batch = 8
learning_rate = 1e-3
initialization = "glorot"

[networks.target.training.defense]
kind = "ensemble"
sources = ["first", "second"]
crafting_dropout = true
norms = { fixed = "linf" }
linf = { epsilon = 0.3, steps = 1, step_size = { relative = 1.0 }, rule = "sign", start = "natural" }

[[table]]
name = "table1"
setting = "paper"
networks = ["target"]
digits = "some"

[[table.row]]
name = "natural"
"#;

fn plan() -> Plan {
    Plan::parse(PLAN).unwrap()
}

fn changed(from: &str, to: &str) -> String {
    assert!(PLAN.contains(from), "the plan of these tests holds no `{from}`");
    PLAN.replacen(from, to, 1)
}

/// What a run of a plan works on, the cell aside.
fn trained(plan: &Plan, store: &Store) -> Vec<String> {
    let mut witness = Witness::default();
    run_tiny(plan, store, &[], &mut witness).unwrap();
    witness.began.retain(|job| job.starts_with("train"));
    witness.began
}

/// What is trained again after one change to the plan.
fn trained_again(text: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&plan(), &store, &[], &mut Unobserved).unwrap();
    trained(&Plan::parse(text).unwrap(), &store)
}

const FIRST: &str = "train first (seed 3)";
const SECOND: &str = "train second (seed 3)";
const TARGET: &str = "train target (seed 3)";

#[test]
fn sources_are_trained_first_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    assert_eq!(trained(&plan(), &store), [FIRST, SECOND, TARGET]);
    let mut again = Witness::default();
    let finished = run_tiny(&plan(), &store, &[], &mut again).unwrap();
    assert_eq!((again.planned, again.began), (0, Vec::new()));
    assert_eq!(finished.report.cells[0].status, Status::Measured);
    // The weights of every network behind the cell stand in the report.
    let facts = finished.report.provenance.facts;
    for name in ["first", "second", "target"] {
        assert!(facts.iter().any(|fact| fact.name == format!("weights of {name} (seed 3)")));
    }
}

#[test]
fn a_run_that_is_stopped_every_few_steps_ends_at_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("straight")).unwrap();
    let expected = run_tiny(&plan(), &store, &[], &mut Unobserved).unwrap();
    let weights = |store: &Store| -> Vec<Vec<u8>> {
        let files = files_called("result", store.root());
        files.iter().map(|path| std::fs::read(path).unwrap()).collect()
    };
    let stopped = Store::open(folder.path().join("stopped")).unwrap();
    let mut stops = 0;
    let finished = loop {
        let mut witness = Witness { stop_after: Some(3), checkpoints: true, ..Witness::default() };
        let finished = run_tiny(&plan(), &stopped, &[], &mut witness).unwrap();
        if !finished.interrupted {
            break finished;
        }
        stops += 1;
        assert!(stops < 20, "the run does not get ahead");
    };
    assert!(stops >= 4, "only {stops} stops: this test has lost its point");
    assert_eq!(finished.report.to_json().unwrap(), expected.report.to_json().unwrap());
    assert_eq!(weights(&stopped), weights(&store));
}

#[test]
fn a_source_that_changes_is_trained_again_and_so_is_the_target() {
    let other_first = changed("iterations = 2", "iterations = 1");
    assert_eq!(trained_again(&other_first), [FIRST, TARGET]);
    let other_second = changed("iterations = 3", "iterations = 4");
    assert_eq!(trained_again(&other_second), [SECOND, TARGET]);
    let fewer = changed("[\"first\", \"second\"]", "[\"second\"]");
    assert_eq!(trained_again(&fewer), [TARGET]);
    let swapped = changed("[\"first\", \"second\"]", "[\"second\", \"first\"]");
    assert_eq!(trained_again(&swapped), [TARGET], "their order is the order of the draw");
    let other_target = changed("epsilon = 0.3", "epsilon = 0.2");
    assert_eq!(trained_again(&other_target), [TARGET]);
}

#[test]
fn what_a_source_is_called_changes_nothing() {
    let renamed =
        PLAN.replace("networks.first", "networks.another").replace("\"first\"", "\"another\"");
    assert_eq!(trained_again(&renamed), Vec::<String>::new());
}

/// Adds up the passes that a run says it has done.
#[derive(Default)]
struct Account {
    planned: u64,
    done: u64,
}

impl RunObserver for Account {
    fn planned(&mut self, passes: u64) {
        self.planned = passes;
    }

    fn advance(&mut self, passes: u64, _detail: &str) {
        self.done += passes;
    }
}

#[test]
fn the_estimate_counts_the_sources_and_comes_out_even() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut account = Account::default();
    run_tiny(&plan(), &store, &[], &mut account).unwrap();
    // Forward and back for a natural example; six passes for one of the ensemble; one for each judged digit.
    assert_eq!(account.planned, 2 * 2 * 4 + 3 * 2 * 4 + 5 * 6 * 8 + 12);
    assert_eq!(account.done, account.planned);
}

#[test]
fn one_network_alone_is_trained_with_its_sources() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (plan, data, machine) = (plan(), tiny_data(), tiny_machine());
    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &machine, commit: "test" };
    let mut witness = Witness::default();
    let file = laboratory.train("target", &mut witness).unwrap();
    assert_eq!(witness.began, [FIRST, SECOND, TARGET]);
    assert_eq!(witness.planned, 2 * 2 * 4 + 3 * 2 * 4 + 5 * 6 * 8);
    // The file says which weights stood behind its own.
    let notes = from_bytes(&file).unwrap().1.notes;
    let hashes = ["first", "second"]
        .map(|name| sha256_hex(&laboratory.train(name, &mut Unobserved).unwrap()));
    assert_eq!(notes["sources"], format!("weight files with SHA-256 {}", hashes.join(", ")));
}

#[test]
fn a_second_seed_is_trained_against_the_second_of_each_source() {
    let text = changed("defense = \"ensemble\"", "defense = \"ensemble\"\nseeds = 2")
        .replace("architecture = \"tramer_d\"", "architecture = \"tramer_d\"\nseeds = 2");
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let began = trained(&Plan::parse(&text).unwrap(), &store);
    assert_eq!(
        began,
        [FIRST, SECOND, TARGET, "train first (seed 4)", "train target (seed 4)"],
        "there is one `second`, and both use it"
    );
}

#[test]
fn a_source_that_cannot_be_trained_fails_the_cells_that_need_it() {
    let text = PLAN
        .replacen("learning_rate = 1e-3", "learning_rate = 1e30", 1)
        .replace("networks = [\"target\"]", "networks = [\"target\", \"second\"]");
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let plan = Plan::parse(&text).unwrap();
    let report = run_tiny(&plan, &store, &[], &mut Unobserved).unwrap().report;
    let statuses: Vec<_> = report.cells.iter().map(|cell| cell.status).collect();
    assert_eq!(statuses, [Status::Failed, Status::Measured]);
    let reason = &report.provenance.failures[0].reason;
    assert!(reason.contains("the training of `first` failed"), "{reason}");
}

#[test]
fn sources_that_lead_nowhere_or_round_in_a_circle_are_refused() {
    let sources = "[\"first\", \"second\"]";
    let ensemble = "defense = { kind = \"natural\" }\niterations = 2";
    let needy = "defense = { kind = \"ensemble\", sources = [\"target\"], crafting_dropout = true, \
                 norms = { fixed = \"linf\" }, linf = { epsilon = 0.3, steps = 1, \
                 step_size = { relative = 1.0 }, rule = \"sign\", start = \"natural\" } }\niterations = 2";
    let missing = "[networks.gone]\narchitecture = \"madry\"\ndefense = \"natural\"\n\
                   missing = \"nobody can train it\"\n\n[networks.first]";
    for (text, expected) in [
        (changed(sources, "[\"first\", \"third\"]"), "sources name no network `third`"),
        (changed(sources, "[\"first\", \"target\"]"), "circle: `target`, `target`"),
        (changed(sources, "[\"first\", \"first\"]"), "`first` is named twice"),
        (changed(ensemble, needy), "circle: `first`, `target`, `first`"),
        (
            changed("defense = \"ensemble\"", "defense = \"ensemble\"\nstarts_from = \"second\"")
                .replace("[networks.second]", "[networks.second]\nstarts_from = \"target\""),
            "circle: `second`, `target`, `second`",
        ),
        (
            changed("[networks.first]", missing).replace(sources, "[\"gone\"]"),
            "its source `gone` is missing: nobody can train it",
        ),
        (changed("kind = \"ensemble\"", "kind = \"ensemble\"\nweights = [1, 2]"), "weights"),
        (
            changed(
                "defense = { kind = \"natural\" }",
                "defense = { kind = \"natural\", sources = [] }",
            ),
            "sources",
        ),
        (changed("defense = \"ensemble\"", "defense = \"ensemble\"\nsources = []"), "sources"),
    ] {
        let error = Plan::parse(&text).err().unwrap_or_else(|| panic!("accepted: {expected}"));
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

#[test]
fn one_recipe_under_two_names_is_one_source() {
    let (head, tail) = PLAN.split_once("[networks.second]").unwrap();
    let (_, tail) = tail.split_once("[networks.target]").unwrap();
    let first = head.split_once("[networks.first]").unwrap().1;
    let twin = first.replace("networks.first", "networks.second");
    let text = format!("{head}[networks.second]{twin}[networks.target]{tail}");
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut witness = Witness::default();
    let plan = Plan::parse(&text).unwrap();
    let error = run_tiny(&plan, &store, &[], &mut witness).unwrap_err();
    assert!(matches!(error, Error::Plan(_)), "{error}");
    assert!(error.to_string().contains("`first` and `second` are one network"), "{error}");
    assert!(witness.began.is_empty(), "it is refused before any work");
}
