//! `cargo xtask bench web`: the demo's engine in a browser, beside tfjs there and beside ourselves outside.
//!
//! `web/bench/run.mjs` drives the browser and says what it measured, a line of JSON for each thing. Here these lines get the
//! native figures, the bars and the day.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::peers::{Server, append, build, median, processor, today};
use crate::workspace::Workspace;

/// The works with the most milliseconds that a call may take in one worker, and the least ratio to tfjs.
const WORKS: [(&str, Option<f64>, Option<f64>); 5] = [
    ("input_gradient_1", None, None),
    ("input_gradient_20", Some(20.0 * 1.6), Some(12.0)),
    ("pgd_40", Some(120.0), None),
    ("so_40x20", Some(1600.0), Some(12.0)),
    ("so_400x1", Some(1200.0), None),
];
/// Least ratio of one worker's time to two workers'.
const TWO_WORKERS: f64 = 1.6;
/// Most bytes, compressed, of the module, and of everything before a first attack.
const MODULE: u64 = 350_000;
const DOWNLOAD: u64 = 7_000_000;
const MODULE_FILE: &str = "wasm/saddle_web.relaxed-simd.wasm";
const NETWORK_FILE: &str = "networks/madry_linf.safetensors";
/// Kernels of native runs: the first that the processor has.
const KERNELS: [&str; 4] = ["avx512", "avx2", "neon", "portable"];

/// The engine in headless Chromium beside tfjs with its wasm backend, interleaved, and beside the native program.
///
/// Needs the folder that `cargo xtask web` makes, node.js with npm, and Chromium (CHROMIUM says where, else it is looked for).
/// Processor time in one worker; Linux only, which tells it.
#[derive(Args)]
pub(super) struct Web {
    /// The folder that `cargo xtask web` made [default: `web` in the target folder].
    #[arg(long, value_name = "DIR")]
    page: Option<PathBuf>,
    /// Only this work; may be repeated.
    #[arg(long, value_parser = WORKS.map(|(name, ..)| name))]
    work: Vec<String>,
    /// Rounds; a round of S-O takes tfjs half a minute.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Attacks of the test of memory; 0 for none.
    #[arg(long, default_value_t = 1000)]
    attacks: u64,
    /// Folder with MNIST's IDX files, raw or gzipped [default: fetched into the user's cache].
    #[arg(long)]
    data: Option<PathBuf>,
    /// Folder that gets the lines of JSON.
    #[arg(long, default_value = "benches/records")]
    records: PathBuf,
}

impl Web {
    pub(super) fn run(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let page = match &self.page {
            Some(page) => workspace.meant(page),
            None => workspace.target().join("web"),
        };
        ensure!(
            page.join("index.html").is_file(),
            "{} holds no page; `cargo xtask web` makes one",
            page.display()
        );
        let works: Vec<&str> = if self.work.is_empty() {
            WORKS.iter().map(|(name, ..)| *name).collect()
        } else {
            self.work.iter().map(String::as_str).collect()
        };
        let mut lines = self.in_browser(workspace, &page, &works)?;
        let native = self.native(workspace, &works)?;
        for line in &mut lines {
            let found = native.iter().find(|(work, ..)| line["work"] == *work);
            if let (Some((_, kernels, milliseconds)), true) = (found, line["measure"] == "rival") {
                line["native_ms"] = json!(milliseconds);
                line["native_kernels"] = json!(kernels);
            }
            line["cpu"] = json!(processor());
            line["date"] = json!(today(workspace)?);
            append(&workspace.root().join(&self.records).join("web.jsonl"), line)?;
        }
        print(&lines);
        Ok(())
    }

    fn in_browser(
        &self,
        workspace: &Workspace,
        page: &Path,
        works: &[&str],
    ) -> anyhow::Result<Vec<Value>> {
        let folder = workspace.root().join("web/bench");
        if !folder.join("node_modules").is_dir() {
            let _there = workspace.shell.push_dir(&folder);
            workspace.shell.cmd("npm").args(["ci", "--ignore-scripts"]).run()?;
        }
        let mut node = workspace.shell.cmd("node").arg(folder.join("run.mjs"));
        node = node.arg("--page").arg(page).args(["--rounds", &self.rounds.to_string()]);
        node = node.args(["--attacks", &self.attacks.to_string()]);
        for work in works {
            node = node.args(["--work", *work]);
        }
        let text = node.read().context("the bench needs node.js 20.19 or later, and Chromium")?;
        text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
    }

    /// Median milliseconds of each work outside the browser, on one thread, and the kernels that did it.
    fn native<'a>(
        &self,
        workspace: &Workspace,
        works: &[&'a str],
    ) -> anyhow::Result<Vec<(&'a str, &'static str, f64)>> {
        let ours = build(workspace)?;
        let mut found = Vec::new();
        for &work in works {
            let (name, batch) = match work {
                "input_gradient_1" => ("input_gradient", "1"),
                "input_gradient_20" => ("input_gradient", "20"),
                attack => (attack, "1"),
            };
            for kernels in KERNELS {
                let mut command = Command::new(&ours);
                command.args(["serve", "--work", name, "--batch", batch, "--digits", "1"]);
                command.args(["--kernels", kernels, "--warm", "--repeats", "3"]);
                command.arg("--cache").arg(workspace.target().join("bench"));
                let data = self.data.iter().map(|data| workspace.meant(data));
                data.for_each(|data| {
                    command.arg("--data").arg(data);
                });
                command.env("RAYON_NUM_THREADS", "1");
                let mut server = Server::start(command)?;
                if server.hello["absent"].is_string() {
                    continue;
                }
                let costs = (0..self.rounds).map(|_| Ok(server.call()?.cpu));
                let costs = costs.collect::<anyhow::Result<Vec<f64>>>()?;
                found.push((work, kernels, median(costs).context("no round")?));
                break;
            }
        }
        Ok(found)
    }
}

/// Everything beside its bar.
fn print(lines: &[Value]) {
    let of = |measure: &'static str| lines.iter().filter(move |line| line["measure"] == measure);
    let number = |line: &Value, field: &str| line[field].as_f64().unwrap_or(f64::NAN);
    println!(
        "| work, one worker | ms | at most | tfjs, ms | ratio | 95 % | at least | native, ms | to native |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |");
    for line in of("rival") {
        let work = line["work"].as_str().unwrap_or("");
        let bars = WORKS.iter().find(|(name, ..)| *name == work);
        let [most, least] = bars.map_or([None; 2], |(_, most, least)| [*most, *least]);
        let bar = |bar: Option<f64>| bar.map_or_else(String::new, |bar| bar.to_string());
        let (ours, native) = (number(line, "ours_ms"), number(line, "native_ms"));
        let interval = &line["ratio_interval"];
        println!(
            "| `{work}` | {ours:.2} | {} | {:.1} | {:.1} | {:.1} to {:.1} | {} | {native:.2} | {:.2} |",
            bar(most),
            number(line, "rival_ms"),
            number(line, "ratio_median"),
            interval[0].as_f64().unwrap_or(f64::NAN),
            interval[1].as_f64().unwrap_or(f64::NAN),
            bar(least),
            ours / native,
        );
    }
    println!();
    for line in of("workers") {
        let ratio = number(line, "ratio_median");
        println!("two workers against one, S-O 40 x 20: {ratio:.2} (at least {TWO_WORKERS})");
    }
    for line in of("sizes") {
        let brotli = |file: &str| line["files"][file]["brotli"].as_u64().unwrap_or(0);
        println!("module, compressed: {} bytes (at most {MODULE})", brotli(MODULE_FILE));
        for opening in of("opening") {
            let files = opening["files"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let page: u64 = files.map(brotli).sum();
            let all = page + brotli(NETWORK_FILE);
            println!(
                "before the first attack, compressed: {all} bytes, {page} of them the page (at most {DOWNLOAD})"
            );
            println!("the page answers after {:.0} ms", number(opening, "milliseconds"));
        }
    }
    for line in of("memory") {
        let (attacks, work) = (&line["attacks"], &line["work"]);
        let [start, end] = ["start_mb", "end_mb"].map(|field| number(line, field));
        println!("memory before and after {attacks} attacks ({work}): {start:.0} MB, {end:.0} MB");
    }
}
