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
    replay(&file, Some(&weights()), &machine())
}

#[test]
fn the_same_attack_gives_the_same_outcome() {
    let exported = exported();
    let table = replayed(&exported).unwrap();
    assert!(!table.contains("differs"), "{table}");
    assert!(table.contains("0.0000 % at most in steps 0 to 5, by 0.0000 % in all 4"), "{table}");
    assert!(table.contains("seed 11"), "{table}");

    // As typed; and stopped after one step, where a browser may have been stopped.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("exported.json");
    std::fs::write(&file, exported.to_string()).unwrap();
    let (file, weights) = (file.to_str().unwrap(), weights());
    let line = ["saddle", "attack", "--replay", file, "--weights", weights.to_str().unwrap()];
    assert_eq!(saddle::run(&Arguments::parse_from(line)).unwrap(), Ended::Done);
    let mut stopped = exported;
    stopped["measured"]["steps"] = 1.into();
    let table = replayed(&stopped).unwrap();
    assert!(table.contains("in all 2"), "{table}");
    let differs = |name| table.lines().any(|l| l.starts_with(name) && l.ends_with("differs"));
    assert!(differs("passes") && differs("l2") && differs("last loss"), "{table}");
    assert!(!differs("steps"), "{table}");
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
    let nowhere = Path::new("nowhere.json");
    let message = format!("{:#}", replay(nowhere, None, &machine()).unwrap_err());
    assert!(message.contains("cannot read nowhere.json"), "{message}");
}
