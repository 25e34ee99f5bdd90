//! Which units the dropout layers of a training pass keep: the same on either executor.
//!
//! # Conventions
//!
//! A mask is a pure function of seed, step, pass, example and the layer's place in the network ([`Mode::Training`]). It
//! is therefore not kept on a tape: whoever needs it again draws it again. Its units are in PyTorch's order, channel by
//! channel, whatever the order of an executor's activations.
//!
//! A unit is multiplied by its factor, 0 or `1 / (1 - rate)` rounded once, forward and back. NaN times 0 is NaN: a broken
//! unit is not hidden by being dropped.

use saddle_ops::{Draws, Real};

use crate::Mode;

/// What one training pass draws from.
pub(super) struct Dropout {
    draws: Draws,
    step: u32,
    pass: u32,
    examples: Vec<u64>,
}

impl Dropout {
    /// `None` in evaluation, where dropout does nothing.
    pub(super) fn of(mode: Mode<'_>) -> Option<Self> {
        match mode {
            Mode::Evaluation => None,
            Mode::Training { draws, step, pass, examples } => {
                Some(Self { draws, step, pass, examples: examples.to_vec() })
            }
        }
    }

    /// For each unit of a row 1 if the layer keeps it, else 0.
    pub(super) fn kept(&self, row: usize, layer: usize, rate: f64, kept: &mut [u8]) {
        let (example, sample) = (self.examples[row], layer as u32);
        self.draws.survivors("dropout", example, self.pass, self.step, sample, rate, kept);
    }

    /// Multiplies the units of a row, or their cotangents, by their factors.
    pub(super) fn scale<T: Real>(&self, row: usize, layer: usize, rate: f64, units: &mut [T]) {
        self.scale_places(row, layer, rate, units, 1);
    }

    /// [`Dropout::scale`] for units of an image `(height, width, channels)`.
    pub(super) fn scale_places<T: Real>(
        &self,
        row: usize,
        layer: usize,
        rate: f64,
        units: &mut [T],
        channels: usize,
    ) {
        let mut kept = vec![0; units.len()];
        self.kept(row, layer, rate, &mut kept);
        let factors = [T::ZERO, T::from_f64(kept_factor(rate))];
        let places = units.len() / channels;
        for (place, units) in units.chunks_exact_mut(channels).enumerate() {
            for (channel, unit) in units.iter_mut().enumerate() {
                *unit *= factors[usize::from(kept[channel * places + place])];
            }
        }
    }
}

/// What a unit that is kept is multiplied by.
pub(super) fn kept_factor(rate: f64) -> f64 {
    1.0 / (1.0 - rate)
}
