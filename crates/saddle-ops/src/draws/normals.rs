//! Standard normals in bulk: the noise of smoothed gradients, hundreds per pixel row and step.
//!
//! Box and Muller in `f32`, written without a branch so that the compiler turns it into vector
//! instructions. Only operations that IEEE 754 fixes to the last bit occur (add, multiply, divide,
//! square root, conversion), and Rust never fuses them, so every machine gets the same numbers.
//! The polynomials are Taylor series, cut where the next term no longer matters to a normal: the first one left out is at
//! most 3e-7 of the sine at an eighth of a turn, and less everywhere else.
//!
//! A 32-bit word makes the radius, so the tail ends at `sqrt(2 * 33 * ln 2) = 6.76`; a normal beyond
//! that has probability `1.4e-11`.

use super::Stream;

/// Fills `out` with standard normals from the start of `stream`.
///
/// `n` numbers use `h = n / 2` (rounded up) pairs: words `0..h` make radii, words `h..2h` angles;
/// number `i` is the cosine part of pair `i`, number `h + i` the sine part.
pub(super) fn fill(stream: &mut Stream, out: &mut [f32]) {
    let half = out.len().div_ceil(2);
    let mut words = vec![0u32; 2 * half];
    stream.fill(&mut words, &mut vec![0u8; 8 * half]);
    let (radii, angles) = words.split_at(half);
    let (cosines, sines) = out.split_at_mut(half);
    for (((cosine, sine), radius), angle) in
        cosines.iter_mut().zip(&mut *sines).zip(radii).zip(angles)
    {
        (*cosine, *sine) = pair(*radius, *angle);
    }
    // An odd length has a cosine without a sine.
    if let (Some(cosine), true) = (cosines.last_mut(), sines.len() < half) {
        (*cosine, _) = pair(radii[half - 1], angles[half - 1]);
    }
}

/// Two independent standard normals from two words.
#[inline]
fn pair(radius: u32, angle: u32) -> (f32, f32) {
    // (word + 1/2) / 2^32 lies in (0, 1].
    let uniform = (radius as f32 + 0.5) * (1.0 / 4_294_967_296.0);
    let length = (-2.0 * logarithm(uniform)).sqrt();
    let (sine, cosine) = sine_and_cosine(angle);
    (length * cosine, length * sine)
}

/// Natural logarithm of a normal positive number.
///
/// Splits `x = 2^k m` with `m` in about `[0.71, 1.42)`; then `ln m = 2 artanh((m - 1) / (m + 1))`.
#[inline]
fn logarithm(x: f32) -> f32 {
    // Bits of sqrt(1/2): subtracting them makes the exponent round at sqrt(2) instead of at 2.
    const ROOT_HALF: i32 = 0x3f35_04f3;
    let bits = x.to_bits() as i32 - ROOT_HALF;
    let exponent = (bits >> 23) as f32;
    let mantissa = f32::from_bits(((bits & 0x007f_ffff) + ROOT_HALF) as u32);
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let q = s * s;
    let series = 2.0 + q * (2.0 / 3.0 + q * (2.0 / 5.0 + q * (2.0 / 7.0 + q * (2.0 / 9.0))));
    exponent * std::f32::consts::LN_2 + s * series
}

/// Sine and cosine of a word read as an angle, `2^32` being the full turn.
///
/// The two highest bits, after rounding to the nearest quarter turn, choose the quadrant; the rest is
/// an angle of at most an eighth of a turn, where the series converge fast.
#[inline]
fn sine_and_cosine(word: u32) -> (f32, f32) {
    let shifted = word.wrapping_add(1 << 29);
    let quadrant = shifted >> 30;
    let rest = (shifted & 0x3fff_ffff) as i32 - (1 << 29);
    let x = rest as f32 * (std::f32::consts::TAU / 4_294_967_296.0);
    let q = x * x;
    let sine = x * (1.0 + q * (-1.0 / 6.0 + q * (1.0 / 120.0 + q * (-1.0 / 5040.0))));
    let cosine = 1.0 + q * (-0.5 + q * (1.0 / 24.0 + q * (-1.0 / 720.0 + q * (1.0 / 40320.0))));
    // A quarter turn swaps the two; the sign bits follow the quadrant.
    let odd = quadrant & 1 == 1;
    let (first, second) = if odd { (cosine, sine) } else { (sine, cosine) };
    let sine_sign = (quadrant & 2) << 30;
    let cosine_sign = (quadrant.wrapping_add(1) & 2) << 30;
    (f32::from_bits(first.to_bits() ^ sine_sign), f32::from_bits(second.to_bits() ^ cosine_sign))
}
