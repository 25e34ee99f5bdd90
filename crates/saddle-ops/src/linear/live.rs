//! Which numbers of a row are worth a multiplication.
//!
//! Behind a ReLU more than half of the activations are zero, and three quarters of a hidden layer's cotangents.

use super::arithmetic::Arithmetic;
use super::matrix::LINE;
use super::product::{GROUP, Left};
use crate::{
    Kernels, Real,
    kernels::{Lanes, WIDEST, Work, prefetch},
};
use std::marker::PhantomData;

/// For each row of a matrix its numbers that are not zero and their places, cut into blocks of the inner dimension.
///
/// The lists lie in the order in which a panel reads them: for each block one of each row.
#[derive(Default)]
pub(super) struct Live<T: Real> {
    entries: Vec<T::Entry>,
    /// Where each list begins, and where the last one ends.
    bounds: Vec<u32>,
    /// How many numbers of each row live.
    counts: Vec<u32>,
    blocks: usize,
    block: usize,
    /// The rows, in each group of [`GROUP`] those first that are taken whole.
    order: Vec<u32>,
    /// How many rows of each group are taken whole.
    whole: Vec<usize>,
}

impl<T: Real> Live<T> {
    /// Lists the living numbers of each row as factors of a product. NaN is not zero.
    pub(super) fn list<A: Arithmetic<T>>(&mut self, kernels: Kernels, left: Left<'_, T>) {
        let rows = left.values.len() / left.inner;
        self.block = if left.scarce { A::SCARCE_BLOCK } else { A::BLOCK };
        self.blocks = left.inner.div_ceil(self.block);
        self.bounds.clear();
        self.counts.clear();
        if left.zeros {
            self.counts.resize(rows, u32::MAX);
        } else {
            let length = left.values.len() + rows * self.blocks + WIDEST;
            if self.entries.len() < length {
                self.entries.resize(length, T::Entry::default());
            }
            self.counts.resize(rows, 0);
            T::dispatch(kernels, List { live: self, left, arithmetic: PhantomData::<A> });
        }
        self.sort(left.inner);
    }

    /// Decides which rows are taken whole: those of which more than three quarters live, where skipping the others costs
    /// more than it saves. It depends on nothing but the row.
    fn sort(&mut self, inner: usize) {
        let Self { counts, order, whole, .. } = self;
        let is_whole = |row: &u32| counts[*row as usize] as usize * 4 > inner * 3;
        order.clear();
        whole.clear();
        let rows = counts.len() as u32;
        for first in (0..rows).step_by(GROUP) {
            let group = first..rows.min(first + GROUP as u32);
            let before = order.len();
            order.extend(group.clone().filter(is_whole));
            whole.push(order.len() - before);
            order.extend(group.filter(|row| !is_whole(row)));
        }
    }

    /// For each group of rows those that are taken whole and the others.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&[u32], &[u32])> {
        self.order.chunks(GROUP).zip(&self.whole).map(|(rows, whole)| rows.split_at(*whole))
    }

    /// Inner length of a block.
    pub(super) fn block(&self) -> usize {
        self.block
    }

    /// Number of blocks.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// The lists of a block, if any row is not taken whole.
    #[inline(always)]
    pub(super) fn lists(&self, block: usize) -> Lists<'_, T> {
        let rows = self.counts.len();
        let bounds = self.bounds.get(block * rows..=(block + 1) * rows).unwrap_or_default();
        Lists { entries: &self.entries, bounds }
    }
}

/// The lists of all rows in one block of the inner dimension.
#[derive(Clone, Copy)]
pub(super) struct Lists<'a, T: Real> {
    entries: &'a [T::Entry],
    bounds: &'a [u32],
}

impl<'a, T: Real> Lists<'a, T> {
    /// The living numbers of one row: their places, all below the inner dimension, and with the first of each
    /// [`Arithmetic::STEP`] their factor.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &'a [T::Entry] {
        &self.entries[self.bounds[row] as usize..self.bounds[row + 1] as usize]
    }
}

/// Lists, waiting for their registers.
struct List<'a, T: Real, A> {
    live: &'a mut Live<T>,
    left: Left<'a, T>,
    arithmetic: PhantomData<A>,
}

impl<T: Real, A: Arithmetic<T>> Work<T> for List<'_, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        /// Rows that are asked for before their turn: no processor guesses which part of which row comes next.
        const AHEAD: usize = 12;
        let Self { live, left, .. } = self;
        let Live { entries, bounds, counts, blocks, block, .. } = live;
        let mut end = 0;
        bounds.push(0);
        for index in 0..*blocks {
            let first = index * *block;
            let length = (*block).min(left.inner - first);
            for (row, count) in counts.iter_mut().enumerate() {
                let from = row * left.inner + first;
                let ahead = from + AHEAD * left.inner;
                if ahead + length <= left.values.len() {
                    left.values[ahead..ahead + length].chunks(LINE).for_each(prefetch);
                }
                let row = &left.values[from..from + length];
                let before = end;
                let registers = row.chunks_exact(L::COUNT);
                let whole = row.len() - registers.remainder().len();
                for (register, numbers) in registers.enumerate() {
                    let numbers = L::load(numbers);
                    let first = (first + register * L::COUNT) as u32;
                    end += numbers.list(numbers.is_live(), first, &mut entries[end..]);
                }
                for (i, value) in row.iter().enumerate().skip(whole) {
                    entries[end] = value.at((first + i) as u32);
                    end += usize::from(*value != T::ZERO);
                }
                *count += (end - before) as u32;
                end = A::factors(entries, before..end);
                bounds.push(end as u32);
            }
        }
    }
}
