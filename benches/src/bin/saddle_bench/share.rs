//! Files through which the other side gets the same network and the same images, and can compare gradients.

use std::path::Path;

use anyhow::{Context as _, Result};
use candle_core::{DType, Device, Tensor};
use saddle_benches::Digits;
use saddle_model::{Metadata, Network, Wanted, Weights, to_bytes};

use crate::work::gradients;

/// Writes a weight file of the network that holds further tensors of `f32` beside the weights.
pub(crate) fn write(path: &Path, network: &Network, more: Vec<(String, Tensor)>) -> Result<()> {
    let weights = network.weights().iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
    let entries = Weights::new(weights.chain(more).collect())?;
    let architecture = Some(network.architecture().clone());
    let bytes = to_bytes(&entries, &Metadata { architecture, ..Metadata::default() })?;
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// What one side of a run needs: network, digits, and our gradients on the first batch of perturbed ones, by the images
/// and, for work that trains, by the weights.
pub(crate) fn side(
    path: &Path,
    network: &Network,
    digits: &Digits,
    batch: usize,
    by_weights: bool,
) -> Result<()> {
    let labels = Tensor::from_slice(&digits.labels, digits.labels.len(), &Device::Cpu)?;
    let mut more = vec![
        ("natural".to_owned(), digits.natural.clone()),
        ("perturbed".to_owned(), digits.perturbed.clone()),
        ("labels".to_owned(), labels.to_dtype(DType::F32)?),
    ];
    let images = digits.perturbed.narrow(0, 0, batch)?;
    let wanted = if by_weights { Wanted::BOTH } else { Wanted::INPUT };
    let found = gradients(network, &images, &digits.labels[..batch], wanted)?;
    if let Some(by_images) = found.input {
        more.push(("gradient/images".to_owned(), by_images));
    }
    for (name, tensor) in found.weights.iter().flat_map(Weights::iter) {
        more.push((format!("gradient/{name}"), tensor.clone()));
    }
    write(path, network, more)
}
