//! `cargo xtask bench`: the divan benches, or a side-by-side run against another system.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{peers::Peers, workspace::Workspace};

/// Flags of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    against: Option<Against>,
    /// Only benches whose name contains this text.
    filter: Option<String>,
}

#[derive(Subcommand)]
enum Against {
    /// One input gradient of the Madry network beside PyTorch's, interleaved call by call.
    Peers {
        /// A Python that has torch, numpy and safetensors.
        #[arg(long)]
        python: PathBuf,
        /// Images per gradient.
        #[arg(long, default_value_t = 100)]
        batch: usize,
        /// Threads on both sides.
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// Rounds; each calls both sides once warm and once timed. At least 15.
        #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u64).range(15..))]
        rounds: u64,
        /// Kernels on our side, for example `avx2` [default: the best that the machine has].
        #[arg(long)]
        kernels: Option<String>,
        /// File that gets one JSON line per peer.
        #[arg(long, default_value = "benches/record/peers.jsonl")]
        record: PathBuf,
    },
}

impl Bench {
    pub(crate) fn run(self, workspace: &Workspace) -> anyhow::Result<()> {
        match self.against {
            Some(Against::Peers { python, batch, threads, rounds, kernels, record }) => {
                Peers { python, batch, threads, rounds, kernels, record }.run(workspace)
            }
            None => {
                let command = workspace.cargo(&["bench", "--package", "saddle-benches", "--"]);
                command.args(self.filter).run()?;
                Ok(())
            }
        }
    }
}
