//! Cells of earlier runs: taken over by their keys without their networks, and never when they contradict themselves.

use std::path::Path;

use saddle_experiments::{Finished, Known, Laboratory, Outside, Store, write_all};
use saddle_report::{Cell, Status};
use saddle_tests::experiments::{Witness, tiny_data, tiny_machine, tiny_plan};
use serde_json::{Value, json};

/// The parts of the plan that consist of cells.
const TABLES: [&str; 3] = ["table1", "table1_strong", "large"];

fn run(store: &Path, outside: &Outside, witness: &mut Witness) -> Finished {
    let (plan, data, machine) = (tiny_plan(), tiny_data(), tiny_machine());
    let store = Store::open(store).unwrap();
    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &machine, commit: "later" };
    laboratory.run_with(outside, &TABLES.map(str::to_owned), witness).unwrap()
}

fn known(folder: &Path) -> Known {
    let mut known = Known::default();
    known.read(folder).unwrap();
    known
}

/// The report's folder of a whole run, and its cells.
fn earlier(folder: &Path) -> Vec<Cell> {
    let (plan, data, machine) = (tiny_plan(), tiny_data(), tiny_machine());
    let store = Store::open(folder.join("store")).unwrap();
    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &machine, commit: "early" };
    let finished = laboratory.run(&TABLES.map(str::to_owned), &mut Witness::default()).unwrap();
    write_all(folder, &plan, &finished).unwrap();
    finished.report.cells
}

fn lines(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("cells.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn put(folder: &Path, lines: &[Value]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(folder.join("cells.jsonl"), text).unwrap();
}

#[test]
fn another_clone_goes_on_from_the_cells_alone() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let cells = earlier(first.path());
    let outside = Outside { known: known(first.path()), ..Outside::default() };
    assert_eq!(outside.known.remarks(), &[] as &[String]);
    assert_eq!(outside.known.len(), 7, "one cell has two attacks");
    let mut witness = Witness::default();
    let finished = run(&second.path().join("store"), &outside, &mut witness);
    assert_eq!((witness.planned, witness.began), (0, Vec::new()));
    assert_eq!(finished.report.cells, cells);

    // Whoever computed them is still named, and what they were computed on.
    let facts = &finished.report.provenance.facts;
    let fact = |name: &str| facts.iter().find(|fact| fact.name == name).map(|fact| &fact.value);
    assert_eq!(fact("attacks taken over, computed at commit early").unwrap(), "7");
    let written = lines(first.path());
    let weights = written[0]["weights"].as_str().unwrap();
    assert!(fact("weights of natural (seed 3)").unwrap().contains(weights));
    write_all(second.path(), &tiny_plan(), &finished).unwrap();
    assert_eq!(lines(second.path()), written);
    let trained = finished.times.iter().filter(|time| time.job.starts_with("train")).count();
    assert_eq!(trained, 2, "the trainings' times are kept: {:?}", finished.times);
}

#[test]
fn cells_are_written_as_they_finish_and_never_become_fewer() {
    let whole = tempfile::tempdir().unwrap();
    let cells = earlier(whole.path());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    std::fs::write(out.join("report.json"), "{}").unwrap();
    let mut written = 0;
    for clone in 0..40 {
        // Each time a new store, as in another clone: only cells.jsonl goes along.
        let store = out.join(format!("store-{clone}"));
        let outside =
            Outside { known: known(out), out: Some(out.to_owned()), ..Outside::default() };
        let mut witness = Witness { stop_after: Some(13), ..Witness::default() };
        let finished = run(&store, &outside, &mut witness);
        assert!(!out.join("report.json").exists(), "it would tell of another run");
        let now = lines(out).len();
        assert!(now >= written, "{now} cells where there were {written}");
        written = now;
        if !finished.interrupted {
            assert_eq!(finished.report.cells, cells);
            assert!(clone >= 1, "never stopped: this test has lost its point");
            return;
        }
        let shown = finished.report.cells.iter().filter(|c| c.status == Status::Measured).count();
        assert_eq!(shown, now);
    }
    panic!("the runs do not get ahead");
}

#[test]
fn lines_that_contradict_themselves_are_not_believed() {
    let first = tempfile::tempdir().unwrap();
    let cells = earlier(first.path());
    let whole = lines(first.path());
    let place = whole.iter().position(|line| line["table"] == "large").unwrap();
    let correct = whole[place]["correct"].as_u64().unwrap();
    let total = whole[place]["total"].as_u64().unwrap();
    let robust = whole[place]["attacks"][0]["robust"].as_str().unwrap().to_owned();
    let flipped: String =
        robust.chars().map(|digit| if digit == '1' { '0' } else { '1' }).collect();
    type Change<'a> = Box<dyn Fn(&mut Value) + 'a>;
    let changes: Vec<(&str, Change<'_>)> = vec![
        ("accuracy", Box::new(|line| line["correct"] = json!((correct + 1).min(total - 1)))),
        ("it counts", Box::new(|line| line["attacks"][0]["robust"] = json!(flipped))),
        ("other digits", Box::new(|line| line["attacks"][0]["robust"] = json!(robust[1..]))),
        (
            "other digits",
            Box::new(|line| line["attacks"][0]["robust"] = json!("x".repeat(robust.len()))),
        ),
        ("comes twice", Box::new(|line| line["ids"][0] = line["ids"][1].clone())),
        ("passes", Box::new(|line| line["passes_per_example"] = json!(77.0))),
        ("below zero", Box::new(|line| line["attacks"][0]["largest_distance"] = json!(-1.0))),
        ("names no attack", Box::new(|line| line["attacks"] = json!([]))),
        ("no measured cell", Box::new(|line| line["status"] = json!("failed"))),
        ("missing field `key`", Box::new(|line| line["attacks"][0] = json!({"attack": "natural"}))),
    ];
    for (words, change) in changes {
        let mut changed = whole.clone();
        change(&mut changed[place]);
        put(first.path(), &changed);
        let known = known(first.path());
        let remarks = known.remarks().join("\n");
        assert!(remarks.contains(words) && remarks.contains("line"), "{words}: {remarks}");
        assert_eq!(known.len(), 6, "{words}: the other lines are good");
    }
    // Half a line, no text, no cell.
    put(first.path(), &whole);
    let mut bytes = std::fs::read(first.path().join("cells.jsonl")).unwrap();
    bytes.truncate(bytes.len() - 40);
    bytes.extend_from_slice(b"\n\xff\xfe\n{}\n");
    std::fs::write(first.path().join("cells.jsonl"), bytes).unwrap();
    assert_eq!(known(first.path()).remarks().len(), 3);

    // Two lines that say different things of one job: neither is believed, and the job runs.
    let mut forged = whole[place].clone();
    forged["attacks"][0]["robust"] = json!(flipped);
    let left = flipped.matches('1').count();
    forged["correct"] = json!(left);
    forged["accuracy"] = json!(left as f64 / total as f64);
    let mut disputed = whole.clone();
    disputed.push(forged);
    put(first.path(), &disputed);
    let known = known(first.path());
    assert!(known.remarks()[0].contains("says something else"), "{:?}", known.remarks());
    let outside = Outside { known, ..Outside::default() };
    let second = tempfile::tempdir().unwrap();
    let mut witness = Witness::default();
    let finished = run(second.path(), &outside, &mut witness);
    assert_eq!(finished.report.cells, cells);
    assert_eq!(witness.began.len(), 2, "one training, one measurement: {:?}", witness.began);
}

#[test]
fn another_key_or_other_digits_are_other_work() {
    let first = tempfile::tempdir().unwrap();
    let cells = earlier(first.path());
    let whole = lines(first.path());
    let place = whole.iter().position(|line| line["table"] == "large").unwrap();
    for digits in [false, true] {
        let mut changed = whole.clone();
        if digits {
            changed[place]["ids"][0] = json!(9_999);
        } else {
            let attack = &mut changed[place]["attacks"][0];
            let key: String = attack["key"].as_str().unwrap().chars().rev().collect();
            attack["key"] = json!(key);
        }
        put(first.path(), &changed);
        let outside = Outside { known: known(first.path()), ..Outside::default() };
        assert!(outside.known.remarks().is_empty(), "{:?}", outside.known.remarks());
        let second = tempfile::tempdir().unwrap();
        let mut witness = Witness::default();
        let finished = run(second.path(), &outside, &mut witness);
        assert_eq!(finished.report.cells, cells);
        assert_eq!(witness.began.len(), 2, "{:?}", witness.began);
    }
}
