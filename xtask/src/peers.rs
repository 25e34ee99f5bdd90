//! The side-by-side run against PyTorch: same network, same weights, same images, one call after the other.
//!
//! Two server processes stay alive through the run: `peer_input_gradient` of `saddle-benches` and
//! `benches/peers/torch_input_gradient.py`. Each answers a line that names a mode with the milliseconds that one call
//! took, after one untimed call of the same kind. A round asks both, in an order that alternates, so that a busy
//! machine slows both alike; what is reported is the median over the rounds of the ratio *within* a round.
//!
//! Ours exports weights, images and its own gradients first; the other side loads them and says how far its gradients
//! are from ours, so that equal work is compared.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::workspace::Workspace;

/// PyTorch's memory formats; the second is its fastest in f32.
const MODES: [&str; 2] = ["nchw", "channels_last"];

/// Settings of one side-by-side run.
pub(crate) struct Peers {
    pub(crate) python: PathBuf,
    pub(crate) batch: usize,
    pub(crate) threads: usize,
    pub(crate) rounds: u64,
    pub(crate) kernels: Option<String>,
    pub(crate) record: PathBuf,
}

/// Milliseconds of one call.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

impl Peers {
    pub(crate) fn run(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let binary = ["--package", "saddle-benches", "--bin", "peer_input_gradient"];
        workspace.cargo(&["build", "--release"]).args(binary).run()?;
        let shared = workspace.target().join("peer_input_gradient.safetensors");
        let (batch, threads) = (self.batch.to_string(), self.threads.to_string());

        let mut ours = Command::new(workspace.target().join("release/peer_input_gradient"));
        ours.args(["--batch", &batch, "--export"]).arg(&shared).env("RAYON_NUM_THREADS", &threads);
        if let Some(kernels) = &self.kernels {
            ours.args(["--kernels", kernels]);
        }
        let mut ours = Server::start(ours)?;

        let mut torch = Command::new(&self.python);
        torch.arg(workspace.root().join("benches/peers/torch_input_gradient.py"));
        torch.args(["--threads", &threads, "--shared"]).arg(&shared);
        let mut torch = Server::start(torch)?;
        println!("ours  {}\ntorch {}", ours.hello, torch.hello);

        for mode in MODES {
            let mut rounds = Vec::new();
            for round in 0..self.rounds {
                let pair = if round % 2 == 0 {
                    let mine = ours.call("engine")?;
                    (mine, torch.call(mode)?)
                } else {
                    let theirs = torch.call(mode)?;
                    (ours.call("engine")?, theirs)
                };
                rounds.push(pair);
            }
            let over = |value: fn(&(Cost, Cost)) -> f64| median(rounds.iter().map(value).collect());
            let line = json!({
                "peer": format!("torch {mode}"),
                "work": "input_gradient",
                "batch": self.batch,
                "threads": self.threads,
                "rounds": self.rounds,
                "cpu_ratio": over(|(mine, theirs)| mine.cpu / theirs.cpu),
                "wall_ratio": over(|(mine, theirs)| mine.wall / theirs.wall),
                "ours_cpu_ms": over(|(mine, _)| mine.cpu),
                "theirs_cpu_ms": over(|(_, theirs)| theirs.cpu),
                "ours_wall_ms": over(|(mine, _)| mine.wall),
                "theirs_wall_ms": over(|(_, theirs)| theirs.wall),
                "ours": ours.hello,
                "theirs": torch.hello,
                "processor": processor(),
                "commit": workspace.commit(),
            });
            println!(
                "{mode:<14} ours {:.2} ms, torch {:.2} ms of processor; ratio {:.3} (wall {:.3}), medians of {}",
                number(&line, "ours_cpu_ms"),
                number(&line, "theirs_cpu_ms"),
                number(&line, "cpu_ratio"),
                number(&line, "wall_ratio"),
                self.rounds
            );
            self.append(workspace, &line)?;
        }
        Ok(())
    }

    fn append(&self, workspace: &Workspace, line: &Value) -> anyhow::Result<()> {
        let path = workspace.root().join(&self.record);
        std::fs::create_dir_all(path.parent().context("the record needs a folder")?)?;
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
        writeln!(file, "{line}")?;
        Ok(())
    }
}

/// A child that answers lines with lines; killed when dropped.
struct Server {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// The first line it said: its version, kernels and findings, as JSON.
    hello: Value,
}

impl Server {
    fn start(mut command: Command) -> anyhow::Result<Self> {
        let name = format!("{:?}", command.get_program());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let questions = child.stdin.take().context("no standard input")?;
        let mut answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        let hello = serde_json::from_str(&line)
            .with_context(|| format!("{name} did not come up: {line:?}"))?;
        Ok(Self { child, questions, answers, hello })
    }

    fn call(&mut self, mode: &str) -> anyhow::Result<Cost> {
        writeln!(self.questions, "{mode}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let numbers: Vec<f64> =
            line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        ensure!(numbers.len() == 2, "expected `CPU_MS WALL_MS`, got {line:?}");
        Ok(Cost { cpu: numbers[0], wall: numbers[1] })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have gone by itself; either way nothing is left running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The middle value; of an even number, the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

fn number(line: &Value, field: &str) -> f64 {
    line[field].as_f64().unwrap_or(f64::NAN)
}

/// Name of the processor, where the system tells.
fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}
