//! `saddle`: train a network, attack it, reproduce the paper's tables, show the report.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    saddle::exit_code(saddle::run(&saddle::Arguments::parse()))
}
