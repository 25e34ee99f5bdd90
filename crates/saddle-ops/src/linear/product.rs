//! Rows with many zeros times a matrix.
//!
//! The right matrix is read in blocks that stay in the first-level cache while many left rows pass by; a row's sums stay
//! in registers while its living numbers in the block run by. Rows with few zeros run by three at a time, zeros and all.

use super::arithmetic::Arithmetic;
use super::live::{Lists, Live};
use super::matrix::{LINE, Matrix, WIDE};
use super::strip::Strip;
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
    /// Whether most columns are expected to be zero in all rows.
    pub(super) scarce: bool,
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
pub(super) struct Shares<T: Real> {
    /// One for each thread.
    scratch: Vec<Scratch<T>>,
    /// Lists of the left rows where threads share the columns.
    live: Live<T>,
}

/// What one thread needs besides the factors.
#[derive(Default)]
struct Scratch<T: Real> {
    /// Lists of the left rows that are this thread's.
    live: Live<T>,
    /// Sums that wait for the next block.
    sums: Buffer<T>,
}

/// `left * right` on all threads into `out`, row after row, in memory that need not hold numbers yet; all of it does
/// afterwards.
///
/// Threads share the columns if there are enough of them: each reads its part of the right matrix then, which is far larger
/// than the left one and comes from far away. Rows beyond a [`GROUP`] read it once more anyway.
pub(super) fn multiply<T: Real, A: Arithmetic<T>>(
    kernels: Kernels,
    left: Left<'_, T>,
    right: Right<'_, T>,
    out: &mut [MaybeUninit<T>],
    shares: &mut Shares<T>,
) {
    /// Fewest rows that are worth a thread of their own.
    const ROWS: usize = 12;
    let Left { values, inner, .. } = left;
    let rows = values.len() / inner;
    let threads = rayon::current_num_threads();
    if rows == 0 {
        return;
    }
    let (columns, width) = (out.len() / rows, right.matrix.width() * A::STEP);
    let Shares { scratch, live } = shares;
    let enough = if rows < 2 * ROWS { columns > width } else { columns >= threads * width };
    if threads > 1 && rows <= GROUP && enough {
        live.list::<A>(kernels, left, threads);
        let share = columns.div_ceil(threads).next_multiple_of(width);
        scratch.resize_with(columns.div_ceil(share), Scratch::default);
        let strips: Vec<_> = Strip::cut(out, columns, share).zip(scratch).enumerate().collect();
        strips.into_par_iter().for_each(|(part, (out, Scratch { sums, .. }))| {
            let first = part * share;
            sums.grow(GROUP * LONGEST);
            let arithmetic = PhantomData::<A>;
            A::dispatch(kernels, Product { left, live, right, first, out, sums, arithmetic });
        });
        return;
    }
    let share = if rows < 2 * ROWS { rows } else { rows.div_ceil(threads).max(ROWS) };
    scratch.resize_with(rows.div_ceil(share), Scratch::default);
    let parts = out.par_chunks_mut(share * columns).zip(values.par_chunks(share * inner));
    parts.zip(scratch).for_each(|((out, values), Scratch { live, sums })| {
        let left = Left { values, ..left };
        live.list::<A>(kernels, left, 1);
        sums.grow(GROUP * LONGEST);
        let arithmetic = PhantomData::<A>;
        for out in Strip::cut(out, columns, columns) {
            A::dispatch(kernels, Product { left, live, right, first: 0, out, sums, arithmetic });
        }
    });
}

/// A product, waiting for its registers.
struct Product<'a, T: Real, A> {
    left: Left<'a, T>,
    live: &'a Live<T>,
    right: Right<'a, T>,
    /// First column of the result's part that is asked for, where a panel of the right matrix begins.
    first: usize,
    /// That part.
    out: Strip<'a, T>,
    /// Room for the sums of a [`GROUP`] of rows in one panel.
    sums: &'a mut [T],
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
        for group in live.groups() {
            let end = self.first + self.out.columns();
            for column in (self.first..end).step_by(WIDE * L::COUNT) {
                let registers = (end - column).div_ceil(L::COUNT);
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
    let from = work.right.matrix.panel(column / A::STEP);
    let length = V / A::STEP * L::COUNT;
    let inner = work.left.inner;
    let panel = &from[..inner.next_multiple_of(A::STEP) * length];
    // Rows of the next block that each row asks for.
    let ahead = live.block().div_ceil(whole.len() + others.len()).min(AHEAD);
    for block in 0..live.blocks() {
        let places = block * live.block()..inner.min((block + 1) * live.block());
        // The last block's next one is the first of the next panel.
        let next = from.get(places.end * length..).unwrap_or_default();
        let next = &next[..next.len().min(live.block() * length)];
        let lists = live.lists(block);
        let mut place = Place { column, block, last: block + 1 == live.blocks(), wait: 0 };
        let mut rows = whole;
        while let [first, rest @ ..] = rows {
            prefetch_part(next, place.wait * ahead * length, TALL * ahead * length);
            if let (true, [_, second, third, rest @ ..]) = (L::TILE_ROWS >= 12, rows) {
                let tall = [*first, *second, *third];
                take_whole::<L, A, V, TALL>(work, tall, panel, places.clone(), place);
                (rows, place.wait) = (rest, place.wait + TALL);
            } else {
                take_whole::<L, A, V, 1>(work, [*first], panel, places.clone(), place);
                (rows, place.wait) = (rest, place.wait + 1);
            }
        }
        let mut ask = place.wait * ahead * length;
        for row in others {
            prefetch_part(next, ask, ahead * length);
            ask += ahead * length;
            take_living::<L, A, V>(work, lists, *row as usize, panel, place);
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
    lists: Lists<'_, L::Number>,
    row: usize,
    panel: &[L::Number],
    place: Place,
) {
    let length = V / A::STEP * L::COUNT;
    let mut sums = [[L::splat(L::Number::ZERO); V]];
    for living in lists.row(row).chunks_exact(A::STEP) {
        let (first, factor) = L::Number::of(living[0]);
        let (second, _) = L::Number::of(living[A::STEP - 1]);
        let factor = L::splat(factor);
        let (first, second) = (first as usize * length, second as usize * length);
        // SAFETY: the list's places are places in a row of `inner` numbers, and the panel holds as many rows of `length`.
        let pair = unsafe {
            [
                panel.get_unchecked(first..first + length),
                panel.get_unchecked(second..second + length),
            ]
        };
        A::add([factor], pair, &mut sums);
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

/// Adds a row's sums over a block to those over the blocks before, or to the bias, and puts them where they belong.
#[inline(always)]
fn end<L: Lanes, A: Arithmetic<L::Number>, const V: usize>(
    work: &mut Product<'_, L::Number, A>,
    sums: &[L; V],
    row: usize,
    place: Place,
) {
    let waiting = &mut work.sums[place.wait * V * L::COUNT..][..V * L::COUNT];
    if place.block == 0 {
        waiting.fill(L::Number::ZERO);
        if let Some(bias) = work.right.bias {
            let used = waiting.len().min(work.first + work.out.columns() - place.column);
            waiting[..used].copy_from_slice(&bias[place.column..][..used]);
        }
    }
    let mut whole = *sums;
    for v in 0..V {
        whole[v] = L::load(&waiting[v * L::COUNT..]).plus(sums[v]);
    }
    if !place.last {
        for v in 0..V {
            whole[v].store(&mut waiting[v * L::COUNT..]);
        }
        if place.block + 2 == work.live.blocks() {
            // Rows of the result lie too far apart for any processor to guess.
            result(work, row, place, V * L::COUNT).chunks(LINE).for_each(prefetch);
        }
        return;
    }
    if work.right.relu {
        for sum in &mut whole {
            *sum = sum.positive();
        }
    }
    let out = result(work, row, place, V * L::COUNT);
    if out.len() == V * L::COUNT {
        for v in 0..V {
            whole[v].write(&mut out[v * L::COUNT..]);
        }
    } else {
        let mut numbers = [L::Number::ZERO; LONGEST];
        for v in 0..V {
            whole[v].store(&mut numbers[v * L::COUNT..]);
        }
        write_numbers(out, &numbers);
    }
}

/// Where a row of the result lies in a panel of `width`, or the rest of one.
#[inline(always)]
fn result<'a, T: Real, A>(
    work: &'a mut Product<'_, T, A>,
    row: usize,
    place: Place,
    width: usize,
) -> &'a mut [MaybeUninit<T>] {
    let column = place.column - work.first;
    let width = width.min(work.out.columns() - column);
    work.out.row(row, column..column + width)
}

/// Numbers as places for [`multiply`] to write to.
pub(super) fn places<T: Real>(numbers: &mut [T]) -> &mut [MaybeUninit<T>] {
    // SAFETY: a place looks like the number that it holds. Nobody here, nor below `multiply`, writes anything else to it.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), numbers.len()) }
}

/// Asks for so many numbers from one on, if they exist.
#[inline(always)]
fn prefetch_part<T>(values: &[T], from: usize, length: usize) {
    if from + length <= values.len() {
        values[from..from + length].chunks_exact(LINE).for_each(prefetch);
    }
}

/// Numbers in all registers of sums, on the widest path.
const LONGEST: usize = WIDE * WIDEST;
