//! Our side of `cargo xtask bench`: units of work asked call by call, and checks of our numbers on every kernel path.
//!
//! xtask starts it, with flags, and reads its standard output line by line; progress and complaints go to standard error.

#![expect(clippy::print_stdout, reason = "its protocol is lines on standard output")]

mod gradients;
mod peak;
mod plot;
mod serve;
mod share;
mod verdicts;
mod work;

use clap::Parser;

/// Our side of `cargo xtask bench`.
#[derive(Parser)]
enum Task {
    /// Answer each line on standard input with the cost of one unit of work.
    Serve(serve::Serve),
    /// Write input gradients of every kernel path, for `benches/peers/gradient_errors.py` to judge.
    Gradients(gradients::Gradients),
    /// Run whole attacks on every kernel path and say for how many digits the verdicts differ.
    Verdicts(verdicts::Verdicts),
    /// Draw a chart of ratios: JSON on standard input, SVG on standard output.
    Plot,
}

fn main() -> anyhow::Result<()> {
    match Task::parse() {
        Task::Serve(task) => task.run(),
        Task::Gradients(task) => task.run(),
        Task::Verdicts(task) => task.run(),
        Task::Plot => plot::run(),
    }
}
