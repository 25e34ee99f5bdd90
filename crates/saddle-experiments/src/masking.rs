//! Measuring what a verdict on gradient masking rests on.
//!
//! The verdict itself is [`saddle_report::masking::judge`], which knows numbers alone. Here the numbers are made: gradients and slopes at the
//! natural images, one attack that follows gradients, and beside it others on the same digits at the same number of passes.
//! [`measure_masking`] does it in one piece for whoever holds a classifier; a plan's `[verdicts]` asks for the same in jobs.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use serde::{Deserialize, Serialize};

use saddle_attacks::{
    Attack, Driver, Examples, Judge, Objective, Outcome, SlopeLook, ThreatModel, TowardImages,
    Verdict, inspect_gradients, inspect_slopes,
};
use saddle_model::{Aim, Classifier, Loss, LossKind};
use saddle_ops::Draws;
use saddle_report::masking::{AtRadius, GradientSigns, Indicators, SlopeSigns, Standing};

use crate::Result;

/// A gradient below this length moves no pixel by a raw step of one: half the spacing of single precision just below 1.
const LOST_IN_A_RAW_STEP: f64 = 3e-8;

/// How far a gain may be from what was promised, as a share of that.
const HONEST_WITHIN: f64 = 0.5;

/// The attacks of a measurement, all within one threat model.
pub struct Trials<'a> {
    /// The one that follows gradients and whose word is doubted: normalised steps, enough of them, from random starts.
    pub gradient: &'a dyn Attack,
    /// The same with twice the steps; it has twice the passes.
    pub more_steps: &'a dyn Attack,
    /// Smoothed gradients.
    pub smoothed: &'a dyn Attack,
    /// One without gradients, with the passes that such attacks need.
    pub black_box: Option<(&'a dyn Attack, u64)>,
    /// Another network, on which images are looked for.
    pub source: Option<&'a dyn Classifier>,
    /// Passes of each digit under the first and the third.
    pub cap: u64,
    /// Source of all noise.
    pub draws: Draws,
}

/// One radius at which the attack that follows gradients is tried again, with a share that no classifier can exceed there.
pub struct RadiusTrial<'a> {
    /// The threat model.
    pub threat: ThreatModel,
    /// The attack, with steps that fit the radius.
    pub attack: &'a dyn Attack,
    /// The share of these digits that no classifier can exceed.
    pub bound: f64,
}

/// Measures every indicator of masking of a classifier on some digits.
///
/// # Errors
///
/// Whatever an attack, the classifier or a setting fails with; [`crate::Error::Attack`] mostly.
pub fn measure_masking(
    classifier: &dyn Classifier,
    examples: &Examples,
    threat: ThreatModel,
    trials: &Trials<'_>,
    radii: &[RadiusTrial<'_>],
) -> Result<Indicators> {
    let run = |attack: &dyn Attack, threat: ThreatModel, cap: Option<u64>| -> Result<Outcome> {
        let objective = Objective::untargeted(threat);
        Ok(driver(attack, cap).run(classifier, attack, examples, &objective, trials.draws)?)
    };
    let measured = |attack: &dyn Attack, cap: u64| -> Result<Standing> {
        Ok(standing(attack.name(), &run(attack, threat, Some(cap))?.verdicts))
    };
    let own = run(trials.gradient, threat, Some(trials.cap))?;
    let look = SlopeLook::default();
    // With its restarts the attack ends wherever its passes do, perhaps near a start.
    let one = run(trials.gradient, threat, None)?;
    let ends = (&one.images, &one.verdicts[..]);
    let signs = Signs::of(classifier, examples, threat, &look, ends, trials.draws)?;
    let black_box = trials.black_box.map(|(attack, cap)| measured(attack, cap)).transpose()?;
    let transfer = match trials.source {
        None => None,
        Some(source) => {
            let toward = ends_on(source, trials.gradient, examples, threat, trials.draws)?;
            let found = run(&toward, threat, None)?;
            let attack = format!("{} on another network", trials.gradient.name());
            Some(standing(attack, &found.verdicts))
        }
    };
    let mut at_radii = Vec::new();
    for trial in radii {
        let found = run(trial.attack, trial.threat, Some(trials.cap))?;
        at_radii.push(AtRadius {
            epsilon: trial.threat.epsilon.get(),
            standing: found.robust(Judge::Any) as u64,
            total: examples.len() as u64,
            bound: trial.bound,
        });
    }
    Ok(Indicators {
        gradients: Some(signs.gradients()),
        slopes: Some(signs.slopes()),
        natural: signs.right,
        more_steps: Some(measured(trials.more_steps, trials.cap.saturating_mul(2))?),
        smoothed: Some(measured(trials.smoothed, trials.cap)?),
        gradient_attack: Some(standing(trials.gradient.name(), &own.verdicts)),
        black_box,
        transfer,
        radii: at_radii,
    })
}

/// Restarts as long as the passes last, where a restart is another run.
fn driver(attack: &dyn Attack, cap: Option<u64>) -> Driver {
    let restarts = match cap {
        Some(cap) if !attack.repeats_itself() => u32::try_from(cap).unwrap_or(u32::MAX),
        _ => 1,
    };
    Driver { cap, judge: Judge::Any, stop_fooled: true, restarts, ..Driver::default() }
}

/// Which digits an attack left standing.
pub(crate) fn standing(attack: String, verdicts: &[Verdict]) -> Standing {
    Standing { attack, robust: verdicts.iter().map(|verdict| verdict.robust(Judge::Any)).collect() }
}

/// The way toward the images at which an attack ends on another network.
///
/// It goes to its last step there: an image that just fools its own network fools no other.
pub(crate) fn ends_on(
    source: &dyn Classifier,
    attack: &dyn Attack,
    examples: &Examples,
    threat: ThreatModel,
    draws: Draws,
) -> Result<TowardImages> {
    let objective = Objective::untargeted(threat);
    let found = Driver::default().run(source, attack, examples, &objective, draws)?;
    let mut targets = BTreeMap::new();
    for (row, &id) in examples.ids().iter().enumerate() {
        targets.insert(id, found.final_images.narrow(0, row, 1)?);
    }
    Ok(TowardImages::new(targets)?)
}

/// What natural images, and the loss beside them, show of each digit; entry `i` belongs to digit `i`. All but the first are true only
/// of digits that the network reads rightly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signs {
    /// The network reads it rightly.
    pub(crate) right: Vec<bool>,
    /// The gradients of cross-entropy and margin are exactly zero.
    pub(crate) zero: Vec<bool>,
    /// That of cross-entropy gets lost in single precision, that of the margin is there.
    pub(crate) tiny: Vec<bool>,
    /// The largest probability is 1 in single precision.
    pub(crate) saturated: Vec<bool>,
    /// A short step along the gradient raises the loss as promised.
    pub(crate) honest: Vec<bool>,
    /// It stands, and one of some random directions raises the loss more than a run of the attack did.
    pub(crate) random_is_better: Vec<bool>,
}

impl Signs {
    /// What is seen of a classifier, and of the images at which a run of an attack ended, with that run's verdicts.
    pub(crate) fn of(
        classifier: &dyn Classifier,
        examples: &Examples,
        threat: ThreatModel,
        look: &SlopeLook,
        (images, verdicts): (&Tensor, &[Verdict]),
        draws: Draws,
    ) -> Result<Self> {
        let slopes = inspect_slopes(classifier, examples, &threat, look, draws)?;
        let entropy = LossKind::CrossEntropy;
        let entropy = inspect_gradients(classifier, examples, entropy, look.batch)?.norms;
        let margin = inspect_gradients(classifier, examples, LossKind::Margin, look.batch)?.norms;
        let attacked = losses(classifier, examples, images, look.loss)?;
        let right = slopes.right.clone();
        let rows = |holds: &dyn Fn(usize) -> bool| -> Vec<bool> {
            (0..right.len()).map(|row| right[row] && holds(row)).collect()
        };
        Ok(Self {
            zero: rows(&|row| entropy[row] == 0.0 && margin[row] == 0.0),
            tiny: rows(&|row| entropy[row] < LOST_IN_A_RAW_STEP && margin[row] > 0.0),
            saturated: rows(&|row| slopes.saturated[row]),
            honest: rows(&|row| slopes.is_honest(row, HONEST_WITHIN)),
            random_is_better: rows(&|row| {
                verdicts[row].robust(Judge::Any) && slopes.sampled[row] > attacked[row]
            }),
            right,
        })
    }

    /// Counts over the gradients.
    pub(crate) fn gradients(&self) -> GradientSigns {
        GradientSigns {
            total: count(&self.right),
            zero: count(&self.zero),
            tiny: count(&self.tiny),
            saturated: count(&self.saturated),
        }
    }

    /// Counts over the slopes.
    pub(crate) fn slopes(&self) -> SlopeSigns {
        SlopeSigns {
            total: count(&self.right),
            honest: count(&self.honest),
            random_is_better: count(&self.random_is_better),
        }
    }
}

fn count(digits: &[bool]) -> u64 {
    digits.iter().filter(|&&holds| holds).count() as u64
}

/// The loss of each example at another image, in batches.
fn losses(
    classifier: &dyn Classifier,
    examples: &Examples,
    images: &Tensor,
    loss: LossKind,
) -> Result<Vec<f64>> {
    let labels = examples.labels();
    let loss = Loss::new(loss, labels.to_vec(), &Aim::Untargeted)?;
    let mut values = Vec::with_capacity(labels.len());
    let batch = Driver::default().batch;
    for start in (0..labels.len()).step_by(batch) {
        let count = batch.min(labels.len() - start);
        let logits = classifier.logits(&images.narrow(0, start, count)?.contiguous()?)?;
        let rows: Vec<usize> = (start..start + count).collect();
        values.extend(loss.evaluate(&logits.to_dtype(DType::F64)?, &rows)?.values);
    }
    Ok(values)
}
