//! Which choices of a pool or a ReLU rounding may have made, and must be made again.
//!
//! A choice is close when the largest of a window and the next one are nearer than twice what the numbers may be off, or the
//! largest nearer to 0, before a ReLU, than once. Results that see the same numbers of the image are equal however they are summed; there the
//! first one stands for all of them ([`Ties`](super::ties::Ties)).

use super::ties::CellTies;
use crate::{Real as _, kernels::Lanes};

/// What must be summed directly.
#[derive(Default)]
pub(in crate::conv2d) struct Close {
    pub(in crate::conv2d) cells: Vec<CloseCell>,
}

/// Some channels of a cell, which is 2 x 2 results of the convolution.
#[derive(Clone, Copy)]
pub(in crate::conv2d) struct CloseCell {
    /// Row and column of its first result.
    pub(in crate::conv2d) corner: [usize; 2],
    /// The first channel of the register.
    pub(in crate::conv2d) first: usize,
    /// The channels, lane by lane.
    pub(in crate::conv2d) lanes: u32,
    /// For each result the channels, among those, in which it may be the largest.
    pub(in crate::conv2d) rivals: [u32; 4],
}

impl CloseCell {
    /// The channels that are close.
    #[inline(always)]
    pub(in crate::conv2d) fn channels(self) -> impl Iterator<Item = usize> {
        let mut rest = self.lanes;
        std::iter::from_fn(move || {
            let lane = rest.trailing_zeros();
            rest &= rest.wrapping_sub(1);
            (lane < u32::BITS).then_some(self.first + lane as usize)
        })
    }
}

impl Close {
    #[inline(always)]
    pub(in crate::conv2d) fn clear(&mut self) {
        self.cells.clear();
    }

    #[inline(always)]
    pub(in crate::conv2d) fn push(&mut self, corner: [usize; 2], first: usize, verdict: Verdict) {
        let Verdict { lanes, rivals } = verdict;
        if lanes != 0 {
            self.cells.push(CloseCell { corner, first, lanes, rivals });
        }
    }
}

/// Which lanes of a cell are close, and in which each result may be the largest, as in [`CloseCell`].
#[derive(Clone, Copy, Default)]
pub(in crate::conv2d) struct Verdict {
    lanes: u32,
    rivals: [u32; 4],
}

/// Tells choices that are close from those that are decided, among numbers that are finite.
#[derive(Clone, Copy)]
pub(in crate::conv2d) struct Judge<L> {
    /// The least gap that decides between two numbers.
    pub(in crate::conv2d) tolerance: L,
    /// Whether the largest of the four is chosen.
    pub(in crate::conv2d) pools: bool,
    /// Whether what is not above 0 becomes 0.
    pub(in crate::conv2d) relu: bool,
}

impl<L: Lanes> Judge<L> {
    /// The cell, with equal numbers where the direct sums are equal, and what is close; `ties` says which places see the
    /// same numbers.
    #[inline(always)]
    pub(in crate::conv2d) fn decide(
        self,
        cell: [L; 4],
        ties: impl FnOnce() -> CellTies,
    ) -> ([L; 4], Verdict) {
        let close = self.close(cell);
        if close == 0 {
            return (cell, Verdict::default());
        }
        if !self.pools {
            return (cell, Verdict { lanes: close, rivals: [close; 4] });
        }
        let ties = ties();
        if ties == CellTies::NONE {
            return (cell, self.rivals(cell, close));
        }
        // Who is not the first competes with nobody.
        let lowest = L::splat(L::Number::rounded(f64::from(f32::MIN)));
        let [mut rivals, mut equals] = [cell; 2];
        for (place, first) in ties.firsts().into_iter().enumerate() {
            if first < place {
                rivals[place] = lowest;
                equals[place] = equals[first];
            }
        }
        (equals, self.rivals(rivals, self.close(rivals)))
    }

    /// Who is not decided to be smaller than the largest, in the given lanes.
    #[inline(always)]
    fn rivals(self, cell: [L; 4], lanes: u32) -> Verdict {
        let upper = L::larger_number(cell[0], cell[1]);
        let largest = L::larger_number(upper, L::larger_number(cell[2], cell[3]));
        let mut rivals = [0; 4];
        for place in 0..4 {
            rivals[place] = L::lanes_of(self.tolerance.wins(largest.minus(cell[place]))) & lanes;
        }
        Verdict { lanes, rivals }
    }

    /// The lanes whose choice is close.
    #[inline(always)]
    fn close(self, [zeroth, second, third, fourth]: [L; 4]) -> u32 {
        let Self { tolerance, pools, relu } = self;
        if !pools {
            let upper = L::smaller_number(size(zeroth), size(second));
            let lower = L::smaller_number(size(third), size(fourth));
            let smallest = L::smaller_number(upper, lower);
            let close = L::lanes_of(tolerance.wins(smallest.plus(smallest)));
            return if relu { close } else { 0 };
        }
        let (upper, lower) = (L::larger_number(zeroth, second), L::larger_number(third, fourth));
        let largest = L::larger_number(upper, lower);
        // The next one lost to the largest within its row, or is the largest of the other row.
        let losers =
            L::larger_number(L::smaller_number(zeroth, second), L::smaller_number(third, fourth));
        let gap = largest.minus(L::larger_number(losers, L::smaller_number(upper, lower)));
        if relu {
            // 0 is not off.
            let twice = largest.plus(largest);
            let close = tolerance.wins(L::smaller_number(gap, twice));
            // A window that is surely dead has nothing to choose.
            let may_live = twice.plus(tolerance).wins(L::splat(L::Number::ZERO));
            return L::lanes_of(L::both(close, may_live));
        }
        L::lanes_of(tolerance.wins(gap))
    }
}

/// What is left of a number without its sign.
#[inline(always)]
fn size<L: Lanes>(value: L) -> L {
    L::larger_number(value, L::splat(L::Number::ZERO).minus(value))
}
