//! What a run refuses to believe: logits that are no numbers, estimates that overflow; and what a
//! weight file says of itself.

use std::fs;

use saddle_experiments::{Key, Plan, Store, Unobserved, sha256_hex};
use saddle_model::{Metadata, from_bytes, to_bytes};
use saddle_report::Status;
use saddle_tests::experiments::{TINY_PLAN, Witness, files_called, run_tiny, tiny_plan};

/// The keys of the trainings in a store, those without an ancestor first.
fn trainings(store: &Store) -> Vec<Key> {
    let mut found = Vec::new();
    for path in files_called("job.json", store.root()) {
        let note: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        if note["job"]["job"] == "train" {
            let name = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
            let key: Key = serde_json::from_value(name.into()).unwrap();
            found.push((!note["job"]["starts_from"].is_null(), key));
        }
    }
    found.sort();
    found.into_iter().map(|(_, key)| key).collect()
}

#[test]
fn natural_accuracy_of_logits_that_are_no_numbers_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&tiny_plan(), &store, &["selection"], &mut Unobserved).unwrap();
    let key = &trainings(&store)[0];
    let (weights, _) = from_bytes(&store.result(key).unwrap()).unwrap();
    // Finite weights, infinite activations of both signs, and their sum is no number.
    let huge = weights
        .map(|_, tensor| Ok(tensor.ge(0.0)?.to_dtype(tensor.dtype())?.affine(2e38, -1e38)?))
        .unwrap();
    store.finish(key, &"spoilt", &to_bytes(&huge, &Metadata::default()).unwrap()).unwrap();
    let report = run_tiny(&tiny_plan(), &store, &["large"], &mut Unobserved).unwrap().report;
    let cell = report.cells.iter().find(|cell| cell.table == "large" && cell.row == "natural");
    assert_eq!(cell.unwrap().status, Status::Failed);
    assert_eq!(report.provenance.failures.len(), 1);
}

#[test]
fn a_weight_file_says_which_digits_and_which_weights_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&tiny_plan(), &store, &["table1_strong"], &mut Unobserved).unwrap();
    let [natural, madry] = &trainings(&store)[..] else { panic!("two networks are trained") };
    let ancestor = store.result(natural).unwrap();
    let (_, first) = from_bytes(&ancestor).unwrap();
    let (_, second) = from_bytes(&store.result(madry).unwrap()).unwrap();
    assert_eq!(first.notes["trained_on"], "the first 60 of 200 digits");
    assert!(!first.notes.contains_key("starts_from"));
    assert!(second.notes["starts_from"].contains(&sha256_hex(&ancestor)));
    // The seed of the file is the one that cells and rivals name.
    assert_eq!((first.seed, second.seed), (Some(3), Some(3)));
}

#[test]
fn the_estimate_does_not_open_results() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&tiny_plan(), &store, &["large"], &mut Unobserved).unwrap();
    for path in files_called("result", folder.path()) {
        fs::write(path, b"damaged").unwrap();
    }
    let mut witness = Witness::default();
    run_tiny(&tiny_plan(), &store, &["large"], &mut witness).unwrap();
    assert_eq!(witness.planned, 0);
    assert_eq!(witness.began.len(), 2);
}

#[test]
fn numbers_beyond_all_measure_overflow_nothing() {
    let most = u32::MAX;
    let text = TINY_PLAN
        .replace("iterations = 4", &format!("iterations = {most}"))
        .replace("samples = 1", &format!("samples = {most}"))
        .replace("rule = \"unit\", steps = 2", &format!("rule = \"unit\", steps = {most}"));
    let mut plan = Plan::parse(&text).unwrap();
    plan.seed = u64::MAX;
    plan.networks.get_mut("natural").unwrap().seeds = 2;
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let mut witness = Witness { stop_after: Some(0), ..Witness::default() };
    let finished = run_tiny(&plan, &store, &[], &mut witness).unwrap();
    assert!(finished.interrupted);
    assert_eq!(witness.planned, u64::MAX);
    let seeds: Vec<u64> = finished.report.cells.iter().map(|cell| cell.seed).collect();
    assert_eq!(seeds[..4], [u64::MAX, u64::MAX, 0, 0]);
}
