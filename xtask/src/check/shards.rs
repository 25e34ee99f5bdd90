//! Three processes on one folder, killed again and again, against one process that nobody disturbs.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::deep::{Moments, compare, report, smoke};
use crate::workspace::Workspace;

const SHARDS: usize = 3;

/// How often one of them is killed.
const KILLS: usize = 12;

/// Starts three shards of a smoke run, kills one after the other at random moments, starts each anew, and compares the report that
/// the last one writes with that of a single undisturbed run: they must agree in everything but times.
pub(super) fn killed(workspace: &Workspace) -> anyhow::Result<String> {
    workspace.cargo(&["build", "--release", "--package", "saddle"]).run()?;
    let program = workspace.target().join("release/saddle");
    let folder = workspace.target().join("killed-shards");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let single = folder.join("single");
    let start = Instant::now();
    ensure!(smoke(&program, &single, &[])?.wait()?.success(), "the undisturbed run failed");
    let whole = start.elapsed();
    let expected = report(&single)?;

    let (mut moments, seed) = Moments::of_now()?;
    let (mut kills, mut rounds) = (0, 0);
    while kills < KILLS {
        let out = folder.join(format!("shared-{rounds}"));
        rounds += 1;
        let start = |index: usize| {
            let shard = format!("{index}/{SHARDS}");
            smoke(&program, &out, &["--threads", "1", "--shard", &shard])
        };
        let mut shards: Vec<Child> = (1..=SHARDS).map(start).collect::<anyhow::Result<_>>()?;
        let mut next = 0;
        let mut death = Instant::now() + moments.next(whole / 3);
        loop {
            for (place, shard) in shards.iter_mut().enumerate() {
                if let Some(status) = shard.try_wait()? {
                    let number = place + 1;
                    ensure!(
                        status.success(),
                        "shard {number} failed after {kills} kills (seed {seed})"
                    );
                }
            }
            if shards.iter_mut().all(|shard| matches!(shard.try_wait(), Ok(Some(_)))) {
                break;
            }
            if kills < KILLS && Instant::now() >= death {
                let victim = next % SHARDS;
                next += 1;
                death = Instant::now() + moments.next(whole / 3);
                if shards[victim].try_wait()?.is_none() {
                    shards[victim].kill()?;
                    shards[victim].wait()?;
                    kills += 1;
                    shards[victim] = start(victim + 1)?;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        compare(&expected, &report(&out)?)
            .with_context(|| format!("after {kills} kills (seed {seed})"))?;
    }
    Ok(format!(
        "{rounds} runs by {SHARDS} shards, {kills} kills (seed {seed}), every report that of a single run"
    ))
}
