//! What a multiplication takes of its factors: a number each, or two in bf16.

use crate::{
    Kernels, Real,
    kernels::{Lanes, Work},
};
use std::ops::Range;

/// What a product makes of the numbers of its factors.
pub(super) trait Arithmetic<T: Real>: Send + Sync {
    /// Numbers of the inner dimension that a multiplication takes, and numbers of the right matrix in the place of one.
    const STEP: usize;

    /// Rows of a block of the right matrix: it stays in the first-level cache while all left rows pass. Sums over a block
    /// are chains, and are added up block after block, which rounds less than one long chain would; so the number is part
    /// of the result, and the same on every path.
    const BLOCK: usize;

    /// The same for a left factor of which most columns are zero in all rows, as a hidden layer's cotangents: many rows of
    /// a block are never read.
    const SCARCE_BLOCK: usize;

    /// Runs `work` with registers that this is made for.
    fn dispatch<W: Work<T>>(kernels: Kernels, work: W) -> W::Output;

    /// The left factor of a multiplication, of [`Arithmetic::STEP`] numbers, or fewer at the end of a row.
    fn factor(numbers: &[T]) -> T;

    /// Puts the factor of each [`Arithmetic::STEP`] numbers of a list in the place of the first of them. There is room behind
    /// the list to fill up the last; returns where it ends then.
    fn factors(entries: &mut [T::Entry], list: Range<usize>) -> usize;

    /// Adds to each row's sums its factor times the [`Arithmetic::STEP`] given rows of the right matrix.
    fn add<L: Lanes<Number = T>, const V: usize, const R: usize>(
        factors: [L; R],
        right: [&[T]; 2],
        sums: &mut [[L; V]; R],
    );
}

/// Factors hold numbers.
pub(super) struct Numbers;

impl<T: Real> Arithmetic<T> for Numbers {
    const STEP: usize = 1;
    const BLOCK: usize = 64;
    const SCARCE_BLOCK: usize = 96;

    fn dispatch<W: Work<T>>(kernels: Kernels, work: W) -> W::Output {
        T::dispatch(kernels, work)
    }

    #[inline(always)]
    fn factor(numbers: &[T]) -> T {
        numbers[0]
    }

    #[inline(always)]
    fn factors(_: &mut [T::Entry], list: Range<usize>) -> usize {
        list.end
    }

    #[inline(always)]
    fn add<L: Lanes<Number = T>, const V: usize, const R: usize>(
        factors: [L; R],
        [right, _]: [&[T]; 2],
        sums: &mut [[L; V]; R],
    ) {
        for v in 0..V {
            let right = L::load(&right[v * L::COUNT..]);
            for r in 0..R {
                sums[r][v] = factors[r].mul_add(right, sums[r][v]);
            }
        }
    }
}

/// Products of two numbers each in bf16. In the right matrix a register holds two registers' columns ([`Lanes::halves`]).
pub(super) struct Pairs;

impl<T: Real> Arithmetic<T> for Pairs {
    const STEP: usize = 2;
    const BLOCK: usize = 112;
    const SCARCE_BLOCK: usize = 112;

    fn dispatch<W: Work<T>>(kernels: Kernels, work: W) -> W::Output {
        T::dispatch_pairs(kernels, work)
    }

    #[inline(always)]
    fn factor(numbers: &[T]) -> T {
        T::pair(numbers[0], numbers.get(1).copied().unwrap_or(T::ZERO))
    }

    #[inline(always)]
    fn factors(entries: &mut [T::Entry], list: Range<usize>) -> usize {
        let end = list.start + list.len().next_multiple_of(2);
        if end > list.end {
            let (place, _) = T::of(entries[list.end - 1]);
            entries[list.end] = T::ZERO.at(place);
        }
        for [first, second] in entries[list.start..end].as_chunks_mut().0 {
            let ((place, number), (_, next)) = (T::of(*first), T::of(*second));
            *first = T::pair(number, next).at(place);
        }
        end
    }

    #[inline(always)]
    fn add<L: Lanes<Number = T>, const V: usize, const R: usize>(
        factors: [L; R],
        right: [&[T]; 2],
        sums: &mut [[L; V]; R],
    ) {
        for v in 0..V / 2 {
            let [first, second] = [&right[0][v * L::COUNT..], &right[1][v * L::COUNT..]];
            let pairs = L::load(first).interleave(L::load(second));
            for r in 0..R {
                sums[r][2 * v] = factors[r].dot_pairs(pairs[0], sums[r][2 * v]);
                sums[r][2 * v + 1] = factors[r].dot_pairs(pairs[1], sums[r][2 * v + 1]);
            }
        }
    }
}
