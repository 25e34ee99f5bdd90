//! Rows with many zeros times a matrix.
//!
//! The right matrix is read in blocks that stay in the first-level cache while many left rows pass by; a row's sums stay
//! in registers while its living numbers in the block run by. Rows with few zeros run by three at a time, zeros and all.

use super::arithmetic::Arithmetic;
use super::live::Live;
use super::matrix::{LINE, Matrix, WIDE};
use crate::{
    Kernels, Real,
    kernels::{Buffer, Lanes, WIDEST, Work, prefetch, write_numbers},
};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
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
    pub(super) matrix: &'a Matrix<T>,
    /// Where the sums start, if not at 0.
    pub(super) bias: Option<&'a [T]>,
    /// Whether what is not above 0 becomes 0.
    pub(super) relu: bool,
}

/// What threads need besides the factors.
#[derive(Default)]
pub(super) struct Shares<T> {
    /// One for each thread.
    scratch: Vec<Scratch<T>>,
    /// Lists of the left rows where threads share the columns.
    live: Live<T>,
    /// Results of threads that share the columns.
    columns: Vec<T>,
}

/// What one thread needs besides the factors.
#[derive(Default)]
struct Scratch<T> {
    /// Lists of the left rows that are this thread's.
    live: Live<T>,
    /// Sums that wait for the next block.
    sums: Buffer<T>,
}

/// `left * right` on all threads into `out`, row after row, in memory that need not hold numbers yet; all of it does
/// afterwards.
pub(super) fn multiply<T: Real, A: Arithmetic<T>>(
    kernels: Kernels,
    left: Left<'_, T>,
    right: Right<'_, T>,
    out: &mut [MaybeUninit<T>],
    shares: &mut Shares<T>,
) {
    /// Fewest rows for which a thread reads the right matrix alone.
    const ROWS: usize = 24;
    let Left { values, inner, .. } = left;
    let rows = values.len() / inner;
    let threads = rayon::current_num_threads();
    if rows == 0 {
        return;
    }
    let (columns, width) = (out.len() / rows, right.matrix.width() * A::STEP);
    let Shares { scratch, live, columns: results } = shares;
    if threads == 1 || rows >= ROWS || columns <= width {
        let share = if rows >= ROWS { rows.div_ceil(threads).max(ROWS / 2) } else { rows };
        scratch.resize_with(rows.div_ceil(share), Scratch::default);
        let parts = out.par_chunks_mut(share * columns).zip(values.par_chunks(share * inner));
        parts.zip(scratch).for_each(|((out, values), Scratch { live, sums })| {
            let left = Left { values, ..left };
            live.list::<A>(kernels, left);
            let columns = 0..columns;
            let arithmetic = PhantomData::<A>;
            A::dispatch(kernels, Product { left, live, right, columns, out, sums, arithmetic });
        });
        return;
    }
    live.list::<A>(kernels, left);
    let share = columns.div_ceil(threads).next_multiple_of(width);
    results.resize(rows * columns, T::ZERO);
    scratch.resize_with(columns.div_ceil(share), Scratch::default);
    let parts = places(results).par_chunks_mut(rows * share).zip(scratch).enumerate();
    parts.for_each(|(part, (out, Scratch { sums, .. }))| {
        let columns = part * share..part * share + out.len() / rows;
        let arithmetic = PhantomData::<A>;
        A::dispatch(kernels, Product { left, live, right, columns, out, sums, arithmetic });
    });
    for (part, values) in results.chunks(rows * share).enumerate() {
        let width = values.len() / rows;
        for (out, values) in out.chunks_exact_mut(columns).zip(values.chunks_exact(width)) {
            write_numbers(&mut out[part * share..][..width], values);
        }
    }
}

/// A product, waiting for its registers.
struct Product<'a, T, A> {
    left: Left<'a, T>,
    live: &'a Live<T>,
    right: Right<'a, T>,
    /// Columns of the result, whole panels of the right matrix.
    columns: Range<usize>,
    /// Result, row after row.
    out: &'a mut [MaybeUninit<T>],
    sums: &'a mut Buffer<T>,
    arithmetic: PhantomData<A>,
}

/// Rows that take a panel's blocks one after the other, their sums waiting in the second-level cache.
pub(super) const GROUP: usize = 128;

/// Rows that are taken whole at a time, if there are registers for their sums.
const TALL: usize = 3;

impl<T: Real, A: Arithmetic<T>> Work<T> for Product<'_, T, A> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(mut self) {
        let live = self.live;
        self.sums.grow(GROUP * WIDE * L::COUNT);
        for group in live.groups() {
            for column in self.columns.clone().step_by(WIDE * L::COUNT) {
                let registers = (self.columns.end - column).div_ceil(L::COUNT);
                match registers.next_power_of_two().clamp(A::STEP, WIDE) {
                    WIDE => panel::<L, A, WIDE>(&mut self, group, column),
                    4 => panel::<L, A, 4>(&mut self, group, column),
                    2 => panel::<L, A, 2>(&mut self, group, column),
                    _ => panel::<L, A, 1>(&mut self, group, column),
                }
            }
        }
    }
}

/// A group of rows, some taken whole, against the panel of `V` registers from `column` on.
#[inline(always)]
fn panel<L: Lanes, A: Arithmetic<L::Number>, const V: usize>(
    work: &mut Product<'_, L::Number, A>,
    (whole, others): (&[u32], &[u32]),
    column: usize,
) {
    let live = work.live;
    let panel = work.right.matrix.panel(column / A::STEP);
    let length = V / A::STEP * L::COUNT;
    let inner = work.left.inner;
    // Rows of the next block that each row asks for.
    let ahead = live.block().div_ceil(whole.len() + others.len()).min(AHEAD);
    for block in 0..live.blocks() {
        let places = block * live.block()..inner.min((block + 1) * live.block());
        let next = panel.get(places.end * length..).unwrap_or_default();
        let mut place = Place { column, block, last: block + 1 == live.blocks(), wait: 0 };
        let mut rows = whole;
        while let [first, rest @ ..] = rows {
            prefetch_rows(next, length, place.wait * ahead, TALL * ahead);
            if let (true, [_, second, third, rest @ ..]) = (L::TILE_ROWS >= 12, rows) {
                let tall = [*first, *second, *third];
                take_whole::<L, A, V, TALL>(work, tall, panel, places.clone(), place);
                (rows, place.wait) = (rest, place.wait + TALL);
            } else {
                take_whole::<L, A, V, 1>(work, [*first], panel, places.clone(), place);
                (rows, place.wait) = (rest, place.wait + 1);
            }
        }
        for row in others {
            prefetch_rows(next, length, place.wait * ahead, ahead);
            take_living::<L, A, V>(work, *row as usize, panel, place);
            place.wait += 1;
        }
    }
}

/// Most rows of the next block that one row asks for.
const AHEAD: usize = 2;

/// Where some rows meet the right matrix.
#[derive(Clone, Copy)]
struct Place {
    /// First column of the panel.
    column: usize,
    block: usize,
    /// Whether it is the last block.
    last: bool,
    /// Where in the group the rows' sums wait.
    wait: usize,
}

/// One row's living numbers in a block.
#[inline(always)]
fn take_living<L: Lanes, A: Arithmetic<L::Number>, const V: usize>(
    work: &mut Product<'_, L::Number, A>,
    row: usize,
    panel: &[L::Number],
    place: Place,
) {
    let length = V / A::STEP * L::COUNT;
    let mut sums = [[L::splat(L::Number::ZERO); V]];
    let (places, values) = work.live.numbers(row, place.block);
    for (living, value) in places.chunks_exact(A::STEP).zip(values.chunks_exact(A::STEP)) {
        let factor = L::splat(value[0]);
        let first = &panel[living[0] as usize * length..][..length];
        let second = &panel[living[A::STEP - 1] as usize * length..][..length];
        A::add([factor], [first, second], &mut sums);
    }
    end::<L, A, V>(work, &sums[0], row, place);
}

/// All numbers of `R` rows in a block.
#[inline(always)]
fn take_whole<L: Lanes, A: Arithmetic<L::Number>, const V: usize, const R: usize>(
    work: &mut Product<'_, L::Number, A>,
    rows: [u32; R],
    panel: &[L::Number],
    places: Range<usize>,
    place: Place,
) {
    let mut sums = [[L::splat(L::Number::ZERO); V]; R];
    let inner = work.left.inner;
    let lefts: [&[L::Number]; R] =
        std::array::from_fn(|r| &work.left.values[rows[r] as usize * inner..][places.clone()]);
    let length = V / A::STEP * L::COUNT;
    let right = &panel[places.start * length..places.end.next_multiple_of(A::STEP) * length];
    let steps = (0..places.len()).step_by(A::STEP);
    for (i, right) in steps.zip(right.chunks_exact(A::STEP * length)) {
        let mut factors = [L::splat(L::Number::ZERO); R];
        for r in 0..R {
            factors[r] = L::splat(A::factor(&lefts[r][i..places.len().min(i + A::STEP)]));
        }
        let (first, second) = right.split_at(length);
        A::add(factors, [first, second], &mut sums);
    }
    for (r, sums) in sums.iter().enumerate() {
        end::<L, A, V>(work, sums, rows[r] as usize, Place { wait: place.wait + r, ..place });
    }
}

/// What a row's sums over a block are added to: those over the blocks before, or the bias.
#[inline(always)]
fn before<L: Lanes, A: Arithmetic<L::Number>, const V: usize>(
    work: &Product<'_, L::Number, A>,
    place: Place,
) -> [L; V] {
    let mut sums = [L::splat(L::Number::ZERO); V];
    if place.block > 0 {
        let from = &work.sums[place.wait * V * L::COUNT..][..V * L::COUNT];
        for v in 0..V {
            sums[v] = L::load(&from[v * L::COUNT..]);
        }
    } else if let Some(bias) = work.right.bias {
        let used = (V * L::COUNT).min(work.columns.end - place.column);
        let mut whole = [L::Number::ZERO; LONGEST];
        whole[..used].copy_from_slice(&bias[place.column..][..used]);
        for v in 0..V {
            sums[v] = L::load(&whole[v * L::COUNT..]);
        }
    }
    sums
}

/// Adds a row's sums over a block to those before and puts them where they belong.
#[inline(always)]
fn end<L: Lanes, A: Arithmetic<L::Number>, const V: usize>(
    work: &mut Product<'_, L::Number, A>,
    sums: &[L; V],
    row: usize,
    place: Place,
) {
    let mut whole = before::<L, A, V>(work, place);
    for v in 0..V {
        whole[v] = whole[v].plus(sums[v]);
    }
    let column = place.column - work.columns.start;
    let used = (V * L::COUNT).min(work.columns.len() - column);
    let out = &mut work.out[row * work.columns.len() + column..][..used];
    if place.block + 2 == work.live.blocks() {
        // Rows of the result lie too far apart for any processor to guess.
        out.chunks(LINE).for_each(prefetch);
    }
    let waiting = &mut work.sums[place.wait * V * L::COUNT..][..V * L::COUNT];
    let (relu, fits) = (place.last && work.right.relu, used == V * L::COUNT);
    for v in 0..V {
        let sum = if relu { whole[v].positive() } else { whole[v] };
        if place.last && fits {
            sum.write(&mut out[v * L::COUNT..]);
        } else {
            sum.store(&mut waiting[v * L::COUNT..]);
        }
    }
    if place.last && !fits {
        write_numbers(out, &waiting[..used]);
    }
}

/// Numbers as places for [`multiply`] to write to.
pub(super) fn places<T: Real>(numbers: &mut [T]) -> &mut [MaybeUninit<T>] {
    // SAFETY: a place looks like the number that it holds. Nobody here, nor below `multiply`, writes anything else to it.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
}

/// Asks for `count` rows of `length` numbers from row `from` on, if they exist.
#[inline(always)]
fn prefetch_rows<T>(values: &[T], length: usize, from: usize, count: usize) {
    if let Some(values) = values.get(from * length..(from + count) * length) {
        values.chunks_exact(LINE).for_each(prefetch);
    }
}

/// Numbers in all registers of sums, on the widest path.
const LONGEST: usize = WIDE * WIDEST;
