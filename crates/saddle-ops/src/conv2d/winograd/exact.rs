//! Which cells of a transformed result are too close to call, and their direct sums.
//!
//! A choice is close when rounding may have made it: the largest of a window and the next one, or the largest and 0
//! before a ReLU, are nearer than twice what the transformed results may be off.

use super::{Pass, Sink};
use crate::{Real, kernels::Lanes};

/// Cells, 2 x 2 results of the convolution, that must be summed directly: row and column of each one's corner.
#[derive(Default)]
pub(super) struct Close {
    cells: Vec<[u32; 2]>,
}

impl Close {
    #[inline(always)]
    pub(super) fn clear(&mut self) {
        self.cells.clear();
    }

    #[inline(always)]
    pub(super) fn push(&mut self, [row, column]: [usize; 2]) {
        self.cells.push([row as u32, column as u32]);
    }
}

/// Whether the choice among four results is close in any lane: that of the largest (`pools`), or that of what is above 0
/// (`relu`).
#[inline(always)]
pub(super) fn is_close<L: Lanes>(
    [zeroth, second, third, fourth]: [L; 4],
    tolerance: L,
    pools: bool,
    relu: bool,
) -> bool {
    let zero = L::splat(L::Number::ZERO);
    if !pools {
        let far = |value: L| L::larger(value, zero.minus(value));
        let upper = L::smaller(far(zeroth), far(second));
        let lower = L::smaller(far(third), far(fourth));
        return relu && L::any(tolerance.wins(L::smaller(upper, lower)));
    }
    let (upper, lower) = (L::larger(zeroth, second), L::larger(third, fourth));
    let largest = L::larger(upper, lower);
    // The next one lost to the largest within its row, or is the largest of the other row.
    let losers = L::larger(L::smaller(zeroth, second), L::smaller(third, fourth));
    let gap = largest.minus(L::larger(losers, L::smaller(upper, lower)));
    if relu {
        // A window that is surely dead has nothing to choose.
        let close = tolerance.wins(L::smaller(gap, largest));
        return L::any(L::both(close, largest.plus(tolerance).wins(zero)));
    }
    L::any(tolerance.wins(gap))
}

impl<T: Real> Pass<'_, T> {
    /// Sums the close cells of the register of channels `group` and writes them over what was there.
    #[inline(always)]
    pub(super) fn settle<L: Lanes<Number = T>>(&mut self, group: usize) {
        let mut from = 0;
        while from < self.scratch.close.cells.len() {
            from += if L::TILE_ROWS >= 12 && self.scratch.close.cells.len() - from > 2 {
                self.settle_cells::<L, 4>(group, from)
            } else {
                self.settle_cells::<L, 2>(group, from)
            };
        }
    }

    /// Sums up to `CELLS` cells; returns `CELLS`.
    #[inline(always)]
    fn settle_cells<L: Lanes<Number = T>, const CELLS: usize>(
        &mut self,
        group: usize,
        from: usize,
    ) -> usize {
        let cells = &self.scratch.close.cells[from..];
        // Where there are fewer, the last one is summed again.
        let corners: [[usize; 2]; CELLS] =
            std::array::from_fn(|cell| cells[cell.min(cells.len() - 1)].map(|at| at as usize));
        let sums = self.sum_directly::<L, CELLS>(group, corners);
        if let Sink::Pooled(window, target) = &mut self.sink {
            for (corner, sums) in corners.into_iter().zip(sums) {
                target.put_cell::<L>(*window, corner, group * L::COUNT, sums);
            }
        }
        CELLS
    }

    /// The results of `CELLS` cells, each a chain of additions in the order of [`Conv2d::forward`](super::super::Conv2d).
    #[inline(always)]
    fn sum_directly<L: Lanes<Number = T>, const CELLS: usize>(
        &self,
        group: usize,
        corners: [[usize; 2]; CELLS],
    ) -> [[L; 4]; CELLS] {
        let conv = self.conv;
        let [_, width, channels] = conv.shape.padded();
        let row = conv.shape.row_length();
        let bias = L::load(&conv.tile_bias[group * L::COUNT..]);
        let mut sums = [[bias; 4]; CELLS];
        let length = conv.shape.patch_length() * L::COUNT;
        let weights = &conv.tiles[group * length..][..length];
        for (ky, weights) in weights.chunks_exact(row * L::COUNT).enumerate() {
            // What the kernel's row sees of both rows of each cell, one place wider than itself.
            let pixels: [[&[T]; 2]; CELLS] = corners.map(|[y, x]| {
                [0, 1].map(|down| {
                    &self.padded[((y + down + ky) * width + x) * channels..][..row + channels]
                })
            });
            for i in 0..row {
                let weights = L::load(&weights[i * L::COUNT..]);
                for cell in 0..CELLS {
                    for place in 0..4 {
                        // SAFETY: `i < row`, so the index is less than `row + channels`.
                        let pixel = unsafe {
                            *pixels[cell][place / 2].get_unchecked(place % 2 * channels + i)
                        };
                        sums[cell][place] = L::splat(pixel).mul_add(weights, sums[cell][place]);
                    }
                }
            }
        }
        sums
    }
}
