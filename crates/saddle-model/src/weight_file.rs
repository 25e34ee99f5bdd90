//! Weights to and from safetensors bytes; from PyTorch's own files too.
//!
//! A file of ours holds the tensors under PyTorch's names and, as metadata, everything needed to rebuild the network
//! and to know where it came from. A foreign file holds tensors only; its network is inferred from names and shapes, or
//! a [`NameMap`] says whose tensors they are. State dicts (`.pt`, `.pth`) are known by their first bytes and read like
//! foreign files.
//!
//! # Conventions
//!
//! Read: F16, BF16, F32, F64, all to `f32` (each of the first three is exact). Written: the dtype of the weights, so
//! convert to F16 for a file of half the size. Metadata is written in sorted order: equal weights give equal bytes.
//!
//! # Invariants
//!
//! Bytes are untrusted. Any bytes give weights or an error in words, never a panic; memory stays within a small multiple
//! of the length of the bytes; NaN and infinity are refused with the tensor's name.
//!
//! # Source
//!
//! The format: 8 bytes of header length, a JSON header, then the tensors (github.com/huggingface/safetensors).

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use saddle_ops::Kernels;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::{Architecture, Error, Executor, NameMap, Network, Parameter, Result, Weights};
use crate::{architectures, torch_file};

/// The note of [`Metadata`] that names the map by which foreign names were read.
const READ_BY: &str = "names_read_by";

/// Where weights come from. Every field is optional, since a foreign file says nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// The network whose weights these are.
    pub architecture: Option<Architecture>,
    /// The part of a plan that trained it, in canonical form.
    pub plan: Option<String>,
    /// Seed of the training.
    pub seed: Option<u64>,
    /// SHA-256 of the data that it was trained on.
    pub data: Option<String>,
    /// Version of the program that wrote the file.
    pub version: Option<String>,
    /// Whatever else the file says of itself.
    pub notes: BTreeMap<String, String>,
}

/// Bytes of a safetensors file with these weights and this metadata.
///
/// # Errors
///
/// [`Error::NonFinite`] when a weight is NaN or infinite in its dtype (an `f32` above 65,504 is infinite as F16),
/// [`Error::WeightFile`] for a dtype that is not F16, BF16, F32 or F64.
pub fn to_bytes(weights: &Weights, metadata: &Metadata) -> Result<Vec<u8>> {
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), metadata.to_json()?);
    let mut data = Vec::new();
    for (name, tensor) in weights.iter() {
        let start = data.len();
        let dtype = append(name, tensor, &mut data)?;
        let offsets = [start, data.len()];
        let entry =
            serde_json::json!({"dtype": dtype, "shape": tensor.dims(), "data_offsets": offsets});
        header.insert(name.to_owned(), entry);
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    // The format asks that the tensors begin at a multiple of 8.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut header);
    bytes.append(&mut data);
    Ok(bytes)
}

/// Weights, as `f32` on the CPU, and metadata of a safetensors file, in the order of the file; or of one of PyTorch's,
/// in the order of the names and without metadata.
///
/// # Errors
///
/// [`Error::WeightFile`] when the bytes are not such a file, [`Error::NonFinite`] when a tensor holds NaN or infinity.
pub fn from_bytes(bytes: &[u8]) -> Result<(Weights, Metadata)> {
    from_bytes_under(bytes, &[])
}

/// [`from_bytes`]; of a PyTorch file, the state dict under these keys.
fn from_bytes_under(bytes: &[u8], under: &[String]) -> Result<(Weights, Metadata)> {
    if torch_file::is_one(bytes) {
        return Ok((Weights::new(torch_file::tensors(bytes, under)?)?, Metadata::default()));
    }
    from_safetensors(bytes)
}

fn from_safetensors(bytes: &[u8]) -> Result<(Weights, Metadata)> {
    check_header_length(bytes)?;
    let broken = |error: SafeTensorError| Error::WeightFile {
        message: format!("not a safetensors file: {error}"),
    };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    let metadata = Metadata::from_header(header.metadata());
    let mut entries = Vec::with_capacity(file.len());
    // In the order of the data, which is the order of the layers in our files.
    for name in header.offset_keys() {
        let view = file.tensor(&name).map_err(broken)?;
        entries.push((name.clone(), read_tensor(&name, &view)?));
    }
    Ok((Weights::new(entries)?, metadata))
}

/// A network and the metadata of its file, ours or foreign.
///
/// The architecture is the one called `name` if a name is given, else the one that the metadata holds, else the known one
/// whose parameters have the names and shapes of the file's tensors. A prefix that all names share (`module.`, as
/// PyTorch's data-parallel wrapper writes it) is dropped when the network fits only without it. Names of published
/// networks are known ([`NameMap::published`]): such a map is used when its names are exactly the file's, and the note
/// `names_read_by` of the metadata says which.
///
/// # Errors
///
/// As [`from_bytes`]; [`Error::UnknownNetwork`] when no known network fits; [`Error::WeightsMismatch`] naming what is
/// missing, unknown or of another shape; [`Error::InvalidArchitecture`] when the metadata's is unsound.
pub fn load_network(
    bytes: &[u8],
    name: Option<&str>,
    executor: Executor,
) -> Result<(Network, Metadata)> {
    load_network_by(bytes, name, None, executor)
}

/// [`load_network`] of a file whose names a map translates; the network is the one called `name`, else the map's, else
/// found as without a map.
///
/// # Errors
///
/// As [`load_network`]; [`Error::NameMap`] when the map and the file do not fit each other.
pub fn load_network_by(
    bytes: &[u8],
    name: Option<&str>,
    map: Option<&NameMap>,
    executor: Executor,
) -> Result<(Network, Metadata)> {
    let under = map.map_or(&[][..], |map| &map.under);
    let (weights, mut metadata) = from_bytes_under(bytes, under)?;
    let named = name.or(map.and_then(|map| map.architecture.as_deref()));
    let published = if map.is_none() { NameMap::published_for(&weights, named) } else { None };
    let map = map.or(published.as_ref().map(|(_, map)| map));
    let named = named.or(map.and_then(|map| map.architecture.as_deref()));
    if let Some((title, _)) = &published {
        metadata.notes.insert(READ_BY.to_owned(), (*title).to_owned());
    }
    let architecture = match (named, &metadata.architecture) {
        (Some(name), _) => Architecture::by_name(name)?,
        (None, Some(architecture)) => architecture.clone(),
        (None, None) if map.is_some_and(|map| !map.is_plain()) => {
            return Err(Error::NameMap {
                message: "it does not say whose tensors these are; name the architecture"
                    .to_owned(),
            });
        }
        (None, None) => infer(&weights)?,
    };
    architecture.validate()?;
    let weights = match map.filter(|map| !map.is_plain()) {
        Some(map) => map.apply(&weights, &architecture)?,
        None => in_order(&weights, &architecture)?,
    };
    Ok((Network::new(architecture, weights, executor)?, metadata))
}

/// [`load_network`] of a file that [`to_bytes`] wrote, on the engine ([`Network::on_engine`]).
///
/// The file must be safetensors and say in its metadata which network it holds. Reading files of others is more code than a
/// network needs to run; a program that calls this alone does not contain it.
///
/// # Errors
///
/// [`Error::WeightFile`] when the bytes are no such file, [`Error::NonFinite`] when a tensor holds NaN or infinity,
/// [`Error::WeightsMismatch`] and [`Error::InvalidArchitecture`] when tensors and metadata do not fit.
pub fn load_own_network(bytes: &[u8], kernels: Kernels) -> Result<(Network, Metadata)> {
    let (weights, metadata) = from_safetensors(bytes)?;
    let Some(architecture) = metadata.architecture.clone() else {
        return refused("its metadata does not say which network it holds");
    };
    architecture.validate()?;
    let weights = weights.ordered(&architecture)?;
    Ok((Network::on_engine(architecture, weights, kernels)?, metadata))
}

/// The weights in the architecture's order, without a prefix that all names share if they fit only so.
fn in_order(weights: &Weights, architecture: &Architecture) -> Result<Weights> {
    match weights.clone().ordered(architecture) {
        Ok(weights) => Ok(weights),
        // The complaint about the names as they stand is the one that a reader can use.
        Err(complaint) => without_prefix(weights)
            .and_then(|weights| weights.ordered(architecture).ok())
            .ok_or(complaint),
    }
}

fn infer(weights: &Weights) -> Result<Architecture> {
    let parameters = |weights: &Weights| -> Vec<Parameter> {
        let of = |(name, tensor): (&str, &Tensor)| Parameter {
            name: name.to_owned(),
            shape: tensor.dims().to_vec(),
        };
        weights.iter().map(of).collect()
    };
    let complaint = match Architecture::infer(&parameters(weights)) {
        Ok(architecture) => return Ok(architecture),
        Err(complaint) => complaint,
    };
    if let Some(bare) = without_prefix(weights)
        && let Ok(architecture) = Architecture::infer(&parameters(&bare))
    {
        return Ok(architecture);
    }
    // One tensor too many or too few is better named than all of them.
    match architectures::closest(&parameters(weights)) {
        Some(closest) => weights.check(&closest).and(Err(complaint)),
        None => Err(complaint),
    }
}

/// The weights without the longest dotted prefix that all names share; `None` when they share none.
pub(crate) fn without_prefix(weights: &Weights) -> Option<Weights> {
    let first = weights.names().next()?;
    let mut dots = first.char_indices().filter(|&(_, letter)| letter == '.').map(|(at, _)| at + 1);
    let shared = |end: usize| weights.names().all(|name| name.starts_with(&first[..end]));
    let end = dots.by_ref().take_while(|&end| shared(end)).last()?;
    let bare = weights.iter().map(|(name, tensor)| (name[end..].to_owned(), tensor.clone()));
    Weights::new(bare.collect()).ok()
}

/// Refuses a header that cannot be there, before anything reads or allocates it.
fn check_header_length(bytes: &[u8]) -> Result<()> {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else {
        return refused(format!("{} bytes are too few for a safetensors header", bytes.len()));
    };
    let length = u64::from_le_bytes(*length);
    if length > rest.len() as u64 {
        return refused(format!(
            "the header claims {length} bytes where {} follow; the file is cut off or is neither safetensors nor PyTorch's",
            rest.len()
        ));
    }
    Ok(())
}

/// Appends the tensor's little-endian bytes and returns the format's name of its dtype.
fn append(name: &str, tensor: &Tensor, data: &mut Vec<u8>) -> Result<&'static str> {
    let flat = tensor.to_device(&Device::Cpu)?.flatten_all()?;
    macro_rules! write {
        ($number:ty) => {{
            let values = flat.to_vec1::<$number>()?;
            check_finite("write weights", name, values.iter().map(|value| value.is_finite()))?;
            values.iter().for_each(|value| data.extend_from_slice(&value.to_le_bytes()));
        }};
    }
    match tensor.dtype() {
        DType::F16 => write!(f16),
        DType::BF16 => write!(bf16),
        DType::F32 => write!(f32),
        DType::F64 => write!(f64),
        other => {
            return refused(format!(
                "`{name}` is {other:?}; weights are written as F16, BF16, F32 or F64"
            ));
        }
    }
    Ok(match tensor.dtype() {
        DType::F16 => "F16",
        DType::BF16 => "BF16",
        DType::F32 => "F32",
        _ => "F64",
    })
}

fn read_tensor(name: &str, view: &TensorView<'_>) -> Result<Tensor> {
    let data = view.data();
    if data.is_empty() {
        return refused(format!("`{name}` of shape {:?} is empty", view.shape()));
    }
    // No bytes are left over: safetensors has checked that shape, dtype and length agree.
    let values: Vec<f32> = match view.dtype() {
        Dtype::F16 => {
            data.as_chunks().0.iter().map(|&raw| f16::from_le_bytes(raw).to_f32()).collect()
        }
        Dtype::BF16 => {
            data.as_chunks().0.iter().map(|&raw| bf16::from_le_bytes(raw).to_f32()).collect()
        }
        Dtype::F32 => data.as_chunks().0.iter().map(|&raw| f32::from_le_bytes(raw)).collect(),
        Dtype::F64 => {
            data.as_chunks().0.iter().map(|&raw| f64::from_le_bytes(raw) as f32).collect()
        }
        other => {
            return refused(format!(
                "`{name}` is {other:?}; weights are read from F16, BF16, F32 and F64"
            ));
        }
    };
    check_finite("read weights", name, values.iter().map(|value| value.is_finite()))?;
    Ok(Tensor::from_vec(values, view.shape(), &Device::Cpu)?)
}

pub(crate) fn check_finite(
    operation: &'static str,
    name: &str,
    mut finite: impl Iterator<Item = bool>,
) -> Result<()> {
    match finite.position(|finite| !finite) {
        Some(index) => Err(Error::NonFinite { operation, tensor: name.to_owned(), index }),
        None => Ok(()),
    }
}

impl Metadata {
    fn to_json(&self) -> Result<serde_json::Value> {
        let mut entries = self.notes.clone();
        // What PyTorch's tools look for.
        entries.insert("format".to_owned(), "pt".to_owned());
        let architecture = self.architecture.as_ref().map(serde_json::to_string).transpose();
        let architecture = architecture.map_err(|error| Error::WeightFile {
            message: format!("the architecture cannot be written: {error}"),
        })?;
        let known = [
            ("architecture", architecture),
            ("plan", self.plan.clone()),
            ("seed", self.seed.map(|seed| seed.to_string())),
            ("data", self.data.clone()),
            ("version", self.version.clone()),
        ];
        for (key, value) in known {
            if let Some(value) = value {
                entries.insert(key.to_owned(), value);
            }
        }
        let text = |(key, value)| (key, serde_json::Value::String(value));
        Ok(entries.into_iter().map(text).collect())
    }

    /// A value under one of our keys that is not ours (a foreign file may use the same word) stays among the notes.
    fn from_header(header: &Option<HashMap<String, String>>) -> Self {
        let mut notes: BTreeMap<String, String> =
            header.iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
        notes.remove("format");
        let architecture = match notes.get("architecture").map(|text| serde_json::from_str(text)) {
            Some(Ok(architecture)) => Some(architecture),
            _ => None,
        };
        if architecture.is_some() {
            notes.remove("architecture");
        }
        let seed = notes.get("seed").and_then(|seed| seed.parse().ok());
        if seed.is_some() {
            notes.remove("seed");
        }
        let mut take = |key: &str| notes.remove(key);
        let (plan, data, version) = (take("plan"), take("data"), take("version"));
        Self { architecture, plan, seed, data, version, notes }
    }
}

fn refused<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::WeightFile { message: message.into() })
}
