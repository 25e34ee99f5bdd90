//! Everything that the command refuses, it refuses before it works, in words that help.

use std::fs;

use clap::Parser as _;
use saddle::Arguments;

/// What the command says when it cannot do what was asked for.
fn refusal(line: &[&str]) -> String {
    let arguments = std::iter::once("saddle").chain(line.iter().copied());
    match Arguments::try_parse_from(arguments) {
        Err(error) => error.to_string(),
        Ok(arguments) => match saddle::run(&arguments) {
            Ok(ended) => panic!("{line:?} was not refused but ended: {ended:?}"),
            Err(error) => format!("{error:#}"),
        },
    }
}

#[track_caller]
fn refused(line: &[&str], words: &[&str]) {
    let message = refusal(line);
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
}

const ATTACK: [&str; 7] = ["attack", "--attack", "pgd", "--norm", "l2", "--epsilon", "2"];

#[test]
fn an_epsilon_of_no_ball() {
    for value in ["0", "-1", "nan", "inf", "two"] {
        let epsilon = format!("--epsilon={value}");
        refused(
            &["attack", "--weights", "w", "--attack", "pgd", "--norm", "l2", &epsilon],
            &["epsilon"],
        );
    }
}

#[test]
fn a_device_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    refused(&["reproduce", "--device", "tpu", "--out", out], &["cpu, cuda:N"]);
    let line = ["reproduce", "--profile", "smoke", "--device", "cuda:0", "--out", out];
    refused(&line, &["cuda:0", "--features cuda", "--device cpu"]);
}

#[test]
fn a_weight_file_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let weights = path.to_str().unwrap();
    let line = [&ATTACK[..], &["--weights", weights]].concat();
    refused(&line, &["cannot read", "weights.safetensors"]);
    fs::write(&path, b"not safetensors at all").unwrap();
    refused(&line, &["weights.safetensors"]);
}

#[test]
fn a_network_that_nobody_knows() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("w.safetensors");
    let store = folder.path().join("store");
    let line = ["train", "--network", "madry_l3", "--out", out.to_str().unwrap()];
    let line = [&line[..], &["--store", store.to_str().unwrap()]].concat();
    refused(&line, &["madry_l3", "madry_linf"]);
}

#[test]
fn a_network_of_the_plan_that_cannot_be_trained_yet() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("w.safetensors");
    let plan = folder.path().join("plan.toml");
    fs::write(&plan, saddle_tests::experiments::TINY_PLAN).unwrap();
    let [plan, out] = [&plan, &out].map(|path| path.to_str().unwrap());
    let line = ["train", "--plan", plan, "--network", "trades_linf", "--out", out];
    refused(&line, &["trades_linf", "missing"]);
}

#[test]
fn an_output_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"in the way").unwrap();
    let under = file.join("results");
    let under = under.to_str().unwrap();
    refused(&["reproduce", "--profile", "smoke", "--out", under], &["cannot write", "file"]);
    refused(&["train", "--network", "natural", "--out", &format!("{under}/w")], &["cannot write"]);
    let images = format!("{under}/i.npz");
    let line = [&ATTACK[..], &["--weights", "w", "--images", &images]].concat();
    refused(&line, &["cannot write"]);
    let line =
        [&ATTACK[..], &["--weights", "w", "--out", folder.path().to_str().unwrap()]].concat();
    refused(&line, &["is a folder"]);
    assert_eq!(fs::read(&file).unwrap(), b"in the way");
}

#[test]
fn a_plan_that_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.toml");
    let out = folder.path().join("out");
    let line = ["reproduce", "--plan", plan.to_str().unwrap(), "--out", out.to_str().unwrap()];
    refused(&line, &["cannot read the plan", "plan.toml"]);
    fs::write(&plan, "name = \"x\"\nprofil = 1\n").unwrap();
    refused(&line, &["plan.toml", "profil"]);
    refused(&["reproduce", "--profile", "fast"], &["fast", "smoke, quick, cpu, paper"]);
    assert!(!out.exists(), "a refused plan leaves no folder behind");
}

#[test]
fn a_part_that_the_plan_does_not_hold() {
    let line = ["reproduce", "--profile", "smoke", "--only", "table7"];
    refused(&line, &["table7", "table1"]);
}

#[test]
fn data_that_is_not_where_it_should_be() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let data = folder.path().join("empty");
    fs::create_dir(&data).unwrap();
    let line = ["reproduce", "--profile", "smoke", "--quiet", "--data", data.to_str().unwrap()];
    let line = [&line[..], &["--out", out.to_str().unwrap()]].concat();
    refused(&line, &["empty"]);
}

#[test]
fn attacks_with_settings_that_make_no_sense() {
    let attack = |more: &[&'static str]| [&ATTACK[..], &["--weights", "w"], more].concat();
    refused(&attack(&["--steps", "0"]), &["steps"]);
    refused(&attack(&["--step-size", "nan"]), &["step_size"]);
    refused(&attack(&["--momentum", "2"]), &["momentum"]);
    refused(&attack(&["--samples", "0"]), &["samples"]);
    refused(&attack(&["--count", "0"]), &["count"]);
    refused(&attack(&["--cap", "1"]), &["cap", "2"]);
    refused(&attack(&["--judge", "mine"]), &["final", "any"]);
}

#[test]
fn a_folder_to_forget_that_is_no_store() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), b"years of work").unwrap();
    let path = folder.path().to_str().unwrap();
    let line = ["reproduce", "--profile", "smoke", "--fresh", "--store", path, "--out", path];
    refused(&line, &["not a store"]);
    assert!(folder.path().join("thesis.txt").is_file());
}

#[test]
fn a_flag_that_the_attack_does_not_have() {
    let line = |attack: &str, norm: &str, more: &[&str]| -> String {
        let own = ["attack", "--weights", "w", "--attack", attack, "--norm", norm];
        refusal(&[&own[..], &["--epsilon", "0.3"], more].concat())
    };
    for (attack, more, words) in [
        ("apgd-ce", &["--step-size", "0.1"][..], &["--step-size", "apgd-ce", "--steps"][..]),
        ("apgd-ce", &["--loss", "dlr"], &["--loss", "apgd-ce"]),
        ("apgd-dlr", &["--targets", "3"], &["--targets", "apgd-dlr"]),
        ("apgd-t", &["--momentum", "0.5"], &["--momentum", "--steps, --targets"]),
        ("square", &["--steps", "3"], &["--steps", "square", "--queries"]),
        ("square", &["--samples", "3"], &["--samples", "square"]),
        ("pgd", &["--queries", "3"], &["--queries", "pgd", "--step-size"]),
        ("so", &["--targets", "3"], &["--targets", "so"]),
        ("standard", &["--sigma", "0.1"], &["--sigma", "--steps, --targets, --queries"]),
        ("standard", &["--restarts", "2"], &["run once"]),
        ("standard", &["--trace", "t.json"], &["one by one"]),
        ("ddn", &[], &["ddn is made for l2, not for linf"]),
    ] {
        let message = line(attack, "linf", more);
        assert!(words.iter().all(|word| message.contains(word)), "{attack} {more:?}: {message}");
    }
    for attack in ["apgd-ce", "apgd-t", "square", "standard"] {
        let message = line(attack, "l1", &[]);
        assert!(message.contains("made for l2 and linf, not for l1"), "{message}");
    }
    // With flags of its own it gets as far as the weights.
    assert!(line("apgd-t", "l2", &["--steps", "3", "--targets", "2"]).contains("cannot read w"));
    assert!(line("standard", "l2", &["--queries", "3"]).contains("cannot read w"));
}

#[test]
fn a_share_of_nothing_and_a_job_of_no_plan() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let reproduce = ["reproduce", "--profile", "smoke", "--out", out];
    let with = |flags: &[&'static str]| [&reproduce[..], flags].concat();
    for shard in ["--shard=0/3", "--shard=4/3", "--shard=half"] {
        refused(&with(&[shard]), &["shard", "2/3"]);
    }
    refused(&with(&["--job=abc"]), &["64 hexadecimal digits"]);
    for other in ["--fresh", "--gather", "--list-jobs"] {
        refused(&with(&["--shard=1/2", other]), &[other, "cannot be used"]);
    }
}
