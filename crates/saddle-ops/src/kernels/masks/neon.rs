//! The choices in NEON; see [`Neon`] for what makes their calls safe.

use super::{
    Masks,
    quarter::{BYTES, LANES},
};
use crate::kernels::{Lanes, lanes::Neon};
use std::arch::aarch64::*;

impl Masks for Neon {
    type Number = f32;
    type Mask = uint32x4_t;

    #[inline(always)]
    fn wins(self, best: Self) -> uint32x4_t {
        // SAFETY: as in `Neon::splat`.
        unsafe { vorrq_u32(vcgtq_f32(self.0, best.0), vmvnq_u32(vceqq_f32(self.0, self.0))) }
    }

    #[inline(always)]
    fn is_dead(self) -> uint32x4_t {
        // SAFETY: as in `Neon::splat`.
        unsafe { vcleq_f32(self.0, vdupq_n_f32(0.0)) }
    }

    #[inline(always)]
    fn is_live(self) -> uint32x4_t {
        // SAFETY: as in `Neon::splat`.
        unsafe { vmvnq_u32(vceqq_f32(self.0, vdupq_n_f32(0.0))) }
    }

    #[inline(always)]
    fn has_mark(marks: &[u8], place: u8) -> uint32x4_t {
        // SAFETY: as in `Neon::splat`.
        unsafe { vceqq_u32(load_marks(marks), vdupq_n_u32(u32::from(place))) }
    }

    #[inline(always)]
    fn both(left: uint32x4_t, right: uint32x4_t) -> uint32x4_t {
        // SAFETY: as in `Neon::splat`.
        unsafe { vandq_u32(left, right) }
    }

    #[inline(always)]
    fn nowhere() -> uint32x4_t {
        // SAFETY: as in `Neon::splat`.
        unsafe { vdupq_n_u32(0) }
    }

    #[inline(always)]
    fn everywhere() -> uint32x4_t {
        // SAFETY: as in `Neon::splat`.
        unsafe { vdupq_n_u32(u32::MAX) }
    }

    #[inline(always)]
    fn select(mask: uint32x4_t, yes: Self, no: Self) -> Self {
        // SAFETY: as in `Neon::splat`.
        Self(unsafe { vbslq_f32(mask, yes.0, no.0) })
    }

    #[inline(always)]
    fn store_marks(
        second: uint32x4_t,
        fourth: uint32x4_t,
        lower: uint32x4_t,
        dead: uint32x4_t,
        marks: &mut [u8],
    ) {
        // SAFETY: as in `Neon::splat`.
        let bytes = unsafe {
            // A mask's lane is -1: a place is what is subtracted, and a dead lane stays -1, whose low byte is `DEAD`.
            let upper = vsubq_u32(vdupq_n_u32(0), second);
            let places = vsubq_u32(vdupq_n_u32(2), fourth);
            let places = vorrq_u32(vbslq_u32(lower, places, upper), dead);
            let words = vmovn_u32(places);
            vget_lane_u32::<0>(vreinterpret_u32_u8(vmovn_u16(vcombine_u16(words, words))))
        };
        marks[..Self::COUNT].copy_from_slice(&bytes.to_le_bytes());
    }

    #[inline(always)]
    fn compress(
        self,
        mask: uint32x4_t,
        first: u32,
        values: &mut [f32],
        indices: &mut [u32],
    ) -> usize {
        let indices = &mut indices[..Self::COUNT];
        let mask = bits(mask);
        // SAFETY: as in `Neon::splat`; the tables' entries hold 4 numbers and 16 bytes, the slice above 4 numbers.
        unsafe {
            let lanes = vaddq_u32(vld1q_u32(LANES[mask].as_ptr()), vdupq_n_u32(first));
            vst1q_u32(indices.as_mut_ptr(), lanes);
            let bytes = vqtbl1q_u8(vreinterpretq_u8_f32(self.0), vld1q_u8(BYTES[mask].as_ptr()));
            Self(vreinterpretq_f32_u8(bytes)).store(values);
        }
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
        let indices = &mut indices[..Self::COUNT];
        let marks = load_marks(marks);
        // SAFETY: as in `Neon::splat`; the tables' entries hold 4 numbers and 16 bytes, the slice above 4 numbers.
        unsafe {
            let dead = vceqq_u32(marks, vdupq_n_u32(u32::from(crate::DEAD)));
            let mask = bits(vmvnq_u32(dead));
            let order = vld1q_u8(BYTES[mask].as_ptr());
            let lanes = vaddq_u32(vld1q_u32([0, 1, 2, 3].as_ptr()), vdupq_n_u32(first));
            let lanes = vmlaq_u32(lanes, marks, vdupq_n_u32(step));
            let kept = vqtbl1q_u8(vreinterpretq_u8_u32(lanes), order);
            vst1q_u32(indices.as_mut_ptr(), vreinterpretq_u32_u8(kept));
            let bytes = vqtbl1q_u8(vreinterpretq_u8_f32(self.0), order);
            Self(vreinterpretq_f32_u8(bytes)).store(values);
            mask.count_ones() as usize
        }
    }
}

/// 4 marks, each as wide as a lane.
#[inline(always)]
fn load_marks(marks: &[u8]) -> uint32x4_t {
    let marks = u32::from_le_bytes([marks[0], marks[1], marks[2], marks[3]]);
    // SAFETY: as in `Neon::splat`.
    unsafe {
        let bytes = vreinterpret_u8_u32(vdup_n_u32(marks));
        vmovl_u16(vget_low_u16(vmovl_u8(bytes)))
    }
}

/// One bit for each lane.
#[inline(always)]
fn bits(mask: uint32x4_t) -> usize {
    // SAFETY: as in `Neon::splat`; the array holds 4 numbers.
    unsafe { vaddvq_u32(vandq_u32(mask, vld1q_u32([1, 2, 4, 8].as_ptr()))) as usize }
}
