//! Measuring what a verdict on gradient masking rests on.
//!
//! The verdict itself is [`saddle_report::masking::judge`], which knows numbers alone. Here the numbers are made: gradients and slopes at the
//! natural images, one attack that follows gradients, and beside it others on the same digits at the same number of passes.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use saddle_attacks::{
    Attack, Driver, Examples, Judge, Objective, Outcome, SlopeInspection, SlopeLook, ThreatModel,
    TowardImages, inspect_gradients, inspect_slopes,
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
    let look = SlopeLook::default();
    let slopes = inspect_slopes(classifier, examples, &threat, &look, trials.draws)?;
    let run = |attack: &dyn Attack, threat: ThreatModel, cap: Option<u64>| -> Result<Outcome> {
        let objective = Objective::untargeted(threat);
        Ok(driver(attack, cap).run(classifier, attack, examples, &objective, trials.draws)?)
    };
    let standing = |attack: &dyn Attack, outcome: &Outcome| {
        let robust = outcome.verdicts.iter().map(|verdict| verdict.robust(Judge::Any)).collect();
        Standing { attack: attack.name(), robust }
    };
    let measured = |attack: &dyn Attack, cap: u64| -> Result<Standing> {
        Ok(standing(attack, &run(attack, threat, Some(cap))?))
    };
    let own = run(trials.gradient, threat, Some(trials.cap))?;
    let black_box = trials.black_box.map(|(attack, cap)| measured(attack, cap)).transpose()?;
    let transfer = match trials.source {
        None => None,
        Some(source) => {
            let toward = transferred(source, examples, threat, trials)?;
            let found = run(&toward, threat, None)?;
            let attack = format!("{} on another network", trials.gradient.name());
            Some(Standing { attack, ..standing(&toward, &found) })
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
        natural: slopes.right.clone(),
        gradients: Some(gradient_signs(classifier, examples, &slopes, look.batch)?),
        slopes: Some(slope_signs(classifier, examples, &slopes, &own, look.loss)?),
        more_steps: Some(measured(trials.more_steps, trials.cap.saturating_mul(2))?),
        smoothed: Some(measured(trials.smoothed, trials.cap)?),
        gradient_attack: Some(standing(trials.gradient, &own)),
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

/// The way toward the images at which the attack ends on another network.
fn transferred(
    source: &dyn Classifier,
    examples: &Examples,
    threat: ThreatModel,
    trials: &Trials<'_>,
) -> Result<TowardImages> {
    let objective = Objective::untargeted(threat);
    // To the last step: an image that just fools its own network fools no other.
    let driver = Driver::default();
    let found = driver.run(source, trials.gradient, examples, &objective, trials.draws)?;
    let mut targets = BTreeMap::new();
    for (row, &id) in examples.ids().iter().enumerate() {
        targets.insert(id, found.final_images.narrow(0, row, 1)?);
    }
    Ok(TowardImages::new(targets)?)
}

fn gradient_signs(
    classifier: &dyn Classifier,
    examples: &Examples,
    slopes: &SlopeInspection,
    batch: usize,
) -> Result<GradientSigns> {
    let entropy = inspect_gradients(classifier, examples, LossKind::CrossEntropy, batch)?.norms;
    let margin = inspect_gradients(classifier, examples, LossKind::Margin, batch)?.norms;
    let mut signs = GradientSigns::default();
    for row in (0..examples.len()).filter(|&row| slopes.right[row]) {
        signs.total += 1;
        signs.zero += u64::from(entropy[row] == 0.0 && margin[row] == 0.0);
        signs.tiny += u64::from(entropy[row] < LOST_IN_A_RAW_STEP && margin[row] > 0.0);
        signs.saturated += u64::from(slopes.saturated[row]);
    }
    Ok(signs)
}

fn slope_signs(
    classifier: &dyn Classifier,
    examples: &Examples,
    slopes: &SlopeInspection,
    own: &Outcome,
    loss: LossKind,
) -> Result<SlopeSigns> {
    let attacked = losses(classifier, examples, &own.images, loss)?;
    let mut signs = SlopeSigns::default();
    for row in (0..examples.len()).filter(|&row| slopes.right[row]) {
        signs.total += 1;
        signs.honest += u64::from(slopes.is_honest(row, HONEST_WITHIN));
        let stands = own.verdicts[row].robust(Judge::Any);
        signs.random_is_better += u64::from(stands && slopes.sampled[row] > attacked[row]);
    }
    Ok(signs)
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
