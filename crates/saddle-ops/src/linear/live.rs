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
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// For each row of a matrix its numbers that are not zero and their places, cut into blocks of the inner dimension.
///
/// The lists lie in the order in which a panel reads them: for each block one of each row.
#[derive(Default)]
pub(super) struct Live<T: Real> {
    /// As much room for each block as its lists could fill.
    entries: Vec<T::Entry>,
    /// For each block where each row's list begins in its room, and where the last one ends.
    bounds: Vec<u32>,
    /// How many numbers of each row live, block after block.
    parts: Vec<u32>,
    /// How many of each row in all.
    counts: Vec<u32>,
    /// Room of a block.
    room: usize,
    blocks: usize,
    block: usize,
    /// The rows, in each group of [`GROUP`] those first that are taken whole.
    order: Vec<u32>,
    /// How many rows of each group are taken whole.
    whole: Vec<usize>,
}

impl<T: Real> Live<T> {
    /// Lists the living numbers of each row as factors of a product, on so many threads at most. NaN is not zero.
    pub(super) fn list<A: Arithmetic<T>>(
        &mut self,
        kernels: Kernels,
        left: Left<'_, T>,
        threads: usize,
    ) {
        /// Fewest numbers that are worth waking a thread for.
        const PART: usize = 1 << 17;
        let rows = left.values.len() / left.inner;
        let block = if left.scarce { A::SCARCE_BLOCK } else { A::BLOCK };
        self.block = block;
        self.blocks = left.inner.div_ceil(block);
        self.counts.clear();
        if left.zeros {
            self.bounds.clear();
            self.counts.resize(rows, u32::MAX);
        } else {
            self.room = rows * block.next_multiple_of(A::STEP) + WIDEST;
            let length = self.blocks * self.room;
            if self.entries.len() < length {
                self.entries.resize(length, T::Entry::default());
            }
            self.bounds.resize(self.blocks * (rows + 1), 0);
            self.parts.resize(self.blocks * rows, 0);
            let rooms = self.entries[..length].par_chunks_mut(self.room);
            let bounds = self.bounds.par_chunks_mut(rows + 1);
            let counts = self.parts.par_chunks_mut(rows);
            let lists = rooms.zip(bounds).zip(counts).enumerate();
            let parts = (left.values.len() / PART).clamp(1, threads);
            lists.with_min_len((self.blocks / parts).max(1)).for_each(
                |(index, ((entries, bounds), counts))| {
                    let first = index * block;
                    let places = first..left.inner.min(first + block);
                    let arithmetic = PhantomData::<A>;
                    T::dispatch(
                        kernels,
                        List { left, places, entries, bounds, counts, arithmetic },
                    );
                },
            );
            self.counts.resize(rows, 0);
            for counts in self.parts.chunks_exact(rows) {
                for (sum, count) in self.counts.iter_mut().zip(counts) {
                    *sum += count;
                }
            }
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
        let length = self.counts.len() + 1;
        let bounds = self.bounds.get(block * length..(block + 1) * length).unwrap_or_default();
        Lists { entries: self.entries.get(block * self.room..).unwrap_or_default(), bounds }
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

/// Lists of all rows in one block, waiting for their registers.
struct List<'a, T: Real, A> {
    left: Left<'a, T>,
    /// The block's part of the inner dimension.
    places: Range<usize>,
    entries: &'a mut [T::Entry],
    bounds: &'a mut [u32],
    counts: &'a mut [u32],
    arithmetic: PhantomData<A>,
}

impl<T: Real, A: Arithmetic<T>> Work<T> for List<'_, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        /// Rows that are asked for before their turn: no processor guesses which part of which row comes next.
        const AHEAD: usize = 12;
        let Self { left, places, entries, bounds, counts, .. } = self;
        let mut end = 0;
        bounds[0] = 0;
        for (row, count) in counts.iter_mut().enumerate() {
            let from = row * left.inner + places.start;
            let ahead = from + AHEAD * left.inner;
            if ahead + places.len() <= left.values.len() {
                left.values[ahead..ahead + places.len()].chunks(LINE).for_each(prefetch);
            }
            let numbers = &left.values[from..from + places.len()];
            let before = end;
            let registers = numbers.chunks_exact(L::COUNT);
            let whole = numbers.len() - registers.remainder().len();
            for (register, numbers) in registers.enumerate() {
                let numbers = L::load(numbers);
                let first = (places.start + register * L::COUNT) as u32;
                end += numbers.list(numbers.is_live(), first, &mut entries[end..]);
            }
            for (i, value) in numbers.iter().enumerate().skip(whole) {
                entries[end] = value.at((places.start + i) as u32);
                end += usize::from(*value != T::ZERO);
            }
            *count = (end - before) as u32;
            end = A::factors(entries, before..end);
            bounds[row + 1] = end as u32;
        }
    }
}
