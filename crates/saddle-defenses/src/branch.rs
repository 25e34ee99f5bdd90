//! The forward passes of a training step whose losses are descended together.
//!
//! Losses that compare natural and adversarial outputs have a gradient through both. Each pass is a [`Branch`]: it shows
//! its logits, the defence works out a cotangent for each from all of them, and every branch is pulled back on its own.
//! The weight gradients add up, in the order of the branches.

use crate::{Error, Reduction, Result, StepContext};
use candle_core::{DType, Device, Tensor};
use saddle_attacks::Examples;
use saddle_model::{Classifier, Mode, Pullback, Wanted, Weights, predictions};

/// One forward pass in training mode and the way back through it.
pub(crate) struct Branch<'a> {
    logits: Tensor,
    dtype: DType,
    device: Device,
    pullback: Pullback<'a>,
}

impl<'a> Branch<'a> {
    /// The pass number `pass` of a step on `images`, which stand in for those of `batch` row by row. Passes of different
    /// numbers drop different units.
    ///
    /// # Errors
    ///
    /// When the images do not fit the network.
    pub(crate) fn open(
        classifier: &'a dyn Classifier,
        images: &Tensor,
        batch: &Examples,
        at: &StepContext,
        pass: u32,
    ) -> Result<Self> {
        let mode = Mode::Training { draws: at.draws, step: at.step, pass, examples: batch.ids() };
        let (logits, pullback) = classifier.forward(images, mode)?;
        let (dtype, device) = (logits.dtype(), logits.device().clone());
        let logits = logits.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
        Ok(Self { logits, dtype, device, pullback })
    }

    /// Logits `(n, classes)`, `f64`, in host memory: losses are worked out and combined there.
    pub(crate) fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// Rows that are classified as labelled; none where a logit is NaN, which the loss will show.
    pub(crate) fn correct(&self, labels: &[u32]) -> usize {
        let predicted = predictions(&self.logits).unwrap_or_default();
        predicted.iter().zip(labels).filter(|(found, label)| found == label).count()
    }

    /// Weight gradients of `<logits, cotangent>`; the cotangent is rounded to the network's dtype first.
    ///
    /// # Errors
    ///
    /// [`Error::Mismatch`] when the classifier has no weights.
    pub(crate) fn pull_back(self, cotangent: &Tensor) -> Result<Weights> {
        let cotangent = cotangent.to_dtype(self.dtype)?.to_device(&self.device)?;
        (self.pullback)(&cotangent, Wanted::WEIGHTS)?.weights.ok_or_else(|| Error::Mismatch {
            operation: "training step",
            message: "the classifier gave no weight gradients; train a network that has weights"
                .to_owned(),
        })
    }
}

/// The sum of two weight gradients of one network.
pub(crate) fn sum(one: &Weights, other: &Weights) -> Result<Weights> {
    let pairs = one.iter().zip(other.iter());
    let entries = pairs.map(|((name, one), (_, other))| Ok((name.to_owned(), (one + other)?)));
    Ok(Weights::new(entries.collect::<Result<_>>()?)?)
}

/// What a mean over a batch of `rows` examples is multiplied by.
pub(crate) fn factor(reduction: Reduction, rows: usize) -> f64 {
    match reduction {
        Reduction::Mean => 1.0,
        Reduction::Sum => rows as f64,
    }
}
