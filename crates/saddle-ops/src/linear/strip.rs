//! Columns of a matrix, for threads that write one matrix at the same time.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Some columns of a matrix that lies row after row, in memory that need not hold numbers yet.
pub(super) struct Strip<'a, T> {
    /// Where the first row's first column of these lies.
    first: *mut MaybeUninit<T>,
    rows: usize,
    columns: usize,
    /// From one row to the next.
    stride: usize,
    matrix: PhantomData<&'a mut [MaybeUninit<T>]>,
}

// SAFETY: no other strip of the same matrix reaches the places of this one, so it may go where a mutable slice of them may.
unsafe impl<T: Send> Send for Strip<'_, T> {}

impl<'a, T> Strip<'a, T> {
    /// Cuts a matrix of rows of `stride` numbers into strips of `share` columns, the last one of what is left.
    ///
    /// # Panics
    ///
    /// If the numbers do not make rows of that length, or a share is 0.
    pub(super) fn cut(
        matrix: &'a mut [MaybeUninit<T>],
        stride: usize,
        share: usize,
    ) -> impl Iterator<Item = Self> {
        let rows = matrix.len() / stride;
        assert!(rows * stride == matrix.len(), "{} is no multiple of {stride}", matrix.len());
        let first = matrix.as_mut_ptr();
        (0..stride).step_by(share).map(move |column| Self {
            // Wrapping, for a matrix without rows has no place to point at.
            first: first.wrapping_add(column),
            rows,
            columns: share.min(stride - column),
            stride,
            matrix: PhantomData,
        })
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// Places of one row, in columns counted from this strip's first.
    #[inline(always)]
    pub(super) fn row(&mut self, row: usize, columns: Range<usize>) -> &mut [MaybeUninit<T>] {
        assert!(row < self.rows && columns.start <= columns.end && columns.end <= self.columns);
        // SAFETY: the row is one of the matrix and the columns are some of the strip's, so the places lie within the
        // matrix, which is lent mutably for as long as strips of it live; no other strip has these columns, and this one
        // is lent mutably for as long as the slice lives.
        unsafe {
            let first = self.first.add(row * self.stride + columns.start);
            std::slice::from_raw_parts_mut(first, columns.len())
        }
    }
}
