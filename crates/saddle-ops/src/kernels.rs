//! Which instructions the kernels use, as a value.
//!
//! A kernel of this crate is written once, over [`Lanes`]: a register's worth of numbers. [`Kernels`] says which
//! registers; [`Real::dispatch`] compiles the kernel for them and is the only place that enters code which a
//! processor may lack.
//!
//! # Conventions
//!
//! - A `Kernels` value is a promise: it exists only where its instructions do. It is passed in, never looked up;
//!   nothing here reads the environment.
//! - `avx512`, `avx2` and `neon` fuse each multiplication with its addition and so round once where `portable` and
//!   `simd128` round twice. Their results differ in the last bits, and a result's provenance must name the path.
//! - Processors of the x86 family are asked for what they have. A build for `aarch64` has NEON, and a WebAssembly module
//!   has the vectors that it was compiled with: `simd128`, and `relaxed-simd` if its flags ask for that too, which rounds
//!   once or twice as the host likes. That one alone promises no bits across machines. In a module with vectors `portable`
//!   runs on them too; it rounds the same.
//! - `f64` serves finite differences and studies of rounding. It has registers of its own on x86, half as many lanes wide,
//!   and takes the portable form under every other name.

mod buffer;
mod lanes;
mod masks;
mod pair;
mod real;

pub use buffer::Buffer;
pub(crate) use buffer::large_vector;
pub(crate) use lanes::{Lanes, prefetch, write_numbers};
pub(crate) use masks::Masks;
pub use real::Real;

use crate::{Error, Result};

/// Lanes of the widest register of any path.
pub(crate) const WIDEST: usize = 16;

/// A set of vector instructions that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kernels(Path);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Path {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512 {
        /// Whether it multiplies pairs of bf16 by one instruction; no bit depends on that.
        bf16: bool,
    },
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    Neon,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128,
    #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
    RelaxedSimd,
}

impl Kernels {
    /// Plain Rust, for every processor.
    pub const PORTABLE: Self = Self(Path::Portable);
    /// Raised by whoever changes a bit of what `f32` or `f64` kernels round to, on any path: results that were made with others
    /// are not to be mistaken for these.
    ///
    /// 2: short tiles of transformed convolutions, choices that are close by a bound of their own, longer blocks behind hidden
    /// layers.
    pub const REVISION: u32 = 2;

    /// The fastest set that this processor has.
    pub fn detect() -> Self {
        Self::available().first().copied().unwrap_or(Self::PORTABLE)
    }

    /// Every set that this processor has, the fastest first.
    pub fn available() -> Vec<Self> {
        let mut available = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            // Every processor with AVX has popcnt, but the compiler wants to be told.
            let counts = std::arch::is_x86_feature_detected!("popcnt");
            if counts && std::arch::is_x86_feature_detected!("avx512f") {
                let bf16 = std::arch::is_x86_feature_detected!("avx512bf16")
                    && std::arch::is_x86_feature_detected!("avx512bw");
                available.push(Self(Path::Avx512 { bf16 }));
            }
            if counts
                && std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("fma")
            {
                available.push(Self(Path::Avx2));
            }
        }
        #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
        available.push(Self(Path::Neon));
        #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
        available.push(Self(Path::RelaxedSimd));
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        available.push(Self(Path::Simd128));
        available.push(Self::PORTABLE);
        available
    }

    /// The set called `avx512`, `avx2`, `neon`, `simd128`, `relaxed-simd` or `portable`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownKernels`] for any other name, [`Error::UnsupportedKernels`] when this processor or this
    /// build lacks it.
    pub fn named(name: &str) -> Result<Self> {
        if let Some(found) = Self::available().into_iter().find(|kernels| kernels.name() == name) {
            return Ok(found);
        }
        match name {
            "avx512" | "avx2" | "neon" | "simd128" | "relaxed-simd" => {
                Err(Error::UnsupportedKernels { name: name.into() })
            }
            _ => Err(Error::UnknownKernels { name: name.into() }),
        }
    }

    /// The name that [`Kernels::named`] takes.
    pub fn name(self) -> &'static str {
        match self.0 {
            Path::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Path::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Path::Avx512 { .. } => "avx512",
            #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
            Path::Neon => "neon",
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Path::Simd128 => "simd128",
            #[cfg(all(target_arch = "wasm32", target_feature = "relaxed-simd"))]
            Path::RelaxedSimd => "relaxed-simd",
        }
    }
}

impl std::fmt::Display for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A kernel that waits for its registers: one generic body, compiled once for each kind of [`Lanes`].
///
/// `run` must be `#[inline(always)]`, and so must everything hot that it calls: only what is inlined into the
/// dispatcher's functions is compiled with their instructions.
pub trait Work<T: Real> {
    /// What the kernel returns.
    type Output;

    /// Runs the kernel on registers of the kind `L`.
    fn run<L: Lanes<Number = T>>(self) -> Self::Output;
}
