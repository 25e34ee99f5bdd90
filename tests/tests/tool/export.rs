//! `saddle export`: half the size, the same network, and a card that quotes only what was measured on these weights.

use clap::Parser as _;
use saddle::{Arguments, Ended};
use saddle_experiments::{Laboratory, Store, Unobserved, model_card, sha256_hex, write_all};
use saddle_model::{Executor, from_bytes, load_network};
use saddle_report::Report;
use saddle_tests::experiments::{tiny_data, tiny_machine, tiny_plan};
use saddle_tests::model::flat;

fn run(line: &[&str]) -> anyhow::Result<Ended> {
    saddle::run(&Arguments::parse_from(std::iter::once("saddle").chain(line.iter().copied())))
}

#[test]
fn a_trained_network_is_exported_with_its_card() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (plan, data, machine) = (tiny_plan(), tiny_data(), tiny_machine());
    let store = Store::open(place("store")).unwrap();
    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &machine, commit: "abc" };
    assert!(laboratory.trained("natural").unwrap().is_none(), "nothing is trained for it");
    let finished = laboratory.run(&["large".to_owned()], &mut Unobserved).unwrap();
    write_all(folder.path(), &plan, &finished).unwrap();
    let full = laboratory.trained("natural").unwrap().unwrap();
    let (source, out, results) = (place("full.safetensors"), place("half.safetensors"), place(""));
    std::fs::write(&source, &full).unwrap();

    assert_eq!(
        run(&["export", &source, "--results", &results, "--out", &out]).unwrap(),
        Ended::Done
    );
    let half = std::fs::read(&out).unwrap();
    assert!(half.len() < full.len() * 51 / 100);
    let (network, metadata) = load_network(&half, None, Executor::Candle).unwrap();
    let (whole, said) = from_bytes(&full).unwrap();
    assert_eq!(metadata, said);
    for ((name, rounded), (_, own)) in network.weights().iter().zip(whole.iter()) {
        for (rounded, own) in flat(rounded).iter().zip(flat(own)) {
            assert_eq!(*rounded, half::f16::from_f64(own).to_f64(), "{name}");
        }
    }
    let card = std::fs::read_to_string(place("half.md")).unwrap();
    let cell = finished.report.cells.iter().find(|cell| cell.table == "large").unwrap();
    let accuracy = format!("| {:.1} % |", 100.0 * cell.accuracy.unwrap());
    for words in [
        "# half.safetensors",
        "`madry`, 3274634 weights",
        &sha256_hex(&half),
        &sha256_hex(&full),
        "| seed | 3 |",
        "the first 60 of 200 digits",
        "`natural` of the plan `tiny`, seed 3, at commit `abc`",
        &accuracy,
        "| 104 |",
        "MIT or Apache-2.0",
        "load_file(\"half.safetensors\")",
    ] {
        assert!(card.contains(words), "no `{words}` in:\n{card}");
    }
    // Without a report no accuracy is given; a report on other weights is refused.
    let bare = model_card("x", &half, &sha256_hex(&full), None).unwrap();
    assert!(bare.contains("None are given"), "{bare}");
    let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let report = Report::from_json(&text).unwrap();
    let error = model_card("x", &half, &sha256_hex(&half), Some(&report)).unwrap_err().to_string();
    assert!(error.contains("measured no weights"), "{error}");
}

#[test]
fn what_cannot_be_exported_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let message = |line: &[&str]| format!("{:#}", run(line).unwrap_err());
    let out = place("x.safetensors");
    assert!(message(&["export", "--out", &out]).contains("--network and --store"));
    let store = place("none");
    let line = ["export", "--network", "natural", "--store", &store, "--out", &out];
    assert!(message(&line).contains("no such folder"));
    assert!(!std::path::Path::new(&store).exists(), "nothing was made");
}
