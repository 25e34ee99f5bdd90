//! Which neighbours of a convolution's result see the same numbers, as over a digit's background.

use crate::{ConvShape, kernels::Lanes};

/// For each row of results, bit `x` says whether the result at `x` sees what its neighbour sees. Images of more columns than
/// a row has bits have no ties here.
#[derive(Default)]
pub(super) struct Ties {
    /// The neighbour on the right.
    across: Vec<u64>,
    /// The neighbour below.
    down: Vec<u64>,
    /// Whether a place of the image is its neighbour's equal, likewise.
    equal: [Vec<u64>; 2],
}

impl Ties {
    /// Finds them all.
    #[inline(always)]
    pub(super) fn find<L: Lanes>(&mut self, shape: &ConvShape, padded: &[L::Number]) {
        let [height, width, channels] = shape.padded();
        let [rows, _, _] = shape.output();
        let length = width * channels;
        let fits = width <= u64::BITS as usize;
        for (offset, equal) in [channels, length].into_iter().zip(&mut self.equal) {
            equal.clear();
            equal.resize(height, 0);
            for (y, equal) in equal.iter_mut().enumerate().take(if fits { height } else { 0 }) {
                for x in 0..width {
                    let at = y * length + x * channels;
                    if at + offset + channels <= padded.len() {
                        let pair = [&padded[at..][..channels], &padded[at + offset..][..channels]];
                        *equal |= u64::from(are_equal::<L>(pair)) << x;
                    }
                }
            }
        }
        for (ties, equal) in [&mut self.across, &mut self.down].into_iter().zip(&self.equal) {
            ties.clear();
            ties.extend((0..rows).map(|y| {
                let columns =
                    equal[y..y + shape.kernel].iter().fold(u64::MAX, |all, row| all & row);
                (0..shape.kernel).fold(u64::MAX, |all, x| all & (columns >> x))
            }));
        }
    }

    /// For each place of the cell at `corner` the first one that sees the same numbers.
    #[inline(always)]
    pub(super) fn firsts(&self, [y, x]: [usize; 2]) -> [usize; 4] {
        let is =
            |rows: &[u64], y: usize, x: usize| rows.get(y).is_some_and(|row| row >> x & 1 == 1);
        let [upper, lower] = [is(&self.across, y, x), is(&self.across, y + 1, x)];
        let [left, right] = [is(&self.down, y, x), is(&self.down, y, x + 1)];
        let second = usize::from(!upper);
        let third = match (left, lower && right) {
            (true, _) => 0,
            (false, true) => second,
            (false, false) => 2,
        };
        let fourth = match (right, lower) {
            (true, _) => second,
            (false, true) => third,
            (false, false) => 3,
        };
        [0, second, third, fourth]
    }
}

/// Whether two places hold the same numbers.
#[inline(always)]
fn are_equal<L: Lanes>([left, right]: [&[L::Number]; 2]) -> bool {
    // A number minus itself is 0, and nothing else is; channels come in whole registers.
    let pairs = left.chunks_exact(L::COUNT).zip(right.chunks_exact(L::COUNT));
    for (left, right) in pairs {
        if L::lanes_of(L::load(left).minus(L::load(right)).is_live()) != 0 {
            return false;
        }
    }
    true
}
