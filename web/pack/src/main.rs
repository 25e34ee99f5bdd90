//! `saddle-pack`: what `cargo xtask web` needs beyond a compiler.
//!
//! - `glue` runs wasm-bindgen on one or more builds of the same module. They share one glue file: the builds differ in
//!   instructions only, and if wasm-bindgen writes different glue for two of them, that is an error.
//! - `list` hashes every file of a folder and weighs it, raw and compressed.
//!
//! It lives outside the workspace, since wasm-bindgen takes longer to build than everything that needs it to run.

mod glue;
mod list;

use std::process::ExitCode;

use clap::Parser;

/// Makes browser files of a wasm module.
#[derive(Parser)]
enum Task {
    Glue(glue::Glue),
    List(list::List),
}

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Glue(task) => task.run(),
        Task::List(task) => task.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
