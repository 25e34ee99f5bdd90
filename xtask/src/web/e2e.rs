//! `cargo xtask web --test`: the page in a real browser, beside the native program.
//!
//! The tests are node.js modules under `web/e2e`. What they need from npm is installed beside the build products, by the
//! lock file; the page itself needs nothing from there.

use std::path::Path;

use anyhow::Context as _;

use crate::workspace::Workspace;

/// What is asked for.
pub(super) struct Tests<'a> {
    /// Only tests whose name contains one of these texts; all when there are none.
    pub(super) only: &'a [String],
    /// Also those that take minutes.
    pub(super) long: bool,
}

impl Tests<'_> {
    /// Runs the tests against an assembled folder; an error when one fails.
    pub(super) fn run(&self, workspace: &Workspace, page: &Path) -> anyhow::Result<()> {
        // Built as for the other tests, which share the build.
        workspace.cargo(&["build", "--workspace", "--bins"]).run()?;
        let folder = workspace.target().join("web-e2e");
        install(workspace, &folder)?;
        let mut command = workspace
            .shell
            .cmd("node")
            .arg(workspace.root().join("web/e2e/run.mjs"))
            .arg("--page")
            .arg(page)
            .arg("--saddle")
            .arg(workspace.target().join("debug/saddle"))
            .arg("--zoo")
            .arg(workspace.root().join("zoo"))
            .arg("--folder")
            .arg(&folder)
            .args(self.long.then_some("--long"));
        for text in self.only {
            command = command.arg("--only").arg(text);
        }
        Ok(command.run()?)
    }
}

/// What the tests need from npm, unless it is there already.
fn install(workspace: &Workspace, folder: &Path) -> anyhow::Result<()> {
    let source = workspace.root().join("web/e2e");
    let lock = "package-lock.json";
    let wanted = std::fs::read(source.join(lock))?;
    let installed = folder.join("installed.json");
    if std::fs::read(&installed).is_ok_and(|known| known == wanted) {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    for file in ["package.json", lock] {
        std::fs::copy(source.join(file), folder.join(file))?;
    }
    let place = workspace.shell.push_dir(folder);
    let command = workspace.shell.cmd("npm").args(["ci", "--ignore-scripts", "--no-audit"]);
    command.arg("--no-fund").run().context("the tests need npm, and a package registry once")?;
    drop(place);
    Ok(std::fs::write(installed, wanted)?)
}
