//! Writes the commit of the sources into the program, so that a report can say which code made it.

use std::path::Path;
use std::process::Command;

fn main() {
    // The index changes with every commit and checkout; the sources decide whether "changed" is said.
    for path in ["../../.git/HEAD", "../../.git/index", "../../crates", "../../Cargo.lock"] {
        if Path::new(path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changes = git(&["status", "--porcelain", "--", "../../crates", "../../Cargo.lock"]);
    let changed = changes.is_some_and(|changes| !changes.is_empty());
    let note = if changed { " with changes" } else { "" };
    println!("cargo:rustc-env=SADDLE_COMMIT={commit}{note}");
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
