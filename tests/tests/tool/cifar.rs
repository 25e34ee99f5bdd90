//! The command on CIFAR-10: from a small file of its form to a report, and an attack on the weights.

use clap::Parser as _;
use saddle::{Arguments, Ended};
use saddle_tests::data::write_small_cifar;

fn run(line: &[&str]) -> anyhow::Result<Ended> {
    saddle::run(&Arguments::parse_from(std::iter::once("saddle").chain(line.iter().copied())))
}

#[test]
fn a_small_file_is_trained_on_and_attacked() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let data = place("data");
    std::fs::create_dir(&data).unwrap();
    write_small_cifar(data.as_ref(), 12, 24);
    let (out, weights) = (place("report"), place("net.safetensors"));
    let (store, images) = (place("report/store"), place("images.npz"));
    let plan = ["--profile", "cifar-smoke", "--data", &data, "--quiet"];
    let line = [&["reproduce", "--out", &out][..], &plan].concat();
    assert_eq!(run(&line).unwrap(), Ended::Done);
    let report = std::fs::read_to_string(place("report/report.md")).unwrap();
    assert!(report.contains("images of CIFAR-10"), "{report}");

    // The network is found in the store of the run.
    let network = ["train", "--network", "natural", "--store", &store, "--out", &weights];
    assert_eq!(run(&[&network[..], &plan].concat()).unwrap(), Ended::Done);
    let attack = ["attack", "--weights", &weights, "--attack", "pgd", "--norm", "linf"];
    let rest = ["--epsilon", "0.03", "--steps", "2", "--count", "3", "--images", &images];
    let line = [&attack[..], &rest, &plan[2..]].concat();
    assert_eq!(run(&line).unwrap(), Ended::Done);
    let mut archive = npyz::npz::NpzArchive::open(&images).unwrap();
    assert_eq!(archive.by_name("adversarial").unwrap().unwrap().shape(), [3, 3, 32, 32]);

    let line = [&line[..], &["--dataset", "mnist"]].concat();
    let message = format!("{:#}", run(&line).unwrap_err());
    assert!(message.contains("[3, 32, 32]") && message.contains("--dataset"), "{message}");
}
