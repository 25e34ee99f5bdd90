//! WebAssembly's vectors. A module that holds their instructions is refused as a whole where they are missing, so the
//! build decides for them, and their calls are safe.

use super::Lanes;
use std::arch::wasm32::*;

/// 4 numbers in a 128-bit register.
///
/// With `RELAXED`, multiplication and addition are one instruction that rounds once or twice, as the host's processor
/// likes: faster, and not the same bits everywhere.
#[derive(Clone, Copy)]
pub(crate) struct Simd128<const RELAXED: bool>(pub(in crate::kernels) v128);

impl<const RELAXED: bool> Lanes for Simd128<RELAXED> {
    const COUNT: usize = 4;
    // Hosts have 16 registers or 32; a module does not know.
    const TILE_ROWS: usize = 6;
    const TILE_CELLS: usize = 0;

    #[inline(always)]
    fn splat(number: f32) -> Self {
        Self(f32x4_splat(number))
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let from = &from[..Self::COUNT];
        // SAFETY: the slice above holds 4 numbers, and the load needs no alignment.
        Self(unsafe { v128_load(from.as_ptr().cast()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..Self::COUNT];
        // SAFETY: the slice above holds 4 numbers, and the store needs no alignment.
        unsafe { v128_store(to.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        #[cfg(target_feature = "relaxed-simd")]
        if RELAXED {
            return Self(f32x4_relaxed_madd(self.0, factor.0, addend.0));
        }
        Self(f32x4_add(f32x4_mul(self.0, factor.0), addend.0))
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self(f32x4_add(self.0, other.0))
    }

    #[inline(always)]
    fn positive(self) -> Self {
        let zero = f32x4_splat(0.0);
        Self(v128_andnot(self.0, f32x4_le(self.0, zero)))
    }
}
