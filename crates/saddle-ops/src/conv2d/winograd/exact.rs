//! Which numbers of a transformed result are too close to call, and their direct sums.
//!
//! A choice is close when rounding may have made it: the largest of a window and the next one, or the largest and 0
//! before a ReLU, are nearer than twice what the transformed results may be off. Its numbers are summed again, directly.
//! Results that see the same numbers are equal when summed so; there the first one stands for all of them ([`Ties`]).
//!
//! The direct sums here run side by side, a register wide, and are joined at the end: nearer to the exact ones than a chain
//! of additions, and equal where the numbers are.
//!
//! [`Ties`]: super::ties::Ties

use super::{Pass, Sink};
use crate::{
    Real,
    kernels::{Lanes, WIDEST},
};
use candle_core::WithDType as _;

/// What must be summed directly.
#[derive(Default)]
pub(super) struct Close {
    cells: Vec<CloseCell>,
}

/// Some channels of a cell, which is 2 x 2 results of the convolution.
struct CloseCell {
    /// Row and column of its first result.
    corner: [usize; 2],
    /// The channels, lane by lane.
    lanes: u32,
}

impl Close {
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.cells.clear();
    }

    #[inline(always)]
    pub(super) fn push(&mut self, corner: [usize; 2], lanes: u32) {
        if lanes != 0 {
            self.cells.push(CloseCell { corner, lanes });
        }
    }
}

/// Tells choices that are close from those that are decided.
#[derive(Clone, Copy)]
pub(super) struct Judge<L> {
    /// The least gap that decides.
    pub(super) tolerance: L,
    /// Whether the largest of the four is chosen.
    pub(super) pools: bool,
    /// Whether what is not above 0 becomes 0.
    pub(super) relu: bool,
}

impl<L: Lanes> Judge<L> {
    /// The cell, with equal numbers where the direct sums are equal, and the lanes that are close; `firsts` says for each
    /// place the first one that sees the same numbers.
    #[inline(always)]
    pub(super) fn decide(self, cell: [L; 4], firsts: impl FnOnce() -> [usize; 4]) -> ([L; 4], u32) {
        let close = self.close(cell);
        if close == 0 || !self.pools {
            return (cell, close);
        }
        let firsts = firsts();
        if firsts == [0, 1, 2, 3] {
            return (cell, close);
        }
        // Who is not the first competes with nobody.
        let lowest = L::splat(L::Number::from_f64(f64::from(f32::MIN)));
        let [mut rivals, mut equals] = [cell; 2];
        for (place, first) in firsts.into_iter().enumerate() {
            if first < place {
                rivals[place] = lowest;
                equals[place] = equals[first];
            }
        }
        (equals, self.close(rivals))
    }

    /// The lanes whose choice is close.
    #[inline(always)]
    fn close(self, [zeroth, second, third, fourth]: [L; 4]) -> u32 {
        let Self { tolerance, pools, relu } = self;
        if !pools {
            let upper = L::smaller(size(zeroth), size(second));
            let lower = L::smaller(size(third), size(fourth));
            let close = L::lanes_of(tolerance.wins(L::smaller(upper, lower)));
            return if relu { close } else { 0 };
        }
        let (upper, lower) = (L::larger(zeroth, second), L::larger(third, fourth));
        let largest = L::larger(upper, lower);
        // The next one lost to the largest within its row, or is the largest of the other row.
        let losers = L::larger(L::smaller(zeroth, second), L::smaller(third, fourth));
        let gap = largest.minus(L::larger(losers, L::smaller(upper, lower)));
        if relu {
            // A window that is surely dead has nothing to choose.
            let close = tolerance.wins(L::smaller(gap, largest));
            return L::lanes_of(L::both(
                close,
                largest.plus(tolerance).wins(L::splat(L::Number::ZERO)),
            ));
        }
        L::lanes_of(tolerance.wins(gap))
    }
}

/// What is left of a number without its sign.
#[inline(always)]
fn size<L: Lanes>(value: L) -> L {
    L::larger(value, L::splat(L::Number::ZERO).minus(value))
}

impl<T: Real> Pass<'_, T> {
    /// Sums what is close of the register of channels that begins with `first`, and writes it over what was there.
    #[inline(always)]
    pub(super) fn settle<L: Lanes<Number = T>>(&mut self, first: usize) {
        for index in 0..self.scratch.close.cells.len() {
            let CloseCell { corner, mut lanes } = self.scratch.close.cells[index];
            while lanes != 0 {
                let channel = first + lanes.trailing_zeros() as usize;
                lanes &= lanes - 1;
                let sums = self.sum_directly::<L>(channel, corner);
                if let Sink::Pooled(window, target) = &mut self.sink {
                    target.put_lane(*window, corner, channel, sums);
                }
            }
        }
    }

    /// The four results of a cell in one channel.
    #[inline(always)]
    fn sum_directly<L: Lanes<Number = T>>(&self, channel: usize, [y, x]: [usize; 2]) -> [T; 4] {
        let conv = self.conv;
        let [_, width, channels] = conv.shape.padded();
        let row = conv.shape.row_length();
        let mut sums = [L::splat(T::ZERO); 4];
        for ky in 0..conv.shape.kernel {
            // Channels come in whole registers, so rows do.
            let from = (ky * conv.shape.out_channels + channel) * conv.row;
            let weights = &conv.rows[from..][..row];
            // What the kernel's row sees of both rows of the cell, one place wider than itself.
            let from = ((y + ky) * width + x) * channels;
            let upper = &self.padded[from..][..row + channels];
            let lower = &self.padded[from + width * channels..][..row + channels];
            for (i, weights) in weights.chunks_exact(L::COUNT).enumerate() {
                let weights = L::load(weights);
                let at = i * L::COUNT;
                sums[0] = L::load(&upper[at..]).mul_add(weights, sums[0]);
                sums[1] = L::load(&upper[at + channels..]).mul_add(weights, sums[1]);
                sums[2] = L::load(&lower[at..]).mul_add(weights, sums[2]);
                sums[3] = L::load(&lower[at + channels..]).mul_add(weights, sums[3]);
            }
        }
        let mut joined = [conv.tile_bias[channel]; 4];
        for (joined, sums) in joined.iter_mut().zip(sums) {
            let mut lanes = [T::ZERO; WIDEST];
            sums.store(&mut lanes);
            let mut half = WIDEST / 2;
            while half > 0 {
                for lane in 0..half {
                    lanes[lane] += lanes[lane + half];
                }
                half /= 2;
            }
            *joined += lanes[0];
        }
        joined
    }
}
