//! The choices in x86's masks and blends for `f64`; see [`Avx512Double`] and [`Avx2Double`] for what makes their calls safe.
//!
//! What moves marks and survivors of 4 lanes is left to plain Rust.

use super::{Masks, Plain};
use crate::kernels::{
    Lanes,
    lanes::{Avx2Double, Avx512Double},
};
use std::arch::x86_64::*;

impl Masks for Avx512Double {
    type Number = f64;
    type Mask = __mmask8;

    #[inline(always)]
    fn wins(self, best: Self) -> __mmask8 {
        // SAFETY: as in `Avx512Double::splat`.
        unsafe {
            _mm512_cmp_pd_mask::<_CMP_GT_OQ>(self.0, best.0)
                | _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(self.0, self.0)
        }
    }

    #[inline(always)]
    fn is_dead(self) -> __mmask8 {
        // SAFETY: as in `Avx512Double::splat`.
        unsafe { _mm512_cmp_pd_mask::<_CMP_LE_OQ>(self.0, _mm512_setzero_pd()) }
    }

    #[inline(always)]
    fn is_live(self) -> __mmask8 {
        // SAFETY: as in `Avx512Double::splat`.
        unsafe { _mm512_cmp_pd_mask::<_CMP_NEQ_UQ>(self.0, _mm512_setzero_pd()) }
    }

    #[inline(always)]
    fn has_mark(marks: &[u8], place: u8) -> __mmask8 {
        let marks = &marks[..Self::COUNT];
        // SAFETY: as in `Avx512Double::splat`; the slice above holds 8 bytes, and the load needs no alignment.
        unsafe {
            let marks = _mm512_cvtepu8_epi64(_mm_loadl_epi64(marks.as_ptr().cast()));
            _mm512_cmpeq_epi64_mask(marks, _mm512_set1_epi64(i64::from(place)))
        }
    }

    #[inline(always)]
    fn both(left: __mmask8, right: __mmask8) -> __mmask8 {
        left & right
    }

    #[inline(always)]
    fn nowhere() -> __mmask8 {
        0
    }

    #[inline(always)]
    fn everywhere() -> __mmask8 {
        __mmask8::MAX
    }

    #[inline(always)]
    fn select(mask: __mmask8, yes: Self, no: Self) -> Self {
        // SAFETY: as in `Avx512Double::splat`.
        Self(unsafe { _mm512_mask_blend_pd(mask, no.0, yes.0) })
    }

    #[inline(always)]
    fn store_marks(
        second: __mmask8,
        fourth: __mmask8,
        lower: __mmask8,
        dead: __mmask8,
        marks: &mut [u8],
    ) {
        let marks = &mut marks[..Self::COUNT];
        // SAFETY: as in `Avx512Double::splat`; the slice above holds 8 bytes, and the store needs no alignment.
        unsafe {
            let upper = _mm512_maskz_set1_epi64(second, 1);
            let places = _mm512_mask_set1_epi64(_mm512_set1_epi64(2), fourth, 3);
            let places = _mm512_mask_mov_epi64(upper, lower, places);
            let places = _mm512_mask_set1_epi64(places, dead, i64::from(crate::DEAD));
            _mm_storel_epi64(marks.as_mut_ptr().cast(), _mm512_cvtepi64_epi8(places));
        }
    }

    #[inline(always)]
    fn compress(
        self,
        mask: __mmask8,
        first: u32,
        values: &mut [f64],
        indices: &mut [u32],
    ) -> usize {
        let (values, indices) = (&mut values[..Self::COUNT], &mut indices[..Self::COUNT]);
        // SAFETY: as in `Avx512Double::splat`; the slices above hold 8 numbers each, and the stores need no alignment.
        unsafe {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0);
            let lanes = _mm512_add_epi32(lanes, _mm512_set1_epi32(first.cast_signed()));
            _mm512_storeu_pd(values.as_mut_ptr(), _mm512_maskz_compress_pd(mask, self.0));
            let kept = _mm512_maskz_compress_epi32(__mmask16::from(mask), lanes);
            _mm256_storeu_si256(indices.as_mut_ptr().cast(), _mm512_castsi512_si256(kept));
        }
        mask.count_ones() as usize
    }

    #[inline(always)]
    fn compress_marked(
        self,
        marks: &[u8],
        first: u32,
        step: u32,
        values: &mut [f64],
        indices: &mut [u32],
    ) -> usize {
        let marks = &marks[..Self::COUNT];
        let (values, indices) = (&mut values[..Self::COUNT], &mut indices[..Self::COUNT]);
        // SAFETY: as in `Avx512Double::splat`; the slices above hold 8 each, and neither load nor stores need alignment.
        unsafe {
            let marks = _mm512_cvtepu8_epi32(_mm_loadl_epi64(marks.as_ptr().cast()));
            let dead = _mm512_set1_epi32(i32::from(crate::DEAD));
            // Of 16 lanes the first 8 hold marks.
            let mask = _mm512_cmpneq_epi32_mask(marks, dead) as __mmask8;
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0);
            let lanes = _mm512_add_epi32(lanes, _mm512_set1_epi32(first.cast_signed()));
            let moved = _mm512_mullo_epi32(marks, _mm512_set1_epi32(step.cast_signed()));
            let moved = _mm512_add_epi32(lanes, moved);
            _mm512_storeu_pd(values.as_mut_ptr(), _mm512_maskz_compress_pd(mask, self.0));
            let kept = _mm512_maskz_compress_epi32(__mmask16::from(mask), moved);
            _mm256_storeu_si256(indices.as_mut_ptr().cast(), _mm512_castsi512_si256(kept));
            mask.count_ones() as usize
        }
    }
}

impl Avx2Double {
    #[inline(always)]
    fn plain(self) -> Plain<f64, 4> {
        let mut lanes = [0.0; Self::COUNT];
        self.store(&mut lanes);
        Plain(lanes)
    }

    #[inline(always)]
    fn flags(mask: __m256d) -> [bool; 4] {
        let lanes = Self::lanes_of(mask);
        std::array::from_fn(|i| lanes >> i & 1 == 1)
    }
}

impl Masks for Avx2Double {
    type Number = f64;
    type Mask = __m256d;

    #[inline(always)]
    fn wins(self, best: Self) -> __m256d {
        // SAFETY: as in `Avx2Double::splat`.
        unsafe {
            _mm256_or_pd(
                _mm256_cmp_pd::<_CMP_GT_OQ>(self.0, best.0),
                _mm256_cmp_pd::<_CMP_UNORD_Q>(self.0, self.0),
            )
        }
    }

    #[inline(always)]
    fn is_dead(self) -> __m256d {
        // SAFETY: as in `Avx2Double::splat`.
        unsafe { _mm256_cmp_pd::<_CMP_LE_OQ>(self.0, _mm256_setzero_pd()) }
    }

    #[inline(always)]
    fn is_live(self) -> __m256d {
        // SAFETY: as in `Avx2Double::splat`.
        unsafe { _mm256_cmp_pd::<_CMP_NEQ_UQ>(self.0, _mm256_setzero_pd()) }
    }

    #[inline(always)]
    fn has_mark(marks: &[u8], place: u8) -> __m256d {
        let marks = [marks[0], marks[1], marks[2], marks[3]];
        // SAFETY: as in `Avx2Double::splat`; these instructions touch no memory.
        unsafe {
            let marks = _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(i32::from_le_bytes(marks)));
            _mm256_castsi256_pd(_mm256_cmpeq_epi64(marks, _mm256_set1_epi64x(i64::from(place))))
        }
    }

    #[inline(always)]
    fn both(left: __m256d, right: __m256d) -> __m256d {
        // SAFETY: as in `Avx2Double::splat`.
        unsafe { _mm256_and_pd(left, right) }
    }

    #[inline(always)]
    fn nowhere() -> __m256d {
        // SAFETY: as in `Avx2Double::splat`.
        unsafe { _mm256_setzero_pd() }
    }

    #[inline(always)]
    fn everywhere() -> __m256d {
        // SAFETY: as in `Avx2Double::splat`.
        unsafe { _mm256_castsi256_pd(_mm256_set1_epi32(-1)) }
    }

    #[inline(always)]
    fn select(mask: __m256d, yes: Self, no: Self) -> Self {
        // SAFETY: as in `Avx2Double::splat`.
        Self(unsafe { _mm256_blendv_pd(no.0, yes.0, mask) })
    }

    #[inline(always)]
    fn store_marks(
        second: __m256d,
        fourth: __m256d,
        lower: __m256d,
        dead: __m256d,
        marks: &mut [u8],
    ) {
        let [second, fourth, lower, dead] = [second, fourth, lower, dead].map(Self::flags);
        Plain::<f64, 4>::store_marks(second, fourth, lower, dead, marks);
    }

    #[inline(always)]
    fn compress(self, mask: __m256d, first: u32, values: &mut [f64], indices: &mut [u32]) -> usize {
        self.plain().compress(Self::flags(mask), first, values, indices)
    }

    #[inline(always)]
    fn compress_marked(
        self,
        marks: &[u8],
        first: u32,
        step: u32,
        values: &mut [f64],
        indices: &mut [u32],
    ) -> usize {
        self.plain().compress_marked(marks, first, step, values, indices)
    }
}
