//! The weight gradient of a first layer: one channel comes in, and a kernel's numbers are few.
//!
//! A list of live entries would name each place of each channel, and every entry would fill a third of a register. Here a
//! register holds channels instead, one for each of the kernel's numbers, and places are added cell by cell. A place that is
//! closed, by the pool or the ReLU, for all of a register's channels is passed over; for single ones it adds 0. So the bits are
//! those of [`ConvGradient::add_image`].

use super::{Conv2d, ConvGradient};
use crate::{
    Error, Pool, Real, Result,
    kernels::{Lanes, Work},
};

impl<T: Real> Conv2d<T> {
    /// Whether [`ConvGradient::add_image_of_cells`] serves this convolution behind `pool`.
    pub fn takes_taps(&self, pool: &Pool) -> bool {
        self.taps() > 0 && matches!(pool.window(), 1 | 2) && pool.input() == self.shape.output()
    }

    /// Sums of a register of channels: the kernel's numbers and the bias. None where registers are too few for them.
    pub(super) fn taps(&self) -> usize {
        let whole = self.shape.out_channels.is_multiple_of(T::lanes(self.kernels));
        let fits = self.fuses && self.shape.in_channels == 1 && whole;
        if fits && (3..=5).contains(&self.shape.kernel) { self.shape.kernel.pow(2) + 1 } else { 0 }
    }
}

impl<T: Real> ConvGradient<T> {
    /// [`ConvGradient::add_image`] from the cotangent and the winners of the result of the pool behind the convolution.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when the convolution does not take it, or an argument has another length than its shape.
    pub fn add_image_of_cells(
        &mut self,
        conv: &Conv2d<T>,
        padded: &[T],
        pool: &Pool,
        cotangent: &[T],
        winners: &[u8],
    ) -> Result<()> {
        conv.check_padded(padded.len())?;
        self.check(conv)?;
        let length: usize = pool.output().iter().product();
        if !conv.takes_taps(pool) || cotangent.len() != length || winners.len() != length {
            return Err(Error::InvalidShape {
                operation: "conv2d weight gradient of cells",
                message: format!(
                    "{} numbers and {} winners for {:?} behind {:?}",
                    cotangent.len(),
                    winners.len(),
                    pool.output(),
                    conv.shape
                ),
            });
        }
        let (window, sums) = (pool.window(), &mut self.taps[..]);
        T::dispatch(conv.kernels, Taps { conv, padded, window, cotangent, winners, sums });
        Ok(())
    }
}

struct Taps<'a, T> {
    conv: &'a Conv2d<T>,
    padded: &'a [T],
    window: usize,
    cotangent: &'a [T],
    winners: &'a [u8],
    /// `(register of channels, tap, lane)`, the bias behind the taps.
    sums: &'a mut [T],
}

impl<T: Real> Work<T> for Taps<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(self) {
        match (self.conv.shape.kernel, self.window) {
            _ if L::TILE_CELLS == 0 => {}
            (3, 1) => self.add::<L, 3, 1>(),
            (3, _) => self.add::<L, 3, 2>(),
            (4, 1) => self.add::<L, 4, 1>(),
            (4, _) => self.add::<L, 4, 2>(),
            (_, 1) => self.add::<L, 5, 1>(),
            (_, _) => self.add::<L, 5, 2>(),
        }
    }
}

impl<T: Real> Taps<'_, T> {
    #[inline(always)]
    fn add<L, const KERNEL: usize, const WINDOW: usize>(self)
    where
        L: Lanes<Number = T>,
    {
        let shape = &self.conv.shape;
        let ([rows, columns, channels], width) = (shape.output(), shape.padded()[1]);
        let span = (KERNEL - 1) * width + KERNEL;
        for (group, all) in self.sums.chunks_exact_mut((KERNEL * KERNEL + 1) * L::COUNT).enumerate()
        {
            let taps = KERNEL * KERNEL * L::COUNT;
            let mut sums = [[L::splat(T::ZERO); KERNEL]; KERNEL];
            for (sum, from) in sums.as_flattened_mut().iter_mut().zip(all.chunks_exact(L::COUNT)) {
                *sum = L::load(from);
            }
            let mut bias = L::load(&all[taps..]);
            for cell in 0..rows / WINDOW * (columns / WINDOW) {
                let from = cell * channels + group * L::COUNT;
                let (values, marks) = (L::load(&self.cotangent[from..]), &self.winners[from..]);
                let row = cell / (columns / WINDOW) * WINDOW;
                let column = cell % (columns / WINDOW) * WINDOW;
                for place in 0..WINDOW * WINDOW {
                    let live = L::has_mark(marks, place as u8);
                    // Where an image is plain, all channels choose the same place or none.
                    if L::lanes_of(live) == 0 {
                        continue;
                    }
                    let value = L::select(live, values, L::splat(T::ZERO));
                    bias = bias.plus(value);
                    let [row, column] = [row + place / WINDOW, column + place % WINDOW];
                    let corner = (row * width + column) * shape.stride;
                    let under = &self.padded[corner..][..span];
                    for (ky, sums) in sums.iter_mut().enumerate() {
                        for (kx, sum) in sums.iter_mut().enumerate() {
                            // SAFETY: `ky < KERNEL` and `kx < KERNEL`, so the index is less than `span`.
                            let number = unsafe { *under.get_unchecked(ky * width + kx) };
                            *sum = value.mul_add(L::splat(number), *sum);
                        }
                    }
                }
            }
            for (sum, to) in sums.as_flattened().iter().zip(all.chunks_exact_mut(L::COUNT)) {
                sum.store(to);
            }
            bias.store(&mut all[taps..]);
        }
    }
}
