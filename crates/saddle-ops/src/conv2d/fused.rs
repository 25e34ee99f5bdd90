//! Convolution, ReLU and pool of one image in one pass.
//!
//! With stride 1 and the 32 registers of AVX-512, a register tile holds two rows of the convolution's result, one register
//! of channels wide. There a pool of 2 x 2 chooses and the ReLU rectifies, so that only what the next layer reads and the
//! marks of the winners are ever written; a ReLU alone is a pool of 1 x 1, four to a cell of the tile. Any other shape, and
//! any path with fewer registers, takes the two steps one after the other.
//!
//! Each number of the un-pooled result is the chain of additions that [`Conv2d::forward`] makes: not one bit differs, but
//! where a first layer's choice is close ([`first_layer`]).
//! Where the convolution may be transformed ([`winograd`]), that way is taken instead; there the numbers are close to the
//! direct ones, and the choices those of a direct sum.

use super::{
    Conv2d,
    first_layer::{self, Sweep, Tolerance},
    target::Target,
    winograd::{self, Pass, Sink},
};
use crate::{
    Error, Pool, Real, Result,
    kernels::{Lanes, Work},
};

/// Buffers of the forward pass, kept from image to image.
#[derive(Default)]
pub struct ForwardScratch<T> {
    map: Vec<T>,
    first_layer: first_layer::Scratch<T>,
    winograd: winograd::Scratch<T>,
}

impl<T: Real> Conv2d<T> {
    /// Convolves a padded image and pools the result into the inside of an image with a border, as [`Pool::forward`] does;
    /// `winners` takes the marks.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] or [`Error::ShapeMismatch`] when an argument has not the length that the shapes ask for, or
    /// the pool does not take this convolution's result.
    pub fn forward_pooled(
        &self,
        padded: &[T],
        pool: &Pool,
        out: &mut [T],
        border: usize,
        winners: &mut [u8],
        scratch: &mut ForwardScratch<T>,
    ) -> Result<()> {
        if pool.input() != self.shape.output() {
            return Err(Error::ShapeMismatch {
                operation: "conv2d and pool",
                left: self.shape.output().to_vec(),
                right: pool.input().to_vec(),
            });
        }
        let winograd = self.winograd.as_ref().filter(|winograd| winograd.takes(pool));
        if let Some(winograd) = winograd {
            self.check_padded(padded.len())?;
            pool.check_result(out.len(), border, winners.len())?;
            let padded = &padded[..self.shape.padded().iter().product()];
            let largest = winograd.measure(self.kernels, padded, &mut scratch.winograd);
            if winograd.takes_numbers(largest) {
                let sink = Sink::Pooled(pool.window(), Target::new(pool, out, border, winners));
                let scratch = &mut scratch.winograd;
                let pass = Pass { conv: self, winograd, padded, sink, scratch };
                T::dispatch(self.kernels, pass);
                return Ok(());
            }
        }
        self.check_padded(padded.len())?;
        let ForwardScratch { map, first_layer, .. } = scratch;
        let mut exact = self.exact_choices(padded, pool, first_layer);
        let [rows, columns, _] = self.shape.output();
        let has_cells = pool.window() == 2 || (pool.window() == 1 && (rows | columns) % 2 == 0);
        if !self.fuses || self.shape.stride != 1 || !has_cells {
            map.resize(self.shape.output_length(), T::ZERO);
            self.forward(padded, map)?;
            pool.forward(map, out, border, winners)?;
            if let Some(mut exact) = exact {
                let sweep = Sweep { map, shape: &self.shape, tolerance: &mut exact };
                T::dispatch(self.kernels, sweep);
                exact.settle(self, padded, &mut Target::new(pool, out, border, winners));
            }
            return Ok(());
        }
        pool.check_result(out.len(), border, winners.len())?;
        let mut target = Target::new(pool, out, border, winners);
        let (window, choices) = (pool.window(), exact.as_mut());
        let pass = Fused { conv: self, padded, window, target: &mut target, choices };
        T::dispatch(self.kernels, pass);
        if let Some(exact) = exact {
            exact.settle(self, padded, &mut target);
        }
        Ok(())
    }
}

/// Asks a path whether it has registers enough for a tile that is worth it.
pub(super) struct HasRegisters;

impl<T: Real> Work<T> for HasRegisters {
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) -> bool {
        L::TILE_CELLS > 0
    }
}

/// The fused pass, of lengths that [`Conv2d::forward_pooled`] has checked.
struct Fused<'a, 'b, T> {
    conv: &'a Conv2d<T>,
    padded: &'a [T],
    window: usize,
    target: &'a mut Target<'b, T>,
    /// Notes which choices are close.
    choices: Option<&'a mut Tolerance<'b, T>>,
}

impl<T: Real> Work<T> for Fused<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(mut self) {
        // A number that the compiler knows turns the distances between pixels into constants.
        match self.conv.shape.in_channels {
            _ if L::TILE_CELLS == 0 => {}
            1 => self.groups::<L>(1),
            32 => self.groups::<L>(32),
            channels => self.groups::<L>(channels),
        }
    }
}

/// Where a tile begins: its register of channels, and row and column of its first cell.
#[derive(Clone, Copy)]
struct Corner {
    group: usize,
    row: usize,
    column: usize,
}

impl<T: Real> Fused<'_, '_, T> {
    #[inline(always)]
    fn groups<L: Lanes<Number = T>>(&mut self, in_channels: usize) {
        let [rows, columns, channels] = self.conv.shape.output();
        for group in 0..channels.div_ceil(L::COUNT) {
            for row in 0..rows / 2 {
                let mut column = 0;
                while column < columns / 2 {
                    // What is left, in equal tiles of at most so many cells.
                    let left = columns / 2 - column;
                    let corner = Corner { group, row, column };
                    column += match left.div_ceil(left.div_ceil(L::TILE_CELLS)) {
                        7 if L::TILE_CELLS >= 7 => self.tile::<L, 7>(corner, in_channels),
                        6 if L::TILE_CELLS >= 6 => self.tile::<L, 6>(corner, in_channels),
                        5 if L::TILE_CELLS >= 5 => self.tile::<L, 5>(corner, in_channels),
                        4 if L::TILE_CELLS >= 4 => self.tile::<L, 4>(corner, in_channels),
                        3 if L::TILE_CELLS >= 3 => self.tile::<L, 3>(corner, in_channels),
                        2 if L::TILE_CELLS >= 2 => self.tile::<L, 2>(corner, in_channels),
                        _ => self.tile::<L, 1>(corner, in_channels),
                    };
                }
            }
        }
    }

    /// Convolves and pools `CELLS` cells; returns how many.
    #[inline(always)]
    fn tile<L: Lanes<Number = T>, const CELLS: usize>(
        &mut self,
        corner: Corner,
        in_channels: usize,
    ) -> usize {
        let [upper, lower] = self.convolve::<L, CELLS>(corner, in_channels);
        for (cell, (upper, lower)) in upper.iter().zip(&lower).enumerate() {
            let numbers = [upper[0], upper[1], lower[0], lower[1]];
            let place = [2 * corner.row, 2 * (corner.column + cell)];
            let first = corner.group * L::COUNT;
            self.target.put_cell::<L>(self.window, place, first, numbers);
            // First layers have one channel; the others' tiles carry none of this.
            if let (1, Some(choices)) = (in_channels, &mut self.choices) {
                choices.note::<L>(place, first, numbers);
            }
        }
        CELLS
    }

    /// The un-pooled result under `CELLS` cells: two rows of two columns for each cell.
    #[inline(always)]
    fn convolve<L: Lanes<Number = T>, const CELLS: usize>(
        &self,
        corner: Corner,
        in_channels: usize,
    ) -> [[[L; 2]; CELLS]; 2] {
        let conv = self.conv;
        let width = conv.shape.padded()[1];
        let row_length = conv.shape.kernel * in_channels;
        // What the kernel's row sees while it moves over the tile.
        let span = (2 * CELLS - 1) * in_channels + row_length;
        let bias = L::load(&conv.tile_bias[corner.group * L::COUNT..]);
        let mut sums = [[[bias; 2]; CELLS]; 2];
        let group = conv.shape.kernel * row_length * L::COUNT;
        let weights = &conv.tiles[corner.group * group..][..group];
        for (ky, weights) in weights.chunks_exact(row_length * L::COUNT).enumerate() {
            let from = ((2 * corner.row + ky) * width + 2 * corner.column) * in_channels;
            let rows =
                [&self.padded[from..][..span], &self.padded[from + width * in_channels..][..span]];
            for (i, weights) in weights.chunks_exact(L::COUNT).enumerate() {
                let weights = L::load(weights);
                for (sums, row) in sums.iter_mut().zip(rows) {
                    for (cell, sums) in sums.iter_mut().enumerate() {
                        for (column, sum) in sums.iter_mut().enumerate() {
                            let at = (2 * cell + column) * in_channels + i;
                            // SAFETY: `i < row_length` and `2 * cell + column <= 2 * CELLS - 1`, so `at < span`.
                            let pixel = unsafe { *row.get_unchecked(at) };
                            *sum = L::splat(pixel).mul_add(weights, *sum);
                        }
                    }
                }
            }
        }
        sums
    }
}
