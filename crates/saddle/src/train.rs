//! `saddle train`: one network of a plan.

use anyhow::Result;
use candle_core::DType;

use saddle_experiments::{Laboratory, Store};
use saddle_model::{from_bytes, to_bytes};

use crate::Ended;
use crate::archive::write_file;
use crate::arguments::Train;
use crate::environment;
use crate::progress::{Progress, Stop};
use crate::reproduce::COMMIT;

pub(crate) fn run(arguments: &Train) -> Result<Ended> {
    let mut plan = environment::plan(&arguments.plan)?;
    if let Some(seed) = arguments.seed {
        plan.seed = seed;
    }
    let recipe = plan.networks.get_mut(&arguments.network).and_then(|n| n.training.as_mut());
    if let (Some(iterations), Some(recipe)) = (arguments.iterations, recipe) {
        recipe.iterations = iterations;
    }
    plan.check_trainable(&arguments.network)?;
    let machine = environment::machine_for(&plan, &arguments.computing)?;
    environment::check_file_writable(&arguments.out)?;
    let root = match &arguments.store {
        Some(root) => root.clone(),
        None => environment::cache()?.join("store"),
    };
    let store = Store::open(root)?;
    let data = environment::data(&arguments.computing, plan.dataset)?;

    let mut progress = Progress::new(arguments.computing.quiet, Stop::on_ctrl_c()?);
    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &machine, commit: COMMIT };
    let trained = laboratory.train(&arguments.network, &mut progress);
    progress.close();
    let mut bytes = match trained {
        Err(saddle_experiments::Error::Interrupted) => {
            println!("stopped before the end; the same command goes on from here");
            return Ok(Ended::Interrupted);
        }
        other => other?,
    };
    if arguments.half {
        let (weights, metadata) = from_bytes(&bytes)?;
        bytes = to_bytes(&weights.to_dtype(DType::F16)?, &metadata)?;
    }
    write_file(&arguments.out, &bytes)?;
    println!("weights: {}", arguments.out.display());
    Ok(Ended::Done)
}
