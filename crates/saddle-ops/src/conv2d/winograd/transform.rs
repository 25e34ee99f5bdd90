//! The three linear maps of F(4 x 4, k x k), each applied to columns and then to rows.
//!
//! With the points p = 0, 1, -1, 2, -2 and infinity, and for a tile of 8 also 1/2 and -1/2: weights are evaluated at p and
//! divided by the product of p's distances to the others; inputs are combined by the coefficients of the product of
//! (x - q) over the other points q; results are sums of powers of p times products.
//!
//! `SIDE` is the side of what a tile reads, 6 or 8, and the kernel's is `SIDE - 3`.

use super::{
    TILE,
    tiling::{SHORT, is_spared},
};
use crate::{Real as _, kernels::Lanes};
use std::mem::MaybeUninit;

/// The finite points, in order; a tile of 6 does without the last two.
const FINITE: [f64; 7] = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5];

/// For each point the powers of p, over the product of p's distances to the others; infinity takes the last coefficient.
pub(super) fn evaluation(side: usize) -> Vec<Vec<f64>> {
    let finite = &FINITE[..side - 1];
    let kernel = side - TILE + 1;
    let row = |point: &f64| {
        let others = finite.iter().filter(|other| *other != point);
        let distances: f64 = others.map(|other| point - other).product();
        (0..kernel).map(|power| point.powi(power as i32) / distances).collect()
    };
    let mut infinity = vec![0.0; kernel];
    infinity[kernel - 1] = 1.0;
    finite.iter().map(row).chain([infinity]).collect()
}

/// Output channels whose weights are transformed side by side.
pub(super) const ABREAST: usize = 16;

/// Numbers of `f64`, one for each of the channels abreast.
pub(super) type Abreast = [f64; ABREAST];

/// Transforms kernels' weights, `(ky, kx)`, to the numbers of all points; `evaluation` is [`evaluation`].
#[inline(always)]
pub(super) fn weights<const SIDE: usize>(
    evaluation: &[Vec<f64>],
    weights: &[Abreast],
    points: &mut [Abreast],
) {
    let kernel = SIDE + 1 - TILE;
    for (row, powers) in points.chunks_exact_mut(SIDE).zip(evaluation) {
        let mut columns = [[0.0; ABREAST]; SIDE];
        for (weights, power) in weights.chunks_exact(kernel).zip(powers) {
            for (column, weight) in columns.iter_mut().zip(weights) {
                add_abreast(*power, weight, column);
            }
        }
        for (point, powers) in row.iter_mut().zip(evaluation) {
            *point = [0.0; ABREAST];
            for (power, column) in powers.iter().zip(&columns) {
                add_abreast(*power, column, point);
            }
        }
    }
}

#[inline(always)]
fn add_abreast(factor: f64, numbers: &Abreast, sums: &mut Abreast) {
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum += factor * number;
    }
}

/// Transforms the numbers, of a register of channels, whose first lies at the start of `image`; beyond `sides` there are
/// zeros. `between` says how far apart are rows, columns and, in `to`, points. A [short](super::tiling) tile leaves the points
/// that it does without as they are.
#[inline(always)]
pub(super) fn inputs<L: Lanes, const SIDE: usize>(
    image: &[L::Number],
    sides: [usize; 2],
    short: [bool; 2],
    to: &mut [L::Number],
    between: [usize; 3],
) {
    let [between_rows, between_columns, between_points] = between;
    let zero = L::splat(L::Number::ZERO);
    let mut half = Columns::<L, SIDE, SIDE>::empty();
    for column in 0..SIDE {
        let mut numbers = [zero; SIDE];
        if column < sides[1] {
            for row in 0..sides[0] {
                numbers[row] = L::load(&image[row * between_rows + column * between_columns..]);
            }
        }
        half.0[column].write(combine(&numbers, short[0]));
    }
    for row in 0..SIDE {
        if short[0] && is_spared(row, SIDE) {
            continue;
        }
        // SAFETY: the loop before wrote all columns.
        let across = unsafe { half.row(row) };
        for (column, value) in combine(&across, short[1]).into_iter().enumerate() {
            if !(short[1] && is_spared(column, SIDE)) {
                value.store(&mut to[(row * SIDE + column) * between_points..]);
            }
        }
    }
}

/// Transforms the products of a register of channels, `between` apart, to a tile of results with their bias; of a
/// [short](super::tiling) tile only the first two mean anything.
#[inline(always)]
pub(super) fn outputs<L: Lanes, const SIDE: usize>(
    products: &[L::Number],
    between: usize,
    bias: L,
    short: [bool; 2],
) -> [[L; TILE]; TILE] {
    let zero = L::splat(L::Number::ZERO);
    let mut half = Columns::<L, TILE, SIDE>::empty();
    for column in 0..SIDE {
        let mut numbers = [zero; SIDE];
        if !(short[1] && is_spared(column, SIDE)) {
            for (row, number) in numbers.iter_mut().enumerate() {
                if !(short[0] && is_spared(row, SIDE)) {
                    *number = L::load(&products[(row * SIDE + column) * between..]);
                }
            }
        }
        half.0[column].write(interpolate(&numbers, short[0]));
    }
    let mut results = [[zero; TILE]; TILE];
    for (row, results) in results.iter_mut().enumerate() {
        if short[0] && row >= SHORT {
            continue;
        }
        // SAFETY: the loop before wrote all columns.
        let across = unsafe { half.row(row) };
        for (result, value) in results.iter_mut().zip(interpolate(&across, short[1])) {
            *result = value.plus(bias);
        }
    }
    results
}

/// Columns that are transformed one after the other and then read by rows. Clearing an array for them first was a fiftieth of
/// a whole input gradient. (A closure that makes a column would not be compiled for the processor's vectors.)
struct Columns<L, const HEIGHT: usize, const WIDTH: usize>([MaybeUninit<[L; HEIGHT]>; WIDTH]);

impl<L: Lanes, const HEIGHT: usize, const WIDTH: usize> Columns<L, HEIGHT, WIDTH> {
    #[inline(always)]
    fn empty() -> Self {
        Self([const { MaybeUninit::uninit() }; WIDTH])
    }

    /// # Safety
    ///
    /// All columns must have been written.
    #[inline(always)]
    unsafe fn row(&self, row: usize) -> [L; WIDTH] {
        let mut across = [L::splat(L::Number::ZERO); WIDTH];
        for (to, column) in across.iter_mut().zip(&self.0) {
            // SAFETY: the caller promises that the column was written.
            *to = unsafe { column.assume_init_ref() }[row];
        }
        across
    }
}

/// `factor * x + y`.
#[inline(always)]
fn add<L: Lanes>(factor: f64, x: L, y: L) -> L {
    L::splat(L::Number::rounded(factor)).mul_add(x, y)
}

/// The transposed matrix of inputs, times as many of them.
#[inline(always)]
fn combine<L: Lanes, const SIDE: usize>(d: &[L; SIDE], short: bool) -> [L; SIDE] {
    if short {
        return combine_short(d);
    }
    let mut sums = *d;
    if SIDE == 6 {
        // x^4 - 5 x^2 + 4 and its factors.
        sums[0] = add(4.0, d[0], add(-5.0, d[2], d[4]));
        [sums[1], sums[2]] = pair(1.0, add(-4.0, d[2], d[4]), add(-4.0, d[1], d[3]));
        [sums[3], sums[4]] = pair(2.0, add(-1.0, d[2], d[4]), add(-1.0, d[1], d[3]));
        sums[5] = add(4.0, d[1], add(-5.0, d[3], d[5]));
    } else {
        // x^6 - 5.25 x^4 + 5.25 x^2 - 1 and its factors.
        let factor = |s1, s0, at: usize| add(s0, d[at], add(s1, d[at + 2], d[at + 4]));
        sums[0] = add(-5.25, d[4], add(5.25, d[2], add(-1.0, d[0], d[6])));
        [sums[1], sums[2]] = pair(1.0, factor(-4.25, 1.0, 2), factor(-4.25, 1.0, 1));
        [sums[3], sums[4]] = pair(2.0, factor(-1.25, 0.25, 2), factor(-1.25, 0.25, 1));
        [sums[5], sums[6]] = pair(0.5, factor(-5.0, 4.0, 2), factor(-5.0, 4.0, 1));
        sums[7] = add(-5.25, d[5], add(5.25, d[3], add(-1.0, d[1], d[7])));
    }
    sums
}

/// [`combine`] without the two points that are [spared](is_spared), of two inputs less. The weights' transform is the full
/// one, whose distances go to those two points as well; so the numbers of a finite point p are multiplied by its distances to
/// them, p^2 - 0.25 or p^2 - 4.
#[inline(always)]
fn combine_short<L: Lanes, const SIDE: usize>(d: &[L; SIDE]) -> [L; SIDE] {
    let zero = L::splat(L::Number::ZERO);
    let mut sums = [zero; SIDE];
    if SIDE == 6 {
        // x^2 - 1 and its factors.
        sums[0] = add(4.0, d[0], add(-4.0, d[2], zero));
        [sums[1], sums[2]] = pair(-3.0, add(-3.0, d[2], zero), d[1]);
        sums[5] = d[3].minus(d[1]);
    } else {
        // x^4 - 5 x^2 + 4 and its factors.
        sums[0] = add(-0.25, d[4], add(1.25, d[2], add(-1.0, d[0], zero)));
        let even = add(0.75, d[4], add(-3.0, d[2], zero));
        [sums[1], sums[2]] = pair(0.75, even, add(-4.0, d[1], d[3]));
        let even = add(3.75, d[4], add(-3.75, d[2], zero));
        [sums[3], sums[4]] = pair(7.5, even, add(-1.0, d[1], d[3]));
        sums[7] = add(4.0, d[1], add(-5.0, d[3], d[5]));
    }
    sums
}

/// For p and -p, from the parts even and odd in p.
#[inline(always)]
fn pair<L: Lanes>(p: f64, even: L, odd: L) -> [L; 2] {
    [add(p, odd, even), add(-p, odd, even)]
}

/// The transposed matrix of results, times as many products; of a short tile only the first two mean anything.
#[inline(always)]
fn interpolate<L: Lanes, const SIDE: usize>(m: &[L; SIDE], short: bool) -> [L; TILE] {
    let (even1, odd1) = (m[1].plus(m[2]), add(-1.0, m[2], m[1]));
    if short {
        let zero = L::splat(L::Number::ZERO);
        let (first, last) = (m[0].plus(even1), odd1.plus(m[SIDE - 1]));
        if SIDE == 6 {
            return [first, last, zero, zero];
        }
        let (even2, odd2) = (m[3].plus(m[4]), add(-1.0, m[4], m[3]));
        return [first.plus(even2), add(2.0, odd2, last), zero, zero];
    }
    let (even2, odd2) = (m[3].plus(m[4]), add(-1.0, m[4], m[3]));
    let first = m[0].plus(even1);
    let last = odd1.plus(m[SIDE - 1]);
    if SIDE == 6 {
        return [
            first.plus(even2),
            add(2.0, odd2, odd1),
            add(4.0, even2, even1),
            add(8.0, odd2, last),
        ];
    }
    let (even3, odd3) = (m[5].plus(m[6]), add(-1.0, m[6], m[5]));
    [
        first.plus(even2.plus(even3)),
        add(0.5, odd3, add(2.0, odd2, odd1)),
        add(0.25, even3, add(4.0, even2, even1)),
        add(0.125, odd3, add(8.0, odd2, last)),
    ]
}
