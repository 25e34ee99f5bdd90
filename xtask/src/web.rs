//! `cargo xtask web`: build the browser crate for wasm32, the first way that works on this machine.

use clap::Args;

use crate::{wasm::Toolchain, workspace::Workspace};

/// Flags of `cargo xtask web`.
#[derive(Args)]
pub(crate) struct Web {}

impl Web {
    pub(crate) fn run(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let toolchain = Toolchain::find(&workspace.shell)?;
        println!("wasm32 by {}", toolchain.describe());
        toolchain.cargo(workspace, "build").arg("--release").run()?;
        let built = workspace.target().join("wasm/wasm32-unknown-unknown/release/saddle_web.wasm");
        println!("{} ({} bytes)", built.display(), std::fs::metadata(&built)?.len());
        Ok(())
    }
}
