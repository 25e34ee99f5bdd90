//! A training in the middle of its run, as safetensors bytes.
//!
//! Tensors lie under `weights/`, `optimizer/` and `defense/`; one metadata entry, `saddle`, holds
//! the [`Header`] as JSON. (One entry only: several would come out in an order that changes from
//! process to process, and equal trainings should give equal bytes.)
//!
//! # What is refused
//!
//! Bytes that are cut short or are no checkpoint; and a whole checkpoint of another plan, network,
//! data set or executor, or against other sources. There is no checksum: whoever keeps the bytes writes them atomically.

use crate::{Error, Result, Sources};
use candle_core::{DType, Device, Tensor};
use saddle_attacks::Examples;
use saddle_model::Architecture;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};

/// Marks our bytes among other safetensors files.
const FORMAT: &str = "saddle-checkpoint";
/// Changes whenever older checkpoints can no longer be understood.
const VERSION: u32 = 1;

/// What a checkpoint must agree on with the training that resumes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// The plan as JSON.
    pub(crate) plan: String,
    /// The architecture as JSON.
    pub(crate) architecture: String,
    /// SHA-256 over the training examples.
    pub(crate) data: String,
    /// Executor and kernels, since other kernels give other bits.
    pub(crate) executor: String,
    /// A fingerprint of each static network that the defence trains against.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) sources: BTreeMap<String, String>,
}

/// Everything but the tensors.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    version: u32,
    identity: Identity,
    step: u32,
    updates: u64,
}

/// A checkpoint, taken apart.
pub(crate) struct Checkpoint {
    pub(crate) identity: Identity,
    /// Steps done.
    pub(crate) step: u32,
    /// Updates that the optimiser has done.
    pub(crate) updates: u64,
    pub(crate) weights: Vec<(String, Tensor)>,
    pub(crate) optimizer: Vec<(String, Tensor)>,
    pub(crate) defense: Vec<(String, Tensor)>,
}

impl Identity {
    /// The identity of a training.
    pub(crate) fn new(
        plan: &crate::TrainingPlan,
        architecture: &Architecture,
        examples: &Examples,
        executor: String,
        sources: &Sources,
    ) -> Result<Self> {
        Ok(Self {
            plan: to_json(plan)?,
            architecture: to_json(architecture)?,
            data: fingerprint(examples)?,
            executor,
            sources: sources.fingerprints(),
        })
    }

    /// Refuses a checkpoint of another training.
    pub(crate) fn check(&self, found: &Self) -> Result<()> {
        let parts = [
            ("plan", &found.plan, &self.plan),
            ("network", &found.architecture, &self.architecture),
            ("training data", &found.data, &self.data),
            ("executor", &found.executor, &self.executor),
        ];
        for (what, found, expected) in parts {
            if found != expected {
                let (found, expected) = (found.clone(), expected.clone());
                return Err(Error::ForeignCheckpoint { what, found, expected });
            }
        }
        // Names that only one side knows are the defence's to refuse.
        let mut sources = self.sources.iter();
        match sources.find(|(name, own)| found.sources.get(*name) != Some(*own)) {
            None => Ok(()),
            Some((name, own)) => Err(Error::ForeignCheckpoint {
                what: "source",
                found: format!(
                    "`{name}` {}",
                    found.sources.get(name).map_or("none", String::as_str)
                ),
                expected: format!("`{name}` {own}"),
            }),
        }
    }
}

impl Checkpoint {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            identity: self.identity.clone(),
            step: self.step,
            updates: self.updates,
        };
        let metadata = HashMap::from([("saddle".to_owned(), to_json(&header)?)]);
        let parts = [
            ("weights", &self.weights),
            ("optimizer", &self.optimizer),
            ("defense", &self.defense),
        ];
        let tensors = parts.into_iter().flat_map(|(part, entries)| {
            entries.iter().map(move |(name, tensor)| (format!("{part}/{name}"), tensor))
        });
        safetensors::serialize(tensors, Some(metadata)).map_err(|error| bad(error.to_string()))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let broken = |error| bad(format!("damaged or cut short ({error})"));
        let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let header = metadata.metadata().as_ref().and_then(|entries| entries.get("saddle"));
        let header = header.ok_or_else(|| bad("no checkpoint of a training".to_owned()))?;
        let header: Header = serde_json::from_str(header)
            .map_err(|error| bad(format!("no checkpoint of a training ({error})")))?;
        if header.format != FORMAT || header.version != VERSION {
            let (format, version) = (header.format, header.version);
            return Err(bad(format!(
                "format `{format}` version {version} found, `{FORMAT}` version {VERSION} expected"
            )));
        }
        let part = |prefix: &str| -> Result<Vec<(String, Tensor)>> {
            let names = tensors.names();
            let own = names.iter().filter_map(|name| Some((*name, name.strip_prefix(prefix)?)));
            own.map(|(name, short)| Ok((short.to_owned(), read(&tensors, name)?))).collect()
        };
        Ok(Self {
            step: header.step,
            updates: header.updates,
            weights: part("weights/")?,
            optimizer: part("optimizer/")?,
            defense: part("defense/")?,
            identity: header.identity,
        })
    }
}

fn read(tensors: &SafeTensors<'_>, name: &str) -> Result<Tensor> {
    let view = tensors.tensor(name).map_err(|error| bad(error.to_string()))?;
    let dtype = match view.dtype() {
        Dtype::F32 => DType::F32,
        Dtype::F64 => DType::F64,
        Dtype::U32 => DType::U32,
        other => return Err(bad(format!("`{name}` is {other:?}; expected F32, F64 or U32"))),
    };
    Ok(Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu)?)
}

/// SHA-256 over shape, dtype, labels, ids and pixels.
fn fingerprint(examples: &Examples) -> Result<String> {
    let images = examples.images();
    let mut hash = Sha256::new();
    hash.update(format!("{:?} {:?}", images.dims(), images.dtype()));
    examples.labels().iter().for_each(|label| hash.update(label.to_le_bytes()));
    examples.ids().iter().for_each(|id| hash.update(id.to_le_bytes()));
    // A thousand images at a time, so that no second copy of the data is made.
    for start in (0..examples.len()).step_by(1000) {
        let count = 1000.min(examples.len() - start);
        let mut bytes = Vec::new();
        images.narrow(0, start, count)?.write_bytes(&mut bytes)?;
        hash.update(&bytes);
    }
    Ok(hexadecimal(hash))
}

/// A finished hash in lower-case hexadecimal.
pub(crate) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| bad(error.to_string()))
}

fn bad(message: String) -> Error {
    Error::BadCheckpoint { message }
}
