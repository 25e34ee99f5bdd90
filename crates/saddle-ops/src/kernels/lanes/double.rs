//! Registers of `f64` of the x86 family; their parent says what makes their calls safe.

use super::Lanes;
use std::arch::x86_64::*;

/// 8 numbers in a 512-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Double(pub(in crate::kernels) __m512d);

impl Lanes for Avx512Double {
    const COUNT: usize = 8;
    const TILE_ROWS: usize = 12;
    const TILE_CELLS: usize = 7;

    #[inline(always)]
    fn splat(number: f64) -> Self {
        // SAFETY: inlined into `Real::dispatch`'s AVX-512 function (module header).
        Self(unsafe { _mm512_set1_pd(number) })
    }

    #[inline(always)]
    fn load(from: &[f64]) -> Self {
        let from = &from[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 8 numbers, and the load needs no alignment.
        Self(unsafe { _mm512_loadu_pd(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        let to = &mut to[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 8 numbers, and the store needs no alignment.
        unsafe { _mm512_storeu_pd(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_fmadd_pd(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_add_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn lanes_of(mask: __mmask8) -> u32 {
        u32::from(mask)
    }

    #[inline(always)]
    fn positive(self) -> Self {
        let zero = Self::splat(0.0);
        // SAFETY: as in `splat`. The maximum is its second operand where one is NaN or both are 0.
        Self(unsafe { _mm512_max_pd(zero.0, self.0) }).plus(zero)
    }
}

/// 4 numbers in a 256-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Avx2Double(pub(in crate::kernels) __m256d);

impl Lanes for Avx2Double {
    const COUNT: usize = 4;
    const TILE_ROWS: usize = 6;
    const TILE_CELLS: usize = 0;

    #[inline(always)]
    fn splat(number: f64) -> Self {
        // SAFETY: inlined into `Real::dispatch`'s AVX2 function (module header).
        Self(unsafe { _mm256_set1_pd(number) })
    }

    #[inline(always)]
    fn load(from: &[f64]) -> Self {
        let from = &from[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 4 numbers, and the load needs no alignment.
        Self(unsafe { _mm256_loadu_pd(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f64]) {
        let to = &mut to[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 4 numbers, and the store needs no alignment.
        unsafe { _mm256_storeu_pd(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_fmadd_pd(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_add_pd(self.0, other.0) })
    }

    #[inline(always)]
    fn lanes_of(mask: __m256d) -> u32 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_movemask_pd(mask) as u32 }
    }

    #[inline(always)]
    fn positive(self) -> Self {
        let zero = Self::splat(0.0);
        // SAFETY: as in `splat`. The maximum is its second operand where one is NaN or both are 0.
        Self(unsafe { _mm256_max_pd(zero.0, self.0) }).plus(zero)
    }
}
