//! The weights of a network: named tensors in the order of its layers.
//!
//! The same type carries weight gradients and optimiser moments, so that arithmetic over "all parameters" needs no
//! second vocabulary. Names are PyTorch's, so a file of ours loads into a PyTorch module unchanged.
//!
//! # Invariants
//!
//! At least one entry; names are unique; all entries have one dtype and one device. Tensors are detached.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{DType, Device, Tensor, WithDType};

use crate::{Architecture, Error, Result};

/// Most tensors that one complaint names; a hostile file may hold a million.
pub(crate) const MOST_NAMED: usize = 12;

/// Named tensors in architecture order, all of one dtype on one device.
#[derive(Clone, Debug)]
pub struct Weights {
    entries: Vec<(String, Tensor)>,
}

impl Weights {
    /// Weights of these entries, in this order.
    ///
    /// # Errors
    ///
    /// [`Error::WeightFile`] when there are none, a name comes twice, or dtypes or devices differ.
    pub fn new(entries: Vec<(String, Tensor)>) -> Result<Self> {
        let refused = |message: String| Err(Error::WeightFile { message });
        let Some((_, first)) = entries.first() else {
            return refused("it holds no tensor".to_owned());
        };
        let (dtype, device) = (first.dtype(), first.device().clone());
        let mut names = BTreeSet::new();
        for (name, tensor) in &entries {
            if !names.insert(name) {
                return refused(format!("two tensors are called `{name}`"));
            }
            if tensor.dtype() != dtype || !tensor.device().same_device(&device) {
                return refused(format!(
                    "`{name}` is {:?} on {:?} where the first tensor is {dtype:?} on {device:?}; convert them to one",
                    tensor.dtype(),
                    tensor.device().location(),
                ));
            }
        }
        let entries = entries.into_iter().map(|(name, tensor)| (name, tensor.detach())).collect();
        Ok(Self { entries })
    }

    /// Weights of an architecture from plain slices, one for each of its parameters, in order, on the CPU.
    ///
    /// # Errors
    ///
    /// [`Error::WeightsMismatch`] when the number of slices or the length of one is wrong.
    pub fn from_slices<T: WithDType>(architecture: &Architecture, slices: &[&[T]]) -> Result<Self> {
        let parameters = architecture.parameters();
        let mismatch = |message: String| Error::WeightsMismatch {
            architecture: architecture.name.clone(),
            message,
        };
        if parameters.len() != slices.len() {
            let message = format!("{} slices for {} parameters", slices.len(), parameters.len());
            return Err(mismatch(message));
        }
        let mut entries = Vec::with_capacity(slices.len());
        for (parameter, slice) in parameters.into_iter().zip(slices) {
            if parameter.shape.iter().product::<usize>() != slice.len() {
                let (name, shape) = (&parameter.name, &parameter.shape);
                let message = format!("`{name}` has shape {shape:?}, not {} values", slice.len());
                return Err(mismatch(message));
            }
            let tensor = Tensor::from_slice(slice, parameter.shape, &Device::Cpu)?;
            entries.push((parameter.name, tensor));
        }
        Self::new(entries)
    }

    /// The tensor of that name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.entries.iter().find(|(own, _)| own == name).map(|(_, tensor)| tensor)
    }

    /// Names and tensors in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.entries.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str())
    }

    /// Number of tensors; never 0.
    #[expect(clippy::len_without_is_empty, reason = "weights are never empty")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Dtype of every tensor.
    pub fn dtype(&self) -> DType {
        self.entries[0].1.dtype()
    }

    /// Device of every tensor.
    pub fn device(&self) -> &Device {
        self.entries[0].1.device()
    }

    /// The same weights in another dtype, rounded to nearest; shares storage when the dtype is the same.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] when the tensor library cannot convert.
    pub fn to_dtype(&self, dtype: DType) -> Result<Self> {
        self.map(|_, tensor| Ok(tensor.to_dtype(dtype)?))
    }

    /// The same weights on another device; shares storage when the device is the same.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] when the device fails.
    pub fn to_device(&self, device: &Device) -> Result<Self> {
        self.map(|_, tensor| Ok(tensor.to_device(device)?))
    }

    /// A copy that shares no storage with `self`: a snapshot that later updates cannot reach.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] when the tensor library fails.
    pub fn copy(&self) -> Result<Self> {
        self.map(|_, tensor| Ok(tensor.copy()?))
    }

    /// Zeros of the same names, shapes, dtype and device.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] when the tensor library fails.
    pub fn zeros_like(&self) -> Result<Self> {
        self.map(|_, tensor| Ok(tensor.zeros_like()?))
    }

    /// Weights with `change` applied to each tensor in order.
    ///
    /// # Errors
    ///
    /// The first error of `change`, or as [`Weights::new`].
    pub fn map(&self, mut change: impl FnMut(&str, &Tensor) -> Result<Tensor>) -> Result<Self> {
        let entries =
            self.iter().map(|(name, tensor)| Ok((name.to_owned(), change(name, tensor)?)));
        Self::new(entries.collect::<Result<_>>()?)
    }

    /// Checks that these are the architecture's parameters: same names, same order, same shapes.
    ///
    /// # Errors
    ///
    /// [`Error::WeightsMismatch`] naming the tensors that are missing, unknown or of another shape.
    pub fn check(&self, architecture: &Architecture) -> Result<()> {
        let parameters = architecture.parameters();
        let expected: BTreeMap<&str, &[usize]> =
            parameters.iter().map(|one| (one.name.as_str(), one.shape.as_slice())).collect();
        let found: BTreeMap<&str, &[usize]> =
            self.iter().map(|(name, tensor)| (name, tensor.dims())).collect();
        let beyond = |one: &BTreeMap<&str, &[usize]>, other: &BTreeMap<&str, &[usize]>| {
            let beyond = one.iter().filter(|(name, _)| !other.contains_key(*name));
            beyond.map(|(name, shape)| format!("`{name}` {shape:?}")).collect::<Vec<_>>()
        };
        let reshaped = found.iter().filter_map(|(name, found)| {
            let shape = expected.get(name).filter(|shape| *shape != found)?;
            Some(format!("`{name}` {found:?} instead of {shape:?}"))
        });
        let mut complaints = Vec::new();
        for (what, mut tensors) in [
            ("missing", beyond(&expected, &found)),
            ("unknown", beyond(&found, &expected)),
            ("of another shape", reshaped.collect()),
        ] {
            let unnamed = tensors.len().saturating_sub(MOST_NAMED);
            tensors.truncate(MOST_NAMED);
            if unnamed > 0 {
                tensors.push(format!("and {unnamed} more"));
            }
            if !tensors.is_empty() {
                complaints.push(format!("{what}: {}", tensors.join(", ")));
            }
        }
        let in_order = || self.names().eq(parameters.iter().map(|one| one.name.as_str()));
        if complaints.is_empty() && !in_order() {
            complaints.push("the tensors are not in the order of the layers".to_owned());
        }
        if complaints.is_empty() {
            return Ok(());
        }
        let message = complaints.join("; ");
        Err(Error::WeightsMismatch { architecture: architecture.name.clone(), message })
    }

    /// The same entries in the order of the architecture, after [`Weights::check`] of all but the order.
    pub(crate) fn ordered(self, architecture: &Architecture) -> Result<Self> {
        let parameters = architecture.parameters();
        let places: BTreeMap<&str, usize> =
            parameters.iter().enumerate().map(|(place, one)| (one.name.as_str(), place)).collect();
        let mut entries = self.entries;
        // Unknown names go last; `check` then names them.
        entries.sort_by_key(|(name, _)| places.get(name.as_str()).copied().unwrap_or(usize::MAX));
        let ordered = Self { entries };
        ordered.check(architecture)?;
        Ok(ordered)
    }
}
