//! ReLU and max pooling in one pass over an image in host memory, `(h, w, c)`.

use super::wins;
use crate::{
    Error, Kernels, Real, Result,
    kernels::{Lanes, WIDEST, Work},
};

/// The mark of a window through which no gradient flows: the ReLU holds it at 0.
pub const DEAD: u8 = u8::MAX;

/// Shape of a pooling of one image `(height, width, channels)`, with a ReLU before it (which, with a maximum, is the same as
/// after it) or without. A window of 1 with a ReLU is a ReLU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    kernels: Kernels,
    height: usize,
    width: usize,
    channels: usize,
    window: usize,
    relu: bool,
}

impl Pool {
    /// A pooling of images of this shape.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the image does not divide into windows, or the window is over 15 and its places do
    /// not fit a byte.
    pub fn new(
        kernels: Kernels,
        [height, width, channels]: [usize; 3],
        window: usize,
        relu: bool,
    ) -> Result<Self> {
        let divides = (1..=15).contains(&window) && height % window == 0 && width % window == 0;
        if !divides {
            return Err(Error::InvalidShape {
                operation: "max_pool2d",
                message: format!(
                    "{height} x {width} does not divide into windows of {window}; a window is 1 to 15 wide"
                ),
            });
        }
        Ok(Self { kernels, height, width, channels, window, relu })
    }

    /// Shape before, `[height, width, channels]`.
    pub fn input(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Shape after, `[height, width, channels]`.
    pub fn output(&self) -> [usize; 3] {
        [self.height / self.window, self.width / self.window, self.channels]
    }

    /// Side of the window.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Which kernels it runs on.
    pub(crate) fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Whether a ReLU goes with it.
    pub fn relu(&self) -> bool {
        self.relu
    }

    /// Pools one image into the inside of an image with a border of `border` places on each side, which is left as it is;
    /// `winners` takes, for each window and channel, the place of the first largest value, or [`DEAD`].
    ///
    /// # Errors
    ///
    /// [`Error::ShapeMismatch`] when a slice has not the length that the shape asks for (`out` may be longer).
    pub fn forward<T: Real>(
        &self,
        image: &[T],
        out: &mut [T],
        border: usize,
        winners: &mut [u8],
    ) -> Result<()> {
        if image.len() != self.height * self.width * self.channels {
            return Err(Error::ShapeMismatch {
                operation: "max_pool2d",
                left: vec![image.len()],
                right: self.input().to_vec(),
            });
        }
        self.check_result(out.len(), border, winners.len())?;
        if !winners.is_empty() {
            T::dispatch(self.kernels, Forward { pool: self, image, out, border, winners });
        }
        Ok(())
    }

    /// Turns the cotangent of a ReLU's result, a window of 1, into that of its input.
    ///
    /// # Errors
    ///
    /// [`Error::ShapeMismatch`] when the window is another, or a slice has not the length that the shape asks for.
    pub fn mask<T: Real>(&self, cotangent: &mut [T], winners: &[u8]) -> Result<()> {
        let length = self.height * self.width * self.channels;
        if self.window != 1 || [cotangent.len(), winners.len()] != [length; 2] {
            return Err(Error::ShapeMismatch {
                operation: "relu gradient",
                left: vec![cotangent.len(), winners.len()],
                right: self.output().to_vec(),
            });
        }
        T::dispatch(self.kernels, Mask { cotangent, winners });
        Ok(())
    }

    /// Refuses a result too short for its border, or marks of another length than it has windows.
    pub(crate) fn check_result(&self, out: usize, border: usize, winners: usize) -> Result<()> {
        let [rows, columns, channels] = self.output();
        let needed = (rows + 2 * border) * (columns + 2 * border) * channels;
        if out >= needed && winners == rows * columns * channels {
            return Ok(());
        }
        Err(Error::ShapeMismatch {
            operation: "max_pool2d",
            left: vec![out, winners],
            right: vec![needed, rows * columns * channels],
        })
    }
}

struct Mask<'a, T> {
    cotangent: &'a mut [T],
    winners: &'a [u8],
}

impl<T: Real> Work<T> for Mask<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        let Self { cotangent, winners } = self;
        let whole = cotangent.len() - cotangent.len() % L::COUNT;
        for from in (0..whole).step_by(L::COUNT) {
            let dead = L::has_mark(&winners[from..], DEAD);
            let numbers = &mut cotangent[from..][..L::COUNT];
            L::select(dead, L::splat(T::ZERO), L::load(numbers)).store(numbers);
        }
        for (number, mark) in cotangent[whole..].iter_mut().zip(&winners[whole..]) {
            *number = if *mark == DEAD { T::ZERO } else { *number };
        }
    }
}

/// The pooling of one image.
struct Forward<'a, T> {
    pool: &'a Pool,
    image: &'a [T],
    out: &'a mut [T],
    border: usize,
    winners: &'a mut [u8],
}

impl<T: Real> Work<T> for Forward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        match self.pool.window {
            1 => self.registers::<L, 1>(),
            2 => self.registers::<L, 4>(),
            _ => self.parts(),
        }
    }
}

impl<T: Real> Forward<'_, T> {
    /// Windows of 1 x 1 or 2 x 2, `PLACES` places, a register of channels at a time.
    #[inline(always)]
    fn registers<L: Lanes<Number = T>, const PLACES: usize>(self) {
        let Self { pool, image, out, border, winners } = self;
        let [_, columns, channels] = pool.output();
        let bordered = columns + 2 * border;
        // A window of one place has no neighbours to skip: a whole row is one run of numbers.
        let run = if PLACES == 1 { columns * channels } else { channels };
        for (index, winners) in winners.chunks_exact_mut(run).enumerate() {
            let (row, column) =
                if PLACES == 1 { (index, 0) } else { (index / columns, index % columns) };
            let to = ((row + border) * bordered + column + border) * channels;
            let out = &mut out[to..][..run];
            let corner = (row * pool.width + column) * pool.window;
            let mut places: [&[T]; PLACES] = [&[]; PLACES];
            for (i, place) in places.iter_mut().enumerate() {
                let from = corner + i / pool.window * pool.width + i % pool.window;
                *place = &image[from * channels..][..run];
            }
            let whole = run - run % L::COUNT;
            for from in (0..whole).step_by(L::COUNT) {
                let mut numbers = [L::splat(T::ZERO); PLACES];
                for (number, place) in numbers.iter_mut().zip(places) {
                    *number = L::load(&place[from..]);
                }
                put::<L>(&numbers, pool.relu, &mut out[from..], &mut winners[from..]);
            }
            if whole < run {
                let mut numbers = [L::splat(T::ZERO); PLACES];
                for (number, place) in numbers.iter_mut().zip(places) {
                    let mut filled_up = [T::ZERO; WIDEST];
                    filled_up[..run - whole].copy_from_slice(&place[whole..]);
                    *number = L::load(&filled_up);
                }
                let (mut best, mut marks) = ([T::ZERO; WIDEST], [0; WIDEST]);
                put::<L>(&numbers, pool.relu, &mut best, &mut marks);
                out[whole..].copy_from_slice(&best[..run - whole]);
                winners[whole..].copy_from_slice(&marks[..run - whole]);
            }
        }
    }

    /// Any window, in plain loops, which the dispatcher has compiled for wide registers.
    #[inline(always)]
    fn parts(self) {
        let Self { pool, image, out, border, winners } = self;
        let [_, columns, channels] = pool.output();
        let bordered = columns + 2 * border;
        for (cell, winners) in winners.chunks_exact_mut(channels).enumerate() {
            let (row, column) = (cell / columns, cell % columns);
            let corner = (row * pool.width + column) * pool.window;
            let to = ((row + border) * bordered + column + border) * channels;
            let out = &mut out[to..][..channels];
            let parts = out.chunks_mut(PART).zip(winners.chunks_mut(PART));
            for (part, (out, winners)) in parts.enumerate() {
                let values = |place: usize| &image[place * channels + part * PART..][..out.len()];
                let mut best = filled_up(values(corner));
                let mut marks = [0; PART];
                for i in 1..pool.window * pool.window {
                    let place = corner + (i / pool.window) * pool.width + i % pool.window;
                    (best, marks) = better(&best, &marks, &filled_up(values(place)), i as u32);
                }
                if pool.relu {
                    (best, marks) = rectified(&best, &marks);
                }
                out.copy_from_slice(&best[..out.len()]);
                for (winner, mark) in winners.iter_mut().zip(marks) {
                    *winner = mark as u8;
                }
            }
        }
    }
}

/// Writes the first largest of one number or of four, and its mark.
#[inline(always)]
fn put<L: Lanes>(numbers: &[L], relu: bool, out: &mut [L::Number], winners: &mut [u8]) {
    let mut best = numbers[0];
    let [mut in_upper, mut in_lower, mut is_lower] = [L::nowhere(); 3];
    if let [zeroth, second, third, fourth] = *numbers {
        in_upper = second.wins(zeroth);
        in_lower = fourth.wins(third);
        let upper = L::select(in_upper, second, zeroth);
        let lower = L::select(in_lower, fourth, third);
        is_lower = lower.wins(upper);
        best = L::select(is_lower, lower, upper);
    }
    let dead = if relu { best.is_dead() } else { L::nowhere() };
    L::select(dead, L::splat(L::Number::ZERO), best).store(out);
    L::store_marks(in_upper, in_lower, is_lower, dead, winners);
}

/// Channels that are pooled together.
const PART: usize = 32;

/// Values of [`PART`] channels; those of channels that do not exist are 0.
type Values<T> = [T; PART];

/// Their marks, as wide as `f32`, so that both fit the same registers.
type Marks = [u32; PART];

#[inline(always)]
fn filled_up<T: Real>(values: &[T]) -> Values<T> {
    let mut whole = [T::ZERO; PART];
    whole[..values.len()].copy_from_slice(values);
    whole
}

/// New arrays, not changed ones: a compiler makes a branch of a store that changes nothing.
#[inline(always)]
fn better<T: Real>(
    best: &Values<T>,
    marks: &Marks,
    next: &Values<T>,
    place: u32,
) -> (Values<T>, Marks) {
    let (mut values, mut places) = ([T::ZERO; PART], [0; PART]);
    for i in 0..PART {
        let wins = wins(next[i], best[i]);
        values[i] = if wins { next[i] } else { best[i] };
        places[i] = if wins { place } else { marks[i] };
    }
    (values, places)
}

/// NaN is not held at 0: it stays to be seen.
#[inline(always)]
fn rectified<T: Real>(values: &Values<T>, marks: &Marks) -> (Values<T>, Marks) {
    let (mut rectified, mut places) = ([T::ZERO; PART], [0; PART]);
    for i in 0..PART {
        let dead = values[i] <= T::ZERO;
        rectified[i] = if dead { T::ZERO } else { values[i] };
        places[i] = if dead { u32::from(DEAD) } else { marks[i] };
    }
    (rectified, places)
}
