//! `saddle reproduce`: a plan from start to report.

use std::path::PathBuf;

use anyhow::{Result, bail};

use saddle_experiments::{
    Finished, Given, Laboratory, Outside, Role, Store, check_writable, erase_report, write_all,
};

use crate::Ended;
use crate::arguments::Reproduce;
use crate::environment;
use crate::progress::{Progress, Stop};
use crate::report;

/// Commit of the sources that this program was built from.
pub(crate) const COMMIT: &str = env!("SADDLE_COMMIT");

pub(crate) fn run(arguments: &Reproduce) -> Result<Ended> {
    // Everything that can be refused is refused before anything is fetched or trained.
    let mut plan = environment::plan(&arguments.plan)?;
    if let Some(seed) = arguments.seed {
        plan.seed = seed;
    }
    plan.check_only(&arguments.only)?;
    let mut outside = Outside::default();
    if let Some(folder) = &arguments.weights_dir {
        outside.given = Given::read(folder, &plan)?;
        outside.given.only = arguments.only_given;
    }
    let machine = environment::machine_for(&plan, &arguments.computing)?;
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from("results").join(&plan.name));
    check_writable(&out)?;
    let root = arguments.store.clone().unwrap_or_else(|| out.join("store"));
    if arguments.fresh {
        Store::erase(&root)?;
        erase_report(&out)?;
    }
    let store = Store::open(root)?;
    outside.known.read(&out)?;
    if let Some(folder) = &arguments.known {
        outside.known.read(folder)?;
    }
    outside.known.remarks().iter().for_each(|remark| eprintln!("{remark}"));
    outside.out = Some(out.clone());
    outside.sharing.role = role(arguments);
    let data = environment::data(&arguments.computing, plan.dataset)?;

    if !arguments.computing.quiet {
        eprintln!("{}", plan.about);
        eprintln!("kernels: {}; report: {}", machine.name(), out.display());
        if !outside.known.is_empty() {
            eprintln!("attacks in earlier cells.jsonl: {}", outside.known.len());
        }
    }
    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &machine, commit: COMMIT };
    if arguments.list_jobs {
        for job in laboratory.jobs_with(&outside, &arguments.only)? {
            println!("{}", serde_json::to_string(&job)?);
        }
        return Ok(Ended::Done);
    }
    check_jobs(arguments, &laboratory, &outside)?;
    if !arguments.computing.quiet && !arguments.gather && arguments.jobs.is_empty() {
        eprintln!("{}", laboratory.stages_with(&outside, &arguments.only)?);
    }
    let mut progress = Progress::new(arguments.computing.quiet, Stop::on_ctrl_c()?);
    let finished = laboratory.run_with(&outside, &arguments.only, &mut progress);
    progress.close();
    let finished = finished?;
    if let Some(ended) = without_report(arguments, &finished, &store) {
        return Ok(ended);
    }
    write_all(&out, &plan, &finished)?;

    report::print(&finished.report);
    println!("report: {}", out.join("report.html").display());
    if finished.interrupted {
        return Ok(interrupted());
    }
    let failed = !finished.report.provenance.failures.is_empty();
    Ok(if failed { Ended::SomeCellsFailed } else { Ended::Done })
}

fn role(arguments: &Reproduce) -> Role {
    match arguments.shard {
        Some(shard) => Role::Shard(shard),
        None if arguments.gather => Role::Gather,
        None if arguments.jobs.is_empty() => Role::Everything,
        None => Role::Jobs(arguments.jobs.iter().cloned().collect()),
    }
}

/// Refuses jobs that the plan does not have; those that are done are fine.
fn check_jobs(arguments: &Reproduce, laboratory: &Laboratory<'_>, outside: &Outside) -> Result<()> {
    if arguments.jobs.is_empty() {
        return Ok(());
    }
    let left = laboratory.jobs_with(outside, &arguments.only)?;
    for key in &arguments.jobs {
        if !laboratory.store.contains(key) && left.iter().all(|job| job.key != *key) {
            bail!(
                "no job of this plan has the key {key}; keys depend on plan, data, program and kernels ({}); \
                 --list-jobs names those that are left, SADDLE_KERNELS chooses kernels",
                laboratory.machine.name()
            );
        }
    }
    Ok(())
}

/// How a run ends that leaves the report to others; none for one that writes it.
fn without_report(arguments: &Reproduce, finished: &Finished, store: &Store) -> Option<Ended> {
    if !arguments.jobs.is_empty() {
        let failed = arguments.jobs.iter().find_map(|key| store.failure(key));
        return Some(match failed {
            _ if finished.interrupted => interrupted(),
            Some(note) => {
                println!("failed: {}", note.lines().skip(1).collect::<Vec<_>>().join(" "));
                Ended::SomeCellsFailed
            }
            None => Ended::Done,
        });
    }
    let shard = arguments.shard?;
    if finished.interrupted {
        return Some(interrupted());
    }
    if finished.left == 0 {
        return None;
    }
    println!(
        "shard {shard} is done; {} jobs are in the hands of others, and whoever is last writes the report",
        finished.left
    );
    Some(Ended::Done)
}

fn interrupted() -> Ended {
    println!("stopped before the end; the same command goes on from here");
    Ended::Interrupted
}
