//! How close two results must come for rounding to have chosen between them.
//!
//! A result is a sum over input channels, one after the other. What a channel brings, at most its weights' sizes times the
//! largest of its numbers that the tile reads, is there when all later ones are added, and each addition rounds. Errors of
//! random sign add up like their squares do, so a result is off by [`error`] units of rounding of
//! sqrt(sum over channels of (channels left to add) x (what the channel brings)^2).
//!
//! Most of an image is far below its largest number, so a bound by tile and channel is worth it: behind the Madry network's
//! first layer it is six tenths of 24 units of all weights' sizes times the image's largest number, which would be too little for
//! a channel that stands alone.

use super::{TILE, pass::largest_of, tiling::Tile};
use crate::{
    Real,
    conv2d::ConvShape,
    kernels::{Buffer, Lanes, WIDEST, Work},
};

/// The factor of the bound. Measured, with one channel or all of them at work, on numbers of random sign and equal size: up to
/// 36 for kernels of 3, 23 for those of 5; on others less.
fn error(kernel: usize) -> f64 {
    if kernel == 3 { 44.0 } else { 28.0 }
}

/// Unit of rounding.
const UNIT: f64 = f32::EPSILON as f64 / 2.0;

/// Bounds of the transformed weights.
pub(super) struct Tolerance<T> {
    /// For each input and output channel the square of the weights' sizes, times the channels left to add:
    /// `(panel, in, lane of the panel)`, as the transformed weights of one point.
    pub(super) squares: Buffer<T>,
    /// What the root of a sum of such squares, times those of an image's numbers, is multiplied by: the gap between two
    /// results that decides.
    pub(super) scale: T,
    /// For each output channel the part of the gap that does not depend on the image.
    pub(super) floors: Buffer<T>,
}

impl<T: Real> Tolerance<T> {
    /// Room for the bounds of a convolution with `whole` output channels, whole panels.
    pub(super) fn zeros(shape: &ConvShape, whole: usize) -> Self {
        Self {
            squares: Buffer::zeros(shape.in_channels * whole),
            scale: T::rounded(2.0 * error(shape.kernel) * UNIT),
            floors: Buffer::zeros(whole),
        }
    }

    /// The bounds for weights `(out, in, k, k)` in panels of so many lanes. Returns the largest sum of an output channel's
    /// weights' sizes, NaN if a weight is.
    pub(super) fn pack(
        &mut self,
        shape: &ConvShape,
        panel: usize,
        weight: &[T],
        bias: &[T],
    ) -> f64 {
        let (inputs, area) = (shape.in_channels, shape.kernel * shape.kernel);
        let least = f64::from(f32::MIN_POSITIVE);
        let mut heaviest = 0.0;
        for (channel, weight) in weight.chunks_exact(inputs * area).enumerate() {
            let (mut whole, mut squares) = (0.0, 0.0);
            for (input, kernel) in weight.chunks_exact(area).enumerate() {
                let size: f64 = kernel.iter().map(|number| number.double().abs()).sum();
                whole += size;
                let square = (inputs - input) as f64 * size * size;
                squares += square;
                let at = (channel / panel * inputs + input) * panel + channel % panel;
                self.squares[at] = T::rounded(square.max(least));
            }
            // Either result is rounded when the bias comes to it, here and in the direct sum; and numbers whose squares are too
            // small for `f32` bring something all the same.
            let lost = self.scale.double() * (squares * least).sqrt();
            self.floors[channel] =
                T::rounded(4.0 * UNIT * bias[channel].double().abs() + lost + least);
            // `f64::max` would drop a NaN.
            heaviest = if whole > heaviest || whole.is_nan() { whole } else { heaviest };
        }
        heaviest
    }
}

/// The largest sizes of an image's numbers, for each block of `TILE` x `TILE` places and each channel.
#[derive(Default)]
pub(super) struct Sizes<T> {
    blocks: Buffer<T>,
}

impl<T: Real> Sizes<T> {
    /// Writes the squares of the largest sizes of what each tile reads, `(tile, in)`; it takes in whole blocks.
    #[inline(always)]
    pub(super) fn squares_of_tiles<L: Lanes<Number = T>>(
        &self,
        shape: &ConvShape,
        tiles: &[Tile],
        squares: &mut [T],
    ) {
        let [height, width, channels] = shape.padded();
        let [high, wide] = [height.div_ceil(TILE), width.div_ceil(TILE)];
        for (tile, squares) in tiles.iter().zip(squares.chunks_exact_mut(channels)) {
            let [y, x] = tile.place;
            for first in (0..channels).step_by(L::COUNT) {
                let mut size = L::splat(T::ZERO);
                for y in y..high.min(y + 2) {
                    for x in x..wide.min(x + 2) {
                        let block = L::load(&self.blocks[(y * wide + x) * channels + first..]);
                        size = L::larger_number(size, block);
                    }
                }
                size.mul_add(size, L::splat(T::ZERO)).store(&mut squares[first..]);
            }
        }
    }
}

/// Measures a padded image; the largest size of its numbers, NaN if one is.
pub(super) struct Measure<'a, T> {
    pub(super) shape: &'a ConvShape,
    pub(super) padded: &'a [T],
    pub(super) sizes: &'a mut Sizes<T>,
}

impl<T: Real> Work<T> for Measure<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) -> T {
        let Self { shape, padded, sizes: Sizes { blocks } } = self;
        let [height, width, channels] = shape.padded();
        let wide = width.div_ceil(TILE);
        blocks.grow(height.div_ceil(TILE) * wide * channels);
        let zero = L::splat(T::ZERO);
        let mut largest = zero;
        for block in 0..height.div_ceil(TILE) * wide {
            let [top, left] = [block / wide * TILE, block % wide * TILE];
            for first in (0..channels).step_by(L::COUNT) {
                // A column each, so that none waits for another.
                let (mut highest, mut lowest, mut wild) =
                    ([zero; TILE], [zero; TILE], [zero; TILE]);
                for y in top..height.min(top + TILE) {
                    let row = &padded[(y * width + left) * channels + first..];
                    for x in 0..TILE {
                        if left + x < width {
                            let number = L::load(&row[x * channels..]);
                            highest[x] = L::larger_number(number, highest[x]);
                            lowest[x] = L::smaller_number(number, lowest[x]);
                            // NaN once a number is NaN or infinite, whatever becomes of the other two.
                            wild[x] = zero.mul_add(number, wild[x]);
                        }
                    }
                }
                let mut size = zero;
                for x in 0..TILE {
                    let here = L::larger_number(highest[x], zero.minus(lowest[x])).plus(wild[x]);
                    size = L::larger(here, size);
                }
                size.store(&mut blocks[block * channels + first..]);
                largest = L::larger(size, largest);
            }
        }
        let mut lanes = [T::ZERO; WIDEST];
        largest.store(&mut lanes);
        largest_of(lanes)
    }
}
