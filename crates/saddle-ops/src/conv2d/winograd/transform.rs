//! The three linear maps of F(4 x 4, 5 x 5), each applied to columns and then to rows.
//!
//! With the points p = 0, 1, -1, 2, -2, 1/2, -1/2 and infinity: weights are evaluated at p and divided by the product of
//! p's distances to the others; eight inputs are combined by the coefficients of the product of (x - q) over the
//! other points q; results are sums of powers of p times products.

use super::{KERNEL, POINTS, SIDE, TILE};
use crate::{Real, kernels::Lanes};
use candle_core::WithDType as _;

/// The finite points, in order.
const FINITE: [f64; SIDE - 1] = [0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5];

/// Transforms a kernel's 25 weights, in `f64`, to 64 numbers.
pub(super) fn weights<T: Real>(weights: &[T]) -> [T; POINTS] {
    let mut rows = [[0.0; KERNEL]; SIDE];
    for column in 0..KERNEL {
        let values = evaluate(std::array::from_fn(|ky| weights[ky * KERNEL + column].to_f64()));
        for (row, value) in rows.iter_mut().zip(values) {
            row[column] = value;
        }
    }
    let points = rows.map(evaluate);
    std::array::from_fn(|point| T::from_f64(points[point / SIDE][point % SIDE]))
}

/// For each point the powers of p, over the product of p's distances to the others; infinity takes the last coefficient.
const EVALUATION: [[f64; KERNEL]; SIDE] = {
    let mut matrix = [[0.0; KERNEL]; SIDE];
    matrix[SIDE - 1][KERNEL - 1] = 1.0;
    let mut point = 0;
    while point < FINITE.len() {
        let mut distances = 1.0;
        let mut other = 0;
        while other < FINITE.len() {
            if other != point {
                distances *= FINITE[point] - FINITE[other];
            }
            other += 1;
        }
        let (mut power, mut at) = (1.0, 0);
        while at < KERNEL {
            matrix[point][at] = power / distances;
            power *= FINITE[point];
            at += 1;
        }
        point += 1;
    }
    matrix
};

/// [`EVALUATION`] times five coefficients.
fn evaluate(coefficients: [f64; KERNEL]) -> [f64; SIDE] {
    EVALUATION.map(|row| row.iter().zip(coefficients).map(|(x, y)| x * y).sum())
}

/// Transforms the 8 x 8 numbers, of a register of channels, whose first lies at the start of `image`; beyond `sides` there
/// are zeros. `between` says how far apart are rows, columns and, in `to`, points.
#[inline(always)]
pub(super) fn inputs<L: Lanes>(
    image: &[L::Number],
    sides: [usize; 2],
    to: &mut [L::Number],
    between: [usize; 3],
) {
    let [between_rows, between_columns, between_points] = between;
    let zero = L::splat(L::Number::ZERO);
    let mut half = [[zero; SIDE]; SIDE];
    for column in 0..sides[1] {
        let mut numbers = [zero; SIDE];
        for row in 0..sides[0] {
            numbers[row] = L::load(&image[row * between_rows + column * between_columns..]);
        }
        for (half, value) in half.iter_mut().zip(combine(&numbers)) {
            half[column] = value;
        }
    }
    for (row, half) in half.iter().enumerate() {
        for (column, value) in combine(half).into_iter().enumerate() {
            value.store(&mut to[(row * SIDE + column) * between_points..]);
        }
    }
}

/// Transforms the 64 products of a register of channels, `between` apart, to a tile of results with their bias.
#[inline(always)]
pub(super) fn outputs<L: Lanes>(
    products: &[L::Number],
    between: usize,
    bias: L,
) -> [[L; TILE]; TILE] {
    let zero = L::splat(L::Number::ZERO);
    let mut half = [[zero; SIDE]; TILE];
    for column in 0..SIDE {
        let mut numbers = [zero; SIDE];
        for (row, number) in numbers.iter_mut().enumerate() {
            *number = L::load(&products[(row * SIDE + column) * between..]);
        }
        for (half, value) in half.iter_mut().zip(interpolate(&numbers)) {
            half[column] = value;
        }
    }
    let mut results = [[zero; TILE]; TILE];
    for (results, half) in results.iter_mut().zip(&half) {
        for (result, value) in results.iter_mut().zip(interpolate(half)) {
            *result = value.plus(bias);
        }
    }
    results
}

/// `factor * x + y`.
#[inline(always)]
fn add<L: Lanes>(factor: f64, x: L, y: L) -> L {
    L::splat(L::Number::from_f64(factor)).mul_add(x, y)
}

/// The transposed matrix of inputs, times eight of them.
#[inline(always)]
fn combine<L: Lanes>(d: &[L; SIDE]) -> [L; SIDE] {
    let [one, minus_one] = combine_pair(d, 1.0, -4.25, 1.0);
    let [two, minus_two] = combine_pair(d, 2.0, -1.25, 0.25);
    let [half, minus_half] = combine_pair(d, 0.5, -5.0, 4.0);
    let zero = add(-5.25, d[4], add(5.25, d[2], add(-1.0, d[0], d[6])));
    let infinity = add(-5.25, d[5], add(5.25, d[3], add(-1.0, d[1], d[7])));
    [zero, one, minus_one, two, minus_two, half, minus_half, infinity]
}

/// For p and -p: the parts even and odd in p of `x (x + p) (x^4 + s1 x^2 + s0)`.
#[inline(always)]
fn combine_pair<L: Lanes>(d: &[L; SIDE], p: f64, s1: f64, s0: f64) -> [L; 2] {
    let even = add(s0, d[2], add(s1, d[4], d[6]));
    let odd = add(s0, d[1], add(s1, d[3], d[5]));
    [add(p, odd, even), add(-p, odd, even)]
}

/// The transposed matrix of results, times eight products.
#[inline(always)]
fn interpolate<L: Lanes>(m: &[L; SIDE]) -> [L; TILE] {
    let (even1, odd1) = (m[1].plus(m[2]), add(-1.0, m[2], m[1]));
    let (even2, odd2) = (m[3].plus(m[4]), add(-1.0, m[4], m[3]));
    let (even3, odd3) = (m[5].plus(m[6]), add(-1.0, m[6], m[5]));
    [
        m[0].plus(even1).plus(even2.plus(even3)),
        add(0.5, odd3, add(2.0, odd2, odd1)),
        add(0.25, even3, add(4.0, even2, even1)),
        add(0.125, odd3, add(8.0, odd2, odd1.plus(m[7]))),
    ]
}
