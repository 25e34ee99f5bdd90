//! What is said of a run before it starts: every stage once, inputs before those who need them, all passes counted.

use saddle_experiments::{Laboratory, Plan, Stages, Store, Unobserved};
use saddle_tests::experiments::{Witness, run_tiny, tiny_data, tiny_machine, tiny_plan};

fn stages(plan: &Plan, store: &Store, only: &[&str]) -> Stages {
    let (data, machine) = (tiny_data(), tiny_machine());
    let only: Vec<String> = only.iter().map(|&part| part.to_owned()).collect();
    let laboratory = Laboratory { plan, data: &data, store, machine: &machine, commit: "test" };
    laboratory.stages(&only).unwrap()
}

fn names(stages: &Stages) -> Vec<&str> {
    stages.0.iter().map(|stage| stage.name.as_str()).collect()
}

#[test]
fn every_stage_is_named_with_its_passes_and_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let plan = tiny_plan();
    let told = stages(&plan, &store, &[]);
    assert_eq!(
        names(&told),
        [
            "train natural",
            "train madry_linf",
            "table1",
            "table1_strong",
            "large",
            "figure1",
            "rivals"
        ]
    );
    assert!(told.0.iter().all(|stage| stage.passes > 0 && stage.seconds.unwrap() > 0.0));
    let mut witness = Witness::default();
    run_tiny(&plan, &store, &[], &mut witness).unwrap();
    let passes: u64 = told.0.iter().map(|stage| stage.passes).sum();
    assert_eq!(passes, witness.planned, "as much as the progress bar is told");
    let text = told.to_string();
    for words in ["train madry_linf", "table1_strong", "figure1", "in all", "passes", "about"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    // Nothing is left, and asking has left nothing behind.
    assert_eq!(names(&stages(&plan, &store, &[])), Vec::<&str>::new());
    assert!(stages(&plan, &store, &[]).to_string().contains("nothing is left"));
    assert_eq!(names(&stages(&plan, &store, &["selection"])), ["selection"]);
}

#[test]
fn a_part_alone_needs_its_own_networks_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let plan = tiny_plan();
    assert_eq!(names(&stages(&plan, &store, &["large"])), ["train natural", "large"]);
    let strong = stages(&plan, &store, &["table1_strong"]);
    assert_eq!(names(&strong), ["train natural", "train madry_linf", "table1_strong"]);
    run_tiny(&plan, &store, &["large"], &mut Unobserved).unwrap();
    let strong = stages(&plan, &store, &["table1_strong"]);
    assert_eq!(names(&strong), ["train madry_linf", "table1_strong"]);
}

#[test]
fn the_sources_of_an_ensemble_come_before_it() {
    let mut plan = Plan::profile("cpu").unwrap();
    plan.held_out = 100;
    for network in plan.networks.values_mut() {
        let training = network.training.as_mut().unwrap();
        (training.batch, training.iterations) = (2, 3);
    }
    for digits in plan.digits.values_mut() {
        (digits.from, digits.count) = (0, Some(2));
    }
    plan.tables.retain(|table| table.name == "table1");
    plan.tables[0].networks = vec!["ensemble_linf".to_owned(), "madry_linf".to_owned()];
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let told = stages(&plan, &store, &["table1", "bounds"]);
    let trainings = ["tramer_a", "tramer_c", "tramer_d", "ensemble_linf", "madry_linf"];
    let mut expected: Vec<String> = trainings.map(|name| format!("train {name}")).into();
    expected.extend(["bounds", "table1"].map(str::to_owned));
    assert_eq!(names(&told), expected);
    assert_eq!(told.0[4].jobs, 3, "three seeds are one stage");
    assert_eq!(told.0[5].seconds, None);
}

#[test]
fn a_training_that_cannot_take_a_step_is_left_without_an_estimate() {
    let mut plan = tiny_plan();
    let natural = plan.networks.get_mut("natural").unwrap();
    natural.training.as_mut().unwrap().learning_rate = 1e30;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let told = stages(&plan, &store, &["large"]);
    assert_eq!(told.0[0].seconds, None);
    assert!(told.0[1].seconds.is_some());
    assert!(told.to_string().contains("not estimated"));
}
