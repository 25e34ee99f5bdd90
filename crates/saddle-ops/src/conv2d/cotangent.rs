//! The cotangent of a convolution's result, without its zeros.

use crate::{Error, Pool, Real, Result};

/// What is not zero of a cotangent `(height, width, channels)`: a list of places, and for each place a list of channels
/// with their values.
///
/// One value is refilled image after image, so that its lists are allocated once.
pub struct SparseCotangent<T> {
    shape: [usize; 3],
    places: Vec<Place>,
    entries: Vec<Entry<T>>,
}

/// A place of the result and where its entries end; they begin where those of the place before end.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) row: u32,
    pub(super) column: u32,
    pub(super) end: usize,
}

/// A value and its channel.
#[derive(Clone, Copy)]
pub(super) struct Entry<T> {
    pub(super) channel: u32,
    pub(super) value: T,
}

impl<T: Real> Default for SparseCotangent<T> {
    fn default() -> Self {
        Self { shape: [0; 3], places: Vec::new(), entries: Vec::new() }
    }
}

impl<T: Real> SparseCotangent<T> {
    /// Lists what is not zero of a whole cotangent.
    pub fn fill_dense(&mut self, shape: [usize; 3], cotangent: &[T]) -> Result<()> {
        let [height, width, channels] = shape;
        check(&shape, cotangent.len(), height * width * channels)?;
        self.clear(shape);
        for (place, values) in cotangent.chunks_exact(channels.max(1)).enumerate() {
            // Every entry is written, and kept only if it is not zero: no branch to mispredict.
            let mut end = self.reserve(channels);
            for (channel, value) in values.iter().enumerate() {
                self.entries[end] = Entry { channel: channel as u32, value: *value };
                end += usize::from(*value != T::ZERO);
            }
            self.close(place / width, place % width, end);
        }
        Ok(())
    }

    /// Lists the cotangent of a pooling's input, given that of its result and the winners of its forward pass.
    pub fn fill_pooled(&mut self, pool: &Pool, cotangent: &[T], winners: &[u8]) -> Result<()> {
        let [rows, columns, channels] = pool.output();
        check(&pool.output(), cotangent.len(), rows * columns * channels)?;
        check(&pool.output(), winners.len(), rows * columns * channels)?;
        self.clear(pool.input());
        let window = pool.window();
        for cell in 0..rows * columns {
            let winners = &winners[cell * channels..][..channels];
            let values = &cotangent[cell * channels..][..channels];
            for i in 0..window * window {
                let mut end = self.reserve(channels);
                for (channel, (winner, value)) in winners.iter().zip(values).enumerate() {
                    self.entries[end] = Entry { channel: channel as u32, value: *value };
                    end += usize::from((usize::from(*winner) == i) & (*value != T::ZERO));
                }
                let (row, column) = (cell / columns * window, cell % columns * window);
                self.close(row + i / window, column + i % window, end);
            }
        }
        Ok(())
    }

    /// Writes the whole cotangent, zeros included.
    pub fn to_dense(&self, cotangent: &mut Vec<T>) {
        let [height, width, channels] = self.shape;
        cotangent.clear();
        cotangent.resize(height * width * channels, T::ZERO);
        self.each(|place, entries| {
            let from = (place.row as usize * width + place.column as usize) * channels;
            for entry in entries {
                cotangent[from + entry.channel as usize] = entry.value;
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
    pub(super) fn each(&self, mut visit: impl FnMut(&Place, &[Entry<T>])) {
        let mut start = 0;
        for place in &self.places {
            visit(place, &self.entries[start..place.end]);
            start = place.end;
        }
    }

    fn clear(&mut self, shape: [usize; 3]) {
        self.shape = shape;
        self.places.clear();
    }

    /// Makes room for a place's channels; returns where its entries begin.
    #[inline(always)]
    fn reserve(&mut self, channels: usize) -> usize {
        let start = self.count();
        if self.entries.len() < start + channels + 1 {
            self.entries.resize(2 * (start + channels + 1), Entry { channel: 0, value: T::ZERO });
        }
        start
    }

    /// Ends a place's entries; a place without any is left out.
    #[inline(always)]
    fn close(&mut self, row: usize, column: usize, end: usize) {
        if end > self.count() {
            self.places.push(Place { row: row as u32, column: column as u32, end });
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
