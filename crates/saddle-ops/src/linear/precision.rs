//! How a product rounds its factors, and the factors that come of it.

use super::arithmetic::{Arithmetic, Numbers, Pairs};
use super::matrix::{Matrix, WIDE, transpose};
use super::product::{Left, Right, Shares, multiply, places};
use crate::{
    Kernels, Real, Result,
    kernels::{Lanes, WIDEST, Work},
};

/// How the products of a [`Linear`](super::Linear) layer round their factors. Sums are those of the layer's own numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Not at all.
    #[default]
    Full,
    /// To bf16, 8 bits: weights take half the memory, and an instruction of some processors multiplies two numbers for each
    /// sum. Others imitate it, to the same bits and slowly. A relative error of 1/256 in each factor: good enough to say where
    /// a loss grows, not what it is.
    Bf16,
}

impl Precision {
    /// A right factor of `inner x columns` zeros.
    pub(super) fn matrix<T: Real>(
        self,
        kernels: Kernels,
        inner: usize,
        columns: usize,
    ) -> Matrix<T> {
        match self {
            Self::Full => Matrix::zeros(kernels, inner, columns, WIDE),
            Self::Bf16 => {
                let length = length::<T>(kernels, columns);
                Matrix::zeros(kernels, inner.next_multiple_of(2), length, WIDE / 2)
            }
        }
    }

    /// [`multiply`], of factors in this precision.
    pub(super) fn multiply<T: Real>(
        self,
        kernels: Kernels,
        left: Left<'_, T>,
        right: Right<'_, T>,
        out: &mut [T],
        shares: &mut Shares<T>,
    ) {
        let out = places(out);
        match self {
            Self::Full => multiply::<T, Numbers>(kernels, left, right, out, shares),
            Self::Bf16 => multiply::<T, Pairs>(kernels, left, right, out, shares),
        }
    }

    /// Fills the right factors of a layer's two directions with `weight`, `(outputs, inputs)`; returns whether all their
    /// numbers are finite.
    pub(super) fn pack<T: Real>(
        self,
        kernels: Kernels,
        weight: &[T],
        inputs: usize,
        forward: &mut Matrix<T>,
        backward: &mut Matrix<T>,
    ) -> Result<bool> {
        if self == Self::Full {
            forward.transpose(weight)?;
            return backward.copy(weight);
        }
        let mut transposed = vec![T::ZERO; weight.len()];
        transpose(kernels, weight, inputs, &mut transposed)?;
        forward.copy(&halves(kernels, &transposed, weight.len() / inputs))?;
        let halves = halves(kernels, weight, inputs);
        backward.copy(&halves)?;
        // Rounded numbers are infinite or NaN where a product with zero is NaN.
        let zero = T::pair(T::ZERO, T::ZERO);
        Ok(halves.iter().all(|pair| pair.dot_pair(zero, T::ZERO) == T::ZERO))
    }
}

/// Numbers of a row of [`halves`].
fn length<T: Real>(kernels: Kernels, columns: usize) -> usize {
    columns.div_ceil(2 * T::lanes(kernels)) * T::lanes(kernels)
}

/// A matrix stored row after row as a right factor of [`Pairs`]: two registers of each row in one, and an even number of
/// rows, both filled up with zeros.
fn halves<T: Real>(kernels: Kernels, matrix: &[T], columns: usize) -> Vec<T> {
    let length = length::<T>(kernels, columns);
    let rows = matrix.len() / columns;
    let mut halves = vec![T::ZERO; rows.next_multiple_of(2) * length];
    Pairs::dispatch(kernels, Halve { matrix, columns, halves: &mut halves, length });
    halves
}

/// A matrix of `columns`, waiting for its registers, to be rounded into rows of `length` pairs.
struct Halve<'a, T> {
    matrix: &'a [T],
    columns: usize,
    halves: &'a mut [T],
    length: usize,
}

impl<T: Real> Work<T> for Halve<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let Self { matrix, columns, halves, length } = self;
        for (row, halves) in matrix.chunks_exact(columns).zip(halves.chunks_exact_mut(length)) {
            for (numbers, to) in row.chunks(2 * L::COUNT).zip(halves.chunks_exact_mut(L::COUNT)) {
                let mut whole = [T::ZERO; 2 * WIDEST];
                whole[..numbers.len()].copy_from_slice(numbers);
                L::load(&whole).halves(L::load(&whole[L::COUNT..])).store(to);
            }
        }
    }
}
