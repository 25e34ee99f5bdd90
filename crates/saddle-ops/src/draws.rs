//! Randomness as a pure function.
//!
//! A draw depends on the seed, a label that says what it is for, the example (its index in the data
//! set), the restart, the step and the sample, and on nothing else: not on how many draws came before,
//! not on the batch an example travels in, not on threads. Two runs that ask the same question get
//! the same bits, natively and in wasm.
//!
//! # How
//!
//! ChaCha with eight rounds has a 256-bit key and a 64-bit stream number, enough to hold the whole
//! question without mixing:
//!
//! ```text
//! key:    seed (64) | hash of the label (64) | example (64) | restart (32) | step (32)
//! stream: purpose (32) | sample (32)
//! ```
//!
//! The purpose keeps single numbers, noise tensors, starts, permutations and dropout apart, so that
//! none repeats another's words. Transcendental functions come from the `libm` crate or from polynomials
//! of our own, never from the platform's library, whose last bits differ between machines.
//!
//! # What is deliberately absent
//!
//! No global generator, no seed from clock or system, no state that outlives a call.

mod naive;
mod normals;
mod survivors;
mod tensors;

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// The source of all random numbers of a run: a seed, and nothing that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draws {
    seed: u64,
}

/// What the words of a stream are used for; part of the stream's address.
#[derive(Clone, Copy)]
enum Purpose {
    Numbers = 0,
    Gaussian = 1,
    Ball = 2,
    Permutation = 3,
    Survival = 4,
}

impl Draws {
    /// All draws of the given seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The sequence of numbers that belongs to one question.
    ///
    /// Different labels, examples, restarts, steps or samples give unrelated sequences; equal ones the
    /// same sequence from its beginning.
    #[must_use]
    pub fn stream(
        &self,
        label: &str,
        example: u64,
        restart: u32,
        step: u32,
        sample: u32,
    ) -> Stream {
        self.open(Purpose::Numbers, label, example, restart, step, sample)
    }

    fn open(
        &self,
        purpose: Purpose,
        label: &str,
        example: u64,
        restart: u32,
        step: u32,
        sample: u32,
    ) -> Stream {
        let mut key = [0; 32];
        key[0..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&hash(label).to_le_bytes());
        key[16..24].copy_from_slice(&example.to_le_bytes());
        key[24..28].copy_from_slice(&restart.to_le_bytes());
        key[28..32].copy_from_slice(&step.to_le_bytes());
        let mut words = ChaCha8Rng::from_seed(key);
        words.set_stream((purpose as u64) << 32 | u64::from(sample));
        Stream { words, spare: None }
    }
}

/// Hash of a label: FNV-1a, 64 bits (Fowler, Noll, Vo).
fn hash(label: &str) -> u64 {
    label.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The numbers that answer one question, one after the other.
#[derive(Clone, Debug)]
pub struct Stream {
    words: ChaCha8Rng,
    spare: Option<f64>,
}

impl Stream {
    /// Uniform in `[0, 1)`, a multiple of `2^-53`.
    pub fn uniform(&mut self) -> f64 {
        (self.words.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Standard normal, by the method of Box and Muller (1958); both numbers of a pair are used.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // 1 - u lies in (0, 1]: the logarithm is finite.
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        let angle = std::f64::consts::TAU * self.uniform();
        self.spare = Some(radius * libm::sin(angle));
        radius * libm::cos(angle)
    }

    /// Exponential with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.uniform())
    }

    /// A whole number in `0..n`, every one equally likely; 0 when `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // Multiply and keep the high word (Lemire, 2019); low words under `2^64 mod n` are drawn again.
        let unfair = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.words.next_u64()) * u128::from(n);
            if product as u64 >= unfair {
                return (product >> 64) as u64;
            }
        }
    }

    /// The next word of the stream.
    fn word(&mut self) -> u32 {
        self.words.next_u32()
    }

    /// Fills `words` with the next words of the stream.
    fn fill(&mut self, words: &mut [u32], bytes: &mut [u8]) {
        self.words.fill_bytes(bytes);
        for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
            *word = u32::from_le_bytes(*bytes);
        }
    }
}
