//! Weights that others trained, as columns of a plan: not trained, named by their hash, said in the report.

use std::path::Path;

use candle_core::DType;
use saddle_experiments::{
    Error, Finished, Given, Laboratory, Outside, Plan, Result, Store, sha256_hex,
};
use saddle_model::{Architecture, Metadata, Weights, to_bytes};
use saddle_report::Status;
use saddle_tests::experiments::{TINY_PLAN, Witness, tiny_data, tiny_machine, tiny_plan};
use saddle_tests::model::hashed_weights;

fn put(folder: &Path, name: &str, architecture: &str, salt: u64) -> Vec<u8> {
    let architecture = Architecture::by_name(architecture).unwrap();
    let weights = hashed_weights(&architecture, salt, DType::F32);
    let bytes = to_bytes(&weights, &Metadata::default()).unwrap();
    std::fs::write(folder.join(name), &bytes).unwrap();
    bytes
}

fn run(store: &Path, outside: &Outside, only: &[&str], witness: &mut Witness) -> Result<Finished> {
    let (plan, data, machine) = (tiny_plan(), tiny_data(), tiny_machine());
    let store = Store::open(store).unwrap();
    let only: Vec<String> = only.iter().map(|&part| part.to_owned()).collect();
    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &machine, commit: "test" };
    laboratory.run_with(outside, &only, witness)
}

fn refusal(folder: &Path, plan: &Plan) -> String {
    match Given::read(folder, plan) {
        Err(error @ Error::Given { .. }) => error.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn given_weights_fill_their_columns_and_nothing_else_is_trained() {
    let (folder, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let natural = put(folder.path(), "natural.safetensors", "madry", 1);
    // A network that the plan cannot train, under the names of a published program.
    let weights = hashed_weights(&Architecture::madry(), 2, DType::F32);
    let renamed = weights.iter().map(|(name, one)| {
        let (layer, own) = name.split_once('.').unwrap();
        let place = match layer {
            "conv1" => 0,
            "conv2" => 3,
            "fc1" => 7,
            _ => 9,
        };
        (format!("{place}.{own}"), one.clone())
    });
    let renamed = Weights::new(renamed.collect()).unwrap();
    let bytes = to_bytes(&renamed, &Metadata::default()).unwrap();
    std::fs::write(folder.path().join("trades_linf.safetensors"), &bytes).unwrap();

    let mut given = Given::read(folder.path(), &tiny_plan()).unwrap();
    given.only = true;
    let outside = Outside { given, ..Outside::default() };
    let mut witness = Witness::default();
    let finished = run(store.path(), &outside, &["table1"], &mut witness).unwrap();
    assert!(witness.began.iter().all(|job| !job.starts_with("train")), "{:?}", witness.began);
    for cell in finished.report.cells.iter().filter(|cell| cell.table == "table1") {
        let expected =
            if cell.network == "madry_linf" { Status::Missing } else { Status::Measured };
        assert_eq!(cell.status, expected, "{} {}", cell.network, cell.row);
    }
    let facts = &finished.report.provenance.facts;
    for (network, bytes) in [("natural", &natural), ("trades_linf", &bytes)] {
        let hash = sha256_hex(bytes);
        let name = format!("weights of {network} (seed 3)");
        let fact = facts.iter().find(|fact| fact.name == name).unwrap();
        assert!(fact.value.starts_with("given weights, ") && fact.value.contains(&hash));
        let notes = &finished.report.provenance.notes;
        assert!(notes.iter().any(|note| note.contains(network) && note.contains(&hash)));
    }
    let notes = &finished.report.provenance.notes;
    assert!(notes.iter().any(|note| note.contains("no weights were given for it")), "{notes:?}");
    assert!(finished.report.provenance.failures.is_empty());
}

#[test]
fn a_given_network_has_the_key_of_its_weights() {
    let (folder, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    put(folder.path(), "natural.safetensors", "madry", 1);
    let outside = |folder: &Path| Outside {
        given: Given::read(folder, &tiny_plan()).unwrap(),
        ..Outside::default()
    };
    let mut first = Witness::default();
    run(store.path(), &outside(folder.path()), &["large"], &mut first).unwrap();
    assert_eq!(first.began.len(), 1);
    // The same weights in another file are the same network; other weights, and the plan's own, are not.
    let weights = hashed_weights(&Architecture::madry(), 1, DType::F32);
    let doubled = to_bytes(&weights.to_dtype(DType::F64).unwrap(), &Metadata::default()).unwrap();
    std::fs::write(folder.path().join("natural.safetensors"), doubled).unwrap();
    let mut second = Witness::default();
    run(store.path(), &outside(folder.path()), &["large"], &mut second).unwrap();
    assert_eq!(second.began, Vec::<String>::new());
    put(folder.path(), "natural.safetensors", "madry", 2);
    let mut third = Witness::default();
    run(store.path(), &outside(folder.path()), &["large"], &mut third).unwrap();
    assert_eq!(third.began.len(), 1);
    let mut own = Witness::default();
    run(store.path(), &Outside::default(), &["large"], &mut own).unwrap();
    assert_eq!(own.began.len(), 2, "trained, then measured: {:?}", own.began);
}

#[test]
fn files_that_no_column_can_use_are_refused() {
    let text = TINY_PLAN.replacen("starts_from = \"natural\"", "seeds = 2", 1);
    let plan = Plan::parse(&text).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(refusal(folder, &plan).contains("no weight file"));
    put(folder, "madry_linf.safetensors", "madry", 1);
    put(folder, "madry_linf-4.safetensors", "madry", 2);
    Given::read(folder, &plan).unwrap();
    put(folder, "madry_linf-3.safetensors", "madry", 2);
    assert!(refusal(folder, &plan).contains("the same network as madry_linf-3.safetensors"));
    std::fs::remove_file(folder.join("madry_linf-3.safetensors")).unwrap();
    for stranger in ["madry_linf-5.pt", "nobody.pth"] {
        put(folder, stranger, "madry", 1);
        let message = refusal(folder, &plan);
        for word in [stranger, "madry_linf, madry_linf-4, natural, trades_linf"] {
            assert!(message.contains(word), "{message}");
        }
        std::fs::remove_file(folder.join(stranger)).unwrap();
    }
    put(folder, "natural.safetensors", "atda", 1);
    let message = refusal(folder, &plan);
    assert!(message.contains("natural.safetensors") && message.contains("`madry`"), "{message}");
    put(folder, "natural.safetensors", "madry", 1);
    std::fs::write(folder.join("natural.toml"), "architecture = \"trades\"").unwrap();
    assert!(refusal(folder, &plan).contains("it holds the network `trades`"));
    std::fs::rename(folder.join("natural.toml"), folder.join("other.toml")).unwrap();
    assert!(refusal(folder, &plan).contains("other.toml"));
}
