//! Which neighbours of a convolution's result see the same numbers, as over a digit's background.

use crate::{ConvShape, kernels::Lanes};

/// For each row of results, bit `x` says whether the result at `x` sees what its neighbour sees. Images of more columns than
/// a row has bits have no ties here.
#[derive(Default)]
pub(in crate::conv2d) struct Ties {
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
    pub(in crate::conv2d) fn find<L: Lanes>(&mut self, shape: &ConvShape, padded: &[L::Number]) {
        let [height, width, channels] = shape.padded();
        let [rows, _, _] = shape.output();
        let length = width * channels;
        let fits = width <= u64::BITS as usize;
        for (offset, equal) in [channels, length].into_iter().zip(&mut self.equal) {
            equal.clear();
            equal.resize(height, 0);
            for (y, equal) in equal.iter_mut().enumerate().take(if fits { height } else { 0 }) {
                if channels == 1 {
                    *equal = equal_pixels::<L>(&padded[y * width..], offset, width);
                    continue;
                }
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

    /// Which neighbours within the cell at `corner` see the same numbers.
    #[inline(always)]
    pub(in crate::conv2d) fn of_cell(&self, [y, x]: [usize; 2]) -> CellTies {
        if y + 1 >= self.across.len() {
            return CellTies::NONE;
        }
        let [upper, lower, down] = [self.across[y], self.across[y + 1], self.down[y]];
        CellTies(((upper >> x & 1) | (lower >> x & 1) << 1 | (down >> x & 3) << 2) as u8 & 15)
    }
}

/// Which neighbours within a cell are equal: the upper two, the lower two, the left two and the right two, bit by bit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::conv2d) struct CellTies(u8);

impl CellTies {
    /// Each place is its own.
    pub(in crate::conv2d) const NONE: Self = Self(0);

    /// For each place of the cell the first one that sees the same numbers.
    #[inline(always)]
    pub(in crate::conv2d) fn firsts(self) -> [usize; 4] {
        const FIRSTS: [[usize; 4]; 16] = {
            let mut firsts = [[0; 4]; 16];
            let mut bits = 0;
            while bits < 16 {
                let [upper, lower] = [bits & 1 != 0, bits & 2 != 0];
                let [left, right] = [bits & 4 != 0, bits & 8 != 0];
                let second = if upper { 0 } else { 1 };
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
                firsts[bits] = [0, second, third, fourth];
                bits += 1;
            }
            firsts
        };
        FIRSTS[usize::from(self.0)]
    }
}

/// For each pixel of a row whether the one `offset` further is its equal; not for those that have none.
#[inline(always)]
fn equal_pixels<L: Lanes>(pixels: &[L::Number], offset: usize, width: usize) -> u64 {
    let mut equal = 0;
    let mut x = 0;
    while x < width && x + offset + L::COUNT <= pixels.len() {
        let difference = L::load(&pixels[x..]).minus(L::load(&pixels[x + offset..]));
        let lanes = u64::from(
            !L::lanes_of(difference.is_live()) & (u32::MAX >> (u32::BITS - L::COUNT as u32)),
        );
        equal |= lanes << x;
        x += L::COUNT;
    }
    for x in x..width {
        let is_equal = pixels.get(x + offset).is_some_and(|pixel| *pixel == pixels[x]);
        equal |= u64::from(is_equal) << x;
    }
    if width < u64::BITS as usize { equal & ((1 << width) - 1) } else { equal }
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
