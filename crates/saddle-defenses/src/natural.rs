//! Natural training: the outer minimisation alone.
//!
//! Cross-entropy on the images as they are. The same descent serves every defence that trains on
//! examples of its own making, with those in place of the images.

use crate::{Defense, Error, Reduction, Result, StepContext, StepReport};
use candle_core::Tensor;
use saddle_attacks::Examples;
use saddle_model::{Aim, Classifier, Loss, LossKind, Mode, Wanted, predictions};
use saddle_ops::GradientHealth;
use serde::{Deserialize, Serialize};

/// Training on the images as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Natural {}

impl Defense for Natural {
    fn step(
        &mut self,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<StepReport> {
        descend(classifier, batch.images(), batch, at)
    }
}

/// Weight gradients of the cross-entropy on `images`, which stand in for those of `batch` row by row:
/// one forward pass in training mode, one pullback to the weights.
///
/// # Errors
///
/// When images and labels do not fit the network.
pub(crate) fn descend(
    classifier: &dyn Classifier,
    images: &Tensor,
    batch: &Examples,
    at: &StepContext,
) -> Result<StepReport> {
    descend_in_pass(classifier, images, batch, at, 0)
}

/// [`descend`] in another pass of the step: layers that draw do so apart from those of the other passes.
///
/// # Errors
///
/// As [`descend`].
pub(crate) fn descend_in_pass(
    classifier: &dyn Classifier,
    images: &Tensor,
    batch: &Examples,
    at: &StepContext,
    pass: u32,
) -> Result<StepReport> {
    let labels = batch.labels();
    let rows: Vec<usize> = (0..labels.len()).collect();
    let loss = Loss::new(LossKind::CrossEntropy, labels.to_vec(), &Aim::Untargeted)?;
    let mode = Mode::Training { draws: at.draws, step: at.step, pass, examples: batch.ids() };
    let (logits, pullback) = classifier.forward(images, mode)?;
    let evaluated = loss.evaluate(&logits, &rows)?;
    let cotangent = match at.reduction {
        Reduction::Sum => evaluated.cotangent,
        Reduction::Mean => (evaluated.cotangent / labels.len() as f64)?,
    };
    let gradients = pullback(&cotangent, Wanted::WEIGHTS)?.weights.ok_or(Error::Mismatch {
        operation: "training step",
        message: "the classifier gave no weight gradients; train a network that has weights".into(),
    })?;
    let mean = evaluated.values.iter().sum::<f64>() / labels.len() as f64;
    // Logits that are not finite make the loss NaN and have no predictions; the trainer stops there.
    let predicted = if mean.is_nan() { Vec::new() } else { predictions(&logits)? };
    Ok(StepReport {
        gradients,
        loss: mean,
        correct: predicted.iter().zip(labels).filter(|(found, label)| found == label).count(),
        rows: labels.len(),
        passes: 2 * labels.len() as u64,
        ball: None,
        health: GradientHealth::default(),
    })
}
