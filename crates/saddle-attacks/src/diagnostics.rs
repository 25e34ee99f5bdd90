//! How healthy a classifier's gradients are where attacks begin.
//!
//! A gradient-based attack on a network without usable gradients says nothing about the network.
//! Before believing a high robust accuracy, look at the gradients at the natural images: exactly
//! zero ones (a saturated softmax in 32 bits, a quantised input), tiny ones (a raw step will not
//! move), and how their sizes spread: their mean is set by a few images, so look at quantiles.

use saddle_model::{Aim, Classifier, Loss, LossKind};
use saddle_ops::{GradientHealth, Norm, StepRule, ascent_direction};
use serde::{Deserialize, Serialize};

use crate::{
    attack::evaluate,
    error::{Error, Result},
    examples::Examples,
};

/// Losses and gradient sizes at natural images; entry `i` belongs to example `i`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientInspection {
    /// Ids of the examples.
    pub ids: Vec<u64>,
    /// The loss at each natural image.
    pub losses: Vec<f64>,
    /// Euclidean norm of its gradient.
    pub norms: Vec<f64>,
    /// Zero, tiny and non-finite gradients among them.
    pub health: GradientHealth,
}

impl GradientInspection {
    /// Share of the gradients whose norm is less than `threshold`.
    pub fn share_below(&self, threshold: f64) -> f64 {
        let below = self.norms.iter().filter(|&&norm| norm < threshold).count();
        below as f64 / self.norms.len() as f64
    }

    /// The norm below which a share `quantile` in `[0, 1]` of the norms lies: the smallest norm
    /// with at least that share at or below it. NaN sorts last.
    pub fn quantile(&self, quantile: f64) -> f64 {
        let mut sorted = self.norms.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (quantile.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
    }
}

/// Measures the gradient of a loss at each natural image; `batch` images at a time.
///
/// # Errors
///
/// [`Error::InvalidSetting`] for a batch of 0; whatever the classifier or the loss fails with.
pub fn inspect_gradients(
    classifier: &dyn Classifier,
    examples: &Examples,
    loss: LossKind,
    batch: usize,
) -> Result<GradientInspection> {
    if batch == 0 {
        return Err(Error::setting("batch", "0 examples a batch; take at least one"));
    }
    let mut found = GradientInspection {
        ids: examples.ids().to_vec(),
        losses: Vec::new(),
        norms: Vec::new(),
        health: GradientHealth::default(),
    };
    for start in (0..examples.len()).step_by(batch) {
        let rows: Vec<usize> = (start..examples.len().min(start + batch)).collect();
        let part = examples.select(&rows)?;
        let loss = Loss::new(loss, part.labels().to_vec(), &Aim::Untargeted)?;
        let points: Vec<usize> = (0..part.len()).collect();
        let seen = evaluate(classifier, part.images(), &points, &loss, true)?;
        let Some(gradient) = seen.gradient else { continue };
        found.losses.extend(seen.losses);
        found.norms.extend(Norm::L2.sizes(&gradient)?);
        for row in ascent_direction(StepRule::Raw, &gradient)?.1 {
            found.health.record(row);
        }
    }
    Ok(found)
}
