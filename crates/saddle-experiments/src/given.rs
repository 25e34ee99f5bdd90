//! Networks that others trained, for columns of a plan.
//!
//! A folder holds one weight file for each: `NAME.safetensors`, `NAME.pt` or `NAME.pth` for the (first) network `NAME` of
//! the plan, `NAME-SEED.…` for the one with that training seed; `NAME.toml` beside it is its name map. Such a network is not
//! trained. Its key is the hash of its architecture and weights, never of a recipe, so that its results and those of a
//! network trained here can never be taken for each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

use saddle_model::{Architecture, Executor, Metadata, NameMap, load_network_by, to_bytes};

use crate::agenda::NetworkId;
use crate::plan::Plan;
use crate::{Error, Key, Result, name_map, sha256_hex};

/// How weight files end.
const WEIGHTS: [&str; 3] = ["safetensors", "pt", "pth"];

/// The given networks of a run; none by default.
#[derive(Debug, Default)]
pub struct Given {
    networks: BTreeMap<NetworkId, GivenNetwork>,
    /// Whether networks that were not given stay missing instead of being trained.
    pub only: bool,
}

/// One given network.
#[derive(Debug)]
pub(crate) struct GivenNetwork {
    /// Name of its file.
    pub(crate) file: String,
    /// SHA-256 of that file.
    pub(crate) sha256: String,
    /// Its weights as a weight file of ours.
    pub(crate) bytes: Vec<u8>,
    pub(crate) job: GivenJob,
    pub(crate) key: Key,
}

/// What the key of a given network is made of.
#[derive(Debug, Serialize)]
pub(crate) struct GivenJob {
    job: &'static str,
    architecture: Architecture,
    weights: String,
}

impl Given {
    /// Reads every weight file of a folder.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] for a folder or file that cannot be read, [`Error::Given`] for a file that no network of the plan is
    /// named after, that is given twice, or that does not hold the network's architecture.
    pub fn read(folder: &Path, plan: &Plan) -> Result<Self> {
        let unreadable = |source| Error::Read { path: folder.to_owned(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            paths.push(entry.map_err(unreadable)?.path());
        }
        paths.sort();
        let mut given = Self::default();
        for path in paths.iter().filter(|path| ends_in(path, &WEIGHTS)) {
            let id = named_after(path, plan)?;
            let network = read(path, &id, plan)?;
            if let Some(other) = given.networks.get(&id) {
                let message = format!(
                    "it is the same network as {}, `{}` with training seed {}; take one away",
                    other.file,
                    id.name,
                    plan.training_seed(id.number)
                );
                return Err(Error::Given { path: path.clone(), message });
            }
            given.networks.insert(id, network);
        }
        for path in paths.iter().filter(|path| ends_in(path, &["toml"])) {
            let described = |end: &str| path.with_extension(end).is_file();
            if !WEIGHTS.iter().any(|&end| described(end)) {
                let message = "a name map without a weight file of the same name".to_owned();
                return Err(Error::Given { path: path.clone(), message });
            }
        }
        if given.networks.is_empty() {
            let message = format!("no weight file (.{}) lies there", WEIGHTS.join(", ."));
            return Err(Error::Given { path: folder.to_owned(), message });
        }
        Ok(given)
    }

    pub(crate) fn get(&self, id: &NetworkId) -> Option<&GivenNetwork> {
        self.networks.get(id)
    }

    /// The plan as its tables are to be read: what was missing and is given now is not missing.
    pub(crate) fn admitted(&self, plan: &Plan) -> Plan {
        let mut plan = plan.clone();
        for id in self.networks.keys() {
            if let Some(network) = plan.networks.get_mut(&id.name) {
                network.missing = None;
            }
        }
        plan
    }

    /// Why a network of an [admitted](Self::admitted) plan is not measured after all.
    pub(crate) fn absence(&self, id: &NetworkId, plan: &Plan) -> Option<String> {
        if self.networks.contains_key(id) {
            return None;
        }
        let missing = plan.networks.get(&id.name).and_then(|network| network.missing.clone());
        missing.or(self.only.then(|| "no weights were given for it".to_owned()))
    }

    /// One line of the report for each given network: nothing here vouches for how it was trained.
    pub(crate) fn notes(&self, plan: &Plan) -> impl Iterator<Item = String> {
        self.networks.iter().map(|(id, network)| {
            format!(
                "Column {} (seed {}) shows given weights, not trained here: {}, SHA-256 {}.",
                id.name,
                plan.training_seed(id.number),
                network.file,
                network.sha256
            )
        })
    }
}

fn ends_in(path: &Path, ends: &[&str]) -> bool {
    let end = path.extension().and_then(|end| end.to_str());
    end.is_some_and(|end| ends.contains(&end)) && path.is_file()
}

/// The network of the plan that a file is named after.
fn named_after(path: &Path, plan: &Plan) -> Result<NetworkId> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if plan.networks.contains_key(&*stem) {
        return Ok(NetworkId { name: stem.into_owned(), number: 0 });
    }
    let seeded = stem.rsplit_once('-').and_then(|(name, seed)| {
        let (network, seed) = (plan.networks.get(name)?, seed.parse::<u64>().ok()?);
        let number = (0..network.seeds).find(|&number| plan.training_seed(number) == seed)?;
        Some(NetworkId { name: name.to_owned(), number })
    });
    seeded.ok_or_else(|| {
        let known = plan.networks.iter().flat_map(|(name, network)| {
            let further = (1..network.seeds).map(move |number| (name, Some(number)));
            std::iter::once((name, None)).chain(further)
        });
        let known = known.map(|(name, number)| match number {
            None => name.clone(),
            Some(number) => format!("{name}-{}", plan.training_seed(number)),
        });
        let known = known.collect::<Vec<_>>().join(", ");
        let message = format!(
            "no network of plan `{}` is called `{stem}`; name the file after one of {known}",
            plan.name
        );
        Error::Given { path: path.to_owned(), message }
    })
}

fn read(path: &Path, id: &NetworkId, plan: &Plan) -> Result<GivenNetwork> {
    let given = |message: String| Error::Given { path: path.to_owned(), message };
    let read = |path: &Path| {
        fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
    };
    let network = plan.networks.get(&id.name);
    let Some(name) = network.map(|network| network.architecture.as_str()) else {
        return Err(given(format!("no network is called `{}`", id.name)));
    };
    let map = path.with_extension("toml");
    let map = if map.is_file() { Some(map_from(&map, &read(&map)?)?) } else { None };
    let other = |said: &str| {
        given(format!("it holds the network `{said}`; `{}` of the plan is `{name}`", id.name))
    };
    if let Some(said) = map.as_ref().and_then(|map| map.architecture.as_deref())
        && said != name
    {
        return Err(other(said));
    }
    let file = read(path)?;
    // No layer is computed here: any executor will do.
    let loaded = load_network_by(&file, Some(name), map.as_ref(), Executor::Candle);
    let (network, metadata) = loaded.map_err(|error| given(error.to_string()))?;
    let architecture = network.architecture().clone();
    if let Some(said) = metadata.architecture.filter(|said| *said != architecture) {
        return Err(other(&said.name));
    }
    // Nothing but these two, so that equal weights give equal bytes, whatever file they came in.
    let metadata = Metadata { architecture: Some(architecture.clone()), ..Metadata::default() };
    let bytes = to_bytes(network.weights(), &metadata)?;
    let job = GivenJob { job: "given weights", architecture, weights: sha256_hex(&bytes) };
    Ok(GivenNetwork {
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        sha256: sha256_hex(&file),
        key: Key::of(&job)?,
        bytes,
        job,
    })
}

fn map_from(path: &Path, bytes: &[u8]) -> Result<NameMap> {
    let map = name_map(&String::from_utf8_lossy(bytes));
    map.map_err(|error| Error::Given { path: path.to_owned(), message: error.to_string() })
}
