//! Products of matrices whose right factor is packed once and used many times.
//!
//! A network's weights stay the same over hundreds of gradients, so [`PackedMatrix`] stores them the way the
//! innermost loop reads them: in panels two registers wide, row after row. The left factor is never copied:
//! [`Rows`] says where its rows lie, and a row may consist of several pieces, which is how a convolution reads its
//! patches straight from the image.
//!
//! # Invariants
//!
//! Each number of the result is one chain of additions over the inner dimension, in order, starting from the bias (or
//! 0), fused or not as the path has it. So a row's result does not depend on the rows beside it, on how the work is cut
//! into tiles and blocks: bit for bit.

mod naive;
mod packed;
mod rows;
mod tile;

pub use naive::matmul as matmul_naive;
pub use packed::PackedMatrix;
pub use rows::Rows;

use crate::{Error, Kernels, Real, Result, kernels::Work};
use tile::Multiply;

/// `rows * packed + bias` on the calling thread: `(n, k) * (k, m) + (m,)` into `out`, `(n, m)` row after row.
///
/// Without a bias the sums start from 0.
///
/// # Errors
///
/// [`Error::InvalidShape`] when the inner dimensions, the bias or `out` do not fit, or when the matrix was packed for
/// another kernel path.
pub fn matmul<T: Real>(
    kernels: Kernels,
    rows: Rows<'_, T>,
    packed: &PackedMatrix<T>,
    bias: Option<&[T]>,
    out: &mut [T],
) -> Result<()> {
    check(kernels, &rows, packed, bias, out)?;
    T::dispatch(kernels, Multiply { rows, packed, bias, out });
    Ok(())
}

fn check<T: Real>(
    kernels: Kernels,
    rows: &Rows<'_, T>,
    packed: &PackedMatrix<T>,
    bias: Option<&[T]>,
    out: &[T],
) -> Result<()> {
    let (inner, columns) = (packed.inner(), packed.columns());
    let fits = rows.inner() == inner
        && rows.count().checked_mul(columns) == Some(out.len())
        && bias.is_none_or(|bias| bias.len() == columns);
    if !fits {
        return Err(Error::InvalidShape {
            operation: "matmul",
            message: format!(
                "{} x {} times {inner} x {columns} with a bias of {:?} into {} numbers; inner dimensions must agree, the \
                 bias has one number for each column and the result one for each row and column",
                rows.count(),
                rows.inner(),
                bias.map(<[T]>::len),
                out.len()
            ),
        });
    }
    if packed.width() != 2 * T::lanes(kernels) {
        return Err(Error::InvalidShape {
            operation: "matmul",
            message: format!(
                "the matrix was packed for a kernel path other than {kernels}; pack it again"
            ),
        });
    }
    Ok(())
}

impl<T: Real> Work<T> for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: crate::kernels::Lanes<Number = T>>(self) {
        tile::multiply::<L>(self);
    }
}
