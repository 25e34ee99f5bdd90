//! `cargo xtask bench`: the divan benches, side-by-side runs against other systems, and checks of our numbers.

mod web;

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::{Args, Subcommand};

use crate::peers::{Peers, Records, append, build};
use crate::workspace::Workspace;

/// Flags of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: Option<What>,
    /// Only benches whose name contains this text.
    filter: Option<String>,
}

#[derive(Subcommand)]
enum What {
    Peers(Peers),
    Web(web::Web),
    /// Input gradients of every kernel path, and PyTorch's own, held against float64.
    Gradients {
        /// A Python that has torch and safetensors.
        #[arg(long)]
        python: PathBuf,
        #[command(flatten)]
        check: Check,
    },
    /// PGD and S-O on every kernel path: for how many digits does the verdict differ?
    Verdicts {
        /// Noisy points for each of S-O's 40 steps.
        #[arg(long, default_value_t = 5)]
        samples: u32,
        #[command(flatten)]
        check: Check,
    },
    /// The newest record of each row beside its bar, as a Markdown table and as a picture.
    Table {
        /// Folder of the records.
        #[arg(long, default_value = "benches/records")]
        records: PathBuf,
        /// File that gets the picture.
        #[arg(long, value_name = "FILE")]
        svg: Option<PathBuf>,
    },
}

/// What the checks of our numbers have in common.
#[derive(Args)]
struct Check {
    /// Test digits.
    #[arg(long, default_value_t = 1000)]
    digits: usize,
    /// Folder that gets the lines of JSON.
    #[arg(long, default_value = "benches/records")]
    records: PathBuf,
}

impl Bench {
    pub(crate) fn run(self, workspace: &Workspace) -> anyhow::Result<()> {
        match self.what {
            Some(What::Peers(peers)) => peers.run(workspace),
            Some(What::Web(web)) => web.run(workspace),
            Some(What::Gradients { python, check }) => gradients(workspace, &python, &check),
            Some(What::Verdicts { samples, check }) => verdicts(workspace, samples, &check),
            Some(What::Table { records, svg }) => show(workspace, &records, svg.as_deref()),
            None => {
                let command = workspace.cargo(&["bench", "--package", "saddle-benches", "--"]);
                command.args(self.filter).run()?;
                Ok(())
            }
        }
    }
}

fn gradients(workspace: &Workspace, python: &Path, check: &Check) -> anyhow::Result<()> {
    let ours = build(workspace)?;
    let shared = workspace.target().join("gradients.safetensors");
    let digits = check.digits.to_string();
    let ours = workspace.shell.cmd(&ours).args(["gradients", "--digits", &digits]);
    ours.arg("--shared").arg(&shared).run()?;
    let judge = workspace.root().join("benches/peers/gradient_errors.py");
    let lines = workspace.shell.cmd(python).arg(judge).arg("--shared").arg(&shared).read()?;
    keep(workspace, check, "gradients.jsonl", &lines)
}

fn verdicts(workspace: &Workspace, samples: u32, check: &Check) -> anyhow::Result<()> {
    let ours = build(workspace)?;
    let (digits, samples) = (check.digits.to_string(), samples.to_string());
    let ours = workspace.shell.cmd(&ours).args(["verdicts", "--digits", &digits]);
    let lines = ours.args(["--samples", &samples]).read()?;
    keep(workspace, check, "verdicts.jsonl", &lines)
}

fn show(workspace: &Workspace, records: &Path, svg: Option<&Path>) -> anyhow::Result<()> {
    let records = Records::read(&workspace.root().join(records))?;
    println!("{}", records.to_markdown());
    if let Some(svg) = svg {
        let ours = build(workspace)?;
        let chart = records.to_chart().to_string();
        let picture = workspace.shell.cmd(&ours).arg("plot").stdin(chart).read()?;
        std::fs::write(workspace.root().join(svg), picture + "\n")?;
    }
    Ok(())
}

/// Prints the lines of a check and appends them to a file.
fn keep(workspace: &Workspace, check: &Check, file: &str, lines: &str) -> anyhow::Result<()> {
    ensure!(!lines.is_empty(), "the check said nothing");
    println!("{lines}");
    let path = workspace.root().join(&check.records).join(file);
    lines.lines().try_for_each(|line| append(&path, &serde_json::from_str(line)?))
}
