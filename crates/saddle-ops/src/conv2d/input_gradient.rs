//! The cotangent of a convolution's input.
//!
//! Sparse: each value that is not zero adds its channel's weights, times the value, to the patch under it. Numbers of the
//! patch stay in registers while all channels of a place are added: all of them where there are registers enough and the
//! weights stay in the first-level cache, else those under a row of the kernel, whose rows are then the outermost loop. Rows
//! that lie in the border are left out.
//! Dense: [`dense`](super::dense), or [`turned`](super::turned) where shape and `f32` allow it.

use super::{Conv2d, ConvShape, SparseCotangent, cotangent::Entries, turned};
use crate::{Error, Real, Result, kernels::Lanes, kernels::Work};
use std::ops::Range;

/// Buffers of the dense form, kept from image to image.
#[derive(Default)]
pub struct InputGradientScratch<T> {
    cotangent: Vec<T>,
    pub(super) patches: Vec<T>,
    pub(super) turned: turned::Scratch<T>,
}

impl<T: Real> Conv2d<T> {
    /// Cotangent of the input into the inside of `gradient`, which need not be clear before. What it holds in the border and in
    /// the slack behind the image afterwards means nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the cotangent or `gradient` does not fit the shape.
    pub fn input_gradient(
        &self,
        cotangent: &SparseCotangent<T>,
        gradient: &mut [T],
        scratch: &mut InputGradientScratch<T>,
    ) -> Result<()> {
        self.check_padded(gradient.len())?;
        self.check_cotangent(cotangent)?;
        if self.turned_input_gradient(cotangent, gradient, &mut scratch.turned) {
            return Ok(());
        }
        let [dense, of] = if self.prefers_dense() { [1, 10] } else { [3, 4] };
        if cotangent.count() * of < self.shape.output_length() * dense {
            gradient.fill(T::ZERO);
            T::dispatch(self.kernels, Scatter { conv: self, cotangent, gradient });
            return Ok(());
        }
        let mut whole = std::mem::take(&mut scratch.cotangent);
        cotangent.to_dense(&mut whole);
        let done = self.dense_input_gradient(&whole, gradient, scratch);
        scratch.cotangent = whole;
        done
    }

    pub(super) fn check_cotangent(&self, cotangent: &SparseCotangent<T>) -> Result<()> {
        if cotangent.shape() == self.shape.output() {
            return Ok(());
        }
        Err(Error::ShapeMismatch {
            operation: "conv2d gradient",
            left: cotangent.shape().to_vec(),
            right: self.shape.output().to_vec(),
        })
    }
}

/// Numbers of `f32` that stay in the first-level cache beside an image.
const CACHED: usize = 10 << 10;

struct Scatter<'a, T: Real> {
    conv: &'a Conv2d<T>,
    cotangent: &'a SparseCotangent<T>,
    gradient: &'a mut [T],
}

impl<T: Real> Work<T> for Scatter<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        // The patches of these fit in 32 registers.
        let fits = L::TILE_ROWS >= 12 && self.conv.rows.len() <= CACHED;
        let shape = self.conv.shape;
        match (shape.kernel, self.conv.row / L::COUNT) {
            (4, 4) if fits => self.rows::<L, 4, 4>(),
            (3, 6) if fits => self.rows::<L, 3, 6>(),
            // Neighbours' patches share four of their five columns.
            (5, 10)
                if L::TILE_ROWS >= 12 && shape.stride == 1 && shape.in_channels == 2 * L::COUNT =>
            {
                self.pairs::<L, 10, 2, 12>();
            }
            (_, row) => match row.div_ceil(row.div_ceil(12)) {
                12 => self.rows::<L, 1, 12>(),
                10 | 11 => self.rows::<L, 1, 10>(),
                8 | 9 => self.rows::<L, 1, 8>(),
                6 | 7 => self.rows::<L, 1, 6>(),
                4 | 5 => self.rows::<L, 1, 4>(),
                _ => self.rows::<L, 1, 2>(),
            },
        }
    }
}

impl ConvShape {
    /// Rows of the result from which some of these rows of the kernel reach the image inside its border.
    #[inline(always)]
    fn rows_that_reach(&self, kernel: Range<usize>) -> Range<u32> {
        let first = |row: usize| row.div_ceil(self.stride) as u32;
        let (top, bottom) = (self.padding, self.padding + self.size[0]);
        first((top + 1).saturating_sub(kernel.end))..first(bottom.saturating_sub(kernel.start))
    }
}

impl<T: Real> Scatter<'_, T> {
    /// `ROWS` rows of the kernel at once, `N` registers of each.
    #[inline(always)]
    fn rows<L: Lanes<Number = T>, const ROWS: usize, const N: usize>(self) {
        let Self { conv, cotangent, gradient } = self;
        let [_, width, channels] = conv.shape.padded();
        let (row, stride) = (conv.row, conv.shape.stride);
        let each = conv.shape.out_channels * row;
        let between = width * channels;
        for (i, weights) in conv.rows.chunks_exact(ROWS * each).enumerate() {
            let weights: [&[T]; ROWS] = std::array::from_fn(|ky| &weights[ky * each..][..each]);
            let rows = conv.shape.rows_that_reach(i * ROWS..(i + 1) * ROWS);
            cotangent.each(|place, entries| {
                if !rows.contains(&place.row) {
                    return;
                }
                let corner = [place.row, place.column].map(|i| i as usize * stride);
                let from = (corner[0] + i * ROWS) * between + corner[1] * channels;
                let sums = &mut gradient[from..];
                let mut part = 0;
                while part < row {
                    part += if row - part >= N * L::COUNT {
                        add_part::<L, ROWS, N>(
                            entries,
                            weights,
                            row,
                            &mut sums[part..],
                            between,
                            part,
                        )
                    } else {
                        add_part::<L, ROWS, 1>(
                            entries,
                            weights,
                            row,
                            &mut sums[part..],
                            between,
                            part,
                        )
                    };
                }
            });
        }
    }
}

impl<T: Real> Scatter<'_, T> {
    /// Each row of the kernel, `N` registers, at two neighbours at once: a place further on means `STEP` registers further on,
    /// and `BOTH` in all.
    #[inline(always)]
    fn pairs<L, const N: usize, const STEP: usize, const BOTH: usize>(self)
    where
        L: Lanes<Number = T>,
    {
        let Self { conv, cotangent, gradient } = self;
        let [_, width, channels] = conv.shape.padded();
        let each = conv.shape.out_channels * conv.row;
        for (i, weights) in conv.rows.chunks_exact(each).enumerate() {
            let rows = conv.shape.rows_that_reach(i..i + 1);
            cotangent.each_pair(|place, entries, neighbour| {
                if !rows.contains(&place.row) {
                    return;
                }
                let [row, column] = [place.row, place.column].map(|at| at as usize);
                let line = &mut gradient[((row + i) * width + column) * channels..];
                match neighbour {
                    None => add_pair::<L, N, 0, N>([entries, Entries::NONE], weights, line),
                    Some(next) => add_pair::<L, N, STEP, BOTH>([entries, next], weights, line),
                }
            });
        }
    }
}

/// Adds the weights of each place's entries, times their values, to `BOTH` registers of a line: those of the second place
/// `STEP` registers further on.
#[inline(always)]
fn add_pair<L: Lanes, const N: usize, const STEP: usize, const BOTH: usize>(
    places: [Entries<'_, L::Number>; 2],
    weights: &[L::Number],
    line: &mut [L::Number],
) {
    let line = &mut line[..BOTH * L::COUNT];
    let mut sums = [L::splat(L::Number::ZERO); BOTH];
    for i in 0..BOTH {
        sums[i] = L::load(&line[i * L::COUNT..]);
    }
    for (channel, value) in places[0].iter() {
        let value = L::splat(value);
        let weights = &weights[channel * N * L::COUNT..][..N * L::COUNT];
        for i in 0..N {
            sums[i] = value.mul_add(L::load(&weights[i * L::COUNT..]), sums[i]);
        }
    }
    for (channel, value) in places[1].iter() {
        let value = L::splat(value);
        let weights = &weights[channel * N * L::COUNT..][..N * L::COUNT];
        for i in 0..N {
            sums[STEP + i] = value.mul_add(L::load(&weights[i * L::COUNT..]), sums[STEP + i]);
        }
    }
    for i in 0..BOTH {
        sums[i].store(&mut line[i * L::COUNT..]);
    }
}

/// Adds each entry's weights, times its value, to `N` registers of `ROWS` lines of the image; returns how many numbers of a
/// line they are.
#[inline(always)]
fn add_part<L: Lanes, const ROWS: usize, const N: usize>(
    entries: Entries<'_, L::Number>,
    weights: [&[L::Number]; ROWS],
    row: usize,
    lines: &mut [L::Number],
    between: usize,
    from: usize,
) -> usize {
    let mut sums = [[L::splat(L::Number::ZERO); N]; ROWS];
    for (y, sums) in sums.iter_mut().enumerate() {
        let line = &lines[y * between..][..N * L::COUNT];
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = L::load(&line[i * L::COUNT..]);
        }
    }
    for (channel, value) in entries.iter() {
        let value = L::splat(value);
        for (sums, weights) in sums.iter_mut().zip(weights) {
            let weights = &weights[channel * row + from..][..N * L::COUNT];
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = value.mul_add(L::load(&weights[i * L::COUNT..]), *sum);
            }
        }
    }
    for (y, sums) in sums.iter().enumerate() {
        let line = &mut lines[y * between..][..N * L::COUNT];
        for (i, sum) in sums.iter().enumerate() {
            sum.store(&mut line[i * L::COUNT..]);
        }
    }
    N * L::COUNT
}
