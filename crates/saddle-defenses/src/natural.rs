//! Natural training: the outer minimisation alone.
//!
//! Cross-entropy on the images as they are. The same descent serves every defence that trains on
//! examples of its own making, with those in place of the images.

use crate::{Defense, Error, Reduction, Result, StepContext, StepReport};
use candle_core::{DType, Tensor};
use saddle_attacks::Examples;
use saddle_model::{Aim, Classifier, Loss, LossKind, Mode, Wanted};
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
        descend(classifier, batch.images(), batch.labels(), at)
    }
}

/// Weight gradients of the cross-entropy on `images`: one forward pass in training mode, one
/// pullback to the weights.
///
/// # Errors
///
/// When images and labels do not fit the network.
pub(crate) fn descend(
    classifier: &dyn Classifier,
    images: &Tensor,
    labels: &[u32],
    at: &StepContext,
) -> Result<StepReport> {
    let rows: Vec<usize> = (0..labels.len()).collect();
    let loss = Loss::new(LossKind::CrossEntropy, labels.to_vec(), &Aim::Untargeted)?;
    let mode = Mode::Training { draws: at.draws, step: at.step };
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
    Ok(StepReport {
        gradients,
        loss: evaluated.values.iter().sum::<f64>() / labels.len() as f64,
        correct: count_correct(&logits, labels)?,
        rows: labels.len(),
        passes: 2 * labels.len() as u64,
        ball: None,
        health: GradientHealth::default(),
    })
}

/// Rows whose first largest logit is their label's.
fn count_correct(logits: &Tensor, labels: &[u32]) -> Result<usize> {
    let rows = logits.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let first_largest = |row: &[f64]| {
        let mut best = 0;
        for (class, value) in row.iter().enumerate() {
            if *value > row[best] {
                best = class;
            }
        }
        best
    };
    Ok(rows
        .iter()
        .zip(labels)
        .filter(|(row, label)| first_largest(row) == **label as usize)
        .count())
}
