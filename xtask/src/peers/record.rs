//! Records: lines of JSON that are appended and never changed, and the table that is made of them.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::rows::{Row, table};
use crate::workspace::Workspace;

/// Appends one line, and makes the folder if need be.
pub(crate) fn append(path: &Path, line: &Value) -> anyhow::Result<()> {
    std::fs::create_dir_all(path.parent().context("a record needs a folder")?)?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{line}")?;
    Ok(())
}

/// Prints the newest record of each row beside its bar, as Markdown.
pub(crate) fn print_table(records: &Path) -> anyhow::Result<()> {
    let path = records.join("peers.jsonl");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("no records in {}; `bench peers` makes them", path.display()))?;
    let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    println!("| work | batch | threads | kernels | rival | ratio | bar | ours, ms | rival, ms |");
    println!("| --- | ---: | ---: | --- | --- | ---: | ---: | ---: | ---: |");
    for row in table() {
        let newest = lines.iter().rev().find(|line| is_of(&row, line));
        println!("{}", markdown(&row, newest));
    }
    Ok(())
}

fn is_of(row: &Row, line: &Value) -> bool {
    line["work"] == row.name()
        && line["batch"] == row.batch
        && line["threads"] == row.threads
        && line["kernels"] == row.kernels
        && line["rival"] == row.rival
}

fn markdown(row: &Row, line: Option<&Value>) -> String {
    let number = |field: &str, digits: usize| match line.and_then(|line| line[field].as_f64()) {
        Some(number) => format!("{number:.digits$}"),
        None => "not measured".to_owned(),
    };
    let bar = row.bar.map_or_else(String::new, |bar| bar.to_string());
    format!(
        "| `{}` | {} | {} | {} | {} | {} | {bar} | {} | {} |",
        row.name(),
        row.batch,
        row.threads,
        row.kernels,
        row.rival,
        number("ratio_median", 2),
        number("ours_ms", 2),
        number("rival_ms", 2),
    )
}

/// Name of the processor, where the system tells.
pub(super) fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}

/// The day in UTC, as `2026-02-28`.
pub(super) fn today(workspace: &Workspace) -> anyhow::Result<String> {
    Ok(workspace.shell.cmd("date").args(["-u", "+%Y-%m-%d"]).quiet().read()?)
}
