//! `cargo xtask web`: the browser demo as one static folder that any host can serve.
//!
//! Modules come from the compiler and from wasm-bindgen (`web/pack`, a program of its own), the page from `web/www` as it
//! stands, networks from `zoo/`, digits from `saddle digits`. The folder is put together beside its place and moved there
//! when it is complete.

mod e2e;
mod networks;
mod offline;
mod pack;
mod server;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::Args;

use crate::wasm::{Build, Toolchain};
use crate::workspace::Workspace;
use pack::{Entry, Glue, Pack};

/// Flags of `cargo xtask web`.
#[derive(Args)]
pub(crate) struct Web {
    /// The static folder [default: `web` in the target folder].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Serve the folder on this machine alone until Ctrl-C.
    #[arg(long)]
    serve: bool,
    /// Port to serve on; 0 lets the system choose.
    #[arg(long, default_value_t = 8080, value_name = "N")]
    port: u16,
    /// Serve or test the folder as it is, without building it.
    #[arg(long)]
    no_build: bool,
    /// Test the folder end to end, in headless Chromium and beside the native program. Needs node.js, npm and Chromium
    /// (CHROMIUM says where, else it is looked for).
    #[arg(long, conflicts_with = "serve")]
    test: bool,
    /// Also the tests that take minutes.
    #[arg(long, requires = "test")]
    long: bool,
    /// Only the tests whose name contains this text; may be repeated.
    #[arg(long, requires = "test", value_name = "TEXT")]
    only: Vec<String>,
    /// Test the bindings of every build in node.js instead of making the folder.
    #[arg(long, conflicts_with_all = ["serve", "test", "no_build"])]
    test_bindings: bool,
    /// Folder with the data set's IDX files [default: fetched into the user's cache].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl Web {
    pub(crate) fn run(&self, workspace: &Workspace) -> anyhow::Result<()> {
        if self.test_bindings {
            return test_bindings(workspace);
        }
        ensure!(
            !self.no_build || self.serve || self.test,
            "--no-build goes with --serve or --test"
        );
        let out = match &self.out {
            Some(out) => workspace.meant(out),
            None => workspace.target().join("web"),
        };
        if !self.no_build {
            self.build(workspace, &out)?;
        }
        if self.test {
            e2e::Tests { only: &self.only, long: self.long }.run(workspace, &out)?;
        }
        if self.serve {
            server::serve(&out, self.port)?;
        }
        Ok(())
    }

    fn build(&self, workspace: &Workspace, out: &Path) -> anyhow::Result<()> {
        let ours = !out.exists() || out.join("manifest.json").is_file();
        ensure!(ours, "{} exists and is no folder of ours; name another one", out.display());
        let modules = compile(workspace)?;
        let pack = Pack::build(workspace)?;
        let digits = digits(workspace, self.data.as_deref())?;

        let mut new = out.to_owned().into_os_string();
        new.push(".new");
        let new = PathBuf::from(new);
        if new.exists() {
            std::fs::remove_dir_all(&new)?;
        }
        let page = workspace.root().join("web/www");
        copy(&page, &new).context("the page")?;
        pack.glue(Glue::Web, &modules, &new.join("wasm"))?;
        networks::assemble(&workspace.root().join("zoo"), &new.join("networks"), &pack)?;
        copy(&digits, &new).context("the digits")?;
        offline::assemble(&new, &pack)?;
        if out.exists() {
            std::fs::remove_dir_all(out)?;
        }
        std::fs::rename(&new, out)?;
        print(&pack.list(out, true)?);
        println!("{}", out.display());
        Ok(())
    }
}

/// The module of each build.
fn compile(workspace: &Workspace) -> anyhow::Result<Vec<(Build, PathBuf)>> {
    let toolchain = Toolchain::find(&workspace.shell)?;
    println!("wasm32 by {}", toolchain.describe());
    let compiled = Build::ALL.into_iter().map(|build| {
        let module = toolchain.compile(workspace, build)?;
        Ok((build, module))
    });
    compiled.collect()
}

/// Node's own test runner on the engine's JavaScript, and on the bindings of each build.
fn test_bindings(workspace: &Workspace) -> anyhow::Result<()> {
    let node = |file: &str| {
        let tests = workspace.root().join("web/tests").join(file);
        workspace.shell.cmd("node").arg("--test").arg(tests)
    };
    node("engine.test.mjs").run().context("the tests need node.js 20.19 or later")?;
    let modules = compile(workspace)?;
    let pack = Pack::build(workspace)?;
    for module in modules {
        let build = module.0;
        let name = build.name();
        let folder = workspace.target().join("web-bindings").join(name);
        pack.glue(Glue::Node, &[module], &folder)?;
        println!("bindings of the build {name}");
        // Versions of node.js before 22 know fused instructions only when told to.
        let tests = workspace.root().join("web/tests/bindings.test.mjs");
        let flags = build.flags_of_node(workspace)?;
        let command = workspace.shell.cmd("node").args(flags).arg(tests);
        command.env("SADDLE_BINDINGS", folder).env("SADDLE_KERNELS", name).run()?;
    }
    Ok(())
}

/// Digits of the page, made once: the program that makes them is built as for the tests, which share its build.
fn digits(workspace: &Workspace, data: Option<&Path>) -> anyhow::Result<PathBuf> {
    let folder = workspace.target().join("digits");
    if !folder.join("digits.json").is_file() {
        workspace.cargo(&["build", "--workspace", "--bins"]).run()?;
        let program = workspace.target().join("debug/saddle");
        let mut command = workspace
            .shell
            .cmd(program)
            .args(["digits", "--count", "200"])
            .arg("--out")
            .arg(&folder);
        if let Some(data) = data {
            command = command.arg("--data").arg(workspace.meant(data));
        }
        command.run()?;
    }
    Ok(folder)
}

/// Copies a folder with everything in it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &place)?;
        } else {
            std::fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}

fn write_json(path: &Path, value: &serde_json::Value) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)? + "\n";
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// The files with their weights; compressed is what a host sends that compresses.
fn print(files: &[(String, Entry)]) {
    println!("{:>10}  {:>10}  file", "bytes", "brotli");
    for (path, entry) in files {
        println!("{:>10}  {:>10}  {path}", entry.bytes, entry.brotli.unwrap_or(0));
    }
    let sum = |of: fn(&Entry) -> u64| files.iter().map(|(_, entry)| of(entry)).sum::<u64>();
    let compressed = sum(|entry| entry.brotli.unwrap_or(0));
    println!("{:>10}  {compressed:>10}  together", sum(|entry| entry.bytes));
}
