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
    kernels::{Buffer, Lanes, Work},
};
use candle_core::DType;

/// What the direct sums may be off.
pub(super) struct FirstLayer<T> {
    /// For each output channel the least gap between two results that decides, for images up to 1, and its part that does
    /// not depend on the image; filled up with zeros.
    gap: Buffer<T>,
    bias_gap: Buffer<T>,
    /// The largest sum of an output channel's weights' sizes.
    heaviest: f64,
}

/// What is known of one image, kept from image to image.
#[derive(Default)]
pub(super) struct Scratch {
    ties: Ties,
    close: Close,
}

/// The least gap that decides, for one image.
pub(super) struct Tolerance<'a, T> {
    layer: &'a FirstLayer<T>,
    largest: T,
    pools: bool,
    relu: bool,
    scratch: &'a mut Scratch,
}

impl<T: Real> FirstLayer<T> {
    /// Whether a convolution is one whose choices are made exactly.
    pub(super) fn fits(shape: &ConvShape) -> bool {
        T::DTYPE == DType::F32 && shape.in_channels == 1
    }

    /// Room for the bounds of a convolution that fits.
    pub(super) fn zeros(kernels: crate::Kernels, shape: &ConvShape) -> Self {
        let whole = shape.out_channels.next_multiple_of(T::lanes(kernels));
        Self { gap: Buffer::zeros(whole), bias_gap: Buffer::zeros(whole), heaviest: 0.0 }
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
        scratch: &'a mut Scratch,
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
        if pools {
            T::dispatch(self.kernels, FindTies { ties: &mut scratch.ties, conv: self, padded });
        }
        Some(Tolerance { layer, largest, pools, relu: pool.relu(), scratch })
    }

    /// The four results of a cell in one channel, summed in `f64`.
    fn sum_exactly(&self, padded: &[T], channel: usize, [y, x]: [usize; 2]) -> [f64; 4] {
        let (width, stride, kernel) =
            (self.shape.padded()[1], self.shape.stride, self.shape.kernel);
        let mut sums = [self.tile_bias[channel].double(); 4];
        for ky in 0..kernel {
            let from = (ky * self.shape.out_channels + channel) * self.row;
            let weights = &self.rows[from..][..kernel];
            let [upper, lower] = [y, y + 1]
                .map(|y| &padded[(y * stride + ky) * width + x * stride..][..kernel + stride]);
            // The sums of the four places side by side, so that none waits for itself.
            for (kx, weight) in weights.iter().enumerate() {
                let weight = weight.double();
                sums[0] += weight * upper[kx].double();
                sums[1] += weight * upper[kx + stride].double();
                sums[2] += weight * lower[kx].double();
                sums[3] += weight * lower[kx + stride].double();
            }
        }
        sums
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
        let tolerance = L::load(&self.layer.gap[first..])
            .mul_add(L::splat(self.largest), L::load(&self.layer.bias_gap[first..]));
        let Scratch { ties, close } = &mut *self.scratch;
        let judge = Judge { tolerance, pools: self.pools, relu: self.relu };
        let (_, lanes) = judge.decide(cell, || ties.firsts(corner));
        close.push(corner, first, lanes);
    }

    /// Makes the choices that are close, over what was written.
    pub(super) fn settle(self, conv: &Conv2d<T>, padded: &[T], target: &mut Target<'_, T>) {
        let window = if self.pools { 2 } else { 1 };
        for cell in &self.scratch.close.cells {
            for channel in cell.channels().take_while(|channel| *channel < conv.shape.out_channels)
            {
                let sums = conv.sum_exactly(padded, channel, cell.corner);
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
