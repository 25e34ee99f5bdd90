//! `cargo xtask reproduce`: build `saddle` in release mode and let it reproduce the paper.
//!
//! All numbers, and all resuming, are `saddle reproduce`'s: a run may be interrupted at any moment and finds its
//! finished cells again under `--out`. What is decided here is the profile when none is given, the features, and with
//! `--slurm` which job runs where.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};

use crate::slurm::Slurm;
use crate::workspace::Workspace;

/// Flags of `cargo xtask reproduce`; all but `--profile`, `--device` and those of Slurm are handed over unread.
#[derive(Args)]
pub(crate) struct Reproduce {
    /// How much work to do [default: paper where nvcc and a device are found, else quick].
    #[arg(long, value_enum)]
    profile: Option<Profile>,
    /// Restrict to one table or figure, for example `table1`; may be repeated.
    #[arg(long, value_name = "TABLE-OR-FIGURE")]
    only: Vec<String>,
    /// A plan of your own in place of a profile's.
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    plan: Option<PathBuf>,
    /// Folder with the data set's IDX files, raw or gzipped [default: fetched into the user's cache].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// `cpu`, or `cuda:N`, which builds with the feature `cuda` [default: cpu; with profile paper cuda:0 if there is one].
    #[arg(long, value_parser = device)]
    device: Option<String>,
    /// Seed of everything that is drawn.
    #[arg(long)]
    seed: Option<u64>,
    /// Where cells, checkpoints and the report go [default: results/PROFILE, or the name of the plan's file].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder with weights that others trained, one file for each column: see `saddle reproduce --help`.
    #[arg(long, value_name = "DIR")]
    weights_dir: Option<PathBuf>,
    /// Train nothing: networks without given weights stay missing.
    #[arg(long, requires = "weights_dir")]
    only_given: bool,
    /// Folder of another report whose measured cells are taken over [default: results/PROFILE, where committed cells lie].
    #[arg(long, value_name = "DIR")]
    known: Option<PathBuf>,
    /// Start over: forget what an earlier run left under `--out`.
    #[arg(long, conflicts_with = "slurm")]
    fresh: bool,
    /// Work with others on one shared `--out`: begin with share I of N. See `saddle reproduce --help`.
    #[arg(long, value_name = "I/N", conflicts_with_all = ["fresh", "slurm"])]
    shard: Option<String>,
    #[command(flatten)]
    slurm: Slurm,
}

#[derive(Clone, Copy, ValueEnum)]
enum Profile {
    /// A short natural and a short Madry training: does everything work here?
    Smoke,
    /// Natural training, the three Madry columns of Table 1 and TRADES l-infinity on 400 test digits.
    Quick,
    /// Every column of Table 1 at a reduced training budget on 1,000 test digits.
    Cpu,
    /// The published training budgets of every defence on all test digits; meant for a GPU.
    Paper,
    /// S-O taken apart: attacks that differ in one thing each, on networks of the plan `cpu`.
    Ladder,
    /// Are gradients masked? Verdicts on four networks of the plan `cpu`, tried on networks of which it is known.
    Masking,
    /// Natural and Madry l-infinity training on Fashion-MNIST, 500 test images.
    Fashion,
    /// Two trainings of seconds on CIFAR-10 or a small file of its form: does everything work there?
    CifarSmoke,
    /// The published training budgets on CIFAR-10; for GPUs.
    Cifar,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Smoke => "smoke",
            Self::Quick => "quick",
            Self::Cpu => "cpu",
            Self::Paper => "paper",
            Self::Ladder => "ladder",
            Self::Masking => "masking",
            Self::Fashion => "fashion",
            Self::CifarSmoke => "cifar-smoke",
            Self::Cifar => "cifar",
        }
    }

    /// What to expect, in words; bars where they were set, silence where nobody measured.
    fn duration(self) -> &'static str {
        match self {
            Self::Smoke => "under five minutes on two cores, once compiled",
            Self::Quick => {
                "a quarter of an hour on two recent cores, at most an hour on older ones, once compiled"
            }
            Self::Cpu => {
                "three hours on two recent cores; it may be interrupted and goes on where it stopped"
            }
            Self::Fashion => "about a quarter of an hour on two recent cores, once compiled",
            Self::CifarSmoke => {
                "minutes, most of them to fetch the data set unless --data names it"
            }
            Self::Masking => {
                "about a quarter of an hour on two recent cores where the networks of `cpu` are in the store"
            }
            Self::Cifar => "days on a GPU; nobody has run it",
            Self::Paper => {
                "hours on a GPU, days without; it may be interrupted and goes on where it stopped"
            }
            Self::Ladder => {
                "hours on two cores; it may be interrupted and goes on where it stopped"
            }
        }
    }
}

impl Reproduce {
    /// Hands the flags to `saddle reproduce` and its exit code back.
    pub(crate) fn run(&self, workspace: &Workspace) -> anyhow::Result<ExitCode> {
        let (profile, why, found_device) = match self.profile {
            Some(Profile::Paper) => {
                let (_, why, found_device) = default_profile(workspace);
                (
                    Profile::Paper,
                    format!("asked for; {}", why.trim_start_matches("default: ")),
                    found_device,
                )
            }
            Some(profile) => (profile, "asked for".to_owned(), false),
            None if self.plan.is_some() => (Profile::Quick, String::new(), false),
            None => default_profile(workspace),
        };
        let device = match &self.device {
            Some(device) => device.as_str(),
            None if found_device => "cuda:0",
            None => "cpu",
        };
        let name = profile.name();
        let folder = match &self.plan {
            Some(plan) => plan.file_stem().unwrap_or(plan.as_os_str()),
            None => name.as_ref(),
        };
        let out = match &self.out {
            Some(out) => workspace.meant(out),
            None => workspace.root().join("results").join(folder),
        };
        match &self.plan {
            Some(plan) => println!("plan       {} (in place of the profile's)", plan.display()),
            None => println!("profile    {name} ({why})\nexpect     {}", profile.duration()),
        }
        println!("device     {device}\nresults    {}", out.display());

        let features: &[&str] = if device == "cpu" { &[] } else { &["--features", "cuda"] };
        let committed = workspace.root().join("results").join(folder);
        let known = match &self.known {
            Some(known) => Some(workspace.meant(known)),
            None => Some(committed).filter(|own| *own != out && own.is_dir() && !self.fresh),
        };
        let meant = |path: &Option<PathBuf>| path.as_ref().map(|path| workspace.meant(path));
        let paths = [
            ("--out", Some(out.clone())),
            ("--plan", meant(&self.plan)),
            ("--data", meant(&self.data)),
            ("--weights-dir", meant(&self.weights_dir)),
            ("--known", known),
        ];
        let mut arguments = ["reproduce", "--device", device].map(OsString::from).to_vec();
        let mut add = |flag: &str, value: OsString| arguments.extend([OsString::from(flag), value]);
        for (flag, path) in paths {
            if let Some(path) = path {
                add(flag, path.into_os_string());
            }
        }
        if self.plan.is_none() {
            add("--profile", name.into());
        }
        for only in &self.only {
            add("--only", only.into());
        }
        if let Some(seed) = self.seed {
            add("--seed", seed.to_string().into());
        }
        if self.only_given {
            arguments.push("--only-given".into());
        }
        if self.slurm.is_wanted() {
            return self.slurm.run(workspace, features, &arguments, &out);
        }
        if let Some(shard) = &self.shard {
            arguments.push(format!("--shard={shard}").into());
        }
        if self.fresh {
            arguments.push("--fresh".into());
        }
        let command = workspace.cargo(&["run", "--release", "--package", "saddle"]);
        let command = command.args(features).arg("--").args(&arguments);
        // Ctrl-C reaches both of us: `saddle` stops at the next safe place, and we wait for its word.
        ctrlc::set_handler(|| {}).context("cannot leave Ctrl-C to saddle")?;
        let status = std::process::Command::from(command).status().context("cannot start cargo")?;
        match status.code() {
            Some(code) => Ok(ExitCode::from(u8::try_from(code).unwrap_or(1))),
            None => bail!("saddle was killed: {status}"),
        }
    }
}

/// `paper` where a CUDA compiler and a device answer, else `quick`; with the reason, and whether there is a device.
fn default_profile(workspace: &Workspace) -> (Profile, String, bool) {
    let answer = |program: &str, argument: &str| {
        let command = workspace.shell.cmd(program).arg(argument).quiet().ignore_stderr();
        command.read().ok().filter(|text| !text.trim().is_empty())
    };
    if answer("nvcc", "--version").is_none() {
        return (Profile::Quick, "default: no nvcc on the path".to_owned(), false);
    }
    match answer("nvidia-smi", "-L") {
        None => (
            Profile::Quick,
            "default: nvcc is here, but nvidia-smi lists no device".to_owned(),
            false,
        ),
        Some(devices) => {
            let first = devices.lines().next().unwrap_or_default().trim().to_owned();
            (Profile::Paper, format!("default: nvcc and a device are here, {first}"), true)
        }
    }
}

/// Accepts `cpu` and `cuda:N`.
fn device(text: &str) -> Result<String, String> {
    let index = text.strip_prefix("cuda:").map(str::parse::<usize>);
    match (text, index) {
        ("cpu", _) | (_, Some(Ok(_))) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is neither `cpu` nor `cuda:N`")),
    }
}
