//! The choices in WebAssembly's vectors.

use super::{
    Masks,
    quarter::{BYTES, LANES},
};
use crate::kernels::{Lanes, lanes::Simd128};
use std::arch::wasm32::*;

impl<const RELAXED: bool> Masks for Simd128<RELAXED> {
    type Number = f32;
    type Mask = v128;

    #[inline(always)]
    fn wins(self, best: Self) -> v128 {
        v128_or(f32x4_gt(self.0, best.0), f32x4_ne(self.0, self.0))
    }

    #[inline(always)]
    fn is_dead(self) -> v128 {
        f32x4_le(self.0, f32x4_splat(0.0))
    }

    #[inline(always)]
    fn is_live(self) -> v128 {
        f32x4_ne(self.0, f32x4_splat(0.0))
    }

    #[inline(always)]
    fn has_mark(marks: &[u8], place: u8) -> v128 {
        i32x4_eq(load_marks(marks), i32x4_splat(i32::from(place)))
    }

    #[inline(always)]
    fn both(left: v128, right: v128) -> v128 {
        v128_and(left, right)
    }

    #[inline(always)]
    fn nowhere() -> v128 {
        i32x4_splat(0)
    }

    #[inline(always)]
    fn everywhere() -> v128 {
        i32x4_splat(-1)
    }

    #[inline(always)]
    fn select(mask: v128, yes: Self, no: Self) -> Self {
        Self(v128_bitselect(yes.0, no.0, mask))
    }

    #[inline(always)]
    fn store_marks(second: v128, fourth: v128, lower: v128, dead: v128, marks: &mut [u8]) {
        // A mask's lane is -1: a place is what is subtracted, and a dead lane stays -1, whose low byte is `DEAD`.
        let upper = i32x4_sub(i32x4_splat(0), second);
        let places = i32x4_sub(i32x4_splat(2), fourth);
        let places = v128_or(v128_bitselect(places, upper, lower), dead);
        let words = i16x8_narrow_i32x4(places, places);
        let bytes = i32x4_extract_lane::<0>(i8x16_narrow_i16x8(words, words));
        marks[..Self::COUNT].copy_from_slice(&bytes.to_le_bytes());
    }

    #[inline(always)]
    fn compress(self, mask: v128, first: u32, values: &mut [f32], indices: &mut [u32]) -> usize {
        let mask = i32x4_bitmask(mask);
        let lanes = i32x4_add(load(&LANES[usize::from(mask)]), u32x4_splat(first));
        Self(i8x16_swizzle(self.0, load_bytes(&BYTES[usize::from(mask)]))).store(values);
        store(lanes, indices);
        mask.count_ones() as usize
    }

    #[inline(always)]
    fn compress_marked(
        self,
        marks: &[u8],
        first: u32,
        step: u32,
        values: &mut [f32],
        indices: &mut [u32],
    ) -> usize {
        let marks = load_marks(marks);
        let mask = i32x4_bitmask(i32x4_ne(marks, i32x4_splat(i32::from(crate::DEAD))));
        let order = load_bytes(&BYTES[usize::from(mask)]);
        let lanes = i32x4_add(u32x4(0, 1, 2, 3), u32x4_splat(first));
        let lanes = i32x4_add(lanes, i32x4_mul(marks, u32x4_splat(step)));
        Self(i8x16_swizzle(self.0, order)).store(values);
        store(i8x16_swizzle(lanes, order), indices);
        mask.count_ones() as usize
    }
}

/// 4 marks, each as wide as a lane.
#[inline(always)]
fn load_marks(marks: &[u8]) -> v128 {
    let marks = [marks[0], marks[1], marks[2], marks[3]];
    let bytes = u32x4(u32::from_le_bytes(marks), 0, 0, 0);
    u32x4_extend_low_u16x8(u16x8_extend_low_u8x16(bytes))
}

#[inline(always)]
fn load(from: &[u32; 4]) -> v128 {
    // SAFETY: there are 16 bytes, and the load needs no alignment.
    unsafe { v128_load(from.as_ptr().cast()) }
}

#[inline(always)]
fn load_bytes(from: &[u8; 16]) -> v128 {
    // SAFETY: there are 16 bytes, and the load needs no alignment.
    unsafe { v128_load(from.as_ptr().cast()) }
}

#[inline(always)]
fn store(numbers: v128, to: &mut [u32]) {
    let to = &mut to[..4];
    // SAFETY: the slice above holds 4 numbers, and the store needs no alignment.
    unsafe { v128_store(to.as_mut_ptr().cast(), numbers) }
}
