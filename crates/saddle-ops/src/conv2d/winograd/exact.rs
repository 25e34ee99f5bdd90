//! Direct sums where a transformed result is too close to call ([`choices`](crate::conv2d::choices)).
//!
//! They run side by side, a register wide, and are joined at the end: nearer to the exact ones than a chain of additions, and
//! equal where the numbers are.

use super::{Pass, Sink};
use crate::{Real, kernels::Lanes};

impl<T: Real> Pass<'_, T> {
    /// Sums what is close, and writes it over what was there.
    #[inline(always)]
    pub(super) fn settle<L: Lanes<Number = T>>(&mut self) {
        for index in 0..self.scratch.close.cells.len() {
            let cell = self.scratch.close.cells[index];
            for channel in cell.channels() {
                let sums = self.sum_directly::<L>(channel, cell.corner);
                if let Sink::Pooled(window, target) = &mut self.sink {
                    target.put_lane(*window, cell.corner, channel, sums);
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
            for at in (0..row).step_by(L::COUNT) {
                let weights = L::load(&weights[at..]);
                sums[0] = L::load(&upper[at..]).mul_add(weights, sums[0]);
                sums[1] = L::load(&upper[at + channels..]).mul_add(weights, sums[1]);
                sums[2] = L::load(&lower[at..]).mul_add(weights, sums[2]);
                sums[3] = L::load(&lower[at + channels..]).mul_add(weights, sums[3]);
            }
        }
        let mut joined = [conv.tile_bias[channel]; 4];
        for place in 0..4 {
            joined[place] += sums[place].joined();
        }
        joined
    }
}
