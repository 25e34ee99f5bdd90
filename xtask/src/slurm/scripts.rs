//! The scripts that Slurm runs: one per array, one for the report.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// All scripts of a run.
pub(super) struct Scripts {
    /// Folder of scripts, lists, logs and the program.
    pub(super) folder: PathBuf,
    /// Flags of every sbatch.
    pub(super) flags: Vec<String>,
    /// Tasks of an array that run at the same time.
    pub(super) at_once: Option<u32>,
    /// The kernels that the keys name; none on a GPU.
    pub(super) kernels: Option<String>,
    /// Arguments of `saddle`, quoted.
    pub(super) command: Vec<String>,
    pub(super) arrays: Vec<Array>,
}

/// Tasks that may run at the same time.
pub(super) struct Array {
    pub(super) name: String,
    /// The keys of each task's jobs.
    pub(super) lines: Vec<Vec<String>>,
}

impl Scripts {
    pub(super) fn tasks(&self) -> usize {
        self.arrays.iter().map(|array| array.lines.len()).sum()
    }

    /// Where the script of an array lies, in the order in which they are submitted; the report's is the last.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let names = self.arrays.iter().map(|array| array.name.as_str());
        names.chain(["report"]).map(|name| self.folder.join(format!("{name}.sh"))).collect()
    }

    /// Writes scripts and lists.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        let write = |path: &Path, text: String| {
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        for array in &self.arrays {
            write(&self.list(array), array.text())?;
        }
        for (path, text) in self.paths().iter().zip(self.texts()) {
            write(path, text)?;
        }
        Ok(())
    }

    /// Everything that [`Scripts::write`] writes, to be read.
    pub(super) fn as_text(&self) -> String {
        let mut all = String::new();
        for array in &self.arrays {
            let _ = write!(all, "# {}\n{}\n", self.list(array).display(), array.text());
        }
        for (path, text) in self.paths().iter().zip(self.texts()) {
            let _ = write!(all, "# {}\n{text}\n", path.display());
        }
        all
    }

    fn texts(&self) -> Vec<String> {
        let arrays = self.arrays.iter().map(|array| self.array(array));
        arrays.chain([self.report()]).collect()
    }

    fn list(&self, array: &Array) -> PathBuf {
        self.folder.join(format!("{}.txt", array.name))
    }

    fn array(&self, array: &Array) -> String {
        let most = self.at_once.map_or(String::new(), |most| format!("%{most}"));
        let tasks = array.lines.len();
        let mut text = self.head(&array.name, "%x-%A-%a.log");
        let _ = writeln!(text, "#SBATCH --array=1-{tasks}{most}");
        text.push_str(&self.body());
        let _ = write!(
            text,
            "# Line number SLURM_ARRAY_TASK_ID names the jobs of this task.\n\
             jobs=()\n\
             for key in $(sed -n \"${{SLURM_ARRAY_TASK_ID}}p\" '{}'); do jobs+=(--job \"$key\"); done\n\
             exec \"$program\" {} --quiet --threads \"${{SLURM_CPUS_PER_TASK:-1}}\" \"${{jobs[@]}}\"\n",
            self.list(array).display(),
            self.command.join(" "),
        );
        text
    }

    fn report(&self) -> String {
        let mut text = self.head("report", "%x-%j.log");
        text.push_str(&self.body());
        let _ = writeln!(text, "exec \"$program\" {} --quiet --gather", self.command.join(" "));
        text
    }

    fn head(&self, name: &str, log: &str) -> String {
        let mut text = "#!/bin/bash\n".to_owned();
        let log = self.folder.join("logs").join(log);
        let own = [
            format!("--job-name=saddle-{name}"),
            format!("--output={}", log.display()),
            // A node that dies takes no task with it; the log of the first try stays.
            "--requeue".to_owned(),
            "--open-mode=append".to_owned(),
        ];
        for flag in own.iter().chain(&self.flags) {
            let _ = writeln!(text, "#SBATCH {flag}");
        }
        text
    }

    /// What every task makes sure of.
    fn body(&self) -> String {
        let program = self.folder.join("saddle");
        let mut text = format!(
            "set -euo pipefail\n\
             program='{}'\n\
             if [ ! -x \"$program\" ]; then\n\
             \x20   echo \"$program is not there on $(hostname): --out must lie in a folder that all nodes share\" >&2\n\
             \x20   exit 96\n\
             fi\n",
            program.display()
        );
        if let Some(kernels) = &self.kernels {
            let _ =
                writeln!(text, "# Keys name the kernels, so all nodes compute with the same ones.");
            let _ = writeln!(text, "export SADDLE_KERNELS={kernels}");
        }
        text
    }
}

impl Array {
    fn text(&self) -> String {
        self.lines.iter().map(|keys| keys.join(" ") + "\n").collect()
    }
}

/// An argument as a shell takes it. What would mean something else in a line of `#SBATCH` is refused.
pub(super) fn quoted(argument: &OsStr) -> anyhow::Result<String> {
    let Some(text) = argument.to_str() else {
        bail!("{} is not Unicode; scripts for Slurm need other names", argument.display())
    };
    if let Some(odd) = text.chars().find(|c| c.is_whitespace() || "'\"%\\".contains(*c)) {
        bail!(
            "`{text}` holds {odd:?}, which scripts for Slurm read otherwise; choose another name"
        );
    }
    Ok(format!("'{text}'"))
}
