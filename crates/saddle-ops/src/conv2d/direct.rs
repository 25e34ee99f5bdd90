//! The direct convolution: of any stride, on any path.
//!
//! A register tile holds the results of a few neighbouring places, one or two registers of channels wide, and reads the
//! numbers under the kernel straight from the image. Each result is one chain of additions: the bias, then the kernel's
//! numbers in the order `(ky, kx, in)`. So its bits do not depend on how the work is cut into tiles.

use crate::{
    Real,
    kernels::{Lanes, WIDEST, Work},
};

/// A convolution of one image. Who makes one has checked that the numbers are as many as the distances say.
pub(super) struct Direct<'a, T> {
    /// The image, with its border.
    pub(super) image: &'a [T],
    pub(super) steps: Steps,
    /// `(register of channels, ky, kx, in, lane)`; channels that do not exist have zeros.
    pub(super) weights: &'a [T],
    /// Where the sums begin, filled up likewise.
    pub(super) bias: &'a [T],
    /// `[rows, columns, channels]` of the result.
    pub(super) output: [usize; 3],
    pub(super) out: &'a mut [T],
}

/// Distances in the image.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    /// From what one place reads to what the next one reads.
    pub(super) place: usize,
    /// From what one row of places reads to what the next one reads.
    pub(super) row: usize,
    /// Rows of the kernel.
    pub(super) kernel: usize,
    /// From under one row of the kernel to under the next one.
    pub(super) under: usize,
    /// Numbers under one row of the kernel.
    pub(super) length: usize,
}

impl<T: Real> Work<T> for Direct<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Number = T>>(mut self) {
        let steps = self.steps;
        // Numbers that the compiler knows: a first layer's rows are so short that the loops would cost more than they.
        match (steps.place, steps.length) {
            (2, 4) => self.groups::<L>(Steps { place: 2, length: 4, ..steps }),
            (1, 5) => self.groups::<L>(Steps { place: 1, length: 5, ..steps }),
            _ => self.groups::<L>(steps),
        }
    }
}

/// Where a tile begins: its register of channels, and row and column of its first place.
#[derive(Clone, Copy)]
struct Corner {
    group: usize,
    row: usize,
    column: usize,
}

/// Most places of a tile: their distances stay in registers, too.
const PLACES: usize = 7;

impl<T: Real> Direct<'_, T> {
    #[inline(always)]
    pub(super) fn groups<L: Lanes<Number = T>>(&mut self, steps: Steps) {
        let groups = self.output[2].div_ceil(L::COUNT);
        for group in (0..groups / 2).map(|pair| 2 * pair) {
            self.places::<L, 2>(group, steps);
        }
        if groups % 2 == 1 {
            self.places::<L, 1>(groups - 1, steps);
        }
    }

    /// All places, for the channels of `GROUPS` registers.
    #[inline(always)]
    fn places<L: Lanes<Number = T>, const GROUPS: usize>(&mut self, group: usize, steps: Steps) {
        let [rows, columns, _] = self.output;
        for row in 0..rows {
            let mut column = 0;
            while column < columns {
                // What is left, in equal tiles of at most so many places.
                let left = columns - column;
                let corner = Corner { group, row, column };
                column += match left.div_ceil(left.div_ceil(PLACES.min(L::TILE_ROWS))) {
                    7 if L::TILE_ROWS >= 7 => self.tile::<L, 7, GROUPS>(corner, steps),
                    6 if L::TILE_ROWS >= 6 => self.tile::<L, 6, GROUPS>(corner, steps),
                    5 if L::TILE_ROWS >= 5 => self.tile::<L, 5, GROUPS>(corner, steps),
                    4 => self.tile::<L, 4, GROUPS>(corner, steps),
                    3 => self.tile::<L, 3, GROUPS>(corner, steps),
                    2 => self.tile::<L, 2, GROUPS>(corner, steps),
                    _ => self.tile::<L, 1, GROUPS>(corner, steps),
                };
            }
        }
    }

    /// Convolves `PLACES` places; returns how many.
    #[inline(always)]
    fn tile<L: Lanes<Number = T>, const PLACES: usize, const GROUPS: usize>(
        &mut self,
        Corner { group, row, column }: Corner,
        steps: Steps,
    ) -> usize {
        let row_weights = steps.length * L::COUNT;
        let group_weights = steps.kernel * row_weights;
        let mut sums = [[L::splat(T::ZERO); PLACES]; GROUPS];
        for (g, sums) in sums.iter_mut().enumerate() {
            *sums = [L::load(&self.bias[(group + g) * L::COUNT..]); PLACES];
        }
        let corner = row * steps.row + column * steps.place;
        let span = (PLACES - 1) * steps.place + steps.length;
        for ky in 0..steps.kernel {
            let numbers = &self.image[corner + ky * steps.under..][..span];
            let weights: [&[T]; GROUPS] = std::array::from_fn(|g| {
                &self.weights[(group + g) * group_weights + ky * row_weights..][..row_weights]
            });
            for i in 0..steps.length {
                let mut registers = [L::splat(T::ZERO); GROUPS];
                for (register, weights) in registers.iter_mut().zip(weights) {
                    *register = L::load(&weights[i * L::COUNT..]);
                }
                for place in 0..PLACES {
                    // SAFETY: `place < PLACES` and `i < steps.length`, so the index is less than `span`.
                    let number = unsafe { *numbers.get_unchecked(place * steps.place + i) };
                    let number = L::splat(number);
                    for (sums, weights) in sums.iter_mut().zip(registers) {
                        sums[place] = number.mul_add(weights, sums[place]);
                    }
                }
            }
        }
        let [_, columns, channels] = self.output;
        for (g, sums) in sums.iter().enumerate() {
            let first = (group + g) * L::COUNT;
            let used = L::COUNT.min(channels - first);
            for (place, sum) in sums.iter().enumerate() {
                let to = (row * columns + column + place) * channels + first;
                put(*sum, &mut self.out[to..][..used]);
            }
        }
        PLACES
    }
}

/// A register to a slice that may be shorter than it is.
#[inline(always)]
fn put<L: Lanes>(register: L, to: &mut [L::Number]) {
    if to.len() == L::COUNT {
        register.store(to);
        return;
    }
    let mut whole = [L::Number::ZERO; WIDEST];
    register.store(&mut whole);
    let used = to.len();
    to.copy_from_slice(&whole[..used]);
}
