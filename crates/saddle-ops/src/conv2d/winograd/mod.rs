//! Convolution with a 3 x 3 or 5 x 5 kernel and stride 1 by the minimal filterings F(4 x 4, 3 x 3) and F(4 x 4, 5 x 5),
//! pooled and rectified at once; and the dense input gradients of such convolutions, which are convolutions too.
//!
//! A tile of 4 x 4 results needs 6 x 6 or 8 x 8 numbers of each input channel. Transformed, they meet the transformed
//! weights in 36 or 64 products that sum over channels only: 2.25 or 4 multiplications for each result and input channel
//! instead of 9 or 25.
//!
//! # Properties
//!
//! - Only `f32` comes this way. Results are off by at most a bound ([`tolerance`]), typically a tenth of it, a few times as
//!   much as the direct kernel's. `f64`, which is there to be exact,
//!   stays direct.
//! - The *choices* are those of a direct sum: which place of a window won, and which side of 0 a number is on. Where
//!   rounding might have made one, its numbers are summed directly ([`exact`]), unless it is a tie that the image
//!   explains ([`ties`](super::ties)).
//! - The bits depend on the image, the weights and the kernel path, and on nothing else.
//! - NaN, infinities and numbers near overflow are not for this pass ([`Winograd::takes_numbers`]).
//!
//! # Sources
//!
//! Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks" (CVPR 2016). The matrices are Cook's and Toom's for the points in [`transform`].

mod exact;
mod pass;
mod product;
mod tiling;
mod tolerance;
mod transform;

pub(super) use pass::{Largest, Pass, Scratch, Sink};

use super::ConvShape;
use crate::{
    Pool, Real,
    kernels::{Buffer, Lanes, Work},
};
use candle_core::DType;
use tiling::Tiling;
use tolerance::{Measure, Tolerance};
use transform::{ABREAST, Abreast};

/// Side of a tile of results.
const TILE: usize = 4;
/// Products of the largest tile.
const MOST: usize = 64;
/// Channels come in multiples of this many: whole registers on every path.
const CHANNELS: usize = 16;
/// Largest product of those two sums and sizes that is sure not to overflow on its way.
pub(super) const TAME: f64 = 1e30;

/// Transformed weights.
pub(super) struct Winograd<T> {
    shape: ConvShape,
    tiling: Tiling,
    evaluation: Vec<Vec<f64>>,
    /// `(panel, point, in, lane of the panel)`; a panel is two registers of output channels, the last one filled up with
    /// zeros.
    weights: Buffer<T>,
    bias: Buffer<T>,
    tolerance: Tolerance<T>,
    /// The largest sum of an output channel's weights' sizes.
    heaviest: f64,
}

impl<T: Real> Winograd<T> {
    /// Whether a convolution may come this way.
    pub(super) fn fits(shape: &ConvShape) -> bool {
        let [rows, columns, out_channels] = shape.output();
        T::DTYPE == DType::F32
            && matches!(shape.kernel, 3 | 5)
            && shape.stride == 1
            && rows.min(columns) >= TILE
            && shape.in_channels.is_multiple_of(CHANNELS)
            && out_channels.is_multiple_of(CHANNELS)
    }

    /// Room for the weights of a convolution that fits.
    pub(super) fn zeros(kernels: crate::Kernels, shape: &ConvShape) -> Self {
        let whole = shape.out_channels.next_multiple_of(2 * T::lanes(kernels));
        let side = TILE + shape.kernel - 1;
        Self {
            shape: *shape,
            tiling: Tiling::new(shape),
            evaluation: transform::evaluation(side),
            weights: Buffer::zeros(side * side * shape.in_channels * whole),
            bias: Buffer::zeros(whole),
            tolerance: Tolerance::zeros(shape, whole),
            heaviest: 0.0,
        }
    }

    /// Transforms weights `(out, in, k, k)`.
    pub(super) fn pack(&mut self, kernels: crate::Kernels, weight: &[T], bias: &[T]) {
        T::dispatch(kernels, Pack { winograd: self, weight });
        self.bias[..bias.len()].copy_from_slice(bias);
        self.heaviest = self.tolerance.pack(&self.shape, 2 * T::lanes(kernels), weight, bias);
    }

    /// Whether the pool takes what a tile gives, in whole cells.
    pub(super) fn takes(&self, pool: &Pool) -> bool {
        let [rows, columns, _] = self.shape.output();
        matches!(pool.window(), 1 | 2) && (rows | columns) % 2 == 0
    }

    /// Measures a padded image for the pass; the largest size of its numbers, NaN if one is.
    pub(super) fn measure(
        &self,
        kernels: crate::Kernels,
        padded: &[T],
        scratch: &mut Scratch<T>,
    ) -> T {
        let sizes = &mut scratch.sizes;
        T::dispatch(kernels, Measure { shape: &self.shape, padded, sizes })
    }

    /// Whether the largest size of an image's numbers, NaN if one is, is one that this pass may see.
    pub(super) fn takes_numbers(&self, largest: T) -> bool {
        largest.double() * self.heaviest < TAME
    }
}

/// The weights' transform.
struct Pack<'a, T> {
    winograd: &'a mut Winograd<T>,
    weight: &'a [T],
}

impl<T: Real> Work<T> for Pack<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        if self.winograd.evaluation.len() == 6 {
            self.pack::<L, 6>();
        } else {
            self.pack::<L, 8>();
        }
    }
}

impl<T: Real> Pack<'_, T> {
    #[inline(always)]
    fn pack<L: Lanes<Number = T>, const SIDE: usize>(self) {
        let Self { winograd, weight } = self;
        let ConvShape { in_channels, out_channels, kernel, .. } = winograd.shape;
        let (panel, area) = (2 * L::COUNT, kernel * kernel);
        let mut kernels = [[0.0; ABREAST]; MOST];
        let points: &mut [Abreast] = &mut [[0.0; ABREAST]; MOST][..SIDE * SIDE];
        for first in (0..out_channels).step_by(ABREAST) {
            for input in 0..in_channels {
                for lane in 0..ABREAST {
                    let from = ((first + lane) * in_channels + input) * area;
                    for (kernel, weight) in kernels.iter_mut().zip(&weight[from..][..area]) {
                        kernel[lane] = weight.double();
                    }
                }
                transform::weights::<SIDE>(&winograd.evaluation, &kernels[..area], points);
                // A panel is a part of the channels abreast, all of them or twice as many.
                for lane in (0..ABREAST).step_by(panel.min(ABREAST)) {
                    let channel = first + lane;
                    let from = (channel / panel * SIDE * SIDE * in_channels + input) * panel;
                    for (point, numbers) in points.iter().enumerate() {
                        let to = from + point * in_channels * panel + channel % panel;
                        let to = &mut winograd.weights[to..][..panel.min(ABREAST)];
                        for (to, number) in to.iter_mut().zip(&numbers[lane..]) {
                            *to = T::rounded(*number);
                        }
                    }
                }
            }
        }
    }
}
