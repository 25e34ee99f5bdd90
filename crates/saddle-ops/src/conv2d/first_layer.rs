//! The choices of a first layer, made as if its sums were exact.
//!
//! A network's input gradient is off by rounding, a ten-millionth, until rounding picks another winner in a pool or another
//! side of a ReLU: then it is off by a hundredth, there. In networks for digits nearly all of these come from the first
//! layer, whose few products over pixels that repeat come close to ties more often than any later layer's many. So what is
//! close there is summed again in `f64`, where products of `f32` are exact.
//!
//! Only for `f32` images of one channel, whose ties ([`Ties`]) cost little to find: many digits are mostly background.

use super::{
    Conv2d, ConvShape,
    choices::{Close, Judge},
    target::Target,
    ties::Ties,
    winograd::{Largest, TAME},
};
use crate::{
    Pool, Real,
    kernels::{Lanes, Work},
};
use candle_core::DType;

/// What the direct sums may be off.
pub(super) struct FirstLayer<T> {
    /// For each output channel the least gap between two results that decides, for images up to 1, and its part that does
    /// not depend on the image; filled up with zeros.
    gap: Vec<T>,
    bias_gap: Vec<T>,
    /// The largest sum of an output channel's weights' sizes.
    heaviest: f64,
}

/// What is known of one image, kept from image to image.
#[derive(Default)]
pub(super) struct Scratch<T> {
    /// For each output channel the least gap that decides.
    tolerances: Vec<T>,
    ties: Ties,
    close: Close,
    /// What a close cell sees.
    pixels: Vec<f64>,
}

/// What is close in one image.
pub(super) struct Tolerance<'a, T> {
    pools: bool,
    relu: bool,
    scratch: &'a mut Scratch<T>,
}

impl<T: Real> FirstLayer<T> {
    /// Whether a convolution is one whose choices are made exactly.
    pub(super) fn fits(shape: &ConvShape) -> bool {
        T::DTYPE == DType::F32 && shape.in_channels == 1
    }

    /// Room for the bounds of a convolution that fits.
    pub(super) fn zeros(kernels: crate::Kernels, shape: &ConvShape) -> Self {
        let whole = shape.out_channels.next_multiple_of(T::lanes(kernels));
        Self { gap: vec![T::ZERO; whole], bias_gap: vec![T::ZERO; whole], heaviest: 0.0 }
    }

    /// The bounds for weights `(out, 1, k, k)`.
    pub(super) fn pack(&mut self, weight: &[T], bias: &[T]) {
        let patch = weight.len() / bias.len();
        // Each of two results is a chain of additions, fused or not, of as many products and the bias; and is rounded once
        // more to be compared.
        let unit = f64::from(f32::EPSILON) / 2.0;
        let rounded = 2.0 * (2.0 * patch as f64 + 2.0) * unit;
        self.heaviest = 0.0;
        let gaps = self.gap.iter_mut().zip(self.bias_gap.iter_mut());
        for ((gap, bias_gap), (weight, bias)) in gaps.zip(weight.chunks_exact(patch).zip(bias)) {
            let size: f64 = weight.iter().map(|number| number.double().abs()).sum();
            *gap = T::rounded(rounded * size);
            *bias_gap = T::rounded(rounded * bias.double().abs() + f64::from(f32::MIN_POSITIVE));
            // `f64::max` would drop a NaN.
            self.heaviest =
                if size > self.heaviest || size.is_nan() { size } else { self.heaviest };
        }
    }
}

impl<T: Real> Conv2d<T> {
    /// What makes this image's choices exact; none where the layer is not a first one, the pool is not of 2 x 2 or 1 x 1 whole
    /// cells, or the numbers are wild.
    pub(super) fn exact_choices<'a>(
        &'a self,
        padded: &[T],
        pool: &Pool,
        scratch: &'a mut Scratch<T>,
    ) -> Option<Tolerance<'a, T>> {
        let layer = self.first_layer.as_ref()?;
        let [rows, columns, _] = self.shape.output();
        let pools = pool.window() == 2;
        // What two results of a pool share is known for neighbours only.
        let has_cells = (pools && self.shape.stride == 1) || pool.window() == 1;
        if !has_cells || (rows | columns) % 2 != 0 || !(pools || pool.relu()) {
            return None;
        }
        let image = &padded[..self.shape.padded().iter().product()];
        let largest = T::dispatch(self.kernels, Largest(image));
        // NaN is not.
        let is_tame = largest.double() * layer.heaviest < TAME;
        if !is_tame {
            return None;
        }
        scratch.close.clear();
        scratch.tolerances.clear();
        for (gap, bias_gap) in layer.gap.iter().zip(&layer.bias_gap) {
            scratch.tolerances.push(*gap * largest + *bias_gap);
        }
        if pools {
            T::dispatch(self.kernels, FindTies { ties: &mut scratch.ties, conv: self, padded });
        }
        Some(Tolerance { pools, relu: pool.relu(), scratch })
    }

    /// What a cell's four results see, in `f64`: rows of so many numbers.
    fn cell_pixels(&self, padded: &[T], [y, x]: [usize; 2], pixels: &mut Vec<f64>) -> usize {
        let (width, stride) = (self.shape.padded()[1], self.shape.stride);
        let side = self.shape.kernel + stride;
        pixels.clear();
        for row in y * stride..y * stride + side {
            let row = &padded[row * width + x * stride..][..side];
            pixels.extend(row.iter().map(|pixel| pixel.double()));
        }
        side
    }

    /// The four results of a cell in one channel, summed in `f64`, of rows of `side` numbers that they see.
    #[inline(always)]
    fn sum_exactly(&self, pixels: &[f64], side: usize, stride: usize, channel: usize) -> [f64; 4] {
        let kernel = self.shape.kernel;
        let [mut upper, mut lower] = [[self.tile_bias[channel].double(); 2]; 2];
        for ky in 0..kernel {
            let from = (ky * self.shape.out_channels + channel) * self.row;
            let weights = &self.rows[from..][..kernel];
            let above = &pixels[ky * side..][..kernel + stride];
            let below = &pixels[(ky + stride) * side..][..kernel + stride];
            // The sums of the four places side by side, so that none waits for itself.
            for kx in 0..kernel {
                let weight = weights[kx].double();
                for place in 0..2 {
                    upper[place] += weight * above[kx + place * stride];
                    lower[place] += weight * below[kx + place * stride];
                }
            }
        }
        [upper[0], upper[1], lower[0], lower[1]]
    }
}

impl<T: Real> Tolerance<'_, T> {
    /// Remembers which channels of a cell of results are close, `first` being the first channel of the register.
    #[inline(always)]
    pub(super) fn note<L: Lanes<Number = T>>(
        &mut self,
        corner: [usize; 2],
        first: usize,
        cell: [L; 4],
    ) {
        let Scratch { tolerances, ties, close, .. } = &mut *self.scratch;
        let tolerance = L::load(&tolerances[first..]);
        let judge = Judge { tolerance, pools: self.pools, relu: self.relu };
        let (_, verdict) = judge.decide(cell, || ties.of_cell(corner));
        close.push(corner, first, verdict);
    }

    /// Makes the choices that are close, over what was written.
    pub(super) fn settle(self, conv: &Conv2d<T>, padded: &[T], target: &mut Target<'_, T>) {
        let window = if self.pools { 2 } else { 1 };
        let Scratch { close, pixels, .. } = self.scratch;
        for cell in &close.cells {
            let side = conv.cell_pixels(padded, cell.corner, pixels);
            for channel in cell.channels().take_while(|channel| *channel < conv.shape.out_channels)
            {
                // A number that the compiler knows makes neighbours of the two places of a row.
                let sums = match conv.shape.stride {
                    1 => conv.sum_exactly(pixels, side, 1, channel),
                    stride => conv.sum_exactly(pixels, side, stride, channel),
                };
                target.put_lane(window, cell.corner, channel, sums);
            }
        }
    }
}

struct FindTies<'a, T> {
    ties: &'a mut Ties,
    conv: &'a Conv2d<T>,
    padded: &'a [T],
}

impl<T: Real> Work<T> for FindTies<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        self.ties.find::<L>(&self.conv.shape, self.padded);
    }
}

/// Looks for close choices in a whole un-pooled result.
pub(super) struct Sweep<'a, 'b, T> {
    pub(super) map: &'a [T],
    pub(super) shape: &'a ConvShape,
    pub(super) tolerance: &'a mut Tolerance<'b, T>,
}

impl<T: Real> Work<T> for Sweep<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let [rows, columns, channels] = self.shape.output();
        let whole = channels - channels % L::COUNT;
        for y in (0..rows).step_by(2) {
            for x in (0..columns).step_by(2) {
                let at = |i: usize| ((y + i / 2) * columns + x + i % 2) * channels;
                for first in (0..whole).step_by(L::COUNT) {
                    let cell = std::array::from_fn(|i| L::load(&self.map[at(i) + first..]));
                    self.tolerance.note::<L>([y, x], first, cell);
                }
                if whole < channels {
                    let cell = std::array::from_fn(|i| {
                        let mut numbers = [T::ZERO; crate::kernels::WIDEST];
                        numbers[..channels - whole]
                            .copy_from_slice(&self.map[at(i) + whole..][..channels - whole]);
                        L::load(&numbers)
                    });
                    self.tolerance.note::<L>([y, x], whole, cell);
                }
            }
        }
    }
}
