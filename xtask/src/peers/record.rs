//! Records: lines of JSON that are appended and never changed, and what is shown of them.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::rows::{Row, table};
use crate::workspace::Workspace;

/// Appends one line, and makes the folder if need be.
pub(crate) fn append(path: &Path, line: &Value) -> anyhow::Result<()> {
    std::fs::create_dir_all(path.parent().context("a record needs a folder")?)?;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{line}")?;
    Ok(())
}

/// Each row of the table with its newest record.
pub(crate) struct Records(Vec<(Row, Option<Value>)>);

impl Records {
    /// Reads the records of a folder.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("peers.jsonl");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("no records in {}; `bench peers` makes them", path.display())
        })?;
        let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let newest = |row: &Row| lines.iter().rev().find(|line| is_of(row, line)).cloned();
        Ok(Self(table().into_iter().map(|row| (row.clone(), newest(&row))).collect()))
    }

    /// A table whose last line says where and when its newest record was made.
    pub(crate) fn to_markdown(&self) -> String {
        let mut lines = vec![
            "| work | batch | threads | kernels | rival | ratio | bar | ours, ms | rival, ms |"
                .to_owned(),
            "| --- | ---: | ---: | --- | --- | ---: | ---: | ---: | ---: |".to_owned(),
        ];
        lines.extend(self.0.iter().map(|(row, line)| markdown(row, line.as_ref())));
        lines.push(String::new());
        lines.push(self.origin());
        lines.join("\n")
    }

    /// What `saddle_bench plot` draws.
    pub(crate) fn to_chart(&self) -> Value {
        let rows = self.0.iter().map(|(row, line)| {
            let threads = if row.threads == 1 { "" } else { ", 2 threads" };
            let label =
                format!("{} {}, {}{threads} / {}", row.work, row.batch, row.kernels, row.rival);
            let ratio = line.as_ref().and_then(|line| line["ratio_median"].as_f64());
            json!({ "label": label, "ratio": ratio, "bar": row.bar })
        });
        json!({
            "title": "How many times faster: rival time / our time",
            "caption": self.origin(),
            "rows": rows.collect::<Vec<_>>(),
        })
    }

    fn origin(&self) -> String {
        let newest = self.0.iter().filter_map(|(_, line)| line.as_ref());
        let newest = newest.max_by_key(|line| line["date"].as_str().unwrap_or_default().to_owned());
        let word = |field: &str| newest.and_then(|line| line[field].as_str()).unwrap_or("unknown");
        format!("Medians of interleaved rounds on {}, newest of {}.", word("cpu"), word("date"))
    }
}

fn is_of(row: &Row, line: &Value) -> bool {
    line["work"] == row.name()
        && line["batch"] == row.batch
        && line["threads"] == row.threads
        && line["kernels"] == row.kernels
        && line["rival"] == row.rival
}

fn markdown(row: &Row, line: Option<&Value>) -> String {
    let number = |field: &str| match line.and_then(|line| line[field].as_f64()) {
        Some(number) => format!("{number:.2}"),
        None => "not measured".to_owned(),
    };
    let Row { work, batch, threads, kernels, rival, .. } = row;
    let bar = row.bar.map_or_else(String::new, |bar| bar.to_string());
    let [ratio, ours, theirs] = ["ratio_median", "ours_ms", "rival_ms"].map(number);
    format!(
        "| `{work}` | {batch} | {threads} | {kernels} | {rival} | {ratio} | {bar} | {ours} | {theirs} |"
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
