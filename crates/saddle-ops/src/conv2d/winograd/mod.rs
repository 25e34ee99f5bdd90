//! Convolution with a 5 x 5 kernel and stride 1 by the minimal filtering F(4 x 4, 5 x 5), pooled and rectified at once.
//!
//! A tile of 4 x 4 results needs 8 x 8 numbers of each input channel. Transformed, they meet the transformed weights in 64
//! products that sum over channels only: 4 multiplications for each result and input channel instead of 25. The points are
//! 0, ±1, ±2, ±1/2 and infinity.
//!
//! # Properties
//!
//! - Only `f32` comes this way. In it the results are about 7 times as far from the exact ones as the direct
//!   kernel's: some 1e-6 of their size. `f64`, which is there to be exact, stays direct.
//! - The bits depend on the image, the weights and the kernel path, and on nothing else.
//! - Two places that see the same numbers may come out a rounding apart, so a tie between them may fall to either. The
//!   engine promises the first, and therefore does not come this way.
//! - NaN and infinities spread over their tile's 16 results.
//!
//! # Sources
//!
//! Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks" (CVPR 2016). The matrices are Cook's and Toom's for the points above.

mod transform;

use super::{ConvShape, target::Target};
use crate::{
    Pool, Real,
    kernels::{Buffer, Lanes, WIDEST, Work},
};
use candle_core::DType;

/// Side of the kernel.
const KERNEL: usize = 5;
/// Side of a tile of results.
const TILE: usize = 4;
/// Side of what a tile reads: `TILE + KERNEL - 1`.
const SIDE: usize = 8;
/// Products of a tile.
const POINTS: usize = SIDE * SIDE;
/// Channels come in multiples of this many: whole registers on every path.
const CHANNELS: usize = 16;

/// Transformed weights.
pub(super) struct Winograd<T> {
    shape: ConvShape,
    /// `(panel, point, in, lane of the panel)`; a panel is two registers of output channels, the last one filled up with
    /// zeros.
    weights: Buffer<T>,
    bias: Buffer<T>,
}

impl<T: Real> Winograd<T> {
    /// Room for the weights of a convolution that may come this way.
    pub(super) fn new(kernels: crate::Kernels, shape: &ConvShape) -> Option<Self> {
        let [rows, columns, out_channels] = shape.output();
        let fits = T::DTYPE == DType::F32
            && (shape.kernel, shape.stride) == (KERNEL, 1)
            && rows.min(columns) >= TILE
            && shape.in_channels.is_multiple_of(CHANNELS)
            && out_channels.is_multiple_of(CHANNELS);
        let whole = out_channels.next_multiple_of(2 * T::lanes(kernels));
        fits.then(|| Self {
            shape: *shape,
            weights: Buffer::zeros(POINTS * shape.in_channels * whole),
            bias: Buffer::zeros(whole),
        })
    }

    /// Transforms weights `(out, in, k, k)`.
    pub(super) fn pack(&mut self, kernels: crate::Kernels, weight: &[T], bias: &[T]) {
        let panel = 2 * T::lanes(kernels);
        let inputs = self.shape.in_channels;
        for (at, weight) in weight.chunks_exact(KERNEL * KERNEL).enumerate() {
            let (channel, input) = (at / inputs, at % inputs);
            let points = transform::weights(weight);
            let to = (channel / panel * POINTS * inputs + input) * panel + channel % panel;
            for (point, number) in points.iter().enumerate() {
                self.weights[to + point * inputs * panel] = *number;
            }
        }
        self.bias[..bias.len()].copy_from_slice(bias);
    }

    /// Whether the pool takes what a tile gives.
    pub(super) fn takes(&self, pool: &Pool) -> bool {
        matches!(pool.window(), 1 | 2)
    }

    /// Rows and columns of tiles.
    fn tiles(&self) -> [usize; 2] {
        let [rows, columns, _] = self.shape.output();
        [rows.div_ceil(TILE), columns.div_ceil(TILE)]
    }
}

/// Transformed numbers of one image, kept from image to image.
#[derive(Default)]
pub(super) struct Scratch<T> {
    /// `(point, tile, in)`, points [`apart`].
    inputs: Buffer<T>,
    /// `(point, tile, lane of the panel)`, points [`apart`].
    products: Buffer<T>,
}

/// From one point's numbers to the next one's: a cache line more than they are, or powers of two would send all points of
/// a tile to the same few places of the cache.
fn apart(numbers: usize) -> usize {
    numbers + WIDEST
}

/// The pass over one image, of lengths that were checked.
pub(super) struct Pass<'a, T> {
    pub(super) winograd: &'a Winograd<T>,
    pub(super) padded: &'a [T],
    pub(super) window: usize,
    pub(super) target: Target<'a, T>,
    pub(super) scratch: &'a mut Scratch<T>,
}

impl<T: Real> Work<T> for Pass<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(mut self) {
        let Self { winograd, scratch, .. } = &mut self;
        let [down, across] = winograd.tiles();
        let (tiles, inputs) = (down * across, winograd.shape.in_channels);
        scratch.inputs.grow(POINTS * apart(tiles * inputs));
        scratch.products.grow(POINTS * apart(tiles * 2 * L::COUNT));
        self.transform_inputs::<L>();
        let Self { winograd, window, mut target, scratch, .. } = self;
        let panel = 2 * L::COUNT;
        let (apart_inputs, apart_products) = (apart(tiles * inputs), apart(tiles * panel));
        let panels = winograd.weights.chunks_exact(POINTS * inputs * panel);
        for (index, weights) in panels.enumerate() {
            for point in 0..POINTS {
                let left = &scratch.inputs[point * apart_inputs..][..tiles * inputs];
                let right = &weights[point * inputs * panel..][..inputs * panel];
                let out = &mut scratch.products[point * apart_products..][..tiles * panel];
                multiply::<L>(left, right, inputs, out);
            }
            for half in 0..2 {
                let first = index * panel + half * L::COUNT;
                if first >= winograd.shape.out_channels {
                    break;
                }
                let bias = L::load(&winograd.bias[first..]);
                for tile in 0..tiles {
                    let products = &scratch.products[tile * panel + half * L::COUNT..];
                    let numbers = transform::outputs::<L>(products, apart_products, bias);
                    let corner = [tile / across * TILE, tile % across * TILE];
                    put_tile::<L>(&mut target, &winograd.shape, window, corner, first, &numbers);
                }
            }
        }
    }
}

impl<T: Real> Pass<'_, T> {
    #[inline(always)]
    fn transform_inputs<L: Lanes<Number = T>>(&mut self) {
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
                    transform::inputs::<L>(image, [SIDE; 2], to, between);
                } else {
                    transform::inputs::<L>(image, sides, to, between);
                }
            }
        }
    }
}

/// Writes those of a tile's results that exist.
#[inline(always)]
fn put_tile<L: Lanes>(
    target: &mut Target<'_, L::Number>,
    shape: &ConvShape,
    window: usize,
    [y, x]: [usize; 2],
    first: usize,
    numbers: &[[L; TILE]; TILE],
) {
    let [rows, columns, _] = shape.output();
    if window == 2 {
        for row in (0..TILE).step_by(2).filter(|row| y + row < rows) {
            for column in (0..TILE).step_by(2).filter(|column| x + column < columns) {
                let [upper, lower] = [&numbers[row], &numbers[row + 1]];
                let window = [upper[column], upper[column + 1], lower[column], lower[column + 1]];
                target.put::<L>([(y + row) / 2, (x + column) / 2], first, window);
            }
        }
    } else {
        for row in (0..TILE).filter(|row| y + row < rows) {
            for column in (0..TILE).filter(|column| x + column < columns) {
                target.put_one::<L>([y + row, x + column], first, numbers[row][column]);
            }
        }
    }
}

/// `(tiles, inner)` times a panel `(inner, 2 registers)`.
#[inline(always)]
fn multiply<L: Lanes>(
    left: &[L::Number],
    right: &[L::Number],
    inner: usize,
    out: &mut [L::Number],
) {
    let rows = left.len() / inner;
    let mut row = 0;
    while row < rows {
        let part = rows - row;
        let (left, out) = (&left[row * inner..], &mut out[row * 2 * L::COUNT..]);
        row += if L::TILE_ROWS >= 8 && part >= 8 {
            multiply_tile::<L, 8>(left, right, inner, out)
        } else if L::TILE_ROWS >= 6 && part >= 6 && part != 8 {
            multiply_tile::<L, 6>(left, right, inner, out)
        } else if part >= 4 {
            multiply_tile::<L, 4>(left, right, inner, out)
        } else {
            multiply_tile::<L, 1>(left, right, inner, out)
        };
    }
}

/// [`multiply`] for `R` rows; returns `R`.
#[inline(always)]
fn multiply_tile<L: Lanes, const R: usize>(
    left: &[L::Number],
    right: &[L::Number],
    inner: usize,
    out: &mut [L::Number],
) -> usize {
    let left = &left[..R * inner];
    let mut sums = [[L::splat(L::Number::ZERO); 2]; R];
    for (i, right) in right.chunks_exact(2 * L::COUNT).take(inner).enumerate() {
        let right = [L::load(right), L::load(&right[L::COUNT..])];
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: `r < R` and `i < inner`, so the index is less than `R * inner`.
            let number = L::splat(unsafe { *left.get_unchecked(r * inner + i) });
            sums[0] = number.mul_add(right[0], sums[0]);
            sums[1] = number.mul_add(right[1], sums[1]);
        }
    }
    for (sums, out) in sums.iter().zip(out.chunks_exact_mut(2 * L::COUNT)) {
        sums[0].store(out);
        sums[1].store(&mut out[L::COUNT..]);
    }
    R
}
