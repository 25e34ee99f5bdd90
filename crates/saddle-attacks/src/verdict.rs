//! What became of each example.
//!
//! Two verdicts are kept apart, because papers use either and they differ: whether the *final*
//! iterate fools the classifier (the paper's), and whether *any* judged iterate did (the stronger
//! claim, and the one an adversary cares about). Under [`Judge::Final`] an iterate on the way is
//! judged only where the attack itself looked, which costs nothing; so for S-O, which looks
//! elsewhere, `fooled_any` then knows of the final iterate only.

use candle_core::Tensor;
use saddle_ops::GradientHealth;
use serde::{Deserialize, Serialize};

use crate::trace::StepTrace;

/// Which iterates the driver pays to judge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judge {
    /// The last one: the paper's verdict.
    #[default]
    Final,
    /// Each of them: the strong verdict. One forward pass per step, unless the attack's own
    /// question shows the iterate.
    Any,
}

/// What became of one example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Index of the example in its data set.
    pub id: u64,
    /// True class.
    pub label: u32,
    /// The classifier's class for the natural image.
    pub natural_prediction: u32,
    /// Whether that is the label.
    pub natural_correct: bool,
    /// Whether the final iterate of any restart fools the classifier.
    pub fooled_final: bool,
    /// Whether any judged iterate of any restart fools it; where the smallest distance is wanted, the natural image counts
    /// as one of them.
    pub fooled_any: bool,
    /// Class of [`Outcome::images`] at this example.
    pub prediction: u32,
    /// Distance of that image from the natural one, in the norm of the goal, in 64 bits.
    pub distance: f64,
    /// Class of [`Outcome::final_images`] at this example.
    pub final_prediction: u32,
    /// Distance of that image.
    pub final_distance: f64,
    /// The judge found both images inside the threat model. An outcome holds nothing else (an
    /// infeasible image is an error); the field says so wherever the verdict travels.
    pub feasible: bool,
    /// Forward passes spent on the example, judging included.
    pub forward: u64,
    /// Backward passes spent on the example.
    pub backward: u64,
    /// Answers the attack had been told, within its restart, before the first judged iterate that
    /// fools: the number of steps, for an ascent.
    pub first_fooled_step: Option<u32>,
    /// Passes spent on the example up to the verdict on that iterate, over all restarts: the smallest
    /// cap under which the same attack fools it. The question that shows an iterate may have cost a
    /// backward pass more than its verdict; that pass is not among them.
    pub first_fooled_passes: Option<u64>,
}

impl Verdict {
    /// Right on the natural image and not fooled, by the final or by any judged iterate.
    pub fn robust(&self, judge: Judge) -> bool {
        let fooled = match judge {
            Judge::Final => self.fooled_final,
            Judge::Any => self.fooled_any,
        };
        self.natural_correct && !fooled
    }

    /// Forward and backward passes together.
    pub fn passes(&self) -> u64 {
        self.forward + self.backward
    }
}

/// What became of all examples, in their order.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One verdict per example.
    pub verdicts: Vec<Verdict>,
    /// The first judged image that fools, or the nearest where the smallest distance is wanted; else the final one,
    /// `(n, c, h, w)`.
    pub images: Tensor,
    /// The final iterate of the first restart whose final iterate fools, else of the last restart.
    pub final_images: Tensor,
    /// For each example, the steps of the first restart whose judged iterate fools, ascending: with
    /// [`Judge::Any`] and without early stop, all of them.
    pub fooled_steps: Vec<Vec<u32>>,
    /// The path, when the driver was asked for it.
    pub trace: Vec<StepTrace>,
    /// Zero, tiny and non-finite gradients that the attack met, over all rows and steps.
    pub health: GradientHealth,
    /// Passes spent on the trace alone, outside every budget: one gradient (two passes) per row
    /// and step wherever the attack does not look at its iterate.
    pub diagnostic_passes: u64,
}

impl Outcome {
    /// How many natural images are classified correctly.
    pub fn natural_correct(&self) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.natural_correct).count()
    }

    /// How many examples are robust, by the final or by any judged iterate.
    pub fn robust(&self, judge: Judge) -> usize {
        self.verdicts.iter().filter(|verdict| verdict.robust(judge)).count()
    }

    /// Mean forward and backward passes per example.
    pub fn passes_per_example(&self) -> f64 {
        let passes: u64 = self.verdicts.iter().map(Verdict::passes).sum();
        passes as f64 / self.verdicts.len() as f64
    }
}
