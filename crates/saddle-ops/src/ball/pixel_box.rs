//! The box of legal pixel values.

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use super::clamp;
use crate::norm::{row, widened};
use crate::rows::{Batch, Entry, by_dtype};
use crate::{Error, Result};

/// The interval that every pixel must lie in; written `[low, high]`.
///
/// Membership is judged in `f64` on the stored numbers, and clipping rounds inward: the `f32` next to
/// 0.1 lies above 0.1, so a box that ends at 0.1 clips to the `f32` below it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f64; 2]", into = "[f64; 2]")]
pub struct PixelBox {
    low: f64,
    high: f64,
}

impl PixelBox {
    /// Pixels between 0 and 1, as all experiments of the papers have them.
    pub const UNIT: Self = Self { low: 0.0, high: 1.0 };

    /// The box `[low, high]`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidBox`] unless both ends are finite and `low < high`.
    pub fn new(low: f64, high: f64) -> Result<Self> {
        if low.is_finite() && high.is_finite() && low < high {
            Ok(Self { low, high })
        } else {
            Err(Error::InvalidBox { low, high })
        }
    }

    /// The smallest legal pixel.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.low
    }

    /// The largest legal pixel.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.high
    }

    /// Moves every pixel of `images` `(n, ...)` to the nearest legal one.
    ///
    /// # Errors
    ///
    /// [`Error::NonFinite`] names the first row with NaN (infinities are clipped);
    /// [`Error::EmptyBatch`], [`Error::InvalidShape`] and [`Error::UnsupportedDtype`] as everywhere.
    pub fn clip(&self, images: &Tensor) -> Result<Tensor> {
        fn clip<T: Entry>(pixels: PixelBox, rows: &Batch) -> Result<Tensor> {
            let (low, high) = pixels.limits::<T>();
            let (values, sound) = rows.read(|images: &[T]| {
                rows.fill(|i, out: &mut [T]| {
                    for (out, x) in out.iter_mut().zip(row(images, i, rows.width)) {
                        *out = clamp(*x, low, high);
                    }
                    widened(out).all(|x| !x.is_nan())
                })
            })?;
            match sound.iter().position(|sound| !sound) {
                Some(row) => Err(Error::NonFinite { operation: "clip", row }),
                None => rows.tensor(values),
            }
        }
        let rows = Batch::new("clip", images)?;
        by_dtype!(rows, clip(*self, &rows))
    }

    /// For each row of `images` `(n, ...)`, whether all its pixels are legal; NaN is not.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyBatch`], [`Error::InvalidShape`] and [`Error::UnsupportedDtype`] as everywhere.
    pub fn contains(&self, images: &Tensor) -> Result<Vec<bool>> {
        fn contains<T: Entry>(pixels: PixelBox, rows: &Batch) -> Result<Vec<bool>> {
            let legal = pixels.low..=pixels.high;
            rows.read(|images: &[T]| {
                rows.map(|i| widened(row(images, i, rows.width)).all(|x| legal.contains(&x)))
            })
        }
        let rows = Batch::new("pixel box", images)?;
        by_dtype!(rows, contains(*self, &rows))
    }

    /// The smallest and the largest legal pixel that a number format can store.
    pub(super) fn limits<T: Entry>(&self) -> (T, T) {
        (T::at_least(self.low), T::at_most(self.high))
    }
}

impl TryFrom<[f64; 2]> for PixelBox {
    type Error = Error;

    fn try_from([low, high]: [f64; 2]) -> Result<Self> {
        Self::new(low, high)
    }
}

impl From<PixelBox> for [f64; 2] {
    fn from(pixels: PixelBox) -> Self {
        [pixels.low, pixels.high]
    }
}
