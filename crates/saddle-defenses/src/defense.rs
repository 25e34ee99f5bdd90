//! What a defence is: a way to turn a batch into weight gradients.
//!
//! The trainer owns the optimiser, the order of the examples and the position; a defence owns what
//! it trains *on* (natural images, adversarial ones) and with which loss. It never changes the
//! network, and it draws only from [`StepContext::draws`], keyed by example id and step, so that
//! its step is a pure function of network, batch, context and its own state.

use crate::{Result, Sources};
use candle_core::Tensor;
use saddle_attacks::Examples;
use saddle_model::{Classifier, Weights};
use saddle_ops::{Draws, GradientHealth, Norm};
use serde::{Deserialize, Serialize};

/// How the losses of a batch become one number to descend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Mean over the batch.
    #[default]
    Mean,
    /// Sum over the batch, as the code released with Madry et al. (ICLR 2018) has it. With Adam the
    /// two differ little; with SGD the learning rate is in effect multiplied by the batch size.
    Sum,
}

/// Where in the run a step stands.
#[derive(Clone, Copy, Debug)]
pub struct StepContext {
    /// This step, from 0, over the whole run.
    pub step: u32,
    /// Steps of the whole run.
    pub iterations: u32,
    /// The run's draws.
    pub draws: Draws,
    /// What to do with the losses of the batch.
    pub reduction: Reduction,
}

/// What a defence found on a batch.
pub struct StepReport {
    /// Gradients of the reduced loss by the weights, to be descended.
    pub gradients: Weights,
    /// The defence's loss as a mean over its examples, whatever the reduction.
    pub loss: f64,
    /// Examples of the batch that the network classified rightly: adversarial ones where there are any.
    pub correct: usize,
    /// Examples of the batch.
    pub rows: usize,
    /// Forward and backward passes, summed over the examples.
    pub passes: u64,
    /// Norm and radius of the inner attack, if there was one.
    pub ball: Option<(Norm, f64)>,
    /// Inner gradients that were zero, tiny or not finite.
    pub health: GradientHealth,
}

/// A way to turn a batch into weight gradients.
pub trait Defense: Send {
    /// Gradients of this defence's loss on one batch.
    ///
    /// # Errors
    ///
    /// When the batch does not fit the network, or the network or the inner attack fails. A loss or
    /// gradient that is not finite is not an error here: the trainer judges that.
    fn step(
        &mut self,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<StepReport>;

    /// Takes the static networks that the plan names, before the first step.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidPlan`] when one that is needed is not given, or one that is given not needed.
    fn equip(&mut self, sources: &Sources) -> Result<()> {
        sources.check(&[])
    }

    /// What the defence remembers between steps (class centres, ...), by name; for checkpoints.
    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        Ok(Vec::new())
    }

    /// Takes back what [`Defense::state`] gave; nothing is the state before the first step.
    ///
    /// # Errors
    ///
    /// When the names or shapes are not this defence's.
    fn restore(&mut self, state: Vec<(String, Tensor)>) -> Result<()> {
        match state.first() {
            None => Ok(()),
            Some((name, _)) => Err(crate::Error::Mismatch {
                operation: "restore defence",
                message: format!("this defence keeps no state, but was given `{name}`"),
            }),
        }
    }
}
