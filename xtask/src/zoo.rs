//! `cargo xtask zoo`: 16-bit weight files and their cards, from the store and the report of a finished run.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use crate::workspace::Workspace;

/// Flags of `cargo xtask zoo`.
#[derive(Args)]
pub(crate) struct Zoo {
    /// Folder of the report whose networks are exported, such as results/cpu; the cards quote it.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Folder of results and checkpoints of that run [default: `store` in the folder of the report].
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Plan of that run [default: the profile that the folder is named after].
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// A network of the plan; repeatable.
    #[arg(
        long = "network",
        value_name = "NAME",
        default_values = ["natural", "madry_linf", "madry_l2", "trades_linf"]
    )]
    networks: Vec<String>,
    /// Folder with the data set's IDX files [default: fetched into the user's cache].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder of the weight files and cards.
    #[arg(long, value_name = "DIR", default_value = "zoo")]
    out: PathBuf,
}

impl Zoo {
    /// Exports one network after the other; nothing is trained.
    pub(crate) fn run(&self, workspace: &Workspace) -> anyhow::Result<()> {
        let from = workspace.meant(&self.from);
        let report = from.join("report.json");
        ensure!(
            report.is_file(),
            "there is no {}; run `cargo xtask reproduce` first",
            report.display()
        );
        let store = self.store.as_ref().map_or(from.join("store"), |store| workspace.meant(store));
        for network in &self.networks {
            let out = workspace.meant(&self.out).join(format!("{network}.safetensors"));
            let mut command = workspace
                .cargo(&["run", "--release", "--quiet", "--package", "saddle", "--", "export"])
                .args(["--network", network])
                .arg("--store")
                .arg(&store)
                .arg("--results")
                .arg(&from)
                .arg("--out")
                .arg(out);
            command = match &self.plan {
                Some(plan) => command.arg("--plan").arg(workspace.meant(plan)),
                None => command.arg("--profile").arg(from.file_name().unwrap_or_default()),
            };
            if let Some(data) = &self.data {
                command = command.arg("--data").arg(workspace.meant(data));
            }
            command.run()?;
        }
        Ok(())
    }
}
