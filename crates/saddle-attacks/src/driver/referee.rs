//! Says what an image is worth: its class, its distance, whether it may be handed in at all.
//!
//! Knows the natural images and the goal, and takes nobody's word for either. Logits it is given.

use candle_core::Tensor;
use saddle_ops::{TOLERANCE, numbers};

use crate::{
    error::{Error, Result},
    examples::{Examples, select_rows},
    threat_model::Objective,
};

/// Judges images of a batch of examples; numbers are positions in that batch.
pub(super) struct Referee {
    /// Name of the attack, for complaints about it.
    pub(super) attack: String,
    pub(super) examples: Examples,
    pub(super) objective: Objective,
}

impl Referee {
    /// The first largest logit of each row; refuses NaN and infinity.
    pub(super) fn predictions(&self, examples: &[usize], logits: &Tensor) -> Result<Vec<u32>> {
        let (count, classes) = logits.dims2()?;
        let scores = numbers(logits)?;
        let mut predictions = Vec::with_capacity(count);
        for (row, &example) in scores.chunks_exact(classes.max(1)).zip(examples) {
            if row.iter().any(|score| !score.is_finite()) {
                return Err(Error::NonFiniteLogits { example: self.examples.ids()[example] });
            }
            let mut best = 0;
            for (class, score) in row.iter().enumerate() {
                if *score > row[best] {
                    best = class;
                }
            }
            predictions.push(best as u32);
        }
        Ok(predictions)
    }

    /// Whether this class is what the adversary wanted.
    pub(super) fn fooled(&self, example: usize, prediction: u32) -> bool {
        self.objective.fooled(example, self.examples.labels()[example], prediction)
    }

    /// Distances of images that count, in 64 bits; refuses any outside the threat model.
    pub(super) fn measure(&self, examples: &[usize], images: &Tensor) -> Result<Vec<f64>> {
        let goal = &self.objective.goal;
        let natural = select_rows(self.examples.images(), examples)?;
        let distances = goal.norm().distances(&natural, images)?;
        let inside = goal.pixels().contains(images)?;
        let allowed = goal.epsilon().map_or(f64::INFINITY, |epsilon| epsilon * (1.0 + TOLERANCE));
        for (row, (&distance, inside)) in distances.iter().zip(inside).enumerate() {
            let close = distance.is_finite() && distance <= allowed;
            if close && inside {
                continue;
            }
            let figures = if inside || !distance.is_finite() {
                format!("{} distance {distance}, allowed {allowed}", goal.norm())
            } else {
                let pixels = numbers(&images.narrow(0, row, 1)?)?;
                let low = pixels.iter().copied().fold(f64::INFINITY, f64::min);
                let high = pixels.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                format!("pixels from {low} to {high}, allowed {:?}", goal.pixels())
            };
            let example = self.examples.ids()[examples[row]];
            return Err(Error::Infeasible { attack: self.attack.clone(), example, figures });
        }
        Ok(distances)
    }
}
