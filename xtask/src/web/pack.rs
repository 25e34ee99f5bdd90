//! The program in `web/pack`: wasm-bindgen, hashes and sizes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::wasm::Build;
use crate::workspace::Workspace;

/// Who loads the glue.
#[derive(Clone, Copy)]
pub(super) enum Glue {
    /// The page.
    Web,
    /// Tests in node.js.
    Node,
}

/// What is known of a file.
pub(super) struct Entry {
    pub(super) bytes: u64,
    pub(super) sha256: String,
    /// Bytes of the compressed file, if it was compressed.
    pub(super) brotli: Option<u64>,
}

/// The program, built.
pub(super) struct Pack<'a> {
    workspace: &'a Workspace,
    program: PathBuf,
}

impl<'a> Pack<'a> {
    /// Builds it in a target folder of its own; minutes the first time.
    pub(super) fn build(workspace: &'a Workspace) -> anyhow::Result<Self> {
        let folder = workspace.target().join("pack");
        workspace
            .cargo(&["build", "--locked", "--manifest-path", "web/pack/Cargo.toml"])
            .env("CARGO_TARGET_DIR", &folder)
            .run()?;
        Ok(Self { workspace, program: folder.join("debug/saddle-pack") })
    }

    /// Writes `saddle_web.js` and the modules.
    pub(super) fn glue(
        &self,
        host: Glue,
        modules: &[(Build, PathBuf)],
        out: &Path,
    ) -> anyhow::Result<()> {
        let target = match host {
            Glue::Web => "web",
            Glue::Node => "nodejs",
        };
        let mut command = self.workspace.shell.cmd(&self.program);
        command = command.args(["glue", "--name", "saddle_web", "--target", target]);
        command = command.arg("--out").arg(out);
        for (build, module) in modules {
            let mut argument = std::ffi::OsString::from(format!("{}=", build.name()));
            argument.push(module);
            command = command.arg("--build").arg(argument);
        }
        Ok(command.run()?)
    }

    /// Every file below a folder, by path.
    pub(super) fn list(&self, folder: &Path, brotli: bool) -> anyhow::Result<Vec<(String, Entry)>> {
        let command = self.workspace.shell.cmd(&self.program).arg("list").arg(folder);
        let text = command.args(brotli.then_some("--brotli")).quiet().read()?;
        let list: serde_json::Map<String, Value> = serde_json::from_str(&text)?;
        let entries = list.into_iter().map(|(path, entry)| {
            let bytes = entry["bytes"].as_u64().context("no size")?;
            let sha256 = entry["sha256"].as_str().context("no hash")?.to_owned();
            ensure!(sha256.len() == 64, "{path} has the hash {sha256:?}");
            Ok((path, Entry { bytes, sha256, brotli: entry["brotli"].as_u64() }))
        });
        entries.collect()
    }
}
