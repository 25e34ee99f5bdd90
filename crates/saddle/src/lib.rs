//! The `saddle` command as a library of one function, so that tests can call what a person types.
//!
//! The command owns what the libraries must not touch: flags, the environment (`SADDLE_KERNELS`,
//! `SADDLE_LOG`), the terminal, the clock that says when a checkpoint is due, Ctrl-C. It computes
//! nothing itself.
//!
//! # Exit codes
//!
//! 0: done. 1: it could not be done; standard error says why and what to try. 2: the command line was
//! not understood. 3: done, but some cells of the report failed. 130: stopped by Ctrl-C; the same
//! command goes on where it stopped.

#![expect(clippy::print_stdout, reason = "a command line tool talks on standard output")]
#![expect(clippy::print_stderr, reason = "its progress and its complaints go to standard error")]

mod archive;
mod arguments;
mod attack;
mod digits;
mod environment;
mod export;
mod import;
mod method;
mod place;
mod progress;
mod replay;
mod report;
mod reproduce;
mod train;

use std::process::ExitCode;

pub use arguments::Arguments;
use arguments::Command;
pub use replay::{Replayed, replay};

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that was asked for is done.
    Done,
    /// The report is written, and some of its cells failed.
    SomeCellsFailed,
    /// Ctrl-C stopped it; the same command goes on from there.
    Interrupted,
}

/// Does what the command line asks for.
///
/// # Errors
///
/// In words: what could not be done, why, and what to try.
pub fn run(arguments: &Arguments) -> anyhow::Result<Ended> {
    environment::start_log()?;
    match &arguments.command {
        Command::Train(train) => train::run(train),
        Command::Attack(attack) => attack::run(attack),
        Command::Import(import) => import::run(import),
        Command::Export(export) => export::run(export),
        Command::Digits(digits) => digits::run(digits),
        Command::Reproduce(reproduce) => reproduce::run(reproduce),
        Command::Report(report) => report::run(report),
    }
}

/// The exit code of an outcome; an error is told on standard error.
pub fn exit_code(outcome: anyhow::Result<Ended>) -> ExitCode {
    match outcome {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::SomeCellsFailed) => ExitCode::from(3),
        Ok(Ended::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
