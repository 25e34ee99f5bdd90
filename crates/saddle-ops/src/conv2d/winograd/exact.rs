//! Direct sums where a transformed result is too close to call ([`choices`](crate::conv2d::choices)).
//!
//! They run side by side, a register wide, and are joined at the end: nearer to the exact ones than a chain of additions, and
//! equal where the numbers are.

use super::{Pass, Sink};
use crate::{Real, conv2d::choices::CloseCell, kernels::Lanes};

impl<T: Real> Pass<'_, T> {
    /// Sums what is close, and writes it over what was there.
    #[inline(always)]
    pub(super) fn settle<L: Lanes<Number = T>>(&mut self) {
        for index in 0..self.scratch.close.cells.len() {
            let cell = self.scratch.close.cells[index];
            for channel in cell.channels() {
                let sums = self.sum_rivals::<L>(channel, &cell);
                if let Sink::Pooled(window, target) = &mut self.sink {
                    target.put_lane(*window, cell.corner, channel, sums);
                }
            }
        }
    }

    /// Those of a cell's four results in one channel that may be the largest; in the place of others less than any number.
    #[inline(always)]
    fn sum_rivals<L: Lanes<Number = T>>(&self, channel: usize, cell: &CloseCell) -> [T; 4] {
        let (mut rivals, mut count) = ([0; 4], 0);
        for place in 0..4 {
            rivals[count] = place;
            count += (cell.rivals[place] >> (channel - cell.first) & 1) as usize;
        }
        let mut sums = [T::rounded(f64::NEG_INFINITY); 4];
        match count {
            1 => {
                let [only] = self.sum_directly::<L, 1>(channel, cell.corner, [rivals[0]]);
                sums[rivals[0]] = only;
            }
            2 => {
                let two = [rivals[0], rivals[1]];
                let [first, second] = self.sum_directly::<L, 2>(channel, cell.corner, two);
                sums[two[0]] = first;
                sums[two[1]] = second;
            }
            _ => sums = self.sum_directly::<L, 4>(channel, cell.corner, [0, 1, 2, 3]),
        }
        sums
    }

    /// The results of a cell in one channel, at some of its four places.
    #[inline(always)]
    fn sum_directly<L: Lanes<Number = T>, const N: usize>(
        &self,
        channel: usize,
        [y, x]: [usize; 2],
        places: [usize; N],
    ) -> [T; N] {
        let conv = self.conv;
        let [_, width, channels] = conv.shape.padded();
        let row = conv.shape.row_length();
        let mut sums = [L::splat(T::ZERO); N];
        for ky in 0..conv.shape.kernel {
            // Channels come in whole registers, so rows do.
            let from = (ky * conv.shape.out_channels + channel) * conv.row;
            let weights = &conv.rows[from..][..row];
            let mut seen = [weights; N];
            for n in 0..N {
                let [down, right] = [places[n] / 2, places[n] % 2];
                let from = ((y + ky + down) * width + x + right) * channels;
                seen[n] = &self.padded[from..][..row];
            }
            for at in (0..row).step_by(L::COUNT) {
                let weights = L::load(&weights[at..]);
                for n in 0..N {
                    sums[n] = L::load(&seen[n][at..]).mul_add(weights, sums[n]);
                }
            }
        }
        let mut joined = [conv.tile_bias[channel]; N];
        for n in 0..N {
            joined[n] += sums[n].joined();
        }
        joined
    }
}
