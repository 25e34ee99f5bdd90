//! The right factor, in the order in which tiles read it.

use crate::{Error, Kernels, Real, Result, kernels::Buffer};
use rayon::prelude::*;

/// A matrix of `inner` rows and `columns` columns, stored in panels of `width` columns: panel after panel, in a
/// panel row after row. The last panel is filled up with zeros.
pub struct PackedMatrix<T> {
    inner: usize,
    columns: usize,
    width: usize,
    panels: Buffer<T>,
}

impl<T: Real> PackedMatrix<T> {
    /// A matrix of zeros, to be filled by one of the `pack` methods.
    pub fn zeros(kernels: Kernels, inner: usize, columns: usize) -> Self {
        let width = 2 * T::lanes(kernels);
        Self {
            inner,
            columns,
            width,
            panels: Buffer::zeros(columns.div_ceil(width) * width * inner),
        }
    }

    /// Packs a matrix stored row after row.
    pub fn from_rows(kernels: Kernels, matrix: &[T], inner: usize, columns: usize) -> Result<Self> {
        let mut packed = Self::zeros(kernels, inner, columns);
        packed.pack_rows(matrix)?;
        Ok(packed)
    }

    /// Packs the transpose of a matrix stored row after row: `columns` rows of `inner` numbers.
    pub fn from_columns(
        kernels: Kernels,
        matrix: &[T],
        inner: usize,
        columns: usize,
    ) -> Result<Self> {
        let mut packed = Self::zeros(kernels, inner, columns);
        packed.pack_columns(matrix)?;
        Ok(packed)
    }

    /// Replaces the contents: [`PackedMatrix::from_rows`] without a new allocation.
    pub fn pack_rows(&mut self, matrix: &[T]) -> Result<()> {
        self.check(matrix)?;
        let (width, columns) = (self.width, self.columns);
        self.each_panel(|first, panel| {
            let used = width.min(columns - first);
            for (row, packed) in panel.chunks_exact_mut(width).enumerate() {
                packed[..used].copy_from_slice(&matrix[row * columns + first..][..used]);
            }
        });
        Ok(())
    }

    /// Replaces the contents: [`PackedMatrix::from_columns`] without a new allocation.
    pub fn pack_columns(&mut self, matrix: &[T]) -> Result<()> {
        /// Numbers that are read at once: a cache line of `f32`.
        const BLOCK: usize = 16;
        self.check(matrix)?;
        let (width, columns, inner) = (self.width, self.columns, self.inner);
        self.each_panel(|first, panel| {
            let used = width.min(columns - first);
            for (block, packed) in panel.chunks_mut(BLOCK * width).enumerate() {
                for column in 0..used {
                    let numbers = &matrix[(first + column) * inner + block * BLOCK..];
                    for (packed, number) in packed.chunks_exact_mut(width).zip(numbers) {
                        packed[column] = *number;
                    }
                }
            }
        });
        Ok(())
    }

    /// Rows, the dimension that a product sums over.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// Columns, as many as a product has.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Columns of a panel.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Number of panels.
    pub(super) fn panels(&self) -> usize {
        self.columns.div_ceil(self.width)
    }

    /// The numbers of one panel.
    pub(super) fn panel(&self, index: usize) -> &[T] {
        &self.panels[index * self.inner * self.width..][..self.inner * self.width]
    }

    fn each_panel(&mut self, fill: impl Fn(usize, &mut [T]) + Sync) {
        let (width, length) = (self.width, self.inner * self.width);
        if length > 0 {
            self.panels
                .par_chunks_mut(length)
                .enumerate()
                .for_each(|(i, panel)| fill(i * width, panel));
        }
    }

    fn check(&self, matrix: &[T]) -> Result<()> {
        if self.inner.checked_mul(self.columns) == Some(matrix.len()) {
            return Ok(());
        }
        Err(Error::InvalidShape {
            operation: "pack matrix",
            message: format!("{} numbers for {} x {}", matrix.len(), self.inner, self.columns),
        })
    }
}
