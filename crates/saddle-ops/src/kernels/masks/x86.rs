//! The choices in x86's own masks and blends; see [`Avx512`] and [`Avx2`] for what makes their calls safe.

use super::Masks;
use crate::kernels::{
    Lanes,
    lanes::{Avx2, Avx512},
};
use std::arch::x86_64::*;

impl<const BF16: bool> Masks for Avx512<BF16> {
    type Number = f32;
    type Mask = __mmask16;

    #[inline(always)]
    fn wins(self, best: Self) -> __mmask16 {
        // SAFETY: as in `Avx512::splat`.
        unsafe {
            _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, best.0)
                | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(self.0, self.0)
        }
    }

    #[inline(always)]
    fn is_dead(self) -> __mmask16 {
        // SAFETY: as in `Avx512::splat`.
        unsafe { _mm512_cmp_ps_mask::<_CMP_LE_OQ>(self.0, _mm512_setzero_ps()) }
    }

    #[inline(always)]
    fn is_live(self) -> __mmask16 {
        // SAFETY: as in `Avx512::splat`.
        unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(self.0, _mm512_setzero_ps()) }
    }

    #[inline(always)]
    fn has_mark(marks: &[u8], place: u8) -> __mmask16 {
        let marks = &marks[..Self::COUNT];
        // SAFETY: as in `Avx512::splat`; the slice above holds 16 bytes, and the load needs no alignment.
        unsafe {
            let marks = _mm512_cvtepu8_epi32(_mm_loadu_si128(marks.as_ptr().cast()));
            _mm512_cmpeq_epi32_mask(marks, _mm512_set1_epi32(i32::from(place)))
        }
    }

    #[inline(always)]
    fn both(left: __mmask16, right: __mmask16) -> __mmask16 {
        left & right
    }

    #[inline(always)]
    fn nowhere() -> __mmask16 {
        0
    }

    #[inline(always)]
    fn everywhere() -> __mmask16 {
        __mmask16::MAX
    }

    #[inline(always)]
    fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        // SAFETY: as in `Avx512::splat`.
        Self(unsafe { _mm512_mask_blend_ps(mask, no.0, yes.0) })
    }

    #[inline(always)]
    fn store_marks(
        second: __mmask16,
        fourth: __mmask16,
        lower: __mmask16,
        dead: __mmask16,
        marks: &mut [u8],
    ) {
        let marks = &mut marks[..Self::COUNT];
        // SAFETY: as in `Avx512::splat`; the slice above holds 16 bytes, and the store needs no alignment.
        unsafe {
            let upper = _mm512_maskz_set1_epi32(second, 1);
            let places = _mm512_mask_set1_epi32(_mm512_set1_epi32(2), fourth, 3);
            let places = _mm512_mask_mov_epi32(upper, lower, places);
            let places = _mm512_mask_set1_epi32(places, dead, i32::from(crate::DEAD));
            _mm_storeu_si128(marks.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(places));
        }
    }

    #[inline(always)]
    fn compress(
        self,
        mask: __mmask16,
        first: u32,
        values: &mut [f32],
        indices: &mut [u32],
    ) -> usize {
        let (values, indices) = (&mut values[..Self::COUNT], &mut indices[..Self::COUNT]);
        // SAFETY: as in `Avx512::splat`; the slices above hold 16 numbers each, and the stores need no alignment.
        unsafe {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let lanes = _mm512_add_epi32(lanes, _mm512_set1_epi32(first.cast_signed()));
            _mm512_storeu_ps(values.as_mut_ptr(), _mm512_maskz_compress_ps(mask, self.0));
            let kept = _mm512_maskz_compress_epi32(mask, lanes);
            _mm512_storeu_si512(indices.as_mut_ptr().cast(), kept);
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
        let marks = &marks[..Self::COUNT];
        let (values, indices) = (&mut values[..Self::COUNT], &mut indices[..Self::COUNT]);
        // SAFETY: as in `Avx512::splat`; the slices above hold 16 each, and neither load nor stores need alignment.
        unsafe {
            let marks = _mm512_cvtepu8_epi32(_mm_loadu_si128(marks.as_ptr().cast()));
            let dead = _mm512_set1_epi32(i32::from(crate::DEAD));
            let mask = _mm512_cmpneq_epi32_mask(marks, dead);
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let lanes = _mm512_add_epi32(lanes, _mm512_set1_epi32(first.cast_signed()));
            let moved = _mm512_mullo_epi32(marks, _mm512_set1_epi32(step.cast_signed()));
            let kept = _mm512_maskz_compress_epi32(mask, _mm512_add_epi32(lanes, moved));
            _mm512_storeu_ps(values.as_mut_ptr(), _mm512_maskz_compress_ps(mask, self.0));
            _mm512_storeu_si512(indices.as_mut_ptr().cast(), kept);
            mask.count_ones() as usize
        }
    }
}

impl Masks for Avx2 {
    type Number = f32;
    type Mask = __m256;

    #[inline(always)]
    fn wins(self, best: Self) -> __m256 {
        // SAFETY: as in `Avx2::splat`.
        unsafe {
            _mm256_or_ps(
                _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, best.0),
                _mm256_cmp_ps::<_CMP_UNORD_Q>(self.0, self.0),
            )
        }
    }

    #[inline(always)]
    fn is_dead(self) -> __m256 {
        // SAFETY: as in `Avx2::splat`.
        unsafe { _mm256_cmp_ps::<_CMP_LE_OQ>(self.0, _mm256_setzero_ps()) }
    }

    #[inline(always)]
    fn is_live(self) -> __m256 {
        // SAFETY: as in `Avx2::splat`.
        unsafe { _mm256_cmp_ps::<_CMP_NEQ_UQ>(self.0, _mm256_setzero_ps()) }
    }

    #[inline(always)]
    fn has_mark(marks: &[u8], place: u8) -> __m256 {
        let marks = &marks[..Self::COUNT];
        // SAFETY: as in `Avx2::splat`; the slice above holds 8 bytes, and the load needs no alignment.
        unsafe {
            let marks = _mm256_cvtepu8_epi32(_mm_loadl_epi64(marks.as_ptr().cast()));
            let place = _mm256_set1_epi32(i32::from(place));
            _mm256_castsi256_ps(_mm256_cmpeq_epi32(marks, place))
        }
    }

    #[inline(always)]
    fn both(left: __m256, right: __m256) -> __m256 {
        // SAFETY: as in `Avx2::splat`.
        unsafe { _mm256_and_ps(left, right) }
    }

    #[inline(always)]
    fn nowhere() -> __m256 {
        // SAFETY: as in `Avx2::splat`.
        unsafe { _mm256_setzero_ps() }
    }

    #[inline(always)]
    fn everywhere() -> __m256 {
        // SAFETY: as in `Avx2::splat`.
        unsafe { _mm256_castsi256_ps(_mm256_set1_epi32(-1)) }
    }

    #[inline(always)]
    fn select(mask: __m256, yes: Self, no: Self) -> Self {
        // SAFETY: as in `Avx2::splat`.
        Self(unsafe { _mm256_blendv_ps(no.0, yes.0, mask) })
    }

    #[inline(always)]
    fn store_marks(second: __m256, fourth: __m256, lower: __m256, dead: __m256, marks: &mut [u8]) {
        let marks = &mut marks[..Self::COUNT];
        // SAFETY: as in `Avx2::splat`; the slice above holds 8 bytes, and the store needs no alignment.
        unsafe {
            // A mask's lane is -1: a place is what is subtracted, and a dead lane stays -1, whose low byte is `DEAD`.
            let upper = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_castps_si256(second));
            let places = _mm256_sub_epi32(_mm256_set1_epi32(2), _mm256_castps_si256(fourth));
            let places = _mm256_blendv_epi8(upper, places, _mm256_castps_si256(lower));
            let places = _mm256_or_si256(places, _mm256_castps_si256(dead));
            let [low, high] =
                [_mm256_castsi256_si128(places), _mm256_extracti128_si256::<1>(places)];
            let words = _mm_packs_epi32(low, high);
            _mm_storel_epi64(marks.as_mut_ptr().cast(), _mm_packs_epi16(words, words));
        }
    }

    #[inline(always)]
    fn compress(self, mask: __m256, first: u32, values: &mut [f32], indices: &mut [u32]) -> usize {
        let (values, indices) = (&mut values[..Self::COUNT], &mut indices[..Self::COUNT]);
        // SAFETY: as in `Avx2::splat`; the slices above hold 8 numbers each, and neither load nor stores need
        // alignment.
        unsafe {
            let mask = _mm256_movemask_ps(mask) as u8;
            let order = &ORDER[usize::from(mask)];
            let order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(order.as_ptr().cast()));
            _mm256_storeu_ps(values.as_mut_ptr(), _mm256_permutevar8x32_ps(self.0, order));
            let order = _mm256_add_epi32(order, _mm256_set1_epi32(first.cast_signed()));
            _mm256_storeu_si256(indices.as_mut_ptr().cast(), order);
            mask.count_ones() as usize
        }
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
        let marks = &marks[..Self::COUNT];
        let (values, indices) = (&mut values[..Self::COUNT], &mut indices[..Self::COUNT]);
        // SAFETY: as in `Avx2::splat`; the slices above hold 8 each, and neither loads nor stores need alignment.
        unsafe {
            let marks = _mm256_cvtepu8_epi32(_mm_loadl_epi64(marks.as_ptr().cast()));
            let dead = _mm256_set1_epi32(i32::from(crate::DEAD));
            let dead = _mm256_castsi256_ps(_mm256_cmpeq_epi32(marks, dead));
            let mask = !(_mm256_movemask_ps(dead) as u8);
            let order = &ORDER[usize::from(mask)];
            let order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(order.as_ptr().cast()));
            let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let lanes = _mm256_add_epi32(lanes, _mm256_set1_epi32(first.cast_signed()));
            let moved = _mm256_mullo_epi32(marks, _mm256_set1_epi32(step.cast_signed()));
            let kept = _mm256_permutevar8x32_epi32(_mm256_add_epi32(lanes, moved), order);
            _mm256_storeu_ps(values.as_mut_ptr(), _mm256_permutevar8x32_ps(self.0, order));
            _mm256_storeu_si256(indices.as_mut_ptr().cast(), kept);
            mask.count_ones() as usize
        }
    }
}

/// For each mask of 8 lanes, the lanes that it keeps, in order.
static ORDER: [[u8; 8]; 256] = {
    let mut order = [[0; 8]; 256];
    let mut mask = 0;
    while mask < 256 {
        let (mut lane, mut kept) = (0, 0);
        while lane < 8 {
            if mask >> lane & 1 == 1 {
                order[mask][kept] = lane as u8;
                kept += 1;
            }
            lane += 1;
        }
        mask += 1;
    }
    order
};
