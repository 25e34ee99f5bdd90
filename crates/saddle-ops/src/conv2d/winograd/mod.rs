//! Convolution with a 3 x 3 or 5 x 5 kernel and stride 1 by the minimal filterings F(4 x 4, 3 x 3) and F(4 x 4, 5 x 5),
//! pooled and rectified at once; and the dense input gradients of such convolutions, which are convolutions too.
//!
//! A tile of 4 x 4 results needs 6 x 6 or 8 x 8 numbers of each input channel. Transformed, they meet the transformed
//! weights in 36 or 64 products that sum over channels only: 2.25 or 4 multiplications for each result and input channel
//! instead of 9 or 25.
//!
//! # Properties
//!
//! - Only `f32` comes this way. Results are off by at most [`ERROR`] units of rounding of what the products could
//!   sum to, typically a tenth of that, a few times as much as the direct kernel's. `f64`, which is there to be exact,
//!   stays direct.
//! - The *choices* are the direct kernel's: which place of a window won, and which side of 0 a number is on. Where rounding
//!   might have made one, ties above all, the cell is summed directly ([`exact`]).
//! - The bits depend on the image, the weights and the kernel path, and on nothing else.
//! - NaN, infinities and numbers near overflow are not for this pass ([`Winograd::takes_numbers`]).
//!
//! # Sources
//!
//! Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks" (CVPR 2016). The matrices are Cook's and Toom's for the points in [`transform`].

mod exact;
mod product;
mod transform;

use super::{Conv2d, ConvShape, target::Target};
use crate::{
    Pool, Real,
    kernels::{Buffer, Lanes, WIDEST, Work},
};
use candle_core::DType;
use exact::{Close, is_close};
use transform::{ABREAST, Abreast};

/// Side of a tile of results.
const TILE: usize = 4;
/// Products of the largest tile.
const MOST: usize = 64;
/// Channels come in multiples of this many: whole registers on every path.
const CHANNELS: usize = 16;
/// What a result may be off, in units of rounding of the sum of its weights' sizes times the largest number of the image.
/// Measured: below 16 on numbers of random sign and equal size, below 8 on others.
const ERROR: f64 = 24.0;
/// Largest product of those two sums and sizes that is sure not to overflow on its way.
const TAME: f64 = 1e30;

/// Transformed weights.
pub(super) struct Winograd<T> {
    shape: ConvShape,
    evaluation: Vec<Vec<f64>>,
    /// `(panel, point, in, lane of the panel)`; a panel is two registers of output channels, the last one filled up with
    /// zeros.
    weights: Buffer<T>,
    bias: Buffer<T>,
    /// For each output channel the least gap between two results that decides, for images up to 1.
    gap: Buffer<T>,
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
            evaluation: transform::evaluation(side),
            weights: Buffer::zeros(side * side * shape.in_channels * whole),
            bias: Buffer::zeros(whole),
            gap: Buffer::zeros(whole),
            heaviest: 0.0,
        }
    }

    /// Transforms weights `(out, in, k, k)`.
    pub(super) fn pack(&mut self, kernels: crate::Kernels, weight: &[T], bias: &[T]) {
        T::dispatch(kernels, Pack { winograd: self, weight });
        let (inputs, area) = (self.shape.in_channels, self.shape.kernel * self.shape.kernel);
        self.bias[..bias.len()].copy_from_slice(bias);
        self.heaviest = 0.0;
        for (gap, weight) in self.gap.iter_mut().zip(weight.chunks_exact(inputs * area)) {
            let size: f64 = weight.iter().map(|number| number.to_f64().abs()).sum();
            *gap = T::from_f64(2.0 * ERROR * f64::from(f32::EPSILON) / 2.0 * size);
            // `f64::max` would drop a NaN.
            self.heaviest =
                if size > self.heaviest || size.is_nan() { size } else { self.heaviest };
        }
    }

    /// Whether the pool takes what a tile gives, in whole cells.
    pub(super) fn takes(&self, pool: &Pool) -> bool {
        let [rows, columns, _] = self.shape.output();
        matches!(pool.window(), 1 | 2) && (rows | columns) % 2 == 0
    }

    /// Whether the largest size of an image's numbers, NaN if one is, is one that this pass may see.
    pub(super) fn takes_numbers(&self, largest: T) -> bool {
        largest.to_f64() * self.heaviest < TAME
    }

    /// Rows and columns of tiles.
    fn tiles(&self) -> [usize; 2] {
        let [rows, columns, _] = self.shape.output();
        [rows.div_ceil(TILE), columns.div_ceil(TILE)]
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
                        kernel[lane] = weight.to_f64();
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
                            *to = T::from_f64(*number);
                        }
                    }
                }
            }
        }
    }
}

/// Transformed numbers of one image, kept from image to image.
#[derive(Default)]
pub(super) struct Scratch<T> {
    /// `(point, tile, in)`, points [`apart`].
    inputs: Buffer<T>,
    /// `(point, tile, lane of the panel)`, points [`apart`].
    products: Buffer<T>,
    close: Close,
}

/// From one point's numbers to the next one's: a cache line more than they are, or powers of two would send all points of
/// a tile to the same few places of the cache.
fn apart(numbers: usize) -> usize {
    numbers + WIDEST
}

/// The largest size of the numbers, NaN if one is.
pub(super) struct Largest<'a, T>(pub(super) &'a [T]);

impl<T: Real> Work<T> for Largest<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) -> T {
        let zero = L::splat(T::ZERO);
        let mut sizes = [zero; 4];
        let parts = self.0.chunks_exact(4 * L::COUNT);
        let rest = parts.remainder();
        for part in parts {
            for (i, size) in sizes.iter_mut().enumerate() {
                let number = L::load(&part[i * L::COUNT..]);
                *size = L::larger(L::larger(number, zero.minus(number)), *size);
            }
        }
        let mut lanes = [T::ZERO; 4 * WIDEST];
        for (i, size) in sizes.into_iter().enumerate() {
            size.store(&mut lanes[i * L::COUNT..]);
        }
        let rest =
            rest.iter().map(|number| if *number < T::ZERO { T::ZERO - *number } else { *number });
        lanes.into_iter().chain(rest).fold(T::ZERO, |largest, size| {
            if crate::max_pool2d::wins(size, largest) { size } else { largest }
        })
    }
}

/// The pass over one image, of lengths that were checked.
pub(super) struct Pass<'a, T> {
    /// Sums directly what is close.
    pub(super) conv: &'a Conv2d<T>,
    pub(super) winograd: &'a Winograd<T>,
    pub(super) padded: &'a [T],
    /// The largest size of the image's numbers.
    pub(super) largest: T,
    pub(super) sink: Sink<'a, T>,
    pub(super) scratch: &'a mut Scratch<T>,
}

/// Where a pass's results go.
pub(super) enum Sink<'a, T> {
    /// Into a pool of this window, and what is close is summed directly.
    Pooled(usize, Target<'a, T>),
    /// As they are, `(row, column, channel)`.
    Plain(&'a mut [T]),
}

impl<T: Real> Work<T> for Pass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(mut self) {
        if self.winograd.evaluation.len() == 6 {
            self.pass::<L, 6>();
        } else {
            self.pass::<L, 8>();
        }
    }
}

impl<T: Real> Pass<'_, T> {
    #[inline(always)]
    fn pass<L: Lanes<Number = T>, const SIDE: usize>(&mut self) {
        let winograd = self.winograd;
        let [down, across] = winograd.tiles();
        let (tiles, inputs) = (down * across, winograd.shape.in_channels);
        let panel = 2 * L::COUNT;
        let (apart_inputs, apart_products) = (apart(tiles * inputs), apart(tiles * panel));
        self.scratch.inputs.grow(SIDE * SIDE * apart_inputs);
        self.scratch.products.grow(SIDE * SIDE * apart_products);
        self.transform_inputs::<L, SIDE>();
        let panels = winograd.weights.chunks_exact(SIDE * SIDE * inputs * panel);
        for (index, weights) in panels.enumerate() {
            for (point, weights) in weights.chunks_exact(inputs * panel).enumerate() {
                let left = &self.scratch.inputs[point * apart_inputs..][..tiles * inputs];
                let out = &mut self.scratch.products[point * apart_products..][..tiles * panel];
                product::multiply::<L>(left, weights, inputs, out);
            }
            for half in 0..2 {
                let group = 2 * index + half;
                if group * L::COUNT < winograd.shape.out_channels {
                    self.put_tiles::<L, SIDE>(group);
                }
            }
        }
    }

    #[inline(always)]
    fn transform_inputs<L: Lanes<Number = T>, const SIDE: usize>(&mut self) {
        let [height, width, inputs] = self.winograd.shape.padded();
        let [down, across] = self.winograd.tiles();
        let tiles = down * across;
        for tile in 0..tiles {
            let [y, x] = [tile / across * TILE, tile % across * TILE];
            // What lies outside of the image serves only results that lie outside, but must be finite.
            let sides = [SIDE.min(height - y), SIDE.min(width - x)];
            for first in (0..inputs).step_by(L::COUNT) {
                let image = &self.padded[(y * width + x) * inputs + first..];
                let to = &mut self.scratch.inputs[tile * inputs + first..];
                let between = [width * inputs, inputs, apart(tiles * inputs)];
                if sides == [SIDE; 2] {
                    transform::inputs::<L, SIDE>(image, [SIDE; 2], to, between);
                } else {
                    transform::inputs::<L, SIDE>(image, sides, to, between);
                }
            }
        }
    }

    /// Writes the results of a register of channels.
    #[inline(always)]
    fn put_tiles<L: Lanes<Number = T>, const SIDE: usize>(&mut self, group: usize) {
        let winograd = self.winograd;
        let [rows, columns, channels] = winograd.shape.output();
        let [down, across] = winograd.tiles();
        let first = group * L::COUNT;
        let bias = L::load(&winograd.bias[first..]);
        let tolerance = L::load(&winograd.gap[first..])
            .mul_add(L::splat(self.largest), L::splat(T::from_f64(f64::from(f32::MIN_POSITIVE))));
        let between = apart(down * across * 2 * L::COUNT);
        self.scratch.close.clear();
        for tile in 0..down * across {
            let at = tile * 2 * L::COUNT + group % 2 * L::COUNT;
            let numbers =
                transform::outputs::<L, SIDE>(&self.scratch.products[at..], between, bias);
            let [y, x] = [tile / across * TILE, tile % across * TILE];
            match &mut self.sink {
                Sink::Plain(out) => {
                    for (row, numbers) in numbers.iter().enumerate().take(rows - y) {
                        for (column, number) in numbers.iter().enumerate().take(columns - x) {
                            let place = (y + row) * columns + x + column;
                            number.store(&mut out[place * channels + first..]);
                        }
                    }
                }
                Sink::Pooled(window, target) => {
                    let (pools, relu) = (*window > 1, target.relu);
                    for row in (0..TILE).step_by(2).filter(|row| y + row < rows) {
                        for column in (0..TILE).step_by(2).filter(|column| x + column < columns) {
                            let [upper, lower] = [&numbers[row], &numbers[row + 1]];
                            let cell = [
                                upper[column],
                                upper[column + 1],
                                lower[column],
                                lower[column + 1],
                            ];
                            let corner = [y + row, x + column];
                            if is_close(cell, tolerance, pools, relu) {
                                self.scratch.close.push(corner);
                            } else {
                                target.put_cell::<L>(*window, corner, first, cell);
                            }
                        }
                    }
                }
            }
        }
        self.settle::<L>(group);
    }
}
