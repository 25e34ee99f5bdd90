//! One pass over weights, gradients and moments: every number is read once and written once.
//!
//! The work is split into chunks of a fixed length and no number meets another, so the result does
//! not depend on how many threads share the chunks.

use crate::{Error, Result};
use candle_core::{Device, Storage, Tensor, WithDType};
use rayon::prelude::*;
use saddle_ops::{Adam, Buffer, Kernels, Real};

/// Reals per chunk: a few cache pages, enough to pay for a task.
const CHUNK: usize = 16 * 1024;

/// What an optimiser remembers of one tensor. Momentum has no second moment.
pub(super) struct Moments<T> {
    pub(super) first: Buffer<T>,
    pub(super) second: Buffer<T>,
}

/// One update with everything that is the same for all weights worked out, in `f64`.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
    /// `w -= rate m / (root_scale sqrt(v) + stabilizer)`; `rate` and `root_scale` hold the bias
    /// corrections.
    Adam { beta1: f64, beta2: f64, rate: f64, root_scale: f64, stabilizer: f64 },
    /// `b = momentum b + g`, `w -= rate b`.
    Momentum { momentum: f64, rate: f64 },
}

impl Rule {
    /// The new weights of one tensor; the moments move. None if a gradient is NaN or infinite.
    pub(super) fn apply<T: Real>(
        self,
        weights: &[T],
        gradients: &[T],
        moments: &mut Moments<T>,
    ) -> Result<Option<Vec<T>>> {
        match self {
            Self::Adam { beta1, beta2, rate, root_scale, stabilizer } => {
                let number = T::from_f64;
                let adam = Adam {
                    beta1: number(beta1),
                    rest1: number(1.0 - beta1),
                    beta2: number(beta2),
                    rest2: number(1.0 - beta2),
                    rate: number(rate),
                    root_scale: number(root_scale),
                    stabilizer: number(stabilizer),
                };
                // The bits are the same on every path.
                let kernels = Kernels::detect();
                let moments = [&mut moments.first[..], &mut moments.second];
                Ok(adam.update(kernels, weights, gradients, moments)?)
            }
            Self::Momentum { momentum, rate } => {
                let (momentum, rate) = (T::from_f64(momentum), T::from_f64(rate));
                let mut updated = vec![T::ZERO; weights.len()];
                let finite = (updated.par_chunks_mut(CHUNK), weights.par_chunks(CHUNK))
                    .into_par_iter()
                    .zip(gradients.par_chunks(CHUNK))
                    .zip(moments.first.par_chunks_mut(CHUNK))
                    .map(|(((updated, weights), gradients), first)| {
                        let numbers = updated.iter_mut().zip(weights).zip(gradients);
                        let mut finite = true;
                        for (((updated, &w), &g), b) in numbers.zip(first) {
                            *b = momentum * *b + g;
                            *updated = w - rate * *b;
                            finite &= g * T::ZERO == T::ZERO;
                        }
                        finite
                    })
                    .reduce(|| true, |left, right| left & right);
                Ok(finite.then_some(updated))
            }
        }
    }
}

/// Lets `read` look at a tensor's numbers in row-major order, in place where they already lie so in
/// host memory.
pub(super) fn with_numbers<T: WithDType, R>(
    tensor: &Tensor,
    read: impl FnOnce(&[T]) -> Result<R>,
) -> Result<R> {
    let tensor = tensor.to_device(&Device::Cpu)?.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let (Storage::Cpu(numbers), Some((start, end))) = (&*storage, layout.contiguous_offsets())
    else {
        return Err(Error::Mismatch {
            operation: "optimiser",
            message: "a tensor could not be laid out in host memory".to_owned(),
        });
    };
    read(&numbers.as_slice::<T>()?[start..end])
}

/// Whether every number is finite.
pub(super) fn all_finite<T: Real>(numbers: &[T]) -> bool {
    let whole = |chunk: &[T]| {
        chunk.iter().fold(true, |so_far, number| so_far & (*number * T::ZERO == T::ZERO))
    };
    numbers.par_chunks(CHUNK).map(whole).reduce(|| true, |left, right| left & right)
}
