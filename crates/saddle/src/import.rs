//! `saddle import`: a network that others trained, as a weight file of ours.

use anyhow::{Context, Result};

use saddle_experiments::sha256_hex;
use saddle_model::{Executor, Metadata, load_network_by, to_bytes};

use crate::Ended;
use crate::archive::write_file;
use crate::arguments::Import;
use crate::environment;

pub(crate) fn run(arguments: &Import) -> Result<Ended> {
    environment::check_file_writable(&arguments.out)?;
    let bytes = std::fs::read(&arguments.file)
        .with_context(|| format!("cannot read {}", arguments.file.display()))?;
    let names = environment::names(arguments.names.as_ref())?;
    let name = arguments.architecture.as_deref();
    // No layer is computed: any executor will do.
    let (network, metadata) = load_network_by(&bytes, name, names.as_ref(), Executor::Candle)
        .with_context(|| arguments.file.display().to_string())?;
    let hash = sha256_hex(&bytes);
    let mut notes = metadata.notes;
    let file = arguments.file.file_name().unwrap_or_default().to_string_lossy();
    notes.insert("imported_from".to_owned(), file.into_owned());
    notes.insert("imported_sha256".to_owned(), hash.clone());
    let architecture = Some(network.architecture().clone());
    let metadata = Metadata { architecture, notes, ..metadata };
    write_file(&arguments.out, &to_bytes(network.weights(), &metadata)?)?;
    println!("network: {}", network.architecture().name);
    if let Some(by) = metadata.notes.get("names_read_by") {
        println!("names:   as in {by}");
    }
    println!("source:  {}, SHA-256 {hash}", arguments.file.display());
    println!("weights: {}", arguments.out.display());
    Ok(Ended::Done)
}
