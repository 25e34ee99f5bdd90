//! NEON, which the builds for `aarch64` that have this path always have.

use super::Lanes;
use std::arch::aarch64::*;

/// 4 numbers in a 128-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Neon(pub(in crate::kernels) float32x4_t);

impl Lanes for Neon {
    const COUNT: usize = 4;
    const TILE_ROWS: usize = 12;
    const TILE_CELLS: usize = 0;

    #[inline(always)]
    fn splat(number: f32) -> Self {
        // SAFETY: this module is compiled only for processors that have NEON.
        Self(unsafe { vdupq_n_f32(number) })
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let from = &from[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 4 numbers, and the load needs no alignment but theirs.
        Self(unsafe { vld1q_f32(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 4 numbers, and the store needs no alignment but theirs.
        unsafe { vst1q_f32(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { vfmaq_f32(addend.0, self.0, factor.0) })
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }

    #[inline(always)]
    fn positive(self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe {
            let dead = vcleq_f32(self.0, vdupq_n_f32(0.0));
            vbslq_f32(dead, vdupq_n_f32(0.0), self.0)
        })
    }
}
