//! Numbers and layouts for tests of the kernels.
//!
//! Fast kernels are held against their naive twins on multiples of 1/8 between -1 and 1: sums of their products are exact
//! in `f32`, in any order, fused or not. So the two must agree to the last bit, and a wrong index cannot hide
//! behind a tolerance.

use crate::model::{hashed, signed};
use saddle_ops::{ConvShape, Real};

/// Multiples of 1/8 in `[-1, 1)`.
pub fn eighths<T: Real>(count: usize, salt: u64) -> Vec<T> {
    signed(count, salt, 4).into_iter().map(T::from_f64).collect()
}

/// [`eighths`], of which about `percent` in a hundred are kept and the others are 0.
pub fn sparse_eighths<T: Real>(count: usize, salt: u64, percent: u32) -> Vec<T> {
    let kept = |i: usize| hashed(i as u64, salt + 7) % 100 < percent;
    let values = eighths::<T>(count, salt).into_iter().enumerate();
    values.map(|(i, value)| if kept(i) { value } else { T::ZERO }).collect()
}

/// `(c, h, w)` to `(h, w, c)`.
pub fn to_places<T: Real>(image: &[T], [height, width, channels]: [usize; 3]) -> Vec<T> {
    let at = |i: usize| (i % channels) * height * width + i / channels;
    (0..image.len()).map(|i| image[at(i)]).collect()
}

/// `(h, w, c)` to `(c, h, w)`.
pub fn to_planes<T: Real>(image: &[T], [height, width, channels]: [usize; 3]) -> Vec<T> {
    let at = |i: usize| (i % (height * width)) * channels + i / (height * width);
    (0..image.len()).map(|i| image[at(i)]).collect()
}

/// `(c, h, w)` to `(h, w, c)` with the convolution's border of zeros, and its slack filled with numbers that nobody may use.
pub fn pad<T: Real>(shape: &ConvShape, image: &[T]) -> Vec<T> {
    let [height, width, channels] = shape.padded();
    let mut padded = vec![T::ZERO; shape.padded_length()];
    for y in 0..shape.size[0] {
        for x in 0..shape.size[1] {
            for channel in 0..channels {
                let to = ((y + shape.padding) * width + x + shape.padding) * channels + channel;
                padded[to] = image[(channel * shape.size[0] + y) * shape.size[1] + x];
            }
        }
    }
    padded[height * width * channels..].fill(T::from_f64(1e3));
    padded
}

/// `(h, w, c)` with the convolution's border to `(c, h, w)` without.
pub fn unpad<T: Real>(shape: &ConvShape, padded: &[T]) -> Vec<T> {
    let [_, width, channels] = shape.padded();
    let mut image = Vec::new();
    for channel in 0..channels {
        for y in shape.padding..shape.padding + shape.size[0] {
            for x in shape.padding..shape.padding + shape.size[1] {
                image.push(padded[(y * width + x) * channels + channel]);
            }
        }
    }
    image
}

/// Difference quotient `(f(x + h e_i) - f(x - h e_i)) / 2h` for each coordinate `i`.
pub fn slopes(values: &[f64], step: f64, function: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut moved = values.to_vec();
    let mut at = |i: usize, value: f64| {
        let kept = std::mem::replace(&mut moved[i], value);
        let result = function(&moved);
        moved[i] = kept;
        result
    };
    (0..values.len())
        .map(|i| (at(i, values[i] + step) - at(i, values[i] - step)) / (2.0 * step))
        .collect()
}

/// `sum_i a_i b_i`.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Largest `|a_i - b_i|`; infinite when the lengths differ.
pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() {
        return f64::INFINITY;
    }
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
