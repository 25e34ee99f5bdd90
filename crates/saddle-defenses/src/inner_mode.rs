//! In which mode an inner attack sees the network.

use crate::StepContext;
use candle_core::Tensor;
use saddle_attacks::Examples;
use saddle_model::{Classifier, Error, Mode, Pullback, Result};
use serde::{Deserialize, Serialize};

/// The number of an attack's passes within a step, by which dropout tells them from those that are descended.
const ATTACK: u32 = u32::MAX;

/// How an inner attack sees the network. It matters to networks with batch normalisation or dropout only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InnerMode {
    /// As it is evaluated: running statistics, nothing dropped.
    #[default]
    Evaluation,
    /// As it is trained: statistics of the batch that is attacked. So the program of the CIFAR-10 challenge of Madry et al.
    /// has it, which attacks the very network that it trains. There an attack's passes also move the running statistics;
    /// here only the pass that is descended does.
    Training,
}

impl InnerMode {
    pub(crate) fn is_evaluation(&self) -> bool {
        *self == Self::Evaluation
    }
}

/// A classifier that is in training whatever mode it is asked in: the rows are those of a batch.
pub(crate) struct InTraining<'a> {
    pub(crate) classifier: &'a dyn Classifier,
    pub(crate) batch: &'a Examples,
    pub(crate) at: &'a StepContext,
}

impl Classifier for InTraining<'_> {
    fn classes(&self) -> usize {
        self.classifier.classes()
    }

    fn judges(&self) -> bool {
        self.classifier.judges()
    }

    fn forward<'b>(&'b self, images: &Tensor, _: Mode<'_>) -> Result<(Tensor, Pullback<'b>)> {
        let (rows, examples) = (images.dim(0)?, self.batch.ids());
        if rows != examples.len() {
            return Err(Error::Classifier(format!(
                "an inner attack in training mode asked for {rows} rows of a batch of {}; statistics of a part are not \
                 those of the batch: train with batches of at most 512",
                examples.len()
            )));
        }
        let StepContext { draws, step, .. } = *self.at;
        self.classifier.forward(images, Mode::Training { draws, step, pass: ATTACK, examples })
    }
}
