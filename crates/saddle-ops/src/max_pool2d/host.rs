//! ReLU and max pooling in one pass over an image in host memory, `(h, w, c)`.

use super::wins;
use crate::{Error, Kernels, Real, Result, kernels::Lanes, kernels::Work};

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
        let [rows, columns, channels] = self.output();
        let bordered = columns + 2 * border;
        let needed =
            [self.height * self.width * channels, (rows + 2 * border) * bordered * channels];
        if image.len() != needed[0]
            || out.len() < needed[1]
            || winners.len() != rows * columns * channels
        {
            return Err(Error::ShapeMismatch {
                operation: "max_pool2d",
                left: vec![image.len(), out.len(), winners.len()],
                right: vec![needed[0], needed[1], rows * columns * channels],
            });
        }
        if channels > 0 {
            T::dispatch(self.kernels, Forward { pool: self, image, out, border, winners });
        }
        Ok(())
    }
}

/// The pooling of one image. Its loops are plain; the dispatcher has them compiled for wide registers.
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
        let Self { pool, image, out, border, winners } = self;
        let [_, columns, channels] = pool.output();
        let bordered = columns + 2 * border;
        for (cell, winners) in winners.chunks_exact_mut(channels).enumerate() {
            let (row, column) = (cell / columns, cell % columns);
            let corner = (row * pool.width + column) * pool.window;
            let to = ((row + border) * bordered + column + border) * channels;
            let out = &mut out[to..][..channels];
            out.copy_from_slice(&image[corner * channels..][..channels]);
            winners.fill(0);
            for i in 1..pool.window * pool.window {
                let place = corner + (i / pool.window) * pool.width + i % pool.window;
                let next = &image[place * channels..][..channels];
                take_better(out, winners, next, i as u8);
            }
            if pool.relu {
                rectify(out, winners);
            }
        }
    }
}

#[inline(always)]
fn take_better<T: Real>(best: &mut [T], winners: &mut [u8], next: &[T], place: u8) {
    for ((best, winner), next) in best.iter_mut().zip(winners).zip(next) {
        let better = wins(*next, *best);
        *best = if better { *next } else { *best };
        *winner = if better { place } else { *winner };
    }
}

/// NaN is not held at 0: it stays to be seen.
#[inline(always)]
fn rectify<T: Real>(values: &mut [T], winners: &mut [u8]) {
    for (value, winner) in values.iter_mut().zip(winners) {
        let dead = *value <= T::ZERO;
        *value = if dead { T::ZERO } else { *value };
        *winner = if dead { DEAD } else { *winner };
    }
}
