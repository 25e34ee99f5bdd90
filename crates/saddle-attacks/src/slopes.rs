//! Whether a loss rises where its gradient says, and no less there than elsewhere.
//!
//! A gradient is a promise: a short step along it raises the loss by its length times that of the step. A network that rounds, draws or goes
//! back another way than it came breaks the promise, and an attack that follows it is led astray. And among some random directions as
//! long as the threat model allows none should do better than the attack: where one does, the attack says nothing.
//!
//! Nothing here is judged: points beside an image may leave the pixel box by a hair where a direction is asked about.

use saddle_model::{Aim, Classifier, Loss, LossKind, predictions};
use saddle_ops::{Draws, Norm, StepRule, ascent_direction, steepest};
use serde::{Deserialize, Serialize};

use candle_core::{DType, Tensor};

use crate::{
    attack::evaluate,
    error::{Error, Result},
    examples::Examples,
    threat_model::ThreatModel,
};

const DIRECTIONS: &str = "random directions beside an image";

/// How the loss beside natural images is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlopeLook {
    /// The loss; the margin, which is as steep as the network and saturates nowhere, tells most.
    pub loss: LossKind,
    /// Length of the short step in l2, in pixel units: above the rounding of single precision, below the distance to the next bend.
    pub step: f64,
    /// Random directions beside each image.
    pub directions: u32,
    /// Images looked at together; a matter of memory only.
    pub batch: usize,
}

impl Default for SlopeLook {
    fn default() -> Self {
        Self { loss: LossKind::Margin, step: 0.01, directions: 20, batch: 100 }
    }
}

/// What was seen beside natural images; entry `i` belongs to example `i`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlopeInspection {
    /// Ids of the examples.
    pub ids: Vec<u64>,
    /// Whether the natural image is read rightly.
    pub right: Vec<bool>,
    /// Whether the largest probability is 1 in single precision.
    pub saturated: Vec<bool>,
    /// The loss at the natural image.
    pub losses: Vec<f64>,
    /// By how much the gradient promises to raise it in a short step.
    pub promised: Vec<f64>,
    /// By how much that step raises it.
    pub gained: Vec<f64>,
    /// The largest loss at the ends of random directions, on the sphere of the threat model and within its box.
    pub sampled: Vec<f64>,
}

impl SlopeInspection {
    /// Whether example `row` gained what was promised, give or take the share `within` of it. Where nothing is promised
    /// nothing is kept.
    pub fn is_honest(&self, row: usize, within: f64) -> bool {
        let (Some(promised), Some(gained)) = (self.promised.get(row), self.gained.get(row)) else {
            return false;
        };
        *promised > 0.0 && (gained - promised).abs() <= within * promised
    }
}

/// Looks at the loss beside each natural image.
///
/// # Errors
///
/// [`Error::InvalidSetting`] for a batch of 0 and a step that is no positive number; whatever the classifier or the loss fails with.
pub fn inspect_slopes(
    classifier: &dyn Classifier,
    examples: &Examples,
    threat: &ThreatModel,
    look: &SlopeLook,
    draws: Draws,
) -> Result<SlopeInspection> {
    if look.batch == 0 {
        return Err(Error::setting("batch", "0 examples a batch; take at least one"));
    }
    if !(look.step.is_finite() && look.step > 0.0) {
        return Err(Error::setting(
            "step",
            format!("{} is no length; take one above 0", look.step),
        ));
    }
    let mut found = SlopeInspection { ids: examples.ids().to_vec(), ..SlopeInspection::default() };
    for start in (0..examples.len()).step_by(look.batch) {
        let rows: Vec<usize> = (start..examples.len().min(start + look.batch)).collect();
        found.batch(classifier, &examples.select(&rows)?, threat, look, draws)?;
    }
    Ok(found)
}

impl SlopeInspection {
    fn batch(
        &mut self,
        classifier: &dyn Classifier,
        part: &Examples,
        threat: &ThreatModel,
        look: &SlopeLook,
        draws: Draws,
    ) -> Result<()> {
        let loss = Loss::new(look.loss, part.labels().to_vec(), &Aim::Untargeted)?;
        let rows: Vec<usize> = (0..part.len()).collect();
        let natural = part.images();
        let losses = |points: &Tensor| -> Result<Vec<f64>> {
            Ok(evaluate(classifier, points, &rows, &loss, false)?.losses)
        };
        let seen = evaluate(classifier, natural, &rows, &loss, true)?;
        let right = predictions(&seen.logits)?.into_iter().zip(part.labels());
        self.right.extend(right.map(|(prediction, label)| prediction == *label));
        for row in seen.logits.to_dtype(DType::F64)?.to_vec2::<f64>()? {
            self.saturated.push(is_saturated(&row));
        }
        let gradient = seen.gradient.ok_or_else(|| Error::Classifier {
            message: "no gradient where one was asked for".to_owned(),
        })?;
        let (unit, _) = ascent_direction(StepRule::Unit, &gradient)?;
        let beside = losses(&(natural + unit.affine(look.step, 0.0)?)?)?;
        self.gained.extend(beside.iter().zip(&seen.losses).map(|(moved, own)| moved - own));
        self.promised.extend(Norm::L2.sizes(&gradient)?.into_iter().map(|g| g * look.step));
        self.sampled.extend(sampled(part, threat, look, draws, losses)?);
        self.losses.extend(seen.losses);
        Ok(())
    }
}

/// The largest loss at the ends of random directions, of each example.
fn sampled(
    part: &Examples,
    threat: &ThreatModel,
    look: &SlopeLook,
    draws: Draws,
    losses: impl Fn(&Tensor) -> Result<Vec<f64>>,
) -> Result<Vec<f64>> {
    let natural = part.images();
    let mut largest = vec![f64::NEG_INFINITY; part.len()];
    for sample in 0..look.directions {
        let noise = draws.gaussian(DIRECTIONS, part.ids(), 0, 0, sample, 1.0, natural)?;
        let (direction, _) = ascent_direction(steepest(threat.norm), &noise)?;
        let end = (natural + direction.affine(threat.epsilon.get(), 0.0)?)?;
        let end = threat.ball().project_then_clip(natural, &end, threat.pixels)?;
        for (largest, loss) in largest.iter_mut().zip(losses(&end)?) {
            *largest = f64::max(*largest, loss);
        }
    }
    Ok(largest)
}

/// Whether all probabilities but the largest are lost beside it in 24 bits.
fn is_saturated(logits: &[f64]) -> bool {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let all: f64 = logits.iter().map(|z| (z - largest).exp()).sum();
    // The largest itself is 1 of the sum.
    all - 1.0 < f64::from(f32::EPSILON) / 2.0
}
