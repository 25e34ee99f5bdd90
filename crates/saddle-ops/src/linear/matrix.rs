//! Matrices as the product reads them: in panels of columns, each row of a panel in whole cache lines.

use crate::{
    Error, Kernels, Real, Result,
    kernels::{Buffer, Lanes, Work, prefetch},
};
use rayon::prelude::*;

/// Registers of sums for a panel's row: as many sums as keep both multipliers of a core busy.
pub(super) const WIDE: usize = 8;

/// A matrix of `rows x columns` in panels of so many registers of columns: panel after panel, in a panel row after row.
///
/// What the product reads at a time lies together and on few pages. The last panel is as wide as its columns need, in
/// registers a power of two, and filled up with zeros.
pub(super) struct Matrix<T> {
    kernels: Kernels,
    rows: usize,
    columns: usize,
    /// Columns of all panels but the last.
    width: usize,
    values: Buffer<T>,
}

impl<T: Real> Matrix<T> {
    /// A matrix of zeros, in panels of `registers`.
    pub(super) fn zeros(kernels: Kernels, rows: usize, columns: usize, registers: usize) -> Self {
        let lanes = T::lanes(kernels);
        let width = registers * lanes;
        let last = (columns % width).div_ceil(lanes);
        let last = if last == 0 { 0 } else { last.next_power_of_two() * lanes };
        let values = Buffer::zeros(rows * (columns / width * width + last));
        Self { kernels, rows, columns, width, values }
    }

    /// Replaces the contents by a matrix stored row after row; returns whether all its numbers are finite.
    pub(super) fn copy(&mut self, matrix: &[T]) -> Result<bool> {
        self.check(matrix)?;
        let (kernels, columns) = (self.kernels, self.columns);
        let panels = self.panels_mut().map(|(first, used, width, panel)| {
            T::dispatch(kernels, Copy { from: &matrix[first..], columns, used, to: panel, width })
        });
        Ok(panels.reduce(|| true, |left, right| left & right))
    }

    /// Replaces the contents by the transpose of a matrix stored row after row.
    pub(super) fn transpose(&mut self, matrix: &[T]) -> Result<()> {
        self.check(matrix)?;
        let (kernels, inner) = (self.kernels, self.rows);
        self.panels_mut().for_each(|(first, used, width, panel)| {
            let from = &matrix[first * inner..(first + used) * inner];
            T::dispatch(kernels, Transpose { from, inner, to: panel, width });
        });
        Ok(())
    }

    pub(super) fn fits(&self, rows: usize, columns: usize) -> bool {
        (self.rows, self.columns) == (rows, columns)
    }

    /// The panel that begins at a column, and after it all others.
    #[inline(always)]
    pub(super) fn panel(&self, column: usize) -> &[T] {
        &self.values[column * self.rows..]
    }

    /// Columns of all panels but the last.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Each panel's first column, number of columns, numbers in a row and numbers.
    fn panels_mut(
        &mut self,
    ) -> impl IndexedParallelIterator<Item = (usize, usize, usize, &mut [T])> {
        let Self { rows, columns, width, .. } = *self;
        self.values.par_chunks_mut(width * rows).enumerate().map(move |(index, panel)| {
            let first = index * width;
            (first, width.min(columns - first), panel.len() / rows, panel)
        })
    }

    fn check(&self, matrix: &[T]) -> Result<()> {
        if self.rows.checked_mul(self.columns) == Some(matrix.len()) {
            return Ok(());
        }
        Err(Error::InvalidShape {
            operation: "linear weights",
            message: format!("{} numbers for {} x {}", matrix.len(), self.rows, self.columns),
        })
    }
}

/// Numbers of `f32` in a cache line.
pub(super) const LINE: usize = 16;

/// Copies the first `used` of each `columns` numbers into rows of `width`, waiting for its registers; says whether all of
/// them are finite.
struct Copy<'a, T> {
    from: &'a [T],
    columns: usize,
    used: usize,
    to: &'a mut [T],
    width: usize,
}

impl<T: Real> Work<T> for Copy<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) -> bool {
        /// Rows that are asked for before their turn: no processor guesses which part of which row comes next.
        const AHEAD: usize = 4;
        let Self { from, columns, used, to, width } = self;
        // A finite number times 0 is 0, any other is NaN, and a sum with NaN is NaN.
        let zero = L::splat(T::ZERO);
        let mut faults = zero;
        let mut rest = T::ZERO;
        let whole = used - used % L::COUNT;
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            let from = &from[row * columns..];
            let ahead = from.get(AHEAD * columns..AHEAD * columns + used);
            ahead.into_iter().flat_map(|ahead| ahead.chunks(LINE)).for_each(prefetch);
            for at in (0..whole).step_by(L::COUNT) {
                let numbers = L::load(&from[at..]);
                numbers.store(&mut to[at..]);
                faults = numbers.mul_add(zero, faults);
            }
            for (to, number) in to[whole..used].iter_mut().zip(&from[whole..used]) {
                *to = *number;
                rest += *number * T::ZERO;
            }
        }
        L::lanes_of(faults.is_live()) == 0 && rest == T::ZERO
    }
}

/// Transposes rows of `inner` numbers into rows of `width`, waiting for its registers.
struct Transpose<'a, T> {
    from: &'a [T],
    inner: usize,
    to: &'a mut [T],
    width: usize,
}

impl<T: Real> Work<T> for Transpose<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        /// Numbers of a given row that are taken before the next row's: four cache lines of `f32`.
        const LENGTH: usize = 4 * LINE;
        let Self { from, inner, to, width } = self;
        let used = from.len() / inner;
        for (block, to) in to.chunks_mut(LENGTH * width).enumerate() {
            let height = to.len() / width;
            for column in (0..used).step_by(L::COUNT) {
                let from = &from[column * inner + block * LENGTH..];
                // Neither the next rows nor the next block follow this one in memory.
                for line in 0..L::COUNT {
                    let next = from.get((line + L::COUNT) * inner..);
                    let next =
                        next.into_iter().flat_map(|next| next.chunks(LINE).take(LENGTH / LINE));
                    next.for_each(prefetch);
                }
                let whole = if used - column < L::COUNT { 0 } else { height / L::COUNT * L::COUNT };
                for row in (0..whole).step_by(L::COUNT) {
                    L::transpose(&from[row..], inner, &mut to[row * width + column..], width);
                }
                for row in whole..height {
                    for column in column..used.min(column + L::COUNT) {
                        to[row * width + column] = self.from[column * inner + block * LENGTH + row];
                    }
                }
            }
        }
    }
}

/// The transpose of a matrix of `columns` columns, stored row after row.
///
/// # Errors
///
/// [`Error::InvalidShape`] when the numbers do not make whole rows, or `to` has not as many.
pub fn transpose<T: Real>(
    kernels: Kernels,
    matrix: &[T],
    columns: usize,
    to: &mut [T],
) -> Result<()> {
    if matrix.is_empty() && to.is_empty() {
        return Ok(());
    }
    if columns == 0 || !matrix.len().is_multiple_of(columns) || to.len() != matrix.len() {
        return Err(Error::InvalidShape {
            operation: "transpose",
            message: format!(
                "{} numbers in rows of {columns} into {} numbers",
                matrix.len(),
                to.len()
            ),
        });
    }
    let rows = matrix.len() / columns;
    if rows == 1 || columns == 1 {
        to.copy_from_slice(matrix);
    } else {
        T::dispatch(kernels, Transpose { from: matrix, inner: columns, to, width: rows });
    }
    Ok(())
}
