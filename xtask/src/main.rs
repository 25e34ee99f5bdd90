//! `cargo xtask`: everything that drives cargo, compilers and other programs.
//!
//! xtask chooses features, paths and flags; the numbers come from the `saddle` command. It links none of our
//! crates, so that it builds in seconds and works while they do not. One file per subcommand.
//!
//! Subcommands run cargo as a child. They honour `CARGO_TARGET_DIR`; the alias in `.cargo/config.toml` builds xtask
//! itself in a target folder of its own, so that it never waits for the lock that it makes its children take.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks on standard output, and of failures on standard error"
)]

mod bench;
mod check;
mod peers;
mod reproduce;
mod slurm;
mod wasm;
mod web;
mod workspace;
mod zoo;

use std::process::ExitCode;

use clap::Parser;
use workspace::Workspace;

/// Tasks of the Saddle workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Task {
    /// Rebuild the paper's tables and this project's extensions on real digits.
    Reproduce(reproduce::Reproduce),
    /// Everything that must be green before a change goes in, tests excepted.
    Check(check::Check),
    /// Build the browser demo into one static folder, and serve it.
    Web(web::Web),
    /// Make the weight files and cards of zoo/ from a finished run.
    Zoo(zoo::Zoo),
    /// Run the benches, or a side-by-side run against PyTorch.
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    match run(Task::parse()) {
        Ok(code) => code,
        Err(error) => {
            // One line in words; a backtrace through xtask helps nobody.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::open()?;
    match task {
        Task::Reproduce(task) => return task.run(&workspace),
        Task::Check(task) => task.run(&workspace)?,
        Task::Web(task) => task.run(&workspace)?,
        Task::Zoo(task) => task.run(&workspace)?,
        Task::Bench(task) => task.run(&workspace)?,
    }
    Ok(ExitCode::SUCCESS)
}
