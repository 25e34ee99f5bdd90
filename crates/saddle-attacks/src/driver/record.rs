//! What is known of one example under attack, and the verdict that follows from it.

use candle_core::Tensor;

use crate::verdict::Verdict;

/// An image that counts, found feasible.
#[derive(Clone)]
pub(super) struct Claim {
    pub(super) image: Tensor,
    pub(super) prediction: u32,
    pub(super) distance: f64,
    pub(super) fooled: bool,
}

/// The first judged image that fools.
struct Fooling {
    step: u32,
    passes: u64,
    claim: Claim,
}

/// What is known of one example so far.
pub(super) struct Record {
    natural_prediction: u32,
    first_fooling: Option<Fooling>,
    /// The nearest judged image that fools; looked for only where the goal is the smallest distance.
    nearest: Option<Claim>,
    /// Steps of the first restart whose judged iterate fools.
    pub(super) fooled_steps: Vec<u32>,
    /// Where the restarts ended: the first end that fools, else the last one.
    last: Claim,
}

impl Record {
    /// An example of which the natural image is known; whether it fools counts where the nearest such image is looked for.
    pub(super) fn new(natural: Claim, looks_for_nearest: bool) -> Self {
        Self {
            natural_prediction: natural.prediction,
            first_fooling: None,
            nearest: Some(&natural).filter(|claim| looks_for_nearest && claim.fooled).cloned(),
            fooled_steps: Vec::new(),
            last: Claim { fooled: false, ..natural },
        }
    }

    pub(super) fn natural_prediction(&self) -> u32 {
        self.natural_prediction
    }

    /// Whether a judged image fools.
    pub(super) fn has_fallen(&self) -> bool {
        self.first_fooling.is_some()
    }

    /// Notes a judged image that fools, found at a step after so many passes (up to the verdict, and no further).
    pub(super) fn note(&mut self, claim: &Claim, step: u32, passes: u64, looks_for_nearest: bool) {
        let nearer = |known: &Claim| claim.distance < known.distance;
        if looks_for_nearest && self.nearest.as_ref().is_none_or(nearer) {
            self.nearest = Some(claim.clone());
        }
        if self.first_fooling.is_none() {
            self.first_fooling = Some(Fooling { step, passes, claim: claim.clone() });
        }
    }

    /// Whether where a restart ends can still change where the example ended.
    pub(super) fn is_open(&self) -> bool {
        !self.last.fooled
    }

    /// Notes where a restart ended.
    pub(super) fn end(&mut self, claim: Claim) {
        self.last = claim;
    }

    /// The image that the verdict is about: the nearest that fools, else the first, else the last.
    pub(super) fn best(&self) -> &Claim {
        let first = self.first_fooling.as_ref().map(|fooling| &fooling.claim);
        self.nearest.as_ref().or(first).unwrap_or(&self.last)
    }

    /// The image where the restarts ended.
    pub(super) fn last_image(&self) -> &Tensor {
        &self.last.image
    }

    /// The verdict on an example that took so many forward and backward passes.
    pub(super) fn verdict(&self, id: u64, label: u32, [forward, backward]: [u64; 2]) -> Verdict {
        let (first, best) = (self.first_fooling.as_ref(), self.best());
        Verdict {
            id,
            label,
            natural_prediction: self.natural_prediction,
            natural_correct: self.natural_prediction == label,
            fooled_final: self.last.fooled,
            fooled_any: first.is_some() || self.nearest.is_some(),
            prediction: best.prediction,
            distance: best.distance,
            final_prediction: self.last.prediction,
            final_distance: self.last.distance,
            feasible: true,
            forward,
            backward,
            first_fooled_step: first.map(|fooling| fooling.step),
            first_fooled_passes: first.map(|fooling| fooling.passes),
        }
    }
}
