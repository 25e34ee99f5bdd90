//! One register's worth of numbers: the vocabulary that every kernel is written in.
//!
//! The types for x86 hold the instructions' own registers. Their methods are safe to call because values of these
//! types, and calls on them, occur only inside the dispatcher's functions (`Real::dispatch`), which run only on a
//! processor that has the instructions: no other code names these types. Those for WebAssembly and NEON exist only in
//! builds whose every machine has them.

use super::{Masks, Real, WIDEST};
use std::mem::MaybeUninit;

/// A register of numbers, worked on lane by lane.
pub trait Lanes: Masks {
    /// How many.
    const COUNT: usize;
    /// Rows of a register tile (two registers wide) that leave room for its operands.
    const TILE_ROWS: usize;
    /// 2 x 2 cells of a register tile (one register wide) that leave room for its operands; 0 if too few would.
    const TILE_CELLS: usize;

    /// The same number in each lane.
    fn splat(number: Self::Number) -> Self;

    /// The first [`Lanes::COUNT`] numbers of a slice, which must have that many.
    fn load(from: &[Self::Number]) -> Self;

    /// Writes to the first [`Lanes::COUNT`] places of a slice, which must have that many.
    fn store(self, to: &mut [Self::Number]);

    /// [`Lanes::store`] to places that need not hold numbers yet.
    #[inline(always)]
    fn write(self, to: &mut [MaybeUninit<Self::Number>]) {
        let mut lanes = [Self::Number::ZERO; WIDEST];
        self.store(&mut lanes);
        write_numbers(&mut to[..Self::COUNT], &lanes[..Self::COUNT]);
    }

    /// `self * factor + addend`, rounded once if the processor can, else twice.
    fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// Lanes that hold [pairs](Real::pair): for each of them `addend`, plus the products of the second numbers and of the
    /// first.
    #[inline(always)]
    fn dot_pairs(self, other: Self, addend: Self) -> Self {
        dot_pairs_one_by_one(self, other, addend)
    }

    /// The [pairs](Real::pair) of each two lanes, in an order of this path's own.
    #[inline(always)]
    fn halves(self, other: Self) -> Self {
        halves_one_by_one(self, other)
    }

    /// For two results of [`Lanes::halves`], of `a` with `b` and of `c` with `d`: pairs of `a` with `c` and of `b` with `d`.
    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        interleave_one_by_one(self, other)
    }

    /// `self + other`.
    fn plus(self, other: Self) -> Self;

    /// `self - other`.
    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Self::splat(Self::Number::ZERO - Self::Number::ONE).mul_add(other, self)
    }

    /// The larger of each two lanes.
    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        Self::select(self.wins(other), self, other)
    }

    /// The smaller of each two lanes.
    #[inline(always)]
    fn smaller(self, other: Self) -> Self {
        Self::select(self.wins(other), other, self)
    }

    /// [`Lanes::larger`] of numbers none of which is NaN.
    #[inline(always)]
    fn larger_number(self, other: Self) -> Self {
        self.larger(other)
    }

    /// [`Lanes::smaller`] of numbers none of which is NaN.
    #[inline(always)]
    fn smaller_number(self, other: Self) -> Self {
        self.smaller(other)
    }

    /// The lanes for which the mask says yes: bit `i` for lane `i`.
    #[inline(always)]
    fn lanes_of(mask: Self::Mask) -> u32 {
        let [one, zero] = [Self::Number::ONE, Self::Number::ZERO].map(Self::splat);
        let mut lanes = [Self::Number::ZERO; WIDEST];
        Self::select(mask, one, zero).store(&mut lanes);
        let lanes = lanes[..Self::COUNT].iter().enumerate();
        lanes.fold(0, |all, (i, lane)| all | u32::from(*lane != Self::Number::ZERO) << i)
    }

    /// The lanes above 0, and NaN, as they are; 0 in the others.
    fn positive(self) -> Self;

    /// The sum of all lanes: the upper half of a widest register is added to the lower one, and so on.
    #[inline(always)]
    fn joined(self) -> Self::Number {
        let mut lanes = [Self::Number::ZERO; WIDEST];
        self.store(&mut lanes);
        let mut half = WIDEST / 2;
        while half > 0 {
            for lane in 0..half {
                lanes[lane] += lanes[lane + half];
            }
            half /= 2;
        }
        lanes[0]
    }

    /// [`Masks::compress`] into a list.
    #[inline(always)]
    fn list(
        self,
        mask: Self::Mask,
        first: u32,
        entries: &mut [<Self::Number as Real>::Entry],
    ) -> usize {
        let (mut values, mut indices) = ([Self::Number::ZERO; WIDEST], [0; WIDEST]);
        let count = self.compress(mask, first, &mut values, &mut indices);
        write_entries(&values, &indices, &mut entries[..Self::COUNT]);
        count
    }

    /// [`Masks::compress_marked`] into a list.
    #[inline(always)]
    fn list_marked(
        self,
        marks: &[u8],
        first: u32,
        step: u32,
        entries: &mut [<Self::Number as Real>::Entry],
    ) -> usize {
        let (mut values, mut indices) = ([Self::Number::ZERO; WIDEST], [0; WIDEST]);
        let count = self.compress_marked(marks, first, step, &mut values, &mut indices);
        write_entries(&values, &indices, &mut entries[..Self::COUNT]);
        count
    }

    /// Transposes a tile of [`Lanes::COUNT`] rows and columns; rows are `from_stride` and `to_stride` numbers apart.
    #[inline(always)]
    fn transpose(
        from: &[Self::Number],
        from_stride: usize,
        to: &mut [Self::Number],
        to_stride: usize,
    ) {
        for row in 0..Self::COUNT {
            let to = &mut to[row * to_stride..][..Self::COUNT];
            for (column, to) in to.iter_mut().enumerate() {
                *to = from[column * from_stride + row];
            }
        }
    }
}

/// [`Lanes::dot_pairs`] by its definition.
#[inline(always)]
fn dot_pairs_one_by_one<L: Lanes>(left: L, right: L, addend: L) -> L {
    let [mut lefts, mut rights, mut sums] = [[L::Number::ZERO; WIDEST]; 3];
    left.store(&mut lefts);
    right.store(&mut rights);
    addend.store(&mut sums);
    for i in 0..L::COUNT {
        sums[i] = lefts[i].dot_pair(rights[i], sums[i]);
    }
    L::load(&sums)
}

/// [`Lanes::halves`], lane by lane.
#[inline(always)]
fn halves_one_by_one<L: Lanes>(first: L, second: L) -> L {
    let [mut firsts, mut seconds] = [[L::Number::ZERO; WIDEST]; 2];
    first.store(&mut firsts);
    second.store(&mut seconds);
    for i in 0..L::COUNT {
        firsts[i] = L::Number::pair(firsts[i], seconds[i]);
    }
    L::load(&firsts)
}

/// [`Lanes::interleave`], lane by lane.
#[inline(always)]
fn interleave_one_by_one<L: Lanes>(first: L, second: L) -> [L; 2] {
    let [mut firsts, mut seconds] = [[L::Number::ZERO; WIDEST]; 2];
    first.store(&mut firsts);
    second.store(&mut seconds);
    for i in 0..L::COUNT {
        [firsts[i], seconds[i]] = firsts[i].interleave(seconds[i]);
    }
    [L::load(&firsts), L::load(&seconds)]
}

/// Writes numbers and their places as entries.
#[inline(always)]
fn write_entries<T: Real>(values: &[T], places: &[u32], entries: &mut [T::Entry]) {
    for i in 0..entries.len() {
        entries[i] = values[i].at(places[i]);
    }
}

/// Writes numbers, in order, to as many places that need not hold any yet.
#[inline(always)]
pub(crate) fn write_numbers<T: Copy>(to: &mut [MaybeUninit<T>], numbers: &[T]) {
    for (to, number) in to.iter_mut().zip(numbers) {
        to.write(*number);
    }
}

/// Asks for the cache line of a slice's first number, without waiting for it.
#[inline(always)]
pub(crate) fn prefetch<T>(from: &[T]) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that a program can see, and every x86-64 processor has it.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(from.as_ptr().cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = from;
}

/// Lanes of plain Rust, which compilers turn into whatever vectors the target always has.
#[derive(Clone, Copy)]
pub(crate) struct Plain<T, const N: usize>(pub(super) [T; N]);

impl<T: Real, const N: usize> Lanes for Plain<T, N> {
    const COUNT: usize = N;
    const TILE_ROWS: usize = 4;
    const TILE_CELLS: usize = 0;

    #[inline(always)]
    fn splat(number: T) -> Self {
        Self([number; N])
    }

    #[inline(always)]
    fn load(from: &[T]) -> Self {
        let mut lanes = [T::ZERO; N];
        lanes.copy_from_slice(&from[..N]);
        Self(lanes)
    }

    #[inline(always)]
    fn store(self, to: &mut [T]) {
        to[..N].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // `T::mul_add` would call a library function where the target has no fused instruction.
        Self(std::array::from_fn(|i| self.0[i] * factor.0[i] + addend.0[i]))
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    fn positive(self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] <= T::ZERO { T::ZERO } else { self.0[i] }))
    }
}

#[cfg(target_arch = "x86_64")]
mod double;
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
mod neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub(super) use double::{Avx2Double, Avx512Double};
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
pub(super) use neon::Neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub(super) use simd128::Simd128;
#[cfg(target_arch = "x86_64")]
pub(super) use x86::{Avx2, Avx512};
