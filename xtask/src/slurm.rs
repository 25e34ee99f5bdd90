//! `cargo xtask reproduce --slurm`: the jobs of a plan as job arrays of a cluster.
//!
//! `saddle reproduce --list-jobs` says which jobs are left; each training is a task of an array, so are the attacks, several to
//! a task where there are very many; an array waits for the one before, and the report for all. What a task does is
//! `saddle reproduce --job KEY` on the shared folder, so a task that is requeued goes on from its last checkpoint, and the same
//! command submits what is missing after whatever went wrong. Nothing is asked of Slurm's accounting.

mod queue;
mod scripts;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::Value;

use crate::workspace::Workspace;
use queue::Queue;
use scripts::{Array, Scripts};

/// Time between two looks at the queue.
const LOOK: Duration = Duration::from_secs(5);

/// Flags of a run on a cluster.
#[derive(Args)]
#[command(next_help_heading = "On a cluster")]
pub(crate) struct Slurm {
    /// Submit the jobs to Slurm, follow them and gather the report; `--out` must lie in a folder that all nodes share.
    /// Run again, it follows what is in the queue, or submits what is missing.
    #[arg(long)]
    slurm: bool,
    /// Partition of all tasks [default: the cluster's].
    #[arg(long, value_name = "NAME", requires = "slurm")]
    partition: Option<String>,
    /// Account to charge.
    #[arg(long, value_name = "NAME", requires = "slurm")]
    account: Option<String>,
    /// Time limit of a task, as Slurm writes it, such as 4:00:00 [default: the partition's]. One that is cut off goes on
    /// from its last checkpoint when the command is run again.
    #[arg(long, value_name = "TIME", requires = "slurm")]
    time: Option<String>,
    /// GPUs of a task [default: 1 with `--device cuda:0`, else none].
    #[arg(long, value_name = "N", requires = "slurm")]
    gpus: Option<u32>,
    /// CPUs of a task, and threads.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "slurm", value_parser = clap::value_parser!(u32).range(1..))]
    cpus: u32,
    /// Tasks that run at the same time, at most [default: as many as the cluster gives].
    #[arg(long, value_name = "N", requires = "slurm", value_parser = clap::value_parser!(u32).range(1..))]
    at_once: Option<u32>,
    /// Tasks of an array, at most; attacks beyond that share tasks.
    #[arg(long, value_name = "N", default_value_t = 200, requires = "slurm", value_parser = clap::value_parser!(u32).range(1..))]
    tasks: u32,
    /// One more flag for every sbatch, such as `--sbatch=--mem=8G`; repeatable.
    #[arg(long = "sbatch", value_name = "FLAG", requires = "slurm", allow_hyphen_values = true)]
    more: Vec<String>,
    /// Print the scripts and submit nothing.
    #[arg(long, requires = "slurm")]
    dry_run: bool,
}

/// A job that is left to do.
struct Job {
    key: String,
    training: bool,
    wave: u64,
    machine: String,
    result: PathBuf,
    failure: PathBuf,
}

impl Slurm {
    pub(crate) fn is_wanted(&self) -> bool {
        self.slurm
    }

    /// Builds, lists, submits, follows; `arguments` are those of `saddle`.
    pub(crate) fn run(
        &self,
        workspace: &Workspace,
        features: &[&str],
        arguments: &[OsString],
        out: &Path,
    ) -> anyhow::Result<ExitCode> {
        let folder = shared_folder(out)?;
        if !self.dry_run {
            self.check_cluster()?;
            let queue = Queue::recorded(&folder)?;
            if queue.is_busy()? {
                println!("these jobs are in the queue already: {}", queue.ids().join(", "));
                return self.follow(
                    &queue,
                    &self.list(&folder.join("saddle"), features, arguments)?,
                    out,
                );
            }
        }
        workspace.cargo(&["build", "--release", "--package", "saddle"]).args(features).run()?;
        let program = folder.join("saddle");
        install(&workspace.target().join("release/saddle"), &program)?;
        let jobs = self.list(&program, features, arguments)?;
        let scripts = self.scripts(features, arguments, &folder, &jobs)?;
        if self.dry_run {
            print!("{}", scripts.as_text());
            return Ok(ExitCode::SUCCESS);
        }
        scripts.write()?;
        let queue = Queue::submit(&folder, &scripts)?;
        println!(
            "{} jobs in {} tasks, submitted as {}",
            jobs.len(),
            scripts.tasks(),
            queue.ids().join(", ")
        );
        println!("logs       {}", folder.join("logs").display());
        self.follow(&queue, &jobs, out)
    }

    /// Everything that would only be noticed hours later.
    fn check_cluster(&self) -> anyhow::Result<()> {
        for program in ["sbatch", "squeue", "sinfo"] {
            let found = Command::new(program).arg("--version").output();
            ensure!(
                found.is_ok_and(|output| output.status.success()),
                "{program} does not answer: this is no machine from which jobs can be submitted to Slurm; run it on a login node, \
                 or leave --slurm away"
            );
        }
        let partitions = answer(Command::new("sinfo").args(["--noheader", "--format=%R"]))?;
        if let Some(wanted) = &self.partition {
            let known: Vec<&str> = partitions.lines().map(str::trim).collect();
            ensure!(
                known.contains(&wanted.as_str()),
                "the cluster has no partition `{wanted}`; it has {}",
                known.join(", ")
            );
        }
        Ok(())
    }

    /// The jobs that are left. Keys name what computes, so with GPUs only a node that has one can tell them.
    fn list(
        &self,
        program: &Path,
        features: &[&str],
        arguments: &[OsString],
    ) -> anyhow::Result<Vec<Job>> {
        let mut command = Command::new(program);
        if !features.is_empty() {
            if self.dry_run {
                self.check_cluster()?;
            }
            command = Command::new("srun");
            command
                .args(["--quiet", "--ntasks=1", "--time=10"])
                .args(self.place(features))
                .arg(program);
        }
        command.args(arguments).args(["--quiet", "--list-jobs"]);
        let text = answer(&mut command)?;
        text.lines().map(job).collect()
    }

    /// Where a task runs, as flags of sbatch and srun.
    fn place(&self, features: &[&str]) -> Vec<String> {
        let named = [("partition", &self.partition), ("account", &self.account)];
        let named = named.into_iter().filter_map(|(flag, value)| Some((flag, value.as_ref()?)));
        let mut flags: Vec<String> =
            named.map(|(flag, value)| format!("--{flag}={value}")).collect();
        let gpus = self.gpus.unwrap_or(u32::from(!features.is_empty()));
        if gpus > 0 {
            flags.push(format!("--gres=gpu:{gpus}"));
        }
        flags.push(format!("--cpus-per-task={}", self.cpus));
        flags.extend(self.more.iter().cloned());
        flags
    }

    fn scripts(
        &self,
        features: &[&str],
        arguments: &[OsString],
        folder: &Path,
        jobs: &[Job],
    ) -> anyhow::Result<Scripts> {
        let mut flags = self.place(features);
        if let Some(time) = &self.time {
            flags.push(format!("--time={time}"));
        }
        let machine = jobs.first().map_or("", |job| job.machine.as_str());
        let mut scripts = Scripts {
            folder: folder.to_owned(),
            flags,
            at_once: self.at_once,
            kernels: machine.strip_prefix("engine-").map(str::to_owned),
            command: arguments
                .iter()
                .map(|one| scripts::quoted(one))
                .collect::<anyhow::Result<_>>()?,
            arrays: Vec::new(),
        };
        let mut waves: Vec<u64> = jobs.iter().map(|job| job.wave).collect();
        waves.sort_unstable();
        waves.dedup();
        for wave in waves {
            let own: Vec<&Job> = jobs.iter().filter(|job| job.wave == wave).collect();
            let training = own.iter().any(|job| job.training);
            // A training is a task; of the rest each task takes every so manieth.
            let tasks = if training { own.len() } else { own.len().min(self.tasks as usize) };
            let mut lines = vec![Vec::new(); tasks];
            for (place, job) in own.iter().enumerate() {
                lines[place % tasks].push(job.key.clone());
            }
            let name = if training { format!("train-{wave}") } else { "attack".to_owned() };
            scripts.arrays.push(Array { name, lines });
        }
        Ok(scripts)
    }

    /// Tells of the jobs until none is in the queue, then of the report.
    fn follow(&self, queue: &Queue, jobs: &[Job], out: &Path) -> anyhow::Result<ExitCode> {
        println!(
            "Ctrl-C ends the watching only; `scancel {}` ends the jobs",
            queue.ids().join(" ")
        );
        let count = |there: fn(&Job) -> bool| jobs.iter().filter(|job| there(job)).count();
        let mut told = String::new();
        loop {
            let states = queue.states()?;
            let (done, failed) =
                (count(|job| job.result.is_file()), count(|job| job.failure.is_file()));
            let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
            let line = format!("{done} of {} jobs done{failed}; tasks {states}", jobs.len());
            if line != told {
                println!("{line}");
                told = line;
            }
            if states.is_over() {
                break;
            }
            std::thread::sleep(LOOK);
        }
        let open = count(|job| !job.result.is_file() && !job.failure.is_file());
        let logs = out.join("slurm/logs");
        ensure!(
            open == 0,
            "{open} jobs have no result: {} says why; the same command submits them again",
            logs.display()
        );
        let report = out.join("report.html");
        ensure!(report.is_file(), "there is no {}; see {}", report.display(), logs.display());
        println!("report: {}", report.display());
        let failed = count(|job| job.failure.is_file());
        // As `saddle reproduce` ends when some cells of its report failed.
        Ok(if failed > 0 { ExitCode::from(3) } else { ExitCode::SUCCESS })
    }
}

/// The folder of scripts and logs, made and found to take files.
fn shared_folder(out: &Path) -> anyhow::Result<PathBuf> {
    let folder = out.join("slurm");
    fs::create_dir_all(folder.join("logs"))
        .with_context(|| format!("cannot make {}; name another --out", folder.display()))?;
    // Scripts stand on one node and are read on others, so no path may mean something else there.
    Ok(folder.canonicalize()?)
}

/// Puts the program where the nodes find it. By rename: tasks that run keep the file that they started from.
fn install(from: &Path, to: &Path) -> anyhow::Result<()> {
    let draft = to.with_extension("new");
    fs::copy(from, &draft)
        .with_context(|| format!("cannot copy {} to {}", from.display(), draft.display()))?;
    fs::rename(&draft, to).with_context(|| format!("cannot write {}", to.display()))
}

fn job(line: &str) -> anyhow::Result<Job> {
    let value: Value = serde_json::from_str(line)
        .with_context(|| format!("`saddle reproduce --list-jobs` said `{line}`"))?;
    let text = |name: &str| {
        value[name].as_str().map(str::to_owned).with_context(|| format!("no `{name}` in `{line}`"))
    };
    Ok(Job {
        key: text("key")?,
        training: text("kind")? == "train",
        wave: value["wave"].as_u64().with_context(|| format!("no `wave` in `{line}`"))?,
        machine: text("machine")?,
        result: text("result")?.into(),
        failure: text("failure")?.into(),
    })
}

/// What a program says on standard output; what it says on standard error is part of the error.
fn answer(command: &mut Command) -> anyhow::Result<String> {
    let output =
        command.output().with_context(|| format!("cannot start {:?}", command.get_program()))?;
    if !output.status.success() {
        bail!(
            "{:?} failed ({}): {}",
            command.get_program(),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
