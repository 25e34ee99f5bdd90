//! From a gradient to the direction in which an attack steps.
//!
//! # The rule for gradients that say little
//!
//! Saturated losses and masked gradients give rows that are zero, denormal or not finite. A direction
//! is found for each row by one rule, and each departure is counted, never silent:
//!
//! - a row is divided by its largest entry before anything is squared, so a gradient of `1e-30` has
//!   the same direction as one of `1`; it is reported as [`RowHealth::Tiny`];
//! - an exactly zero row has no direction: zero, the image stays where it is, [`RowHealth::Zero`];
//! - a row with a NaN or an infinity gives the zero direction too, [`RowHealth::NonFinite`].
//!
//! # What is deliberately absent
//!
//! No step size and no projection; no gradient flows through a direction.
//!
//! # Sources
//!
//! Steepest ascent in a norm maximises the inner product with the gradient over that norm's unit
//! ball (Boyd and Vandenberghe, Convex Optimization, section 9.4): the sign for l-infinity, the
//! normalised gradient for l2, the largest coordinate for l1.

use std::iter::Sum;
use std::ops::{Add, AddAssign};

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::norm::{largest_finite, row, widened};
use crate::rows::{Batch, Entry, by_dtype};
use crate::{Norm, Result};

/// A row whose largest entry is smaller than this is reported as tiny.
const TINY: f64 = 1e-30;

/// How a step follows a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepRule {
    /// The gradient as it is; the step length then depends on the loss.
    Raw,
    /// The gradient divided by its l2 norm: steepest ascent in l2.
    Unit,
    /// The sign of each entry, 0 for 0: steepest ascent in l-infinity.
    Sign,
    /// The sign of the largest entry alone, the first of equals: steepest ascent in l1.
    Coordinate,
}

/// The rule that climbs fastest for a step of given length in `norm`.
#[must_use]
pub fn steepest(norm: Norm) -> StepRule {
    match norm {
        Norm::L1 => StepRule::Coordinate,
        Norm::L2 => StepRule::Unit,
        Norm::Linf => StepRule::Sign,
    }
}

/// What one row of a gradient looked like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowHealth {
    /// Finite, with an entry of at least `1e-30`.
    Sound,
    /// Every entry is exactly zero.
    Zero,
    /// Finite and not zero, yet no entry reaches `1e-30`.
    Tiny,
    /// Holds NaN or infinity.
    NonFinite,
}

/// How many gradient rows were zero, tiny or not finite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GradientHealth {
    /// Rows whose entries were all exactly zero.
    pub zero: u64,
    /// Rows that were not zero, with no entry of at least `1e-30`.
    pub tiny: u64,
    /// Rows with NaN or infinity.
    pub non_finite: u64,
}

impl GradientHealth {
    /// Counts one row.
    pub fn record(&mut self, row: RowHealth) {
        match row {
            RowHealth::Sound => {}
            RowHealth::Zero => self.zero += 1,
            RowHealth::Tiny => self.tiny += 1,
            RowHealth::NonFinite => self.non_finite += 1,
        }
    }

    /// True when no row was zero, tiny or not finite.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        *self == Self::default()
    }
}

impl AddAssign for GradientHealth {
    fn add_assign(&mut self, other: Self) {
        self.zero += other.zero;
        self.tiny += other.tiny;
        self.non_finite += other.non_finite;
    }
}

impl Add for GradientHealth {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

impl Sum for GradientHealth {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self::default(), Add::add)
    }
}

impl FromIterator<RowHealth> for GradientHealth {
    fn from_iter<I: IntoIterator<Item = RowHealth>>(rows: I) -> Self {
        let mut health = Self::default();
        rows.into_iter().for_each(|row| health.record(row));
        health
    }
}

/// The direction that `rule` takes for each row of `gradient`, and what that row looked like.
///
/// The direction has the shape, number format and device of `gradient` `(n, ...)`. With
/// [`StepRule::Unit`] a row has l2 norm 1 up to rounding, with [`StepRule::Sign`] its entries are
/// -1, 0 or 1, with [`StepRule::Coordinate`] exactly one entry is -1 or 1. Rows without a direction
/// are zero (see the head of this module).
///
/// # Errors
///
/// [`crate::Error::EmptyBatch`], [`crate::Error::InvalidShape`] for a tensor without a batch
/// dimension, [`crate::Error::UnsupportedDtype`] for anything but `f32` and `f64`. Numbers never
/// make it fail.
pub fn ascent_direction(rule: StepRule, gradient: &Tensor) -> Result<(Tensor, Vec<RowHealth>)> {
    fn directions<T: Entry>(rule: StepRule, rows: &Batch) -> Result<(Tensor, Vec<RowHealth>)> {
        let (values, health) = rows.read(|gradient: &[T]| {
            rows.fill(|i, out: &mut [T]| direction(rule, row(gradient, i, rows.width), out))
        })?;
        Ok((rows.tensor(values)?, health))
    }
    let rows = Batch::new("ascent direction", gradient)?;
    by_dtype!(rows, directions(rule, &rows))
}

/// Writes the direction of one row into `out`, which holds zeros.
pub(crate) fn direction<T: Entry>(rule: StepRule, gradient: &[T], out: &mut [T]) -> RowHealth {
    let wide = widened(gradient);
    let largest = largest_finite(gradient);
    if !largest.is_finite() {
        return RowHealth::NonFinite;
    }
    if largest == 0.0 {
        return RowHealth::Zero;
    }
    match rule {
        StepRule::Raw => out.copy_from_slice(gradient),
        StepRule::Unit => {
            let length = Norm::L2.size(wide.clone()) / largest;
            for (out, g) in out.iter_mut().zip(wide) {
                *out = T::rounded(g / largest / length);
            }
        }
        StepRule::Sign => {
            let [minus, zero, plus] = [-1.0, 0.0, 1.0].map(T::rounded);
            for (out, g) in out.iter_mut().zip(gradient) {
                let below = if *g < zero { minus } else { zero };
                *out = if *g > zero { plus } else { below };
            }
        }
        StepRule::Coordinate => {
            if let Some(i) = wide.clone().position(|g| g.abs() == largest) {
                out[i] = T::rounded(gradient[i].double().signum());
            }
        }
    }
    if largest < TINY { RowHealth::Tiny } else { RowHealth::Sound }
}
