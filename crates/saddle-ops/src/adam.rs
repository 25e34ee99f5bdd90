//! Adam's update: every number is read once and written once.
//!
//! Roots and divisions cost more than memory until they run a register at a time; all of them are rounded as IEEE 754 has
//! it and nothing is fused, so the bits are the same on every path.

use crate::{
    Error, Kernels, Real, Result,
    kernels::{Lanes, Work},
};

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
    /// Writes the new weights into `updated`; the moments move.
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
        updated: &mut [T],
    ) -> Result<()> {
        let length = weights.len();
        let lengths = [gradients.len(), first.len(), second.len(), updated.len()];
        if lengths != [length; 4] {
            return Err(Error::InvalidShape {
                operation: "adam",
                message: format!("{lengths:?} numbers beside {length} weights"),
            });
        }
        T::dispatch(kernels, Update { adam: self, weights, gradients, first, second, updated });
        Ok(())
    }
}

struct Update<'a, T> {
    adam: Adam<T>,
    weights: &'a [T],
    gradients: &'a [T],
    first: &'a mut [T],
    second: &'a mut [T],
    updated: &'a mut [T],
}

impl<T: Real> Work<T> for Update<'_, T> {
    type Output = ();

    /// The compiler makes registers of it.
    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let Self { adam, weights, gradients, first, second, updated } = self;
        let Adam { beta1, rest1, beta2, rest2, rate, root_scale, stabilizer } = adam;
        let numbers = updated.iter_mut().zip(weights).zip(gradients);
        for (((updated, &w), &g), (m, v)) in numbers.zip(first.iter_mut().zip(second)) {
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            *updated = w - rate * *m / (root_scale * v.root() + stabilizer);
        }
    }
}
