//! Registers of `f32` of the x86 family; their parent says what makes their calls safe.

use super::Lanes;
use std::arch::x86_64::*;
use std::mem::transmute;

/// 16 numbers in a 512-bit register; with `BF16` where the processor multiplies pairs by one instruction.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const BF16: bool>(pub(in crate::kernels) __m512);

impl<const BF16: bool> Lanes for Avx512<BF16> {
    const COUNT: usize = 16;
    const TILE_ROWS: usize = 12;
    const TILE_CELLS: usize = 7;

    #[inline(always)]
    fn splat(number: f32) -> Self {
        // SAFETY: inlined into `Real::dispatch`'s AVX-512 function (module header).
        Self(unsafe { _mm512_set1_ps(number) })
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let from = &from[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 16 numbers, and the load needs no alignment.
        Self(unsafe { _mm512_loadu_ps(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 16 numbers, and the store needs no alignment.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn dot_pairs(self, other: Self, addend: Self) -> Self {
        if !BF16 {
            return super::dot_pairs_one_by_one(self, other, addend);
        }
        // SAFETY: as in `splat`, and `BF16` is set in `Real::dispatch_pairs`'s function for such processors alone.
        Self(unsafe {
            let [left, right] = [self.0, other.0].map(|pairs| transmute::<__m512, __m512bh>(pairs));
            _mm512_dpbf16_ps(addend.0, left, right)
        })
    }

    #[inline(always)]
    fn halves(self, other: Self) -> Self {
        let pairs = super::halves_one_by_one(self, other);
        if !BF16 {
            return pairs;
        }
        // In each quarter the four lower halves, then the four upper ones: so `interleave`'s instructions want them.
        const ORDER: [i8; 16] = [0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15];
        // SAFETY: as in `dot_pairs`, and those processors have avx512bw; the constant holds 16 bytes.
        Self(unsafe {
            let order = _mm512_broadcast_i32x4(_mm_loadu_si128(ORDER.as_ptr().cast()));
            _mm512_castsi512_ps(_mm512_shuffle_epi8(_mm512_castps_si512(pairs.0), order))
        })
    }

    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        if !BF16 {
            return super::interleave_one_by_one(self, other);
        }
        // SAFETY: as in `halves`.
        unsafe {
            let [left, right] = [_mm512_castps_si512(self.0), _mm512_castps_si512(other.0)];
            let firsts = _mm512_unpacklo_epi16(left, right);
            let seconds = _mm512_unpackhi_epi16(left, right);
            [Self(_mm512_castsi512_ps(firsts)), Self(_mm512_castsi512_ps(seconds))]
        }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn larger_number(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn smaller_number(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn lanes_of(mask: __mmask16) -> u32 {
        u32::from(mask)
    }

    #[inline(always)]
    fn positive(self) -> Self {
        let zero = Self::splat(0.0);
        // SAFETY: as in `splat`. The maximum is its second operand where one is NaN or both are 0.
        Self(unsafe { _mm512_max_ps(zero.0, self.0) }).plus(zero)
    }

    #[inline(always)]
    fn joined(self) -> f32 {
        // SAFETY: as in `splat`; these instructions touch no memory.
        unsafe {
            let upper = _mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0));
            let eight = _mm256_add_ps(_mm512_castps512_ps256(self.0), _mm256_castpd_ps(upper));
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        }
    }

    #[inline(always)]
    fn transpose(from: &[f32], from_stride: usize, to: &mut [f32], to_stride: usize) {
        let mut rows = [Self::splat(0.0).0; 16];
        for row in 0..16 {
            rows[row] = Self::load(&from[row * from_stride..]).0;
        }
        // SAFETY: as in `splat`; these instructions touch no memory.
        unsafe {
            let mut pairs = rows;
            for i in (0..16).step_by(2) {
                pairs[i] = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
                pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
            }
            // A quarter `q` of `fours[4 g + k]` holds column `4 q + k` of rows `4 g` to `4 g + 3`.
            let mut fours = [_mm512_castps_pd(pairs[0]); 16];
            for i in (0..16).step_by(4) {
                let (a, b) = (_mm512_castps_pd(pairs[i]), _mm512_castps_pd(pairs[i + 1]));
                let (c, d) = (_mm512_castps_pd(pairs[i + 2]), _mm512_castps_pd(pairs[i + 3]));
                fours[i] = _mm512_unpacklo_pd(a, c);
                fours[i + 1] = _mm512_unpackhi_pd(a, c);
                fours[i + 2] = _mm512_unpacklo_pd(b, d);
                fours[i + 3] = _mm512_unpackhi_pd(b, d);
            }
            for k in 0..4 {
                let (a, b) = (_mm512_castpd_ps(fours[k]), _mm512_castpd_ps(fours[4 + k]));
                let (c, d) = (_mm512_castpd_ps(fours[8 + k]), _mm512_castpd_ps(fours[12 + k]));
                let low = [_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d)];
                let high = [_mm512_shuffle_f32x4::<0xEE>(a, b), _mm512_shuffle_f32x4::<0xEE>(c, d)];
                rows[k] = _mm512_shuffle_f32x4::<0x88>(low[0], low[1]);
                rows[4 + k] = _mm512_shuffle_f32x4::<0xDD>(low[0], low[1]);
                rows[8 + k] = _mm512_shuffle_f32x4::<0x88>(high[0], high[1]);
                rows[12 + k] = _mm512_shuffle_f32x4::<0xDD>(high[0], high[1]);
            }
        }
        for row in 0..16 {
            Self(rows[row]).store(&mut to[row * to_stride..]);
        }
    }
}

/// 8 numbers in a 256-bit register.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(pub(in crate::kernels) __m256);

impl Lanes for Avx2 {
    const COUNT: usize = 8;
    const TILE_ROWS: usize = 6;
    const TILE_CELLS: usize = 0;

    #[inline(always)]
    fn splat(number: f32) -> Self {
        // SAFETY: inlined into `Real::dispatch`'s AVX2 function (module header).
        Self(unsafe { _mm256_set1_ps(number) })
    }

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        let from = &from[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 8 numbers, and the load needs no alignment.
        Self(unsafe { _mm256_loadu_ps(from.as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..Self::COUNT];
        // SAFETY: as in `splat`; the slice above holds 8 numbers, and the store needs no alignment.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn larger_number(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn smaller_number(self, other: Self) -> Self {
        // SAFETY: as in `splat`.
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }

    #[inline(always)]
    fn lanes_of(mask: __m256) -> u32 {
        // SAFETY: as in `splat`.
        unsafe { _mm256_movemask_ps(mask) as u32 }
    }

    #[inline(always)]
    fn positive(self) -> Self {
        let zero = Self::splat(0.0);
        // SAFETY: as in `splat`. The maximum is its second operand where one is NaN or both are 0.
        Self(unsafe { _mm256_max_ps(zero.0, self.0) }).plus(zero)
    }
}
