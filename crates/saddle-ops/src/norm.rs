//! Norms of flattened images and the radius of a ball.
//!
//! # Conventions
//!
//! Every norm is taken over one whole image, in `f64` on the numbers as they are stored, and added
//! up in index order. That is the judge's ruler: what it measures, anybody can measure again.
//! Nothing here is differentiable, on purpose: an l2 norm has no gradient at zero, and attacks
//! take their directions from [`crate::ascent_direction`] instead.

use std::fmt;
use std::str::FromStr;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::rows::{Batch, Entry, by_dtype};
use crate::{Error, Result};

/// How the size of a perturbation is measured; written `l1`, `l2`, `linf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Norm {
    /// Sum of absolute values: few pixels may change, each by much.
    L1,
    /// Euclidean length.
    L2,
    /// Largest absolute value: all pixels may change, each by little.
    Linf,
}

impl Norm {
    /// All norms, in the order of their exponents.
    pub const ALL: [Self; 3] = [Self::L1, Self::L2, Self::Linf];

    /// Norm of each row of `rows` `(n, ...)`: `n` numbers, computed in `f64`.
    ///
    /// A row that holds NaN has norm NaN, one that holds infinity has norm infinity or NaN.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyBatch`], [`Error::InvalidShape`] for a tensor without a batch dimension,
    /// [`Error::UnsupportedDtype`] for anything but `f32` and `f64`.
    pub fn sizes(self, rows: &Tensor) -> Result<Vec<f64>> {
        fn sizes<T: Entry>(norm: Norm, rows: &Batch) -> Result<Vec<f64>> {
            rows.read(|values: &[T]| rows.map(|i| norm.size(widened(row(values, i, rows.width)))))
        }
        let rows = Batch::new("norm", rows)?;
        by_dtype!(rows, sizes(self, &rows))
    }

    /// Norm of each row of `a - b`, both `(n, ...)`; the subtraction too is done in `f64`.
    ///
    /// # Errors
    ///
    /// As [`Norm::sizes`], and [`Error::ShapeMismatch`] or [`Error::DtypeMismatch`] when the two
    /// batches disagree.
    pub fn distances(self, a: &Tensor, b: &Tensor) -> Result<Vec<f64>> {
        fn distances<T: Entry>(norm: Norm, a: &Batch, b: &Batch) -> Result<Vec<f64>> {
            a.read(|left: &[T]| {
                b.read(|right: &[T]| {
                    a.map(|i| {
                        let left = widened(row(left, i, a.width));
                        let right = widened(row(right, i, a.width));
                        norm.size(left.zip(right).map(|(l, r)| l - r))
                    })
                })
            })?
        }
        let (a, b) = Batch::pair("distance", a, b)?;
        by_dtype!(a, distances(self, &a, &b))
    }

    /// Norm of one row.
    pub(crate) fn size(self, row: impl Iterator<Item = f64> + Clone) -> f64 {
        match self {
            Self::L1 => row.map(f64::abs).sum(),
            Self::L2 => {
                // Scaled, so that no square leaves the range of f64.
                let largest = largest_magnitude(row.clone());
                if largest > 0.0 && largest.is_finite() {
                    let squares: f64 = row.map(|v| (v / largest) * (v / largest)).sum();
                    largest * squares.sqrt()
                } else {
                    largest
                }
            }
            Self::Linf => largest_magnitude(row),
        }
    }
}

/// Largest absolute value of `row`, NaN when any entry is NaN.
pub(crate) fn largest_magnitude(row: impl Iterator<Item = f64>) -> f64 {
    row.map(f64::abs).fold(0.0, |m, v| if v > m || v.is_nan() { v } else { m })
}

/// Largest absolute value of a row, NaN when any entry is not finite; in lanes, whose comparisons do not wait for each
/// other.
pub(crate) fn largest_finite<T: Entry>(row: &[T]) -> f64 {
    /// Numbers compared side by side.
    const LANES: usize = 16;
    let zero = T::rounded(0.0);
    // A finite number times 0 is 0, any other NaN, and a sum with NaN is NaN.
    let (mut sizes, mut faults) = ([zero; LANES], [zero; LANES]);
    let mut compare = |numbers: &[T]| {
        for ((largest, fault), &number) in sizes.iter_mut().zip(&mut faults).zip(numbers) {
            let size = if number < zero { zero - number } else { number };
            *largest = if size > *largest { size } else { *largest };
            *fault += number * zero;
        }
    };
    let (parts, rest) = row.as_chunks::<LANES>();
    parts.iter().for_each(|part| compare(part));
    compare(rest);
    if faults.iter().all(|fault| *fault == zero) {
        largest_magnitude(widened(&sizes))
    } else {
        f64::NAN
    }
}

/// Row `i` of `values`, whose rows are `width` long.
pub(crate) fn row<T>(values: &[T], i: usize, width: usize) -> &[T] {
    &values[i * width..(i + 1) * width]
}

/// The numbers of `row` in `f64`.
pub(crate) fn widened<T: Entry>(row: &[T]) -> impl Iterator<Item = f64> + Clone {
    row.iter().map(|v| v.double())
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::Linf => "linf",
        })
    }
}

impl FromStr for Norm {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|norm| norm.to_string() == name);
        known.ok_or_else(|| Error::UnknownNorm { name: name.to_owned() })
    }
}

/// Radius of a ball in pixel units: finite and greater than 0, by construction.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Radius(f64);

impl Radius {
    /// Accepts a finite number greater than 0.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRadius`] for zero, negative numbers, infinity and NaN.
    pub fn new(value: f64) -> Result<Self> {
        if value.is_finite() && value > 0.0 {
            Ok(Self(value))
        } else {
            Err(Error::InvalidRadius { value })
        }
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Radius {
    type Error = Error;

    fn try_from(value: f64) -> Result<Self> {
        Self::new(value)
    }
}

impl From<Radius> for f64 {
    fn from(radius: Radius) -> Self {
        radius.0
    }
}

impl fmt::Display for Radius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
