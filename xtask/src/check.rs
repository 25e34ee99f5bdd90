//! `cargo xtask check`: formatting, lints, documentation, the direction of dependencies, and the two targets that
//! no test runs on.
//!
//! Cheapest first; all steps run, whatever fails, and the failures are listed at the end. Tests are not part of it:
//! `cargo test --workspace` is.

mod deep;
mod rooms;
mod shards;
mod slurm;

use anyhow::bail;
use clap::Args;

use crate::wasm::{Build, Toolchain};
use crate::workspace::{UNOPTIMISED, Workspace};

/// Flags of `cargo xtask check`.
#[derive(Args)]
pub(crate) struct Check {
    /// Also the slow ones: AddressSanitizer and valgrind over the kernels, cargo-deny, twenty kills of a smoke run, shards that
    /// are killed, and a run on a Slurm of one node, set up for it on this machine, that loses its node on the way.
    #[arg(long)]
    deep: bool,
    /// Only the steps whose name contains this text; may be repeated.
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
}

/// A named step of the check; what it returns in words is printed behind its name.
type Step = (&'static str, fn(&Workspace) -> anyhow::Result<String>);

const STEPS: [Step; 6] = [
    ("rooms", rooms::check),
    ("fmt", fmt),
    ("clippy", clippy),
    ("doc", doc),
    ("wasm32", wasm32),
    ("cuda", cuda),
];

const DEEP: [Step; 6] = [
    ("address-sanitizer", deep::address_sanitizer),
    ("valgrind", deep::valgrind),
    ("deny", deep::deny),
    ("kill-and-resume", deep::kill_and_resume),
    ("shards", shards::killed),
    ("slurm", slurm::node_lost),
];

impl Check {
    pub(crate) fn run(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let wanted = |name: &str| {
            self.only.is_empty() || self.only.iter().any(|text| name.contains(text.as_str()))
        };
        let deep: &[Step] = if self.deep { &DEEP } else { &[] };
        let mut lines = Vec::new();
        let mut failed = 0;
        for (name, step) in STEPS.iter().chain(deep).filter(|(name, _)| wanted(name)) {
            println!("--- {name}");
            let start = std::time::Instant::now();
            let (mark, words) = match step(workspace) {
                Ok(words) => ("ok", words),
                Err(error) => {
                    failed += 1;
                    ("FAILED", format!("{error:#}"))
                }
            };
            lines.push(format!(
                "{mark:<6}  {name:<18} {:>5.0} s  {words}",
                start.elapsed().as_secs_f64()
            ));
        }
        println!("\n{}", lines.join("\n"));
        if failed > 0 {
            bail!("{failed} of {} checks failed", lines.len());
        }
        Ok(())
    }
}

fn fmt(workspace: &Workspace) -> anyhow::Result<String> {
    workspace.cargo(&["fmt", "--all", "--check"]).run()?;
    Ok(String::new())
}

fn clippy(workspace: &Workspace) -> anyhow::Result<String> {
    workspace.cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).run()?;
    Ok("no warning".to_owned())
}

fn doc(workspace: &Workspace) -> anyhow::Result<String> {
    let command = workspace.cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings").run()?;
    Ok("no warning".to_owned())
}

fn wasm32(workspace: &Workspace) -> anyhow::Result<String> {
    let toolchain = Toolchain::find(&workspace.shell)?;
    toolchain.cargo(workspace, "check", Build::Simd128).args(UNOPTIMISED).run()?;
    Ok(format!("by {}", toolchain.describe()))
}

/// Type-checks the `cuda` feature against the stand-in compiler under `.ci/`: Rust only, no kernel is proven.
///
/// Always the stand-in, even beside a real toolkit, so that the answer is the same everywhere; always in a target
/// folder of its own, so that its empty kernels can never end up in a program.
fn cuda(workspace: &Workspace) -> anyhow::Result<String> {
    let stand_in = workspace.root().join(".ci/stand-in-cuda");
    let mut path = vec![stand_in.join("bin")];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    workspace
        .cargo(&["check", "--package", "saddle", "--features", "cuda"])
        .args(UNOPTIMISED)
        .env("PATH", std::env::join_paths(path)?)
        .env("CUDA_HOME", &stand_in)
        .env("CUDA_COMPUTE_CAP", "80")
        .env("CARGO_TARGET_DIR", workspace.target().join("cuda-check"))
        .run()?;
    Ok("type-checked against a stand-in compiler; no kernel is proven".to_owned())
}
