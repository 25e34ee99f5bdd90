//! Adam's update: every number is read once and written once.
//!
//! Roots and divisions cost more than memory until they run a register at a time; all of them are rounded as IEEE 754 has
//! it and nothing is fused, so the bits are the same on every path.

use crate::{
    Error, Kernels, Real, Result,
    kernels::{Lanes, Work, large_vector},
};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// One update with everything that is the same for all weights worked out:
/// `m = beta1 m + rest1 g`, `v = beta2 v + rest2 g^2`, `w - rate m / (root_scale sqrt(v) + stabilizer)`.
///
/// # Source
///
/// Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2015); `rate` and `root_scale` hold the corrections of bias.
#[derive(Clone, Copy, Debug)]
pub struct Adam<T> {
    /// How much of the first moment stays.
    pub beta1: T,
    /// How much of the gradient joins it.
    pub rest1: T,
    /// How much of the second moment stays.
    pub beta2: T,
    /// How much of the squared gradient joins it.
    pub rest2: T,
    /// Length of a step.
    pub rate: T,
    /// Factor of the second moment's root.
    pub root_scale: T,
    /// What keeps the divisor from 0.
    pub stabilizer: T,
}

impl<T: Real> Adam<T> {
    /// The new weights; the moments move. Threads share the numbers, and none meets another.
    ///
    /// None if a gradient is NaN or infinite: moments that have met one are of no more use.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the slices are not all as long.
    pub fn update(
        self,
        kernels: Kernels,
        weights: &[T],
        gradients: &[T],
        [first, second]: [&mut [T]; 2],
    ) -> Result<Option<Vec<T>>> {
        let length = weights.len();
        let lengths = [gradients.len(), first.len(), second.len()];
        if lengths != [length; 3] {
            return Err(Error::InvalidShape {
                operation: "adam",
                message: format!("{lengths:?} numbers beside {length} weights"),
            });
        }
        let mut updated = large_vector(length);
        let room = &mut updated.spare_capacity_mut()[..length];
        let finite = (room.par_chunks_mut(CHUNK), weights.par_chunks(CHUNK))
            .into_par_iter()
            .zip(gradients.par_chunks(CHUNK))
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .map(|((((updated, weights), gradients), first), second)| {
                let adam = self;
                T::dispatch(kernels, Update { adam, weights, gradients, first, second, updated })
            })
            .reduce(|| true, |left, right| left & right);
        // SAFETY: all slices are `length` long, so their chunks are too, and `Update` writes each number of its chunk.
        unsafe { updated.set_len(length) };
        Ok(finite.then_some(updated))
    }
}

/// Numbers per chunk: a few cache pages, enough to pay for a task.
const CHUNK: usize = 16 * 1024;

struct Update<'a, T> {
    adam: Adam<T>,
    weights: &'a [T],
    gradients: &'a [T],
    first: &'a mut [T],
    second: &'a mut [T],
    updated: &'a mut [MaybeUninit<T>],
}

impl<T: Real> Work<T> for Update<'_, T> {
    /// Whether all gradients are finite.
    type Output = bool;

    /// The compiler makes registers of it.
    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) -> bool {
        let Self { adam, weights, gradients, first, second, updated } = self;
        let Adam { beta1, rest1, beta2, rest2, rate, root_scale, stabilizer } = adam;
        let numbers = updated.iter_mut().zip(weights).zip(gradients);
        let mut finite = true;
        for (((updated, &w), &g), (m, v)) in numbers.zip(first.iter_mut().zip(second)) {
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            updated.write(w - rate * *m / (root_scale * v.root() + stabilizer));
            finite &= g * T::ZERO == T::ZERO;
        }
        finite
    }
}
