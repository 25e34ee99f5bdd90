//! A run on a Slurm of one node that is killed on the way, against a run on one machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use super::deep::{compare, report};
use crate::workspace::Workspace;

/// Starts, kills, revives and stops the Slurm.
const SCRIPT: &str = include_str!("one_node.sh");

/// The variable by which Slurm's commands find their cluster.
const CONFIGURATION: &str = "SLURM_CONF";

/// The plan of both runs.
const PROFILE: &str = "quick";

/// How long the first jobs may take to end, and the requeued ones to be seen.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Runs the quick plan as job arrays with one node, kills the node with everything on it when some jobs are done and others under
/// way, brings it back, and compares report and cells with those of a run without Slurm: they must agree in everything but times,
/// and at least one task must have been requeued.
pub(super) fn node_lost(workspace: &Workspace) -> anyhow::Result<String> {
    for program in ["slurmctld", "slurmd", "sbatch", "munge"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output()?;
        ensure!(
            found.status.success(),
            "{program} is not installed; Debian has it in `slurm-wlm` and `munge`, and this check needs root as well"
        );
    }
    let folder = workspace.target().join("slurm-check");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let folder = folder.canonicalize()?;
    let single = folder.join("single");
    let status = reproduce(&single, &[]).status().context("cannot start xtask")?;
    ensure!(status.success(), "the run without Slurm ended with {status}");
    let expected = report(&single).context("the run without Slurm")?;

    let node = Node::start(&folder)?;
    let shared = folder.join("shared");
    let mut run = reproduce(&shared, &["--slurm", "--cpus", "1"]);
    let run = run.env(CONFIGURATION, node.configuration());
    let mut run = run.spawn().context("cannot start xtask")?;
    let killed = node.kill_in_the_midst(&shared, &mut run)?;
    node.control("revive", &[])?;
    let restarts = node.restarts(&mut run)?;
    let status = run.wait()?;
    drop(node);
    ensure!(status.success(), "the run on Slurm ended with {status}; see {}", shared.display());
    compare(&expected, &report(&shared)?)?;
    ensure!(
        cells(&single)? == cells(&shared)?,
        "the cells of {} and {} differ",
        single.display(),
        shared.display()
    );
    Ok(format!(
        "profile {PROFILE} by job arrays; the node was killed with {killed} running tasks, {restarts} tasks were requeued; \
         report and cells those of one machine"
    ))
}

/// `cargo xtask reproduce` by the xtask that is running.
fn reproduce(out: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "xtask".into()));
    command
        .args(["reproduce", "--device", "cpu", "--profile", PROFILE])
        // Committed cells would leave nothing to do.
        .arg("--known")
        .arg(out)
        .arg("--out")
        .arg(out)
        .args(flags);
    command
}

/// The lines of `cells.jsonl`.
fn cells(out: &Path) -> anyhow::Result<Vec<Value>> {
    let text = fs::read_to_string(out.join("cells.jsonl"))?;
    Ok(text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

/// The Slurm of one node; stopped when it is dropped.
struct Node {
    folder: PathBuf,
}

impl Node {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let node = Self { folder: folder.join("node") };
        fs::create_dir_all(&node.folder)?;
        fs::write(node.script(), SCRIPT)?;
        node.control("start", &[])?;
        Ok(node)
    }

    fn script(&self) -> PathBuf {
        self.folder.join("one_node.sh")
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("slurm.conf")
    }

    fn control(&self, verb: &str, more: &[String]) -> anyhow::Result<()> {
        let mut command = Command::new("bash");
        command.arg(self.script()).arg(verb).arg(&self.folder).args(more);
        ensure!(
            command.status()?.success(),
            "one_node.sh {verb} failed; see {}",
            self.folder.display()
        );
        Ok(())
    }

    /// Kills the node once some jobs are done and a task runs for a few seconds; says how many ran.
    fn kill_in_the_midst(&self, shared: &Path, run: &mut Child) -> anyhow::Result<usize> {
        let program = shared.join("slurm/saddle");
        let began = Instant::now();
        let mut seen: Option<(Vec<String>, Instant)> = None;
        loop {
            alive(run)?;
            ensure!(began.elapsed() < PATIENCE, "no job came to an end under Slurm");
            let tasks = processes_of(&program);
            let same = seen.as_ref().filter(|(known, _)| *known == tasks && !tasks.is_empty());
            match same {
                // Past the first checkpoint, so that what is requeued has something to go on from.
                Some((_, since))
                    if since.elapsed() > Duration::from_secs(5) && some_result(shared) =>
                {
                    self.control("kill", &tasks)?;
                    return Ok(tasks.len());
                }
                Some(_) => {}
                None => seen = Some((tasks, Instant::now())),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// How many tasks the controller has put back into the queue, once there are any.
    fn restarts(&self, run: &mut Child) -> anyhow::Result<usize> {
        let began = Instant::now();
        loop {
            let mut command = Command::new("scontrol");
            command.env(CONFIGURATION, self.configuration());
            let output = command.args(["show", "job", "--oneliner"]).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            let restarted =
                text.split_whitespace().filter_map(|word| word.strip_prefix("Restarts="));
            let restarted = restarted.filter(|count| *count != "0").count();
            if restarted > 0 {
                return Ok(restarted);
            }
            alive(run)?;
            ensure!(began.elapsed() < PATIENCE, "no task was requeued");
            std::thread::sleep(Duration::from_secs(1));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.control("stop", &[]) {
            eprintln!("{error:#}");
        }
    }
}

fn alive(run: &mut Child) -> anyhow::Result<()> {
    match run.try_wait()? {
        None => Ok(()),
        Some(status) => bail!("the run on Slurm ended too early, with {status}"),
    }
}

/// The processes that run this program and no other.
fn processes_of(program: &Path) -> Vec<String> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers
        .filter(|entry| fs::read_link(entry.path().join("exe")).is_ok_and(|own| own == program));
    let mut numbers: Vec<String> =
        numbers.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    numbers.sort();
    numbers
}

/// Whether the store of a run holds a finished job.
fn some_result(shared: &Path) -> bool {
    let folders = |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten();
    folders(shared.join("store"))
        .flat_map(|shelf| folders(shelf.path()))
        .any(|job| job.path().join("result").is_file())
}
