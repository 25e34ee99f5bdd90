//! The nearest images of other classes, and the attack that goes toward them.

use std::collections::{BTreeMap, BinaryHeap};

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use saddle_attacks::TowardImages;
use saddle_data::Dataset;
use saddle_ops::Norm;

use crate::conflicts::distance_within;
use crate::job::batch_shape;
use crate::{Error, Result};

/// Which digits an attack goes toward, as a plan says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TowardNearest {
    /// Where they are looked for.
    pub among: Among,
    /// How many of the nearest, of whatever other class.
    pub count: usize,
}

/// Digits that an attack may go toward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Among {
    /// The training digits that networks may see.
    Training,
    /// All test digits. Two of them in conflict share their midpoint: one of them falls to this attack, whatever the network.
    Test,
}

/// For each of the chosen digits, the `count` digits of the whole data set with other labels that are
/// nearest to it, nearest first and the smaller index first among equals.
///
/// Distances are whole numbers of bytes, as in [`conflicts`](fn@crate::conflicts).
///
/// # Errors
///
/// [`Error::Plan`] when a digit has fewer than `count` digits of other classes.
///
/// # Panics
///
/// When an index is not below the number of digits of `data`, as for a slice.
pub fn nearest_of_other_classes(
    data: &Dataset,
    indices: &[usize],
    count: usize,
    norm: Norm,
) -> Result<Vec<Vec<usize>>> {
    nearest_among(data, indices, (data, data.len()), count, norm)
}

/// [`nearest_of_other_classes`] among the first so many digits of another data set of the same image size.
pub(crate) fn nearest_among(
    data: &Dataset,
    indices: &[usize],
    (others, first): (&Dataset, usize),
    count: usize,
    norm: Norm,
) -> Result<Vec<Vec<usize>>> {
    let nearest = |&own: &usize| {
        let (image, label) = (data.image(own), data.labels[own]);
        let candidates = (0..first).filter(|&other| others.labels[other] != label);
        // The best so far, the worst of them on top. Indices ascend, so of equals the earlier one stays.
        let mut best: BinaryHeap<(u64, usize)> = BinaryHeap::with_capacity(count + 1);
        for other in candidates {
            let limit = match best.peek() {
                Some(&(worst, _)) if best.len() == count => match worst.checked_sub(1) {
                    Some(limit) => limit,
                    None => break,
                },
                _ => u64::MAX,
            };
            if let Some(distance) = distance_within(image, others.image(other), norm, limit) {
                best.push((distance, other));
                if best.len() > count {
                    best.pop();
                }
            }
        }
        if best.len() < count {
            let found = best.len();
            return Err(Error::Plan(format!(
                "digit {own} has {found} digits of other classes, {count} are asked for"
            )));
        }
        Ok(best.into_sorted_vec().into_iter().map(|(_, other)| other).collect())
    };
    indices.par_iter().map(nearest).collect()
}

/// The gradient-free attack on the chosen digits toward their nearest digits of other classes.
///
/// With as many targets as a digit has conflicts, what it leaves standing is free of conflicts, and so
/// within every bound on deterministic classifiers.
///
/// # Errors
///
/// As [`nearest_of_other_classes`], and for no digits or no targets.
///
/// # Panics
///
/// As [`nearest_of_other_classes`].
pub fn toward_nearest(
    data: &Dataset,
    indices: &[usize],
    count: usize,
    norm: Norm,
    device: &Device,
) -> Result<TowardImages> {
    let nearest = nearest_of_other_classes(data, indices, count, norm)?;
    toward(indices, &nearest, data, device)
}

/// The attack on the chosen digits toward digits of `others`, for each digit its own.
pub(crate) fn toward(
    indices: &[usize],
    targets: &[Vec<usize>],
    others: &Dataset,
    device: &Device,
) -> Result<TowardImages> {
    let targets = indices.iter().zip(targets).map(|(&own, targets)| {
        let shape = batch_shape(others, targets.len());
        Ok((own as u64, Tensor::from_vec(others.pixels_at(targets), shape, device)?))
    });
    Ok(TowardImages::new(targets.collect::<Result<BTreeMap<u64, Tensor>>>()?)?)
}
