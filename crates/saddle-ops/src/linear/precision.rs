//! How a product rounds its factors, and the factors that come of it.

use super::matrix::Matrix;
use super::product::{Left, Numbers, Pairs, Right, Shares, multiply, places};
use crate::{
    Kernels, Real, Result,
    kernels::{Lanes, Work},
};

/// How the products of a [`Linear`](super::Linear) layer round their factors. Sums are those of the layer's own numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Not at all.
    #[default]
    Full,
    /// To bf16, 8 bits: weights take half the memory, and an instruction of some processors makes two products for each sum,
    /// though not of all of them at twice the rate. Others imitate it, to the same bits and slowly. A relative error of 1/256 in each factor: good enough to say where
    /// a loss grows, not what it is.
    Bf16,
}

impl Precision {
    /// Numbers of a row of `inner` as the product reads them.
    pub(super) fn length(self, inner: usize) -> usize {
        match self {
            Self::Full => inner,
            Self::Bf16 => inner.div_ceil(2),
        }
    }

    /// [`multiply`], of factors in this precision; the left one is prepared in `left_pairs` if it has to be.
    pub(super) fn multiply<T: Real>(
        self,
        kernels: Kernels,
        left: Left<'_, T>,
        right: Right<'_, T>,
        out: &mut [T],
        shares: &mut Shares<T>,
        left_pairs: &mut Vec<T>,
    ) {
        let out = places(out);
        match self {
            Self::Full => multiply::<T, Numbers>(kernels, left, right, out, shares),
            Self::Bf16 => {
                let Left { values, inner, zeros } = left;
                pair_along_rows(kernels, values, inner, left_pairs);
                let left = Left { values: left_pairs, inner: self.length(inner), zeros };
                multiply::<T, Pairs>(kernels, left, right, out, shares);
            }
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
        let mut pairs = Vec::new();
        pair_along_rows(kernels, weight, inputs, &mut pairs);
        forward.transpose(&pairs)?;
        pairs.clear();
        for rows in weight.chunks(2 * inputs) {
            let (first, second) = rows.split_at(inputs);
            let second = second.iter().copied().chain(std::iter::repeat(T::ZERO));
            pairs.extend(first.iter().zip(second).map(|(first, second)| T::pair(*first, second)));
        }
        backward.copy(&pairs)?;
        // Rounded numbers are infinite or NaN where a product with zero is NaN.
        let zero = T::pair(T::ZERO, T::ZERO);
        Ok(pairs.iter().all(|pair| pair.dot_pair(zero, T::ZERO) == T::ZERO))
    }
}

/// Pairs of neighbours in each row of `inner` numbers; an odd last one is paired with 0.
fn pair_along_rows<T: Real>(kernels: Kernels, values: &[T], inner: usize, pairs: &mut Vec<T>) {
    // What is there is overwritten.
    pairs.resize(values.len() / inner * inner.div_ceil(2), T::ZERO);
    T::dispatch(kernels, PairUp { values, inner, pairs });
}

/// Pairs, waiting for their registers.
struct PairUp<'a, T> {
    values: &'a [T],
    inner: usize,
    pairs: &'a mut [T],
}

impl<T: Real> Work<T> for PairUp<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let Self { values, inner, pairs } = self;
        for (row, pairs) in
            values.chunks_exact(inner).zip(pairs.chunks_exact_mut(inner.div_ceil(2)))
        {
            let (whole, last) = row.as_chunks::<2>();
            for (pair, [first, second]) in pairs.iter_mut().zip(whole) {
                *pair = T::pair(*first, *second);
            }
            if let ([last], Some(pair)) = (last, pairs.last_mut()) {
                *pair = T::pair(*last, T::ZERO);
            }
        }
    }
}
