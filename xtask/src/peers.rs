//! `cargo xtask bench peers`: our work beside PyTorch's, foolbox's and torchattacks', call by call.
//!
//! For each row of the table two processes stay alive: `saddle_bench serve` and `benches/peers/rival.py` (or a second one
//! of ours, for the processor's peak and for one thread against two). They speak lines over pipes. Each answers a line with
//! the milliseconds that one call took, after one untimed call where a call is short. A round asks both, in an order that
//! alternates, so that a busy machine slows both alike; the result is the median over the rounds of the ratio *within* a
//! round, rival time / our time.
//!
//! Ours writes network, images and its own gradients to a file first. The rival reads them and says how far its gradients
//! are from ours; a row whose two sides do not do equal work fails.

mod record;
mod rows;
mod server;

use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::json;

use crate::workspace::Workspace;
pub(crate) use record::{Records, append, processor, today};
use rows::{Row, table};
use server::Cost;
pub(crate) use server::{Server, median};

/// Largest relative l2 distance between the two sides' gradients. One window of a pool whose winner rounding decides makes
/// 1e-4 to 1e-3 of it; another network, loss or layout makes about 1. The second is for bf16, which keeps 8 bits.
const TOLERANCE: f64 = 1e-2;
const BF16_TOLERANCE: f64 = 0.1;
/// Largest difference between the two sides' robust digits, as a part of all: their random starts differ.
const ROBUST_TOLERANCE: f64 = 0.02;

/// Our work beside that of PyTorch, foolbox and torchattacks, interleaved call by call, on a robust network.
///
/// Ratios are rival time / our time, of processor time at one thread (all threads of a process counted) and of wall time at
/// two. Without selecting flags the whole table runs, which takes hours; `--work input_gradient --rival channels_last` is a
/// minute. The rival's side gets glibc's malloc thresholds raised through the environment, which makes it faster. Neither
/// foolbox nor torchattacks lets fooled digits leave, so ours does not either.
#[derive(Args)]
pub(crate) struct Peers {
    /// A Python that has torch, safetensors, numpy, foolbox and torchattacks.
    #[arg(long)]
    python: PathBuf,
    /// Only rows of this work; may be repeated.
    #[arg(long, value_parser = rows::works())]
    work: Vec<String>,
    /// Only rows against this rival; may be repeated.
    #[arg(long, value_parser = rows::rivals())]
    rival: Vec<String>,
    /// Only rows of this batch, or, where none has it, the selected rows with this batch and no bar.
    #[arg(long)]
    batch: Option<usize>,
    /// Threads, as with `--batch`.
    #[arg(long)]
    threads: Option<usize>,
    /// Our kernels, `avx512`, `avx2` or `portable`, as with `--batch`.
    #[arg(long)]
    kernels: Option<String>,
    /// Rounds [default: 15, and 3 for `train_pgd40_epoch`]; results of fewer than the default are not recorded.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: Option<u64>,
    /// Digits of an attack or an epoch [default: 1000 and 6000]; the work's name then says so, and no bar applies.
    #[arg(long)]
    digits: Option<usize>,
    /// Folder with MNIST's IDX files, raw or gzipped [default: fetched into the user's cache].
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder that gets one line of JSON for each row.
    #[arg(long, default_value = "benches/records")]
    records: PathBuf,
}

/// Builds our side and says where it lies.
pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let binary = ["--package", "saddle-benches", "--bin", "saddle_bench"];
    workspace.cargo(&["build", "--release"]).args(binary).run()?;
    Ok(workspace.target().join("release/saddle_bench"))
}

impl Peers {
    pub(crate) fn run(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let rows = self.rows();
        ensure!(!rows.is_empty(), "no row of the table has this work and this rival");
        let ours = build(workspace)?;
        std::fs::create_dir_all(workspace.target().join("bench"))?;
        println!("{}", Row::HEAD);
        let mut failed = 0;
        for row in &rows {
            match self.measure(workspace, &ours, row) {
                Ok(words) => println!("{row}  {words}"),
                Err(error) => {
                    failed += 1;
                    println!("{row}  FAILED: {error:#}");
                }
            }
        }
        ensure!(failed == 0, "{failed} of {} rows failed", rows.len());
        Ok(())
    }

    /// The selected rows of the table, with what the flags change.
    fn rows(&self) -> Vec<Row> {
        let named = |names: &[String], name: &str| {
            names.is_empty() || names.iter().any(|wanted| wanted == name)
        };
        let mut rows: Vec<Row> = table()
            .into_iter()
            .filter(|row| named(&self.work, row.work) && named(&self.rival, row.rival))
            .collect();
        if let Some(batch) = self.batch {
            narrow(&mut rows, |row| row.batch == batch, |row| row.batch = batch);
        }
        if let Some(threads) = self.threads {
            narrow(&mut rows, |row| row.threads == threads, |row| row.threads = threads);
        }
        if let Some(kernels) = &self.kernels {
            let same = |row: &Row| row.kernels == *kernels;
            narrow(&mut rows, same, |row| row.kernels.clone_from(kernels));
        }
        if let Some(digits) = self.digits {
            narrow(&mut rows, |row| row.digits().is_none_or(|own| own == digits), |_| ());
            rows.iter_mut().filter(|row| row.digits().is_some()).for_each(|row| row.slice(digits));
        }
        rows
    }

    /// Runs one row; what is printed behind it.
    fn measure(&self, workspace: &Workspace, ours: &PathBuf, row: &Row) -> anyhow::Result<String> {
        let shared = workspace.target().join("bench/shared.safetensors");
        let flags = row.flags();
        let serve = |threads: usize| {
            let mut command = std::process::Command::new(ours);
            command.arg("serve").args(&flags).args(["--kernels", &row.kernels]);
            command.args(["--network", row.network()]);
            command.args(["--digits", &row.digits().unwrap_or(row.batch).to_string()]);
            command.arg("--cache").arg(workspace.target().join("bench"));
            command.args(self.data.iter().flat_map(|data| ["--data".as_ref(), data.as_os_str()]));
            command.env("RAYON_NUM_THREADS", threads.to_string());
            command
        };
        let mut mine = serve(row.threads);
        mine.arg("--shared").arg(&shared);
        let mut mine = Server::start(mine)?;
        if let Some(absent) = mine.hello["absent"].as_str() {
            return Ok(absent.to_owned());
        }
        let theirs = match row.rival {
            "peak" => {
                let mut peak = serve(1);
                peak.arg("--peak");
                peak
            }
            "ours_1_thread" => serve(1),
            rival => {
                let mut python = std::process::Command::new(&self.python);
                python.arg(workspace.root().join("benches/peers/rival.py")).args(&flags);
                python.args(["--rival", rival, "--threads", &row.threads.to_string()]);
                python.arg("--shared").arg(&shared);
                // Below these sizes glibc keeps freed memory instead of giving it back to the system page by page.
                for threshold in ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"] {
                    python.env(threshold, (1u64 << 30).to_string());
                }
                python.env("MALLOC_TOP_PAD_", (1u64 << 26).to_string());
                python
            }
        };
        let mut theirs = Server::start(theirs)?;
        let equal = equal_work(row, &mine, &theirs)?;

        let rounds = self.rounds.unwrap_or(row.rounds());
        let mut pairs = Vec::new();
        for round in 0..rounds {
            pairs.push(if round % 2 == 0 {
                let cost = mine.call()?;
                (cost, theirs.call()?)
            } else {
                let cost = theirs.call()?;
                (mine.call()?, cost)
            });
        }
        let time = |cost: &Cost| if row.threads == 1 { cost.cpu } else { cost.wall };
        let over = |value: &dyn Fn(&(Cost, Cost)) -> f64| {
            median(pairs.iter().map(value).collect()).context("no round")
        };
        let ratio = over(&|(mine, theirs)| time(theirs) / time(mine))?;
        let (ours_ms, rival_ms) = (over(&|pair| time(&pair.0))?, over(&|pair| time(&pair.1))?);
        let line = json!({
            "work": row.name(),
            "batch": row.batch,
            "threads": row.threads,
            "rival": row.rival,
            "ratio_median": ratio,
            "ours_ms": ours_ms,
            "rival_ms": rival_ms,
            "rounds": rounds,
            "kernels": row.kernels,
            "cpu": processor(),
            "date": today(workspace)?,
        });
        let recorded = rounds >= row.rounds();
        if recorded {
            append(&workspace.root().join(&self.records).join("peers.jsonl"), &line)?;
        }
        let bar = row.bar.map_or_else(|| "     ".to_owned(), |bar| format!("{bar:5.2}"));
        let note = if recorded { "" } else { "; not recorded: too few rounds" };
        Ok(format!("{ratio:7.3} {bar} {ours_ms:>11.3} {rival_ms:>11.3} {rounds:>6}  {equal}{note}"))
    }
}

/// Keeps the rows that fit; if none does, changes all, once each, and takes their bars away.
fn narrow(rows: &mut Vec<Row>, fits: impl Fn(&Row) -> bool, change: impl Fn(&mut Row)) {
    if rows.iter().any(&fits) {
        rows.retain(fits);
        return;
    }
    for row in rows.iter_mut() {
        change(row);
        row.bar = None;
    }
    let names: Vec<String> = rows.iter().map(ToString::to_string).collect();
    let mut place = 0;
    rows.retain(|_| {
        place += 1;
        !names[..place - 1].contains(&names[place - 1])
    });
}

/// Says in words that both sides do the same, or fails.
fn equal_work(row: &Row, mine: &Server, theirs: &Server) -> anyhow::Result<String> {
    let mut words = Vec::new();
    if let Some(difference) = theirs.hello["difference"].as_f64() {
        let allowed = if row.rival.ends_with("bf16") { BF16_TOLERANCE } else { TOLERANCE };
        if difference > allowed {
            bail!(
                "the gradients are {difference:.1e} apart (relative, l2), {allowed:.0e} is allowed"
            );
        }
        words.push(format!("gradients {difference:.0e} apart"));
    }
    if let (Some(mine), Some(theirs)) =
        (mine.hello["robust"].as_u64(), theirs.hello["robust"].as_u64())
    {
        let digits = row.digits().unwrap_or(row.batch);
        if mine.abs_diff(theirs) as f64 > ROBUST_TOLERANCE * digits as f64 {
            bail!("{mine} robust digits of {digits} for us, {theirs} for the rival");
        }
        words.push(format!("{mine} and {theirs} robust"));
    }
    Ok(words.join(", "))
}
