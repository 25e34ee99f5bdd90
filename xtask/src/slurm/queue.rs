//! Slurm's queue: submitting, and asking what became of it, without its accounting.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::answer;
use super::scripts::Scripts;

/// File with the numbers of the submitted jobs, one a line.
const SUBMITTED: &str = "submitted";

/// The jobs of one run, as Slurm numbers them.
pub(super) struct Queue(Vec<String>);

impl Queue {
    /// Submits every script, each to begin when the one before has ended, however that was.
    pub(super) fn submit(folder: &Path, scripts: &Scripts) -> anyhow::Result<Self> {
        let mut queue = Self(Vec::new());
        for path in scripts.paths() {
            let mut command = Command::new("sbatch");
            command.arg("--parsable");
            if let Some(before) = queue.0.last() {
                command.arg(format!("--dependency=afterany:{before}"));
            }
            let said = answer(command.arg(&path))?;
            // `number` or `number;cluster`.
            let id = said.trim().split(';').next().unwrap_or_default().to_owned();
            let number = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
            ensure!(number, "sbatch said `{}`, which is no number of a job", said.trim());
            queue.0.push(id);
            // At once: a run that ends here is found again.
            let path = folder.join(SUBMITTED);
            fs::write(&path, queue.0.join("\n") + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(queue)
    }

    /// What an earlier run has submitted; none if there was none.
    pub(super) fn recorded(folder: &Path) -> anyhow::Result<Self> {
        match fs::read_to_string(folder.join(SUBMITTED)) {
            Ok(text) => Ok(Self(text.lines().map(str::to_owned).collect())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self(Vec::new())),
            Err(error) => Err(error).context("the list of submitted jobs"),
        }
    }

    pub(super) fn ids(&self) -> &[String] {
        &self.0
    }

    pub(super) fn is_busy(&self) -> anyhow::Result<bool> {
        Ok(!self.states()?.is_over())
    }

    /// How many tasks are in which state.
    pub(super) fn states(&self) -> anyhow::Result<States> {
        let mut states = States::default();
        // The whole queue of this user: asked for a number that it has forgotten, squeue fails.
        let lines = answer(Command::new("squeue").args([
            "--noheader",
            "--array",
            "--me",
            "--format=%A %F %T %r",
        ]))?;
        for line in lines.lines() {
            let mut words = line.split_whitespace();
            let (Some(_), Some(array), Some(state)) = (words.next(), words.next(), words.next())
            else {
                continue;
            };
            if !self.0.iter().any(|id| id == array) {
                continue;
            }
            let reason = words.collect::<Vec<_>>().join(" ");
            states.count(state, &reason);
        }
        Ok(states)
    }
}

/// Tasks by state, in words.
#[derive(Default)]
pub(super) struct States(BTreeMap<String, usize>);

impl States {
    fn count(&mut self, state: &str, reason: &str) {
        let state = state.to_lowercase();
        if matches!(state.as_str(), "completed" | "failed" | "cancelled" | "timeout" | "node_fail")
        {
            return;
        }
        let waits = matches!(reason, "" | "None" | "Dependency" | "Priority" | "Resources");
        let words = if waits || state != "pending" {
            state
        } else if reason.contains("held") || reason.contains("Held") {
            format!("{state} ({reason}; `scontrol release` lets them go)")
        } else {
            format!("{state} ({reason})")
        };
        *self.0.entry(words).or_default() += 1;
    }

    /// Whether nothing is left in the queue.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for States {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_over() {
            return formatter.write_str("none in the queue");
        }
        let states: Vec<String> =
            self.0.iter().map(|(state, count)| format!("{count} {state}")).collect();
        formatter.write_str(&states.join(", "))
    }
}
