//! The cotangent of a convolution's result, without its zeros.

use crate::{
    Error, Kernels, Pool, Real, Result,
    kernels::{Lanes, WIDEST, Work},
};
use std::ops::Range;

/// What is not zero of a cotangent `(height, width, channels)`: a list of places, and for each place a list of channels
/// with their values.
///
/// One value is refilled image after image, so that its lists are allocated once.
pub struct SparseCotangent<T: Real> {
    shape: [usize; 3],
    places: Vec<Place>,
    /// Channels and their values.
    entries: Vec<T::Entry>,
}

/// A place of the result and where its entries end; they begin where those of the place before end.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) row: u32,
    pub(super) column: u32,
    pub(super) end: usize,
}

/// The entries of a place, a value for each channel.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a, T: Real>(&'a [T::Entry]);

impl<T: Real> Default for SparseCotangent<T> {
    fn default() -> Self {
        Self { shape: [0; 3], places: Vec::new(), entries: Vec::new() }
    }
}

impl<T: Real> SparseCotangent<T> {
    /// Lists what is not zero of a whole cotangent.
    pub fn fill_dense(
        &mut self,
        kernels: Kernels,
        shape: [usize; 3],
        cotangent: &[T],
    ) -> Result<()> {
        let [height, width, channels] = shape;
        check(&shape, cotangent.len(), height * width * channels)?;
        self.clear(shape);
        if channels > 0 {
            T::dispatch(kernels, FillDense { list: self, cotangent });
        }
        Ok(())
    }

    /// Lists the cotangent of a pooling's input, given that of its result and the winners of its forward pass.
    pub fn fill_pooled(&mut self, pool: &Pool, cotangent: &[T], winners: &[u8]) -> Result<()> {
        let [rows, columns, channels] = pool.output();
        check(&pool.output(), cotangent.len(), rows * columns * channels)?;
        check(&pool.output(), winners.len(), rows * columns * channels)?;
        self.clear(pool.input());
        if channels > 0 {
            T::dispatch(pool.kernels(), FillPooled { list: self, pool, cotangent, winners });
        }
        Ok(())
    }

    /// Writes the whole cotangent, zeros included.
    pub fn to_dense(&self, cotangent: &mut Vec<T>) {
        cotangent.clear();
        cotangent.resize(self.shape.iter().product(), T::ZERO);
        self.write(0, cotangent);
    }

    /// Writes what is listed into an image of zeros with a border.
    pub(super) fn write(&self, border: usize, to: &mut [T]) {
        let [_, width, channels] = self.shape;
        self.each(|place, entries| {
            let [row, column] = [place.row, place.column].map(|at| at as usize + border);
            let from = (row * (width + 2 * border) + column) * channels;
            let to = &mut to[from..][..channels];
            for (channel, value) in entries.iter() {
                to[channel] = value;
            }
        });
    }

    /// Height, width and channels.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// How many values are listed.
    pub fn count(&self) -> usize {
        self.places.last().map_or(0, |place| place.end)
    }

    /// Calls `visit` for each place that has entries, in order.
    #[inline(always)]
    pub(super) fn each(&self, mut visit: impl FnMut(&Place, Entries<'_, T>)) {
        let mut start = 0;
        for place in &self.places {
            visit(place, self.entries(start..place.end));
            start = place.end;
        }
    }

    /// As [`SparseCotangent::each`]; a place's right neighbour, if it has entries, comes along with it and not once more.
    #[inline(always)]
    pub(super) fn each_pair(
        &self,
        mut visit: impl FnMut(&Place, Entries<'_, T>, Option<Entries<'_, T>>),
    ) {
        let (mut start, mut places) = (0, &self.places[..]);
        while let [place, rest @ ..] = places {
            let entries = self.entries(start..place.end);
            (start, places) = (place.end, rest);
            let mut neighbour = None;
            if let [next, rest @ ..] = places
                && (next.row, next.column) == (place.row, place.column + 1)
            {
                neighbour = Some(self.entries(start..next.end));
                (start, places) = (next.end, rest);
            }
            visit(place, entries, neighbour);
        }
    }

    #[inline(always)]
    fn entries(&self, list: Range<usize>) -> Entries<'_, T> {
        Entries(&self.entries[list])
    }

    fn clear(&mut self, shape: [usize; 3]) {
        self.shape = shape;
        self.places.clear();
    }

    /// Makes room for a place's channels and a register behind them; returns where its entries begin.
    #[inline(always)]
    fn reserve(&mut self, channels: usize) -> usize {
        let start = self.count();
        let needed = start + channels + WIDEST;
        if self.entries.len() < needed {
            self.entries.resize(2 * needed, T::Entry::default());
        }
        start
    }

    /// Lists those of a place's values that are not 0 and that `keep` wants; it is asked for a register of channels, then
    /// for single ones.
    #[inline(always)]
    fn list<L: Lanes<Number = T>>(
        &mut self,
        [row, column]: [usize; 2],
        values: &[T],
        keep_register: impl Fn(usize) -> L::Mask,
        keep: impl Fn(usize) -> bool,
    ) {
        let mut end = self.reserve(values.len());
        let registers = values.chunks_exact(L::COUNT);
        let tail = values.len() - registers.remainder().len();
        for (i, values) in registers.enumerate() {
            let from = i * L::COUNT;
            let values = L::load(values);
            let mask = L::both(values.is_live(), keep_register(from));
            end += values.list(mask, from as u32, &mut self.entries[end..]);
        }
        for (channel, value) in values.iter().enumerate().skip(tail) {
            // Every entry is written, and counted only if it is kept: no branch to mispredict.
            self.entries[end] = value.at(channel as u32);
            end += usize::from((*value != T::ZERO) & keep(channel));
        }
        self.close(row, column, end);
    }

    /// Ends a place's entries; a place without any is left out.
    #[inline(always)]
    fn close(&mut self, row: usize, column: usize, end: usize) {
        if end > self.count() {
            self.places.push(Place { row: row as u32, column: column as u32, end });
        }
    }
}

impl<T: Real> Entries<'_, T> {
    /// No entries.
    pub(super) const NONE: Self = Self(&[]);

    /// Channels and values, in order.
    #[inline(always)]
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, T)> {
        self.0.iter().map(|entry| {
            let (channel, value) = T::of(*entry);
            (channel as usize, value)
        })
    }
}

struct FillDense<'a, T: Real> {
    list: &'a mut SparseCotangent<T>,
    cotangent: &'a [T],
}

impl<T: Real> Work<T> for FillDense<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let [_, width, channels] = self.list.shape;
        for (place, values) in self.cotangent.chunks_exact(channels).enumerate() {
            let place = [place / width, place % width];
            self.list.list::<L>(place, values, |_| L::everywhere(), |_| true);
        }
    }
}

struct FillPooled<'a, T: Real> {
    list: &'a mut SparseCotangent<T>,
    pool: &'a Pool,
    cotangent: &'a [T],
    winners: &'a [u8],
}

impl<T: Real> Work<T> for FillPooled<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let [_, columns, channels] = self.pool.output();
        let window = self.pool.window();
        let cells = self.cotangent.chunks_exact(channels).zip(self.winners.chunks_exact(channels));
        for (cell, (values, winners)) in cells.enumerate() {
            let [row, column] = [cell / columns * window, cell % columns * window];
            for i in 0..window * window {
                let place = [row + i / window, column + i % window];
                let mark = i as u8;
                let keep_register = |from: usize| L::has_mark(&winners[from..], mark);
                self.list.list::<L>(place, values, keep_register, |at| winners[at] == mark);
            }
        }
    }
}

fn check(shape: &[usize; 3], length: usize, expected: usize) -> Result<()> {
    if length == expected {
        return Ok(());
    }
    Err(Error::InvalidShape {
        operation: "cotangent",
        message: format!("{length} numbers for {shape:?}"),
    })
}
