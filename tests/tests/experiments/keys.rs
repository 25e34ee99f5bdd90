//! A key changes exactly when something changes that the result depends on.

use std::collections::BTreeMap;

use proptest::prelude::*;
use saddle_experiments::{
    Key, Laboratory, Machine, Plan, Program, Store, Unobserved, canonical_json, locked, sha256_hex,
};
use saddle_model::Executor;
use saddle_tests::experiments::{
    TINY_PLAN, Witness, files_called, run_tiny, tiny_data, tiny_machine, tiny_plan,
};

/// The jobs that a changed plan has to work on after the tiny plan is done.
fn worked_on(change: impl Fn(&str) -> String) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&tiny_plan(), &store, &["table1"], &mut Unobserved).unwrap();
    let text = change(TINY_PLAN);
    assert_ne!(text, TINY_PLAN);
    let mut witness = Witness::default();
    run_tiny(&Plan::parse(&text).unwrap(), &store, &["table1"], &mut witness).unwrap();
    witness.began
}

#[test]
fn names_and_words_change_no_key() {
    let began = worked_on(|plan| {
        plan.replace("[attacks.so]", "[attacks.second_order]")
            .replace("\"so\"", "\"second_order\"")
            .replace("about = \"a test\"", "about = \"another test\"")
            .replace("[digits.some]", "[digits.few]")
            .replace("\"some\"", "\"few\"")
    });
    assert_eq!(began, Vec::<String>::new());
}

#[test]
fn another_attack_keeps_the_networks_and_the_other_cells() {
    let began = worked_on(|plan| {
        plan.replace("{ sigma = 0.2, samples = 1 }", "{ sigma = 0.3, samples = 1 }")
    });
    assert_eq!(began.len(), 2, "{began:?}");
    assert!(began.iter().all(|job| job.contains("so_l2")), "{began:?}");
}

#[test]
fn another_ancestor_changes_its_descendants() {
    let began = worked_on(|plan| plan.replacen("learning_rate = 1e-3", "learning_rate = 2e-3", 1));
    let trained = began.iter().filter(|job| job.starts_with("train")).count();
    assert_eq!((trained, began.len()), (2, 6), "{began:?}");
}

#[test]
fn other_held_out_digits_change_the_networks() {
    let began = worked_on(|plan| plan.replace("held_out = 140", "held_out = 130"));
    assert_eq!(began.len(), 6, "{began:?}");
}

#[test]
fn another_seed_changes_everything() {
    let began = worked_on(|plan| plan.replace("seed = 3\nheld_out", "seed = 4\nheld_out"));
    assert_eq!(began.len(), 6, "{began:?}");
}

#[test]
fn a_key_stands_for_program_revision_kernels_and_all_that_job_json_says() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&tiny_plan(), &store, &["table1", "figure1"], &mut Unobserved).unwrap();
    let notes = files_called("job.json", folder.path());
    assert_eq!(notes.len(), 7);
    for path in notes {
        let own = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let note: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(note["commit"], "test");
        let program: Program = serde_json::from_value(note["program"].clone()).unwrap();
        assert_eq!(&program, Program::this());
        let job = &note["job"];
        assert_eq!(Key::by(&program, job).unwrap().as_str(), own);

        let other_lock = Program { lock: sha256_hex(b"another lock"), ..program.clone() };
        let other_version = Program { version: "0.0.0".to_owned(), ..program.clone() };
        assert_ne!(Key::by(&other_lock, job).unwrap().as_str(), own);
        assert_ne!(Key::by(&other_version, job).unwrap().as_str(), own);
        for (field, other) in [("revision", 1_000.into()), ("machine", "abacus".into())] {
            let mut changed = job.clone();
            assert!(changed[field] != serde_json::Value::Null, "no {field} in {job}");
            changed[field] = other;
            assert_ne!(Key::by(&program, &changed).unwrap().as_str(), own, "{field}");
        }
    }
}

/// Committed results are found by these keys. Whoever changes what they are made of raises a revision instead.
#[test]
fn a_training_without_sources_is_described_as_it_always_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&tiny_plan(), &store, &["table1"], &mut Unobserved).unwrap();
    let notes = files_called("job.json", folder.path());
    let jobs = notes.iter().map(|path| -> serde_json::Value {
        serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).unwrap()).unwrap()["job"]
            .take()
    });
    let trainings: Vec<_> = jobs.filter(|job| job["job"] == "train").collect();
    assert_eq!(trainings.len(), 2);
    let recipe = |defense: &str, iterations: u32| {
        format!(
            r#"{{"batch":8,"defense":{defense},"initialization":"default","iterations":{iterations},"learning_rate":0.001,"learning_schedule":{{"linear_decay":{{"hold":0.6,"last":0.03}}}},"optimizer":{{"beta1":0.9,"beta2":0.999,"kind":"adam","stabilizer":1e-8}},"reduction":"mean","seed":3}}"#
        )
    };
    let madry = r#"{"kind":"madry","linf":{"epsilon":0.3,"rule":"sign","start":"uniform","step_size":{"relative":0.5},"steps":2},"norms":{"fixed":"linf"},"radius":"constant"}"#;
    for job in trainings {
        let mut fields: Vec<_> = job.as_object().unwrap().keys().map(String::as_str).collect();
        fields.sort();
        let known = ["architecture", "data", "digits", "job", "machine", "revision", "starts_from"];
        assert_eq!(fields, [&known[..], &["training"]].concat());
        let expected = match job["starts_from"].is_null() {
            true => recipe(r#"{"kind":"natural"}"#, 4),
            false => recipe(madry, 3),
        };
        assert_eq!(canonical_json(&job["training"]).unwrap(), expected);
    }
}

/// As above: an attack of the paper stands in a key under its own name, beside the rules under which it is judged.
#[test]
fn a_projected_ascent_is_described_as_it_always_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    run_tiny(&tiny_plan(), &store, &["table1_strong"], &mut Unobserved).unwrap();
    let notes = files_called("job.json", folder.path());
    let question = |path: &std::path::PathBuf| {
        let note = std::fs::read(path).unwrap();
        let mut note: serde_json::Value = serde_json::from_slice(&note).unwrap();
        (note["job"]["job"] == "attack")
            .then(|| canonical_json(&note["job"]["question"].take()).unwrap())
    };
    let mut found: Vec<String> = notes.iter().filter_map(question).collect();
    found.sort();
    let described = |direction: &str| {
        format!(
            r#"{{"attempt":{{"ascent":{{"direction":{direction},"loss":"cross_entropy","momentum":0.0,"rule":"unit","start":"natural","step_size":2.0,"steps":2}},"cap":null,"judge":"any","restarts":1,"stop_fooled":true,"threat":{{"epsilon":4.0,"norm":"l2","pixels":[0.0,1.0]}}}},"seed":3}}"#
        )
    };
    let smoothed = r#"{"smoothed":{"samples":1,"sigma":0.2}}"#;
    assert_eq!(found, [described(r#""gradient""#), described(smoothed)]);
}

#[test]
fn the_program_is_known_by_its_lock_file() {
    let lock = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
    let lock = String::from_utf8(lock).unwrap();
    assert_eq!(Program::this().lock, sha256_hex(locked(&lock, "saddle-experiments").as_bytes()));
}

#[test]
fn another_commit_works_on_nothing_and_another_executor_on_everything() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (plan, data, machine) = (tiny_plan(), tiny_data(), tiny_machine());
    let run = |machine: &Machine, commit: &str| {
        let laboratory = Laboratory { plan: &plan, data: &data, store: &store, machine, commit };
        let mut witness = Witness::default();
        laboratory.run(&["large".to_owned()], &mut witness).unwrap();
        witness.began.len()
    };
    assert_eq!(run(&machine, "one"), 2);
    assert_eq!(run(&machine, "another"), 0);
    assert_eq!(run(&Machine { executor: Executor::Candle, ..machine }, "one"), 2);
}

#[test]
fn canonical_json_is_sorted_and_tight() {
    let value = serde_json::json!({"b": [1, 2.5, null], "a": {"d": true, "c": "x\"y"}});
    assert_eq!(canonical_json(&value).unwrap(), r#"{"a":{"c":"x\"y","d":true},"b":[1,2.5,null]}"#);
}

proptest! {
    #[test]
    fn a_key_does_not_depend_on_the_order_of_fields(
        entries in proptest::collection::btree_map("[a-z]{1,6}", any::<i64>(), 1..12),
    ) {
        let forwards: serde_json::Map<_, _> =
            entries.iter().map(|(k, v)| (k.clone(), (*v).into())).collect();
        let backwards: serde_json::Map<_, _> =
            entries.iter().rev().map(|(k, v)| (k.clone(), (*v).into())).collect();
        prop_assert_eq!(Key::of(&forwards).unwrap(), Key::of(&backwards).unwrap());
    }

    #[test]
    fn different_values_have_different_keys(
        one in proptest::collection::btree_map("[a-z]{1,3}", any::<f64>(), 1..4),
        two in proptest::collection::btree_map("[a-z]{1,3}", any::<f64>(), 1..4),
    ) {
        let finite = |map: &BTreeMap<String, f64>| map.values().all(|value| value.is_finite());
        prop_assume!(finite(&one) && finite(&two));
        prop_assert_eq!(one == two, Key::of(&one).unwrap() == Key::of(&two).unwrap());
    }
}

#[test]
fn only_what_a_package_is_built_from_counts() {
    let lock = r#"
        version = 4
        [[package]]
        name = "attack"
        version = "1.0.0"
        dependencies = ["noise 2.0.0", "tensor"]
        [[package]]
        name = "noise"
        version = "1.0.0"
        checksum = "a1"
        [[package]]
        name = "noise"
        version = "2.0.0"
        checksum = "a2"
        [[package]]
        name = "page"
        version = "1.0.0"
        dependencies = ["attack", "noise 1.0.0"]
        [[package]]
        name = "tensor"
        version = "3.1.0"
        checksum = "b1"
        dependencies = ["noise 2.0.0", "attack"]
    "#;
    let needs = "attack 1.0.0 -\nnoise 2.0.0 a2\ntensor 3.1.0 b1\n";
    assert_eq!(locked(lock, "attack"), needs);
    // What serves only the page may change; what the attack needs, at any depth, may not.
    for other in ["\"a1\"", "\"page\""] {
        assert_eq!(locked(&lock.replace(other, "\"other\""), "attack"), needs);
    }
    for own in ["\"a2\"", "\"b1\"", "3.1.0"] {
        assert_ne!(locked(&lock.replace(own, "\"other\""), "attack"), needs);
    }
    // Whatever cannot be followed counts as a whole.
    for broken in [lock.replace("name = \"tensor\"", "name = \"x\""), lock[1..40].to_owned()] {
        assert_eq!(locked(&broken, "attack"), broken);
    }
    assert_eq!(locked(lock, "absent"), lock);
}

#[test]
fn the_programs_lock_leaves_out_what_only_tests_and_pages_need() {
    let lock = include_str!("../../../Cargo.lock");
    let own = locked(lock, "saddle-experiments");
    for needed in ["candle-core ", "saddle-ops ", "rand_chacha ", "libm "] {
        assert!(own.lines().any(|line| line.starts_with(needed)), "{needed}");
    }
    for other in ["proptest ", "divan ", "wasm-bindgen-test ", "saddle-web ", "clap "] {
        assert!(own.lines().all(|line| !line.starts_with(other)), "{other}");
    }
}
