//! What stands between a defence's weight gradients and the optimiser: weight decay, and running statistics, which no
//! optimiser may move.
//!
//! # Running statistics
//!
//! Their entry among the gradients is what they have beyond the statistic of the batch, once for each pass in training mode
//! ([`saddle_model::Gradients`]). They move against it by `1 - decay`: after one pass that is the running mean
//! `decay * old + (1 - decay) * batch` of the batch normalisation's papers and programs; after several in one step
//! (TRADES has two or three) it is that of a program that runs them one after the other up to terms in `(1 - decay)^2`.

use crate::Result;
use saddle_model::{Statistic, Weights};

/// Gradients with the decay `decay * w` of kernels and matrices added (biases and normalisations do not decay), and
/// with zeros for running statistics.
///
/// # Source
///
/// `model.py` of the CIFAR-10 challenge of Madry et al., `_decay`: half the squares of all convolution kernels and of the
/// matrix of the last layer.
pub(crate) fn to_optimize(
    weights: &Weights,
    gradients: &Weights,
    decay: f64,
    statistics: &[Statistic],
) -> Result<Weights> {
    if decay == 0.0 && statistics.is_empty() {
        return Ok(gradients.clone());
    }
    let pairs = weights.iter().zip(gradients.iter());
    let entries = pairs.map(|((name, weight), (_, gradient))| {
        let gradient = if statistics.iter().any(|statistic| statistic.name == name) {
            gradient.zeros_like()?
        } else if decay > 0.0 && weight.rank() > 1 {
            (gradient + (weight * decay)?)?
        } else {
            gradient.clone()
        };
        Ok((name.to_owned(), gradient))
    });
    Ok(Weights::new(entries.collect::<Result<_>>()?)?)
}

/// The optimiser's new weights, with the running statistics of the old ones moved by what the passes saw.
pub(crate) fn with_statistics(
    updated: Weights,
    old: &Weights,
    gradients: &Weights,
    statistics: &[Statistic],
) -> Result<Weights> {
    if statistics.is_empty() {
        return Ok(updated);
    }
    let moved = updated.map(|name, tensor| {
        let Some(statistic) = statistics.iter().find(|statistic| statistic.name == name) else {
            return Ok(tensor.clone());
        };
        match (old.get(name), gradients.get(name)) {
            (Some(old), Some(beyond)) => Ok((old - (beyond * (1.0 - statistic.decay))?)?),
            // The optimiser has checked that both name the same tensors.
            _ => Ok(tensor.clone()),
        }
    });
    Ok(moved?)
}
