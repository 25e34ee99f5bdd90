//! Rows with many zeros times a matrix.
//!
//! The right matrix is read in blocks that stay in the first-level cache while many left rows pass by; a row's sums stay
//! in registers while its living numbers in the block run by.

use super::live::Live;
use crate::{
    Kernels, Real,
    kernels::{Lanes, WIDEST, Work, prefetch},
};
use rayon::prelude::*;
use std::ops::Range;

/// The left factor: rows of `inner` numbers, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Left<'a, T> {
    pub(super) values: &'a [T],
    pub(super) inner: usize,
    /// Whether zeros are multiplied like all others.
    pub(super) zeros: bool,
}

/// The right factor and what becomes of the sums.
#[derive(Clone, Copy)]
pub(super) struct Right<'a, T> {
    pub(super) values: &'a [T],
    /// From one row to the next; enough for whole registers.
    pub(super) stride: usize,
    pub(super) columns: usize,
    /// Where the sums start, if not at 0.
    pub(super) bias: Option<&'a [T]>,
    /// Whether what is not above 0 becomes 0.
    pub(super) relu: bool,
}

/// What threads need besides the factors.
#[derive(Default)]
pub(super) struct Shares<T> {
    /// Lists of the left rows, one for each thread that has rows of its own.
    live: Vec<Live>,
    /// Results of threads that share the columns.
    columns: Vec<T>,
}

/// `left * right` on all threads into `out`, row after row.
pub(super) fn multiply<T: Real>(
    kernels: Kernels,
    left: Left<'_, T>,
    right: Right<'_, T>,
    out: &mut [T],
    shares: &mut Shares<T>,
) {
    /// Fewest rows for which a thread reads the right matrix alone.
    const ROWS: usize = 24;
    /// Fewest columns that are worth a thread.
    const COLUMNS: usize = 128;
    let Left { values, inner, .. } = left;
    let (rows, columns) = (values.len() / inner, right.columns);
    let threads = rayon::current_num_threads();
    if rows == 0 {
        return;
    }
    if rows >= ROWS && threads > 1 {
        let share = rows.div_ceil(threads).max(ROWS / 2);
        shares.live.resize_with(rows.div_ceil(share), Live::default);
        let parts = out.par_chunks_mut(share * columns).zip(values.par_chunks(share * inner));
        parts.zip(&mut shares.live).for_each(|((out, values), live)| {
            let left = Left { values, ..left };
            live.list(kernels, left, block::<T>(kernels));
            T::dispatch(kernels, Product { left, live, right, out });
        });
        return;
    }
    shares.live.resize_with(1, Live::default);
    let live = &mut shares.live[0];
    live.list(kernels, left, block::<T>(kernels));
    if threads == 1 || columns <= COLUMNS {
        T::dispatch(kernels, Product { left, live, right, out });
        return;
    }
    let share = columns.div_ceil(threads).max(COLUMNS / 2).next_multiple_of(T::lanes(kernels));
    shares.columns.resize(rows * columns, T::ZERO);
    let parts = shares.columns.par_chunks_mut(rows * share).enumerate();
    parts.for_each(|(part, out)| {
        let right = right.columns(part * share, out.len() / rows);
        T::dispatch(kernels, Product { left, live, right, out });
    });
    for (part, values) in shares.columns.chunks(rows * share).enumerate() {
        let width = values.len() / rows;
        for (out, values) in out.chunks_exact_mut(columns).zip(values.chunks_exact(width)) {
            out[part * share..][..width].copy_from_slice(values);
        }
    }
}

impl<T> Right<'_, T> {
    /// `length` columns from column `from` on.
    fn columns(self, from: usize, length: usize) -> Self {
        let bias = self.bias.map(|bias| &bias[from..from + length]);
        Self { values: &self.values[from..], columns: length, bias, ..self }
    }
}

/// A product, waiting for its registers.
struct Product<'a, T> {
    left: Left<'a, T>,
    live: &'a Live,
    right: Right<'a, T>,
    /// Result, row after row.
    out: &'a mut [T],
}

/// Registers of sums.
const WIDE: usize = 8;

/// Bytes of a block of the right matrix, which stays in the first-level cache while all rows pass.
const BLOCK: usize = 32 * 1024;

/// Inner length of a block.
fn block<T: Real>(kernels: Kernels) -> usize {
    BLOCK / (WIDE * T::lanes(kernels) * size_of::<T>())
}

impl<T: Real> Work<T> for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(mut self) {
        let rows = self.left.values.len() / self.left.inner;
        let blocks = self.live.blocks();
        if rows <= FEW {
            // The right matrix is read once, from its beginning to its end.
            for block in 0..blocks {
                self.all_columns::<L>(0..rows, block..block + 1);
            }
        } else {
            // Sums of a group wait in the cache for the next block.
            for first in (0..rows).step_by(GROUP) {
                self.all_columns::<L>(first..rows.min(first + GROUP), 0..blocks);
            }
        }
    }
}

/// Most rows for which reading the right matrix costs more than the arithmetic.
const FEW: usize = 8;

/// Rows that take a panel's blocks one after the other.
const GROUP: usize = 128;

impl<T: Real> Product<'_, T> {
    /// Some rows against all columns, along some blocks of the inner dimension.
    #[inline(always)]
    fn all_columns<L: Lanes<Number = T>>(&mut self, rows: Range<usize>, blocks: Range<usize>) {
        let mut column = 0;
        while column < self.right.columns {
            let vectors = (self.right.columns - column).div_ceil(L::COUNT);
            let (rows, blocks) = (rows.clone(), blocks.clone());
            column += L::COUNT
                * if vectors >= WIDE {
                    panel::<L, WIDE>(self, rows, blocks, column)
                } else if vectors >= 4 {
                    panel::<L, 4>(self, rows, blocks, column)
                } else if vectors >= 2 {
                    panel::<L, 2>(self, rows, blocks, column)
                } else {
                    panel::<L, 1>(self, rows, blocks, column)
                };
        }
    }
}

/// Some rows against `V` registers of columns from `column` on; returns `V`.
#[inline(always)]
fn panel<L: Lanes, const V: usize>(
    work: &mut Product<'_, L::Number>,
    rows: Range<usize>,
    blocks: Range<usize>,
    column: usize,
) -> usize {
    let Product { left, live, right, ref mut out } = *work;
    let used = (V * L::COUNT).min(right.columns - column);
    for block in blocks {
        let last = block + 1 == live.blocks();
        let below = (block + 1) * live.block();
        for row in rows.clone() {
            // What the rows after this one need, and a row of the block after this one.
            prefetch_registers::<L, V>(out, (row + AHEAD) * right.columns + column);
            if row - rows.start < live.block() {
                prefetch_registers::<L, V>(
                    right.values,
                    (below + row - rows.start) * right.stride + column,
                );
            }
            let out = &mut out[row * right.columns + column..][..used];
            let mut sums = if block > 0 {
                load::<L, V>(out)
            } else if let Some(bias) = right.bias {
                load::<L, V>(&bias[column..][..used])
            } else {
                [L::splat(L::Number::ZERO); V]
            };
            let left = &left.values[row * left.inner..][..left.inner];
            for place in live.places(row, block) {
                let place = *place as usize;
                let factor = L::splat(left[place]);
                let right = &right.values[place * right.stride + column..][..V * L::COUNT];
                for v in 0..V {
                    sums[v] = factor.mul_add(L::load(&right[v * L::COUNT..]), sums[v]);
                }
            }
            if last && right.relu {
                sums = sums.map(L::positive);
            }
            store(sums, out);
        }
    }
    V
}

/// How many rows before its turn a row's sums are asked for.
const AHEAD: usize = 2;

/// Asks for the cache lines of `V` registers, if they exist.
#[inline(always)]
fn prefetch_registers<L: Lanes, const V: usize>(values: &[L::Number], from: usize) {
    if let Some(values) = values.get(from..from + V * L::COUNT) {
        values.chunks_exact(L::COUNT).for_each(prefetch);
    }
}

/// `V` registers from a slice that may be shorter than they are.
#[inline(always)]
fn load<L: Lanes, const V: usize>(from: &[L::Number]) -> [L; V] {
    if from.len() == V * L::COUNT {
        return std::array::from_fn(|v| L::load(&from[v * L::COUNT..]));
    }
    let mut whole = [L::Number::ZERO; LONGEST];
    whole[..from.len()].copy_from_slice(from);
    std::array::from_fn(|v| L::load(&whole[v * L::COUNT..]))
}

/// `V` registers to a slice that may be shorter than they are.
#[inline(always)]
fn store<L: Lanes, const V: usize>(sums: [L; V], to: &mut [L::Number]) {
    if to.len() == V * L::COUNT {
        for (v, sum) in sums.iter().enumerate() {
            sum.store(&mut to[v * L::COUNT..]);
        }
        return;
    }
    let mut whole = [L::Number::ZERO; LONGEST];
    for (v, sum) in sums.iter().enumerate() {
        sum.store(&mut whole[v * L::COUNT..]);
    }
    let used = to.len();
    to.copy_from_slice(&whole[..used]);
}

/// Numbers in all registers of sums, on the widest path.
const LONGEST: usize = WIDE * WIDEST;
