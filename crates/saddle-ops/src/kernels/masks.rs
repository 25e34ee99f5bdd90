//! Choices lane by lane: what pools, rectifies and lists without a branch.
//!
//! The second half of the vocabulary of [`Lanes`](super::Lanes); the same rules of safety hold (see there).

use super::{Real, lanes::Plain};

/// Comparisons of a register's lanes, and what depends on them.
///
/// A *mark* is the byte that says which place of a pool's window won, [`DEAD`](crate::DEAD) if none did.
pub trait Masks: Copy {
    /// What the lanes hold.
    type Number: Real;
    /// Yes or no for each lane.
    type Mask: Copy;

    /// Where `self > best`, or `self` is NaN: there a later value of a window takes the place of the best one so far.
    fn wins(self, best: Self) -> Self::Mask;

    /// Where `self <= 0`, which NaN is not.
    fn is_dead(self) -> Self::Mask;

    /// Where `self` is not 0, which NaN is not either.
    fn is_live(self) -> Self::Mask;

    /// Where the mark is `place`; reads a register's worth of marks.
    fn has_mark(marks: &[u8], place: u8) -> Self::Mask;

    /// Where both masks say yes.
    fn both(left: Self::Mask, right: Self::Mask) -> Self::Mask;

    /// Nowhere.
    fn nowhere() -> Self::Mask;

    /// Everywhere.
    fn everywhere() -> Self::Mask;

    /// `yes` where the mask says so, elsewhere `no`.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// Writes the marks of a 2 x 2 window: `second` says where place 1 beat place 0, `fourth` where 3 beat 2, `lower`
    /// where the better of 2 and 3 beat the better of 0 and 1, `dead` where the ReLU holds.
    fn store_marks(
        second: Self::Mask,
        fourth: Self::Mask,
        lower: Self::Mask,
        dead: Self::Mask,
        marks: &mut [u8],
    );

    /// Writes the lanes for which the mask says yes, one behind the other, and for each its number, `first` for lane 0;
    /// returns how many. What lies behind them, within a register's width, is overwritten too.
    fn compress(
        self,
        mask: Self::Mask,
        first: u32,
        values: &mut [Self::Number],
        indices: &mut [u32],
    ) -> usize;

    /// [`Masks::compress`] of the lanes whose mark is not dead; a lane's number grows by its mark times `step`.
    fn compress_marked(
        self,
        marks: &[u8],
        first: u32,
        step: u32,
        values: &mut [Self::Number],
        indices: &mut [u32],
    ) -> usize;
}

impl<T: Real, const N: usize> Masks for Plain<T, N> {
    type Number = T;
    type Mask = [bool; N];

    #[inline(always)]
    fn wins(self, best: Self) -> [bool; N] {
        std::array::from_fn(|i| crate::max_pool2d::wins(self.0[i], best.0[i]))
    }

    #[inline(always)]
    fn is_dead(self) -> [bool; N] {
        self.0.map(|number| number <= T::ZERO)
    }

    #[inline(always)]
    fn is_live(self) -> [bool; N] {
        self.0.map(|number| number != T::ZERO)
    }

    #[inline(always)]
    fn has_mark(marks: &[u8], place: u8) -> [bool; N] {
        let marks = &marks[..N];
        std::array::from_fn(|i| marks[i] == place)
    }

    #[inline(always)]
    fn both(left: [bool; N], right: [bool; N]) -> [bool; N] {
        std::array::from_fn(|i| left[i] & right[i])
    }

    #[inline(always)]
    fn nowhere() -> [bool; N] {
        [false; N]
    }

    #[inline(always)]
    fn everywhere() -> [bool; N] {
        [true; N]
    }

    #[inline(always)]
    fn select(mask: [bool; N], yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if mask[i] { yes.0[i] } else { no.0[i] }))
    }

    #[inline(always)]
    fn store_marks(
        second: [bool; N],
        fourth: [bool; N],
        lower: [bool; N],
        dead: [bool; N],
        marks: &mut [u8],
    ) {
        for (i, mark) in marks[..N].iter_mut().enumerate() {
            let place = if lower[i] { 2 + u8::from(fourth[i]) } else { u8::from(second[i]) };
            *mark = if dead[i] { crate::DEAD } else { place };
        }
    }

    #[inline(always)]
    fn compress(self, mask: [bool; N], first: u32, values: &mut [T], indices: &mut [u32]) -> usize {
        let (values, indices) = (&mut values[..N], &mut indices[..N]);
        let mut count = 0;
        for (i, keep) in mask.into_iter().enumerate() {
            values[count] = self.0[i];
            indices[count] = first + i as u32;
            count += usize::from(keep);
        }
        count
    }

    #[inline(always)]
    fn compress_marked(
        self,
        marks: &[u8],
        first: u32,
        step: u32,
        values: &mut [T],
        indices: &mut [u32],
    ) -> usize {
        let (marks, values, indices) = (&marks[..N], &mut values[..N], &mut indices[..N]);
        let mut count = 0;
        for (i, mark) in marks.iter().enumerate() {
            values[count] = self.0[i];
            indices[count] = first + i as u32 + u32::from(*mark) * step;
            count += usize::from(*mark != crate::DEAD);
        }
        count
    }
}

#[cfg(target_arch = "x86_64")]
mod double;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod neon;
#[cfg(any(
    all(target_arch = "aarch64", target_feature = "neon"),
    all(target_arch = "wasm32", target_feature = "simd128")
))]
mod quarter;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(target_arch = "x86_64")]
mod x86;
