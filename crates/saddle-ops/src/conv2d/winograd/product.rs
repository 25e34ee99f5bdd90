//! The products of F(4 x 4, k x k): for each point a small matrix product over the input channels.

use crate::{Real as _, kernels::Lanes};

/// `(tiles, inner)` times a panel `(inner, 2 registers)`.
#[inline(always)]
pub(super) fn multiply<L: Lanes>(
    left: &[L::Number],
    right: &[L::Number],
    inner: usize,
    out: &mut [L::Number],
) {
    // A number that the compiler knows turns the distances between rows into constants.
    match inner {
        32 => multiply_known::<L>(left, right, 32, out),
        64 => multiply_known::<L>(left, right, 64, out),
        inner => multiply_known::<L>(left, right, inner, out),
    }
}

#[inline(always)]
fn multiply_known<L: Lanes>(
    left: &[L::Number],
    right: &[L::Number],
    inner: usize,
    out: &mut [L::Number],
) {
    let rows = left.len() / inner;
    let mut row = 0;
    while row < rows {
        let part = rows - row;
        let (left, out) = (&left[row * inner..], &mut out[row * 2 * L::COUNT..]);
        row += if L::TILE_ROWS >= 12 && part >= 12 {
            multiply_tile::<L, 12>(left, right, inner, out)
        } else if L::TILE_ROWS >= 9 && part >= 9 {
            multiply_tile::<L, 9>(left, right, inner, out)
        } else if L::TILE_ROWS >= 6 && part >= 6 {
            multiply_tile::<L, 6>(left, right, inner, out)
        } else if part >= 4 {
            multiply_tile::<L, 4>(left, right, inner, out)
        } else if part >= 2 {
            multiply_tile::<L, 2>(left, right, inner, out)
        } else {
            multiply_tile::<L, 1>(left, right, inner, out)
        };
    }
}

/// [`multiply`] for `R` rows; returns `R`.
#[inline(always)]
fn multiply_tile<L: Lanes, const R: usize>(
    left: &[L::Number],
    right: &[L::Number],
    inner: usize,
    out: &mut [L::Number],
) -> usize {
    let left = &left[..R * inner];
    let right = &right[..inner * 2 * L::COUNT];
    let mut sums = [[L::splat(L::Number::ZERO); 2]; R];
    for i in 0..inner {
        let at = i * 2 * L::COUNT;
        let (right0, right1) = (L::load(&right[at..]), L::load(&right[at + L::COUNT..]));
        #[expect(clippy::needless_range_loop, reason = "an iterator keeps the sums in memory")]
        for r in 0..R {
            // SAFETY: `r < R` and `i < inner`, so the index is less than `R * inner`.
            let number = L::splat(unsafe { *left.get_unchecked(r * inner + i) });
            sums[r][0] = number.mul_add(right0, sums[r][0]);
            sums[r][1] = number.mul_add(right1, sums[r][1]);
        }
    }
    let out = &mut out[..R * 2 * L::COUNT];
    #[expect(clippy::needless_range_loop, reason = "an iterator keeps the sums in memory")]
    for r in 0..R {
        let at = r * 2 * L::COUNT;
        sums[r][0].store(&mut out[at..]);
        sums[r][1].store(&mut out[at + L::COUNT..]);
    }
    R
}
