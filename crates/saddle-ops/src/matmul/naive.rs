//! The product as a textbook has it: what the packed forms are held against.

use crate::Real;

/// `(rows, inner) * (inner, columns) + bias`, all row after row.
pub fn matmul<T: Real>(
    left: &[T],
    right: &[T],
    bias: Option<&[T]>,
    inner: usize,
    columns: usize,
) -> Vec<T> {
    let rows = left.len().checked_div(inner).unwrap_or(0);
    let mut out = Vec::with_capacity(rows * columns);
    for row in 0..rows {
        for column in 0..columns {
            let mut sum = bias.map_or(T::ZERO, |bias| bias[column]);
            for i in 0..inner {
                sum += left[row * inner + i] * right[i * columns + column];
            }
            out.push(sum);
        }
    }
    out
}
