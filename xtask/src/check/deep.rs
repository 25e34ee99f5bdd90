//! The slow checks: memory twice over, licences, and death at random moments.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;

use crate::workspace::{UNOPTIMISED, Workspace};

/// How often a smoke run is killed.
const KILLS: usize = 20;

/// Runs the tests of the hand-written kernels under AddressSanitizer, in a target folder of its own.
pub(super) fn address_sanitizer(workspace: &Workspace) -> anyhow::Result<String> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    workspace
        .cargo(&["test", "--package", "saddle-tests", "--target", &target])
        .args(UNOPTIMISED)
        .args(["--test", "saddle", "kernels::"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("CARGO_TARGET_DIR", workspace.target().join("address-sanitizer"))
        .run()?;
    Ok("kernel tests, no bad access".to_owned())
}

/// Runs the kernels' own tests under valgrind. It shows the program a processor without AVX-512, so this is the AVX2 and the
/// portable path; the slow tests of whole networks are left out.
pub(super) fn valgrind(workspace: &Workspace) -> anyhow::Result<String> {
    let installed = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    ensure!(installed.is_ok_and(|status| status.success()), "valgrind is not installed");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let runner = format!("CARGO_TARGET_{}_RUNNER", target.to_uppercase().replace('-', "_"));
    workspace
        .cargo(&["test", "--package", "saddle-tests", "--test", "saddle"])
        .args(["kernels::", "--", "--skip", "kernels::engine"])
        .env(runner, "valgrind --quiet --error-exitcode=9")
        .run()?;
    Ok("kernel tests on avx2 and portable, no bad access".to_owned())
}

/// Licences, bans and sources by `deny.toml`; its database of advisories needs the network and is not asked.
pub(super) fn deny(workspace: &Workspace) -> anyhow::Result<String> {
    let installed = workspace.cargo(&["deny", "--version"]).quiet().ignore_stderr().read().is_ok();
    ensure!(installed, "cargo-deny is not installed (`cargo install cargo-deny --locked`)");
    // Every platform's crates, so that it needs no network afterwards.
    workspace.cargo(&["fetch", "--locked"]).run()?;
    workspace.cargo(&["deny", "--offline", "check", "bans", "licenses", "sources"]).run()?;
    Ok("bans, licences, sources".to_owned())
}

/// Kills a smoke run [`KILLS`] times at random moments, lets it finish, and compares its report with that of an
/// undisturbed run: they must agree in everything but times.
///
/// Kills come after up to half of the time that a whole run takes, so that some meet the first training before its
/// first checkpoint, some a resumed one and some the attacks. A run that finishes before its kill is compared as well and
/// the next one starts afresh, so every counted kill met a living process.
pub(super) fn kill_and_resume(workspace: &Workspace) -> anyhow::Result<String> {
    workspace.cargo(&["build", "--release", "--package", "saddle"]).run()?;
    let program = workspace.target().join("release/saddle");
    let folder = workspace.target().join("kill-and-resume");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;

    let undisturbed = folder.join("undisturbed");
    let start = Instant::now();
    ensure!(smoke(&program, &undisturbed, &[])?.wait()?.success(), "the undisturbed run failed");
    let whole = start.elapsed();
    let expected = report(&undisturbed)?;

    let (mut moments, seed) = Moments::of_now()?;
    let (mut kills, mut finished) = (0, 0);
    let mut out = folder.join("killed-0");
    while kills < KILLS {
        let mut child = smoke(&program, &out, &[])?;
        let death = Instant::now() + moments.next(whole / 2);
        let ended = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() >= death {
                break None;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        match ended {
            None => {
                // SIGKILL: no handler runs, nothing is flushed.
                child.kill()?;
                child.wait()?;
                kills += 1;
            }
            Some(status) => {
                ensure!(status.success(), "a resumed run failed after {kills} kills (seed {seed})");
                compare(&expected, &report(&out)?)
                    .with_context(|| format!("after {kills} kills (seed {seed})"))?;
                finished += 1;
                out = folder.join(format!("killed-{finished}"));
            }
        }
    }
    ensure!(
        smoke(&program, &out, &[])?.wait()?.success(),
        "the run after the last kill failed (seed {seed})"
    );
    compare(&expected, &report(&out)?)
        .with_context(|| format!("after {kills} kills (seed {seed})"))?;
    Ok(format!(
        "{kills} kills (seed {seed}), {} finished runs, every report the same; undisturbed run {:.0} s",
        finished + 1,
        whole.as_secs_f64()
    ))
}

/// Starts a smoke run with further flags.
pub(super) fn smoke(program: &Path, out: &Path, flags: &[&str]) -> anyhow::Result<Child> {
    Command::new(program)
        .args(["reproduce", "--profile", "smoke", "--out"])
        .arg(out)
        .args(flags)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

pub(super) fn report(out: &Path) -> anyhow::Result<Value> {
    let path = out.join("report.json");
    let text = std::fs::read(&path).with_context(|| format!("no report at {}", path.display()))?;
    let mut report = serde_json::from_slice(&text)?;
    forget_times(&mut report);
    Ok(report)
}

/// Removes every field whose name speaks of time, at any depth.
fn forget_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                !["seconds", "time", "date", "started", "finished"]
                    .iter()
                    .any(|word| name.contains(word))
            });
            fields.values_mut().for_each(forget_times);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_times),
        _ => {}
    }
}

pub(super) fn compare(expected: &Value, found: &Value) -> anyhow::Result<()> {
    if expected == found {
        return Ok(());
    }
    let cells = |report: &Value| report["cells"].as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (cells(expected), cells(found));
    match ours.iter().zip(&theirs).find(|(left, right)| left != right) {
        Some((left, right)) => {
            bail!("reports differ, first in the cell\n{left}\nwhich became\n{right}")
        }
        None => bail!("reports differ: {} cells became {}", ours.len(), theirs.len()),
    }
}

/// Moments of death: xorshift, because xtask has no other use for random numbers.
pub(super) struct Moments(u64);

impl Moments {
    /// Begins with the time, which is printed: a failure can be told from bad luck, if not repeated to the millisecond.
    pub(super) fn of_now() -> anyhow::Result<(Self, u64)> {
        let seed = std::time::SystemTime::UNIX_EPOCH.elapsed()?.as_nanos() as u64;
        Ok((Self(seed | 1), seed))
    }

    /// A duration below `limit`.
    pub(super) fn next(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}
