//! `saddle reproduce`: a plan from start to report.

use std::path::PathBuf;

use anyhow::Result;

use saddle_experiments::{
    Given, Laboratory, Outside, Store, check_writable, erase_report, write_all,
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
    if !arguments.computing.quiet {
        eprintln!("{}", laboratory.stages_with(&outside, &arguments.only)?);
    }
    let mut progress = Progress::new(arguments.computing.quiet, Stop::on_ctrl_c()?);
    let finished = laboratory.run_with(&outside, &arguments.only, &mut progress);
    progress.close();
    let finished = finished?;
    write_all(&out, &plan, &finished)?;

    report::print(&finished.report);
    println!("report: {}", out.join("report.html").display());
    if finished.interrupted {
        println!("stopped before the end; the same command goes on from here");
        return Ok(Ended::Interrupted);
    }
    let failed = !finished.report.provenance.failures.is_empty();
    Ok(if failed { Ended::SomeCellsFailed } else { Ended::Done })
}
