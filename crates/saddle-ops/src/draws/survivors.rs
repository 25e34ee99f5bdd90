//! Dropout: which units of a layer stay, a coin for each.

use rand_core::Rng;

use super::{Draws, Purpose};

/// Words that are drawn at once.
const PART: usize = 64;

impl Draws {
    /// Writes 1 for each unit that survives dropout at `rate`, 0 for each that does not.
    ///
    /// Unit `i` falls when word `i` of the stream, as a fraction of `2^32`, is below `rate`; so of two
    /// rates the higher one drops what the lower one drops, and more. A rate of 0 drops none, one of 1
    /// all.
    pub fn survivors(
        &self,
        label: &str,
        example: u64,
        restart: u32,
        step: u32,
        sample: u32,
        rate: f64,
        survivors: &mut [u8],
    ) {
        let mut stream = self.open(Purpose::Survival, label, example, restart, step, sample);
        let threshold = (rate * 4_294_967_296.0).ceil() as u64;
        let mut bytes = [0; 4 * PART];
        for part in survivors.chunks_mut(PART) {
            let bytes = &mut bytes[..4 * part.len()];
            stream.words.fill_bytes(bytes);
            for (survivor, bytes) in part.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *survivor = u8::from(u64::from(u32::from_le_bytes(*bytes)) >= threshold);
            }
        }
    }
}
