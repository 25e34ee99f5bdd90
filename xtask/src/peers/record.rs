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

/// Of each processor, each row of the table with its newest record. Ratios of different processors are never mixed.
pub(crate) struct Records(Vec<Machine>);

/// What was measured on one processor.
struct Machine {
    cpu: String,
    rows: Vec<(Row, Option<Value>)>,
}

impl Records {
    /// Reads the records of a folder.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let path = folder.join("peers.jsonl");
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!("no records in {}; `bench peers` makes them", path.display())
        })?;
        let lines: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let mut machines: Vec<Machine> = Vec::new();
        for cpu in lines.iter().filter_map(|line| line["cpu"].as_str()) {
            if machines.iter().any(|machine| machine.cpu == cpu) {
                continue;
            }
            let newest = |row: &Row| {
                let mut of_row = lines.iter().rev().filter(|line| line["cpu"] == cpu);
                of_row.find(|line| is_of(row, line)).cloned()
            };
            let rows = table().into_iter().map(|row| (row.clone(), newest(&row))).collect();
            machines.push(Machine { cpu: cpu.to_owned(), rows });
        }
        Ok(Self(machines))
    }

    /// A table for each processor, whose last line says where and when its newest record was made.
    pub(crate) fn to_markdown(&self) -> String {
        self.0.iter().map(Machine::to_markdown).collect::<Vec<_>>().join("\n\n")
    }

    /// What `saddle_bench plot` draws: the processor with most rows measured.
    pub(crate) fn to_chart(&self) -> Value {
        let fullest = self.0.iter().max_by_key(|machine| machine.measured());
        fullest.map_or(Value::Null, Machine::to_chart)
    }
}

impl Machine {
    fn measured(&self) -> usize {
        self.rows.iter().filter(|(_, line)| line.is_some()).count()
    }

    fn to_markdown(&self) -> String {
        let mut lines = vec![
            "| work | batch | threads | kernels | rival | ratio | bar | ours, ms | rival, ms |"
                .to_owned(),
            "| --- | ---: | ---: | --- | --- | ---: | ---: | ---: | ---: |".to_owned(),
        ];
        lines.extend(self.rows.iter().map(|(row, line)| markdown(row, line.as_ref())));
        lines.push(String::new());
        lines.push(self.origin());
        lines.join("\n")
    }

    fn to_chart(&self) -> Value {
        let rows = self.rows.iter().map(|(row, line)| {
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
        let dates = self.rows.iter().filter_map(|(_, line)| line.as_ref()?["date"].as_str());
        let newest = dates.max().unwrap_or("an unknown day");
        format!("Medians of interleaved rounds on {}, newest of {newest}.", self.cpu)
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

/// Name of the processor, where the system tells, and its family and model: a virtual machine's name says little more than
/// who made it.
pub(crate) fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let value = |line: &str| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        };
        text.lines().find_map(value)
    };
    match ["model name", "cpu family", "model"].map(field) {
        [Some(name), Some(family), Some(model)] => {
            format!("{name} (family {family}, model {model})")
        }
        [Some(name), ..] => name,
        _ => std::env::consts::ARCH.to_owned(),
    }
}

/// The day in UTC, as `2026-02-28`.
pub(crate) fn today(workspace: &Workspace) -> anyhow::Result<String> {
    Ok(workspace.shell.cmd("date").args(["-u", "+%Y-%m-%d"]).quiet().read()?)
}
