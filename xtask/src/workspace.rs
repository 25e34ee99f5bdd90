//! Where things are: the root of the workspace, its target folder, the cargo that started us.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cargo_metadata::{Metadata, MetadataCommand};
use xshell::{Cmd, Shell};

/// For a check in a target folder of its own: what runs there is macros, build scripts and small tests, so that
/// optimising other people's crates would cost more than it brings.
pub(crate) const UNOPTIMISED: [&str; 2] = ["--config", "profile.dev.package.\"*\".opt-level=0"];

/// The opened workspace: a shell standing in its root, and what `cargo metadata` says about it.
pub(crate) struct Workspace {
    pub(crate) shell: Shell,
    pub(crate) metadata: Metadata,
    cargo: PathBuf,
    /// Where the person stands who called us.
    caller: PathBuf,
}

impl Workspace {
    /// Finds the workspace from xtask's own place and asks cargo about its packages, without their dependencies.
    pub(crate) fn open() -> anyhow::Result<Self> {
        let cargo = std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from);
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = here.parent().context("xtask lies in a folder of the workspace")?.to_owned();
        let metadata = MetadataCommand::new()
            .cargo_path(&cargo)
            .manifest_path(root.join("Cargo.toml"))
            .no_deps()
            .exec()
            .context("`cargo metadata` failed")?;
        let shell = Shell::new()?;
        let caller = shell.current_dir();
        shell.change_dir(&root);
        Ok(Self { shell, metadata, cargo, caller })
    }

    /// Root folder of the workspace.
    pub(crate) fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// Folder of the build products; `CARGO_TARGET_DIR` moves it.
    pub(crate) fn target(&self) -> &Path {
        self.metadata.target_directory.as_std_path()
    }

    /// A path as the caller meant it: relative to where they stand, not to the root.
    pub(crate) fn meant(&self, path: &Path) -> PathBuf {
        self.caller.join(path)
    }

    /// A cargo command in the root of the workspace.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Cmd<'_> {
        self.shell.cmd(&self.cargo).args(arguments)
    }
}
