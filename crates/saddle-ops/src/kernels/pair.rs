//! Two numbers of bf16 in the place of one, as processors multiply them.
//!
//! bf16 is the upper half of an `f32`: its range, and 8 bits of precision. The product of two such numbers is exact in
//! `f32`, so a processor that has an instruction for them gets the bits that the definition here gives.

/// Two numbers rounded to bf16 (nearest, ties to even): the second in the upper half, the first in the lower.
///
/// What is too small to be a normal number becomes 0, as the instructions read it.
#[inline(always)]
pub(super) fn pack(first: f32, second: f32) -> u32 {
    round(second) | round(first) >> 16
}

/// The numbers of a pair.
#[inline(always)]
pub(super) fn unpack(pair: u32) -> [f32; 2] {
    [f32::from_bits(pair << 16), f32::from_bits(pair & UPPER)]
}

/// The pair of two pairs' first numbers, and that of their second ones.
#[inline(always)]
pub(super) fn interleave(first: u32, second: u32) -> [u32; 2] {
    [first & !UPPER | second << 16, first >> 16 | second & UPPER]
}

/// `addend`, plus the product of the second numbers, plus that of the first.
#[inline(always)]
pub(super) fn dot(left: u32, right: u32, addend: f32) -> f32 {
    let [left, right] = [left, right].map(unpack);
    let normal = |sum: f32| if sum.abs() < f32::MIN_POSITIVE { 0.0 } else { sum };
    normal(left[0] * right[0] + normal(left[1] * right[1] + addend))
}

/// Where bf16 keeps its bits.
const UPPER: u32 = 0xFFFF_0000;

#[inline(always)]
fn round(number: f32) -> u32 {
    let bits = number.to_bits();
    let nearest = bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) & UPPER;
    let quiet = (bits | 0x0040_0000) & UPPER;
    let rounded = if number.is_nan() { quiet } else { nearest };
    if number.abs() < f32::MIN_POSITIVE { 0 } else { rounded }
}
