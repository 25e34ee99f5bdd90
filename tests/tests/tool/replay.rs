//! `saddle attack --replay`: the browser's outcome beside ours, and files that are refused.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use clap::Parser as _;
use saddle::{Arguments, Ended, replay};
use saddle_attacks::{Driver, Examples, Judge, Objective, ProjectedAscent, ThreatModel};
use saddle_experiments::{Machine, sha256_hex};
use saddle_model::{Executor, load_network};
use saddle_ops::{Draws, Kernels, Norm};
use saddle_tests::data::{digits, fixture};
use serde_json::{Value, json};

const SEED: u64 = 11;

fn weights() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoo/madry_linf.safetensors")
}

fn machine() -> Machine {
    let executor = Executor::Engine(Kernels::detect());
    Machine { executor, device: candle_core::Device::Cpu }
}

/// What a browser exports whose numbers are the driver's: three steps of S-O on the first digit.
fn exported() -> Value {
    let bytes = std::fs::read(weights()).unwrap();
    let (network, _) = load_network(&bytes, None, machine().executor).unwrap();
    let first = digits(1);
    let examples = Examples::new(first.images, first.labels, first.ids).unwrap();
    let objective = Objective::untargeted(ThreatModel::new(Norm::Linf, 0.3).unwrap());
    let run = |steps| {
        let attack = ProjectedAscent::second_order(Norm::Linf, 0.05, steps, 0.1, 2);
        let driver = Driver { judge: Judge::Any, trace: true, ..Driver::default() };
        driver.run(&network, &attack, &examples, &objective, Draws::new(SEED)).unwrap()
    };
    // The first three steps of four are those of three; the trace of the fourth shows where they end.
    let (three, four) = (run(3), run(4));
    let losses: Vec<f64> = four.trace.iter().map(|step| step.losses[0]).collect();
    let verdict = &three.verdicts[0];
    let natural = examples.images();
    let l2 = Norm::L2.distances(natural, &three.final_images).unwrap()[0];
    let pixels = base64::engine::general_purpose::STANDARD.encode(fixture().image(0));
    json!({
        "saddle": 1,
        "network": {"id": "madry_linf", "file": "madry_linf.safetensors", "sha256": sha256_hex(&bytes)},
        "example": {"id": examples.ids()[0], "pixels": pixels, "label": examples.labels()[0]},
        "attack": {
            "kind": "so", "norm": "linf", "epsilon": 0.3, "stepSize": 0.05, "steps": 3, "sigma": 0.1, "samples": 2,
            "start": "natural", "rule": "steepest",
        },
        "seed": SEED,
        "measured": {
            "steps": 3, "passes": verdict.passes(), "prediction": verdict.final_prediction,
            "fooled": verdict.fooled_final, "l2": l2, "linf": verdict.final_distance, "losses": losses,
        },
    })
}

fn replayed(exported: &Value) -> anyhow::Result<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exported.json");
    std::fs::write(&file, exported.to_string()).unwrap();
    Ok(replay(&[file], Some(&weights()), &machine())?[0].to_string())
}

#[test]
fn the_same_attack_gives_the_same_outcome() {
    let mut exported = exported();
    let table = replayed(&exported).unwrap();
    assert!(!table.contains("differs"), "{table}");
    assert!(table.contains("0.0000 % at most in steps 0 to 5, by 0.0000 % in all 4"), "{table}");
    assert!(table.contains("seed 11"), "{table}");

    // Stopped after one step, where a browser may have been stopped.
    exported["measured"]["steps"] = 1.into();
    let table = replayed(&exported).unwrap();
    assert!(table.contains("in all 2"), "{table}");
    let differs = |name| table.lines().any(|l| l.starts_with(name) && l.ends_with("differs"));
    assert!(differs("passes") && differs("l2") && differs("last loss"), "{table}");
    assert!(!differs("steps"), "{table}");
}

#[test]
fn several_attacks_are_written_with_their_class_scores_and_what_they_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let original = exported();
    let of = |seed: u64, sigma: f64| {
        let mut exported = original.clone();
        exported["seed"] = seed.into();
        exported["attack"]["sigma"] = sigma.into();
        exported.to_string()
    };
    let names = ["a.json", "b.json", "c.json", "d.json"];
    for (name, text) in names.into_iter().zip([of(11, 0.1), of(11, 0.1), of(12, 0.1), of(11, 0.2)])
    {
        std::fs::write(path(name), text).unwrap();
    }
    let mut line = vec!["saddle".to_owned(), "attack".into(), "--replay".into()];
    line.extend(names.map(path));
    let weights = weights().to_str().unwrap().to_owned();
    line.extend(["--weights".into(), weights, "--out".into(), path("out.json")]);
    assert_eq!(saddle::run(&Arguments::parse_from(line)).unwrap(), Ended::Done);

    let written: Value = serde_json::from_slice(&std::fs::read(path("out.json")).unwrap()).unwrap();
    let [first, again, other_seed, other_sigma] = &written.as_array().unwrap()[..] else {
        panic!("four files, not {written}")
    };
    assert_eq!(first["browser"]["losses"], first["here"]["losses"]);
    assert_eq!(first["id"], original["example"]["id"]);
    assert_eq!(first["file"], path("a.json"));
    // A row of class scores for each step, the last one's largest the prediction.
    let logits = first["here"]["logits"].as_array().unwrap();
    assert_eq!(logits.len(), 4);
    let last: Vec<f64> = serde_json::from_value(logits[3].clone()).unwrap();
    let largest = (0..10).max_by(|&a, &b| last[a].total_cmp(&last[b])).unwrap();
    assert_eq!(first["here"]["prediction"], largest);
    // Digit, settings and noise decide where the attack looks first.
    let looked = |replayed: &Value| replayed["here"]["first_points_sha256"].clone();
    assert_eq!(looked(first), looked(again));
    assert_ne!(looked(first), looked(other_seed));
    assert_ne!(looked(first), looked(other_sigma));
}

#[test]
fn a_file_that_is_no_export_is_refused() {
    let exported = exported();
    for (place, value, words) in [
        ("/saddle", json!(2), "form 2"),
        ("/network/sha256", json!("00"), "SHA-256"),
        ("/example/pixels", json!("?"), "base64"),
        ("/example/pixels", json!("AAAA"), "784"),
        ("/example/label", json!(10), "label 10"),
        ("/attack/kind", json!("magic"), "magic"),
        ("/attack/steps", json!(0), "steps"),
        ("/measured/steps", json!(9), "9 steps"),
        ("/seed", json!(-1), "-1"),
    ] {
        let mut changed = exported.clone();
        *changed.pointer_mut(place).unwrap() = value;
        let message = format!("{:#}", replayed(&changed).unwrap_err());
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
    for place in ["", "/network", "/example", "/attack", "/measured"] {
        let mut changed = exported.clone();
        changed.pointer_mut(place).unwrap()["colour"] = json!("red");
        let message = format!("{:#}", replayed(&changed).unwrap_err());
        assert!(message.contains("colour"), "{message}");
    }
    let nowhere = [PathBuf::from("nowhere.json")];
    let message = format!("{:#}", replay(&nowhere, None, &machine()).err().unwrap());
    assert!(message.contains("cannot read nowhere.json"), "{message}");
}
