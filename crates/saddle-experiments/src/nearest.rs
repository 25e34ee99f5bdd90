//! The nearest images of other classes, and the attack that goes toward them.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use saddle_attacks::TowardImages;
use saddle_data::Dataset;
use saddle_ops::Norm;

use crate::conflicts::distance;
use crate::{Error, Result};

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
    let nearest = |&own: &usize| {
        let others = (0..data.len()).filter(|&other| data.labels[other] != data.labels[own]);
        let mut others: Vec<(u64, usize)> =
            others.map(|other| (distance(data, own, other, norm), other)).collect();
        if others.len() < count {
            let found = others.len();
            return Err(Error::Plan(format!(
                "digit {own} has {found} digits of other classes, {count} are asked for"
            )));
        }
        others.sort_unstable();
        Ok(others.into_iter().take(count).map(|(_, other)| other).collect())
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
    let targets = indices.iter().zip(nearest).map(|(&own, targets)| {
        let shape = (targets.len(), 1, data.rows, data.cols);
        Ok((own as u64, Tensor::from_vec(data.pixels_at(&targets), shape, device)?))
    });
    Ok(TowardImages::new(targets.collect::<Result<BTreeMap<u64, Tensor>>>()?)?)
}
