//! `saddle import`: what it writes loads as ours and says where it came from.

use clap::Parser as _;
use saddle::{Arguments, Ended};
use saddle_experiments::sha256_hex;
use saddle_model::{Architecture, FlattenOrder, Metadata, TensorLayout, from_bytes, to_bytes};
use saddle_tests::model::{flat, hashed_weights};

fn run(line: &[&str]) -> anyhow::Result<Ended> {
    saddle::run(&Arguments::parse_from(std::iter::once("saddle").chain(line.iter().copied())))
}

#[test]
fn a_foreign_network_becomes_ours() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (theirs, ours, names) =
        (place("theirs.safetensors"), place("ours.safetensors"), place("names.toml"));
    let atda = Architecture::by_name("atda").unwrap();
    let weights = hashed_weights(&atda, 1, candle_core::DType::F32);
    let renamed = weights.iter().map(|(name, one)| (name.replace('.', "/"), one.clone())).collect();
    let renamed = saddle_model::Weights::new(renamed).unwrap();
    let bytes = to_bytes(&renamed, &Metadata::default()).unwrap();
    std::fs::write(&theirs, &bytes).unwrap();
    // Without a map these names are nobody's.
    assert!(run(&["import", &theirs, "--architecture", "atda", "--out", &ours]).is_err());

    let lines =
        weights.names().map(|name| format!("\"{name}\" = \"{}\"\n", name.replace('.', "/")));
    let text = format!("architecture = \"atda\"\n[names]\n{}", lines.collect::<String>());
    std::fs::write(&names, text).unwrap();
    let ended = run(&["import", &theirs, "--names", &names, "--out", &ours]).unwrap();
    assert_eq!(ended, Ended::Done);
    let (read, metadata) = from_bytes(&std::fs::read(&ours).unwrap()).unwrap();
    assert_eq!(metadata.architecture, Some(atda));
    assert_eq!(metadata.notes["imported_sha256"], sha256_hex(&bytes));
    assert_eq!(metadata.notes["imported_from"], "theirs.safetensors");
    assert!(read.iter().zip(weights.iter()).all(|((_, a), (_, b))| flat(a) == flat(b)));

    std::fs::write(&names, "achitecture = \"atda\"").unwrap();
    let error = run(&["import", &theirs, "--names", &names, "--out", &ours]).unwrap_err();
    let message = format!("{error:#}");
    assert!(message.contains("names.toml") && message.contains("achitecture"), "{message}");
}

#[test]
fn the_map_that_the_help_shows_is_read() {
    let help = Arguments::try_parse_from(["saddle", "import", "--help"]).unwrap_err().to_string();
    let text = help.split_once("A name map:").expect("the help shows one").1;
    let map = saddle_experiments::name_map(text).unwrap();
    assert_eq!(map.architecture.as_deref(), Some("madry"));
    assert_eq!(map.layout, TensorLayout::Tensorflow);
    assert_eq!(map.flatten, FlattenOrder::Hwc);
    assert_eq!(map.under, ["checkpoint", "net"]);
    assert_eq!(map.ignore, ["global_step"]);
    assert_eq!(map.names["conv1.weight"], "layer0/kernel");
}
