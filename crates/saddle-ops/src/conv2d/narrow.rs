//! The cotangent of the input of a convolution that reads few numbers at once, as a first layer does, and is pooled.
//!
//! One row of a 5 x 5 kernel over one channel is 5 numbers: a register would be mostly empty. But what a 2 x 2 cell of the
//! pooled result can reach is a patch of 6 x 6, and a table holds, for each place of the cell and each channel, the
//! weights where they lie in that patch, its rows filled up to 8. A cell's live channels are listed, their patches
//! added in registers, and the sum is added to the image once.

use super::{Conv2d, ConvShape};
use crate::{
    Error, Pool, Real, Result,
    kernels::{Buffer, Lanes, WIDEST, Work},
};

/// Numbers of a patch's row, with what fills it up.
const ROW: usize = 8;

/// Side of the pool's window.
const WINDOW: usize = 2;

impl ConvShape {
    /// Rows of a cell's patch.
    fn patch_rows(&self) -> usize {
        self.kernel + (WINDOW - 1) * self.stride
    }

    /// Whether a cell's patch fits the table.
    pub(super) fn is_narrow(&self) -> bool {
        self.patch_rows() <= ROW && self.patch_rows() * self.in_channels <= ROW
    }

    /// Numbers of a patch in the table: 4, 6 or 8 rows, which fill whole registers.
    fn table_patch(&self) -> usize {
        self.patch_rows().next_multiple_of(2).max(4) * ROW
    }

    /// Numbers of the table of patches, `(place, out, row, ROW)`; none for a shape that is not narrow.
    pub(super) fn table_length(&self) -> usize {
        if self.is_narrow() { WINDOW * WINDOW * self.out_channels * self.table_patch() } else { 0 }
    }
}

/// Fills the table, which held such a table or zeros before, from weights `(out, ky, kx, in)`.
pub(super) fn fill_table<T: Real>(shape: &ConvShape, patches: &[T], table: &mut Buffer<T>) {
    if !shape.is_narrow() {
        return;
    }
    let length = shape.row_length();
    for place in 0..WINDOW * WINDOW {
        let [down, right] = [place / WINDOW, place % WINDOW].map(|i| i * shape.stride);
        for (channel, patch) in patches.chunks_exact(shape.patch_length()).enumerate() {
            let from = (place * shape.out_channels + channel) * shape.table_patch();
            for (ky, row) in patch.chunks_exact(length).enumerate() {
                let to = from + (ky + down) * ROW + right * shape.in_channels;
                table[to..][..length].copy_from_slice(row);
            }
        }
    }
}

impl<T: Real> Conv2d<T> {
    /// Whether [`Conv2d::input_gradient_of_cells`] serves this convolution behind `pool`.
    pub fn takes_cells(&self, pool: &Pool) -> bool {
        self.shape.is_narrow() && pool.window() == WINDOW && pool.input() == self.shape.output()
    }

    /// [`Conv2d::input_gradient`] from the cotangent and the winners of the pool's result. The additions have an order of
    /// their own: cell by cell.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the convolution does not take cells, or an argument has another length than its
    /// shape.
    pub fn input_gradient_of_cells(
        &self,
        pool: &Pool,
        cotangent: &[T],
        winners: &[u8],
        gradient: &mut [T],
    ) -> Result<()> {
        self.check_padded(gradient.len())?;
        let length: usize = pool.output().iter().product();
        if !self.takes_cells(pool) || cotangent.len() != length || winners.len() != length {
            return Err(Error::InvalidShape {
                operation: "conv2d gradient of cells",
                message: format!(
                    "{} numbers and {} winners for {:?} behind {:?}",
                    cotangent.len(),
                    winners.len(),
                    pool.output(),
                    self.shape
                ),
            });
        }
        gradient.fill(T::ZERO);
        T::dispatch(self.kernels, Cells { conv: self, pool, cotangent, winners, gradient });
        Ok(())
    }
}

struct Cells<'a, T> {
    conv: &'a Conv2d<T>,
    pool: &'a Pool,
    cotangent: &'a [T],
    winners: &'a [u8],
    gradient: &'a mut [T],
}

impl<T: Real> Work<T> for Cells<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let rows = self.conv.shape.patch_rows();
        if rows <= 4 {
            self.cells::<L, 4>();
        } else if rows <= 6 {
            self.cells::<L, 6>();
        } else {
            self.cells::<L, 8>();
        }
    }
}

/// Cells between two that are taken one after the other: those in between share rows of the image with both, and a sum
/// is read back only long after it was written.
const APART: usize = 4;

impl<T: Real> Cells<'_, T> {
    #[inline(always)]
    fn cells<L: Lanes<Number = T>, const ROWS: usize>(self) {
        let Self { conv, pool, cotangent, winners, gradient } = self;
        let [rows, columns, channels] = pool.output();
        let [_, width, in_channels] = conv.shape.padded();
        let mut list = Listed { entries: [T::Entry::default(); MOST], count: 0 };
        let step = WINDOW * conv.shape.stride;
        for row in 0..rows {
            for column in (0..APART).flat_map(|first| (first..columns).step_by(APART)) {
                let from = (row * columns + column) * channels;
                let corner = (row * step * width + column * step) * in_channels;
                let image = &mut gradient[corner..];
                for first in (0..channels).step_by(PART) {
                    let part = from + first..from + channels.min(first + PART);
                    list.fill::<L>(first, channels, &cotangent[part.clone()], &winners[part]);
                    let patch = list.sum::<L, ROWS>(conv);
                    let rows = patch.chunks_exact(ROW).take(conv.shape.patch_rows());
                    for (y, row) in rows.enumerate() {
                        let image = &mut image[y * width * in_channels..][..ROW];
                        for (sum, number) in image.iter_mut().zip(row) {
                            *sum += *number;
                        }
                    }
                }
            }
        }
    }
}

/// Channels that are listed at once.
const PART: usize = 64;
/// Entries of a list, and room for a register behind them.
const MOST: usize = PART + WIDEST;

/// A cell's live channels: the patch's number in the table and the cotangent's value.
struct Listed<T: Real> {
    entries: [T::Entry; MOST],
    count: usize,
}

impl<T: Real> Listed<T> {
    #[inline(always)]
    fn fill<L: Lanes<Number = T>>(
        &mut self,
        first: usize,
        channels: usize,
        values: &[T],
        marks: &[u8],
    ) {
        self.count = 0;
        let registers = values.chunks_exact(L::COUNT);
        let tail = values.len() - registers.remainder().len();
        for (i, values) in registers.enumerate() {
            let at = i * L::COUNT;
            let (number, to) = ((first + at) as u32, &mut self.entries[self.count..]);
            self.count += L::load(values).list_marked(&marks[at..], number, channels as u32, to);
        }
        for (at, (value, mark)) in values.iter().zip(marks).enumerate().skip(tail) {
            let index = first + at + usize::from(*mark) * channels;
            self.entries[self.count] = value.at(index as u32);
            self.count += usize::from(*mark != crate::DEAD);
        }
    }

    /// The sum of the listed patches, each times its value.
    #[inline(always)]
    fn sum<L: Lanes<Number = T>, const ROWS: usize>(&self, conv: &Conv2d<T>) -> [T; ROW * ROW] {
        let length = conv.shape.table_patch();
        let registers = ROWS * ROW / L::COUNT;
        let mut sums = [L::splat(T::ZERO); ROW * ROW / 4];
        for entry in &self.entries[..self.count] {
            let (index, value) = T::of(*entry);
            let patch = &conv.table[index as usize * length..][..ROWS * ROW];
            let value = L::splat(value);
            for (i, sum) in sums[..registers].iter_mut().enumerate() {
                *sum = value.mul_add(L::load(&patch[i * L::COUNT..]), *sum);
            }
        }
        let mut patch = [T::ZERO; ROW * ROW];
        for (i, sum) in sums[..registers].iter().enumerate() {
            sum.store(&mut patch[i * L::COUNT..]);
        }
        patch
    }
}
