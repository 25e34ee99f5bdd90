//! The most that one core can multiply and add: a loop over registers that touches no memory.
//!
//! It is the wall that kernels are held against. Each path has its own registers, so each has its own peak; the portable
//! path multiplies and adds in two instructions.

use std::hint::black_box;

use saddle_ops::Kernels;

/// Independent chains of additions: enough that none waits for the one before, few enough to stay in registers.
const CHAINS: usize = 12;

/// Multiplies and adds until about `flop` operations are done, on the calling thread.
pub(crate) fn spend(kernels: Kernels, flop: u64) {
    let rounds = |lanes: usize| flop / (2 * CHAINS * lanes) as u64;
    match kernels.name() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Kernels` of this name exists only where the processor has avx512f.
        "avx512" => unsafe { x86::avx512(rounds(16)) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a `Kernels` of this name exists only where the processor has avx2 and fma.
        "avx2" => unsafe { x86::avx2(rounds(8)) },
        _ => portable(rounds(4)),
    }
}

fn portable(rounds: u64) {
    let (factor, addend) = (black_box([0.999_f32; 4]), black_box([1e-3_f32; 4]));
    let mut sums = black_box([[0.0_f32; 4]; CHAINS]);
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = std::array::from_fn(|lane| sum[lane] * factor[lane] + addend[lane]);
        }
    }
    black_box(sums);
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::CHAINS;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    #[target_feature(enable = "avx512f")]
    pub(super) fn avx512(rounds: u64) {
        let (factor, addend) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(black_box(1e-3)));
        let mut sums = [_mm512_set1_ps(black_box(0.0)); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, addend);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(rounds: u64) {
        let (factor, addend) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(black_box(1e-3)));
        let mut sums = [_mm256_set1_ps(black_box(0.0)); CHAINS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, factor, addend);
            }
        }
        black_box(sums);
    }
}
