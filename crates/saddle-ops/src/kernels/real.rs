//! The kinds of numbers that the kernels compute with, and the way into code that a processor may lack.

use super::{
    Kernels, Path, Work,
    lanes::{self, Lanes, Plain},
    pair,
};
use candle_core::WithDType;

/// The two kinds of numbers that the kernels compute with: `f32` for work, `f64` as its reference.
pub trait Real: WithDType + Default + sealed::Sealed {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;

    /// The square root, correctly rounded.
    #[doc(hidden)]
    fn root(self) -> Self;

    /// The number of this kind that is nearest. As candle's `from_f64`, which is a call where candle is compiled for size.
    #[doc(hidden)]
    fn rounded(number: f64) -> Self;

    /// The same number in double precision.
    #[doc(hidden)]
    fn double(self) -> f64;

    /// A number of a list and its place, in one word where both fit: a single load brings them, and the number reaches all
    /// lanes of a register without another, where loads are what a product waits for.
    #[doc(hidden)]
    type Entry: Copy + Default + Send + Sync + 'static;

    /// The number with its place.
    #[doc(hidden)]
    fn at(self, place: u32) -> Self::Entry;

    /// An entry's place and number.
    #[doc(hidden)]
    fn of(entry: Self::Entry) -> (u32, Self);

    /// Numbers in one register of this path.
    #[doc(hidden)]
    fn lanes(kernels: Kernels) -> usize;

    /// Runs `work` with this path's registers.
    #[doc(hidden)]
    fn dispatch<W: Work<Self>>(kernels: Kernels, work: W) -> W::Output;

    /// Two numbers rounded to bf16, in the place of one.
    #[doc(hidden)]
    fn pair(first: Self, second: Self) -> Self;

    /// The pair of two pairs' first numbers, and that of their second ones.
    #[doc(hidden)]
    fn interleave(self, other: Self) -> [Self; 2];

    /// For pairs: `addend`, plus the product of the second numbers, plus that of the first, each sum rounded.
    #[doc(hidden)]
    fn dot_pair(self, other: Self, addend: Self) -> Self;

    /// Runs `work` that multiplies pairs: with instructions for them where the processor has some.
    #[doc(hidden)]
    fn dispatch_pairs<W: Work<Self>>(kernels: Kernels, work: W) -> W::Output {
        Self::dispatch(kernels, work)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn rounded(number: f64) -> Self {
        number as Self
    }

    #[inline(always)]
    fn double(self) -> f64 {
        f64::from(self)
    }

    type Entry = u64;

    #[inline(always)]
    fn at(self, place: u32) -> u64 {
        u64::from(self.to_bits()) << u32::BITS | u64::from(place)
    }

    #[inline(always)]
    fn of(entry: u64) -> (u32, Self) {
        (entry as u32, Self::from_bits((entry >> u32::BITS) as u32))
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    fn lanes(kernels: Kernels) -> usize {
        match kernels.0 {
            Path::Portable => <Plain<Self, 4> as Lanes>::COUNT,
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => lanes::Avx2::COUNT,
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 { .. } => lanes::Avx512::<false>::COUNT,
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Path::Neon => lanes::Neon::COUNT,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Path::Simd128 => lanes::Simd128::<false>::COUNT,
            #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
            Path::RelaxedSimd => lanes::Simd128::<true>::COUNT,
        }
    }

    fn dispatch<W: Work<Self>>(kernels: Kernels, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,popcnt")]
        fn avx512<W: Work<f32>>(work: W) -> W::Output {
            work.run::<lanes::Avx512<false>>()
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,popcnt")]
        fn avx2<W: Work<f32>>(work: W) -> W::Output {
            work.run::<lanes::Avx2>()
        }
        match kernels.0 {
            #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
            Path::Portable => work.run::<Plain<Self, 4>>(),
            // Where such a module runs at all, it has its vectors: kernels without them would be so many bytes for nothing.
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Path::Portable | Path::Simd128 => work.run::<lanes::Simd128<false>>(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Path::Avx2` is made only by `Kernels::available`, which saw avx2, fma and popcnt on this processor.
            Path::Avx2 => unsafe { avx2(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Path::Avx512` is made only by `Kernels::available`, which saw avx512f and popcnt on this processor.
            Path::Avx512 { .. } => unsafe { avx512(work) },
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Path::Neon => work.run::<lanes::Neon>(),
            #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
            Path::RelaxedSimd => work.run::<lanes::Simd128<true>>(),
        }
    }

    #[inline(always)]
    fn pair(first: Self, second: Self) -> Self {
        Self::from_bits(pair::pack(first, second))
    }

    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        pair::interleave(self.to_bits(), other.to_bits()).map(Self::from_bits)
    }

    #[inline(always)]
    fn dot_pair(self, other: Self, addend: Self) -> Self {
        pair::dot(self.to_bits(), other.to_bits(), addend)
    }

    fn dispatch_pairs<W: Work<Self>>(kernels: Kernels, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,avx512bw,avx512bf16,popcnt")]
        fn avx512<W: Work<f32>>(work: W) -> W::Output {
            work.run::<lanes::Avx512<true>>()
        }
        match kernels.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Kernels::available` saw avx512f, popcnt and, as the field says, avx512bf16 and avx512bw on this processor.
            Path::Avx512 { bf16: true } => unsafe { avx512(work) },
            _ => Self::dispatch(kernels, work),
        }
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;

    #[inline(always)]
    fn rounded(number: f64) -> Self {
        number
    }

    #[inline(always)]
    fn double(self) -> f64 {
        self
    }

    type Entry = (u32, Self);

    #[inline(always)]
    fn at(self, place: u32) -> (u32, Self) {
        (place, self)
    }

    #[inline(always)]
    fn of(entry: (u32, Self)) -> (u32, Self) {
        entry
    }

    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }

    fn lanes(kernels: Kernels) -> usize {
        match kernels.0 {
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => lanes::Avx2Double::COUNT,
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 { .. } => lanes::Avx512Double::COUNT,
            _ => <Plain<Self, 4> as Lanes>::COUNT,
        }
    }

    fn dispatch<W: Work<Self>>(kernels: Kernels, work: W) -> W::Output {
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx512f,popcnt")]
        fn avx512<W: Work<f64>>(work: W) -> W::Output {
            work.run::<lanes::Avx512Double>()
        }
        #[cfg(target_arch = "x86_64")]
        #[target_feature(enable = "avx2,fma,popcnt")]
        fn avx2<W: Work<f64>>(work: W) -> W::Output {
            work.run::<lanes::Avx2Double>()
        }
        match kernels.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Path::Avx2` is made only by `Kernels::available`, which saw avx2, fma and popcnt on this processor.
            Path::Avx2 => unsafe { avx2(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Path::Avx512` is made only by `Kernels::available`, which saw avx512f and popcnt on this processor.
            Path::Avx512 { .. } => unsafe { avx512(work) },
            _ => work.run::<Plain<Self, 4>>(),
        }
    }

    #[inline(always)]
    fn pair(first: Self, second: Self) -> Self {
        Self::from_bits(u64::from(pair::pack(first as f32, second as f32)))
    }

    #[inline(always)]
    fn interleave(self, other: Self) -> [Self; 2] {
        let pairs = pair::interleave(self.to_bits() as u32, other.to_bits() as u32);
        pairs.map(|pair| Self::from_bits(u64::from(pair)))
    }

    #[inline(always)]
    fn dot_pair(self, other: Self, addend: Self) -> Self {
        let [left, right] = [self, other].map(|pair| pair::unpack(pair.to_bits() as u32));
        let [first, second] = [0, 1].map(|i| Self::from(left[i]) * Self::from(right[i]));
        addend + second + first
    }
}
