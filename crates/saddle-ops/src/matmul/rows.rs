//! The left factor: where its rows lie.

use crate::{Error, Result};

/// Rows of numbers inside a slice, not copied.
///
/// A row consists of `pieces` pieces of `piece` numbers, `between_pieces` apart. Rows follow each other `between_rows`
/// apart along a line of `per_line` rows; lines are `between_lines` apart. A matrix stored row after row has one piece
/// and one line; the patches of a convolution have a piece for each row of the kernel and a line for each row of
/// the result.
#[derive(Clone, Copy)]
pub struct Rows<'a, T> {
    values: &'a [T],
    count: usize,
    per_line: usize,
    between_rows: usize,
    between_lines: usize,
    pieces: usize,
    piece: usize,
    between_pieces: usize,
}

impl<'a, T> Rows<'a, T> {
    /// The rows of a matrix of `inner` columns, stored row after row.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the numbers do not fill whole rows.
    pub fn matrix(values: &'a [T], inner: usize) -> Result<Self> {
        if inner == 0 || !values.len().is_multiple_of(inner) {
            return Err(Error::InvalidShape {
                operation: "matrix rows",
                message: format!("{} numbers do not make rows of {inner}", values.len()),
            });
        }
        Ok(Self {
            values,
            count: values.len() / inner,
            per_line: usize::MAX,
            between_rows: inner,
            between_lines: 0,
            pieces: 1,
            piece: inner,
            between_pieces: 0,
        })
    }

    /// The patches under a `kernel x kernel` window that moves by `stride` over an image of `height x width` places of
    /// `channels` numbers. Callers have checked that the window fits and that `values` holds the image.
    pub(crate) fn patches(
        values: &'a [T],
        [height, width, channels]: [usize; 3],
        kernel: usize,
        stride: usize,
    ) -> Self {
        let per_line = (width - kernel) / stride + 1;
        Self {
            values,
            count: per_line * ((height - kernel) / stride + 1),
            per_line,
            between_rows: stride * channels,
            between_lines: stride * width * channels,
            pieces: kernel,
            piece: kernel * channels,
            between_pieces: width * channels,
        }
    }

    /// Number of rows.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Numbers in a row.
    pub fn inner(&self) -> usize {
        self.pieces * self.piece
    }

    /// The same rows without their first `from` numbers, `length` numbers long. Only for rows of one piece.
    pub(super) fn columns(self, from: usize, length: usize) -> Self {
        Self { values: &self.values[from..], piece: length, ..self }
    }

    /// How many pieces a row has, and how long they are.
    #[inline(always)]
    pub(super) fn pieces(&self) -> (usize, usize) {
        (self.pieces, self.piece)
    }

    /// Where `R` rows start.
    #[inline(always)]
    pub(super) fn starts<const R: usize>(&self, row: usize) -> [usize; R] {
        let (mut line, mut place) = (row / self.per_line, row % self.per_line);
        std::array::from_fn(|_| {
            let start = line * self.between_lines + place * self.between_rows;
            place += 1;
            if place == self.per_line {
                (line, place) = (line + 1, 0);
            }
            start
        })
    }

    /// A piece of the row that starts at `start`.
    #[inline(always)]
    pub(super) fn piece_at(&self, start: usize, piece: usize) -> &'a [T] {
        &self.values[start + piece * self.between_pieces..][..self.piece]
    }
}
