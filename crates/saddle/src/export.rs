//! `saddle export`: a network as a 16-bit file, with a page that says what it is.

use std::path::Path;

use anyhow::{Context, Result, bail};
use candle_core::DType;

use saddle_experiments::{Laboratory, Store, model_card, sha256_hex};
use saddle_model::{from_bytes, to_bytes};
use saddle_report::Report;

use crate::Ended;
use crate::archive::write_file;
use crate::arguments::Export;
use crate::environment;
use crate::reproduce::COMMIT;

pub(crate) fn run(arguments: &Export) -> Result<Ended> {
    environment::check_file_writable(&arguments.out)?;
    let report = arguments.results.as_deref().map(report).transpose()?;
    let bytes = source(arguments)?;
    let (weights, metadata) = from_bytes(&bytes)?;
    if metadata.architecture.is_none() {
        bail!("the file does not say which network it holds; `saddle import` writes one that does");
    }
    let half = to_bytes(&weights.to_dtype(DType::F16)?, &metadata)?;
    let file = arguments.out.file_name().unwrap_or_default().to_string_lossy();
    let card = model_card(&file, &half, &sha256_hex(&bytes), report.as_ref())?;
    let beside = arguments.out.with_extension("md");
    write_file(&arguments.out, &half)?;
    write_file(&beside, card.as_bytes())?;
    println!("weights: {}, {} bytes", arguments.out.display(), half.len());
    println!("card:    {}", beside.display());
    Ok(Ended::Done)
}

/// The weight file to be exported: one that was named, or that of a plan's network from a store. Nothing is trained.
fn source(arguments: &Export) -> Result<Vec<u8>> {
    if let Some(path) = &arguments.file {
        return std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    }
    let (Some(name), Some(root)) = (&arguments.network, &arguments.store) else {
        bail!("name a weight file, or a network of a plan with --network and --store");
    };
    let plan = environment::plan(&arguments.plan)?;
    plan.check_trainable(name)?;
    if !root.is_dir() {
        bail!("{} is no store: there is no such folder", root.display());
    }
    let machine = environment::machine_for(&plan, &arguments.computing)?;
    let store = Store::open(root)?;
    let data = environment::data(&arguments.computing, plan.dataset)?;
    let laboratory =
        Laboratory { plan: &plan, data: &data, store: &store, machine: &machine, commit: COMMIT };
    match laboratory.trained(name)? {
        Some(bytes) => Ok(bytes),
        None => bail!(
            "the store {} holds no network `{name}` of plan `{}` for these kernels ({}) and this program; run \
             `saddle train` or `saddle reproduce` with that store first",
            root.display(),
            plan.name,
            machine.name()
        ),
    }
}

fn report(folder: &Path) -> Result<Report> {
    let path = folder.join("report.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Report::from_json(&text).with_context(|| path.display().to_string())
}
