//! Matrices as the product reads them: row after row, each row at the start of a cache line.

use crate::{
    Error, Kernels, Real, Result,
    kernels::{Buffer, prefetch},
};
use rayon::prelude::*;

/// A matrix stored row after row, each row filled up with zeros.
///
/// Rows are an odd number of cache lines long, so that the same columns of many rows do not compete for the same
/// places in the cache.
pub(super) struct Matrix<T> {
    rows: usize,
    columns: usize,
    stride: usize,
    values: Buffer<T>,
}

/// Bytes of a cache line.
const LINE: usize = 64;

impl<T: Real> Matrix<T> {
    /// A matrix of zeros.
    pub(super) fn zeros(kernels: Kernels, rows: usize, columns: usize) -> Self {
        let line = (LINE / size_of::<T>()).max(T::lanes(kernels));
        let stride = (columns.div_ceil(line) | 1) * line;
        Self { rows, columns, stride, values: Buffer::zeros(rows * stride) }
    }

    /// Replaces the contents by a matrix stored row after row; returns whether all its numbers are finite.
    pub(super) fn copy(&mut self, matrix: &[T]) -> Result<bool> {
        self.check(matrix)?;
        let rows = self.values.par_chunks_exact_mut(self.stride).with_min_len(16);
        let finite = rows.zip(matrix.par_chunks_exact(self.columns)).map(|(row, values)| {
            row[..values.len()].copy_from_slice(values);
            all_finite(values)
        });
        Ok(finite.reduce(|| true, |left, right| left & right))
    }

    /// Replaces the contents by the transpose of a matrix stored row after row.
    pub(super) fn transpose(&mut self, matrix: &[T]) -> Result<()> {
        /// Rows that are filled together, a few cache lines of the given matrix.
        const ROWS: usize = 64;
        self.check(matrix)?;
        let (rows, columns, stride) = (self.rows, self.columns, self.stride);
        self.values.par_chunks_mut(ROWS * stride).enumerate().for_each(|(block, values)| {
            let first = block * ROWS;
            for column in (0..columns).step_by(TILE) {
                for (tile, to) in values.chunks_mut(TILE * stride).enumerate() {
                    let from = &matrix[column * rows + first + tile * TILE..];
                    let height = TILE.min(to.len() / stride);
                    let width = TILE.min(columns - column);
                    // Neither matrix is walked along its rows, so no processor guesses what comes next.
                    for line in 0..TILE {
                        let next = [
                            from.get((line + TILE) * rows..),
                            to.get(line * stride + column + TILE..),
                        ];
                        next.into_iter().flatten().for_each(prefetch);
                    }
                    transpose_tile(from, rows, [height, width], &mut to[column..], stride);
                }
            }
        });
        Ok(())
    }

    pub(super) fn fits(&self, rows: usize, columns: usize) -> bool {
        (self.rows, self.columns) == (rows, columns)
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The numbers, and from one row to the next.
    pub(super) fn values(&self) -> (&[T], usize) {
        (&self.values, self.stride)
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

/// Side of a tile that is transposed at once: a cache line of `f32`.
const TILE: usize = 16;

/// Transposes a tile of `width` rows of `height` numbers, both at most [`TILE`]; numbers between rows are `from_stride`
/// and `to_stride`.
#[inline]
fn transpose_tile<T: Real>(
    from: &[T],
    from_stride: usize,
    [height, width]: [usize; 2],
    to: &mut [T],
    to_stride: usize,
) {
    if height < TILE || width < TILE {
        for row in 0..height {
            for column in 0..width {
                to[row * to_stride + column] = from[column * from_stride + row];
            }
        }
        return;
    }
    let mut tile = [[T::ZERO; TILE]; TILE];
    for (column, tile) in tile.iter_mut().enumerate() {
        tile.copy_from_slice(&from[column * from_stride..][..TILE]);
    }
    for row in 0..TILE {
        let to = &mut to[row * to_stride..][..TILE];
        for (to, tile) in to.iter_mut().zip(&tile) {
            *to = tile[row];
        }
    }
}

/// The transpose of a matrix of `columns` columns, stored row after row.
pub(super) fn transpose<T: Real>(matrix: &[T], columns: usize, to: &mut [T]) {
    let rows = matrix.len() / columns;
    for row in (0..rows).step_by(TILE) {
        for column in (0..columns).step_by(TILE) {
            let size = [TILE.min(columns - column), TILE.min(rows - row)];
            let from = &matrix[row * columns + column..];
            transpose_tile(from, columns, size, &mut to[column * rows + row..], rows);
        }
    }
}

/// Whether every number is finite.
fn all_finite<T: Real>(values: &[T]) -> bool {
    // A finite number times 0 is 0, any other is NaN, and a sum with NaN is NaN.
    let (whole, rest) = values.as_chunks::<TILE>();
    let mut lanes = [T::ZERO; TILE];
    for values in whole {
        for (lane, value) in lanes.iter_mut().zip(values) {
            *lane += *value * T::ZERO;
        }
    }
    let rest = rest.iter().fold(T::ZERO, |sum, value| sum + *value * T::ZERO);
    lanes.iter().all(|lane| *lane == T::ZERO) && rest == T::ZERO
}
