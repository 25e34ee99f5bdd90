//! Who watches a training: progress, checkpoints, interruption.
//!
//! The trainer has no clock and touches no file. The observer says when a checkpoint is due (every
//! minute, every hundred steps) and where it goes; the trainer only makes the bytes.

use saddle_ops::{GradientHealth, Norm};

/// What one step did.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Steps done, this one included.
    pub done: u32,
    /// Steps of the whole run.
    pub iterations: u32,
    /// Epoch of this step, from 0.
    pub epoch: u32,
    /// Place of this step's batch in its epoch, from 0.
    pub batch_in_epoch: u32,
    /// Batches of an epoch; an incomplete last batch is left out.
    pub batches_per_epoch: u32,
    /// Learning rate that this step used.
    pub learning_rate: f64,
    /// The defence's loss as a mean over its examples (adversarial ones for Madry), before the update.
    pub loss: f64,
    /// Examples of the batch that the network classified rightly, before the update: adversarial ones where there are any.
    pub correct: usize,
    /// Examples of the batch.
    pub rows: usize,
    /// Forward and backward passes of this step, summed over the examples.
    pub passes: u64,
    /// Norm and radius of the inner attack; `None` for natural training.
    pub ball: Option<(Norm, f64)>,
    /// Inner gradients that were zero, tiny or not finite.
    pub health: GradientHealth,
}

/// Reasons an observer may give for failing to keep a checkpoint.
pub type KeepError = Box<dyn std::error::Error + Send + Sync>;

/// Watches a [`crate::Trainer::run`] and keeps its checkpoints.
pub trait TrainObserver {
    /// Called after every step.
    fn step(&mut self, progress: &Progress);

    /// Asked after every step: is a checkpoint due? Here a clock may be read.
    fn wants_checkpoint(&mut self) -> bool;

    /// Keeps the bytes of a checkpoint.
    ///
    /// # Errors
    ///
    /// Whatever prevented it. The run stops there with [`crate::Error::Observer`].
    fn checkpoint(&mut self, bytes: &[u8]) -> Result<(), KeepError>;

    /// Asked before every step: should the run stop here, with a checkpoint?
    fn interrupted(&self) -> bool {
        false
    }
}

/// Watches nothing and keeps nothing: for tests and short runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl TrainObserver for Unobserved {
    fn step(&mut self, _progress: &Progress) {}

    fn wants_checkpoint(&mut self) -> bool {
        false
    }

    fn checkpoint(&mut self, _bytes: &[u8]) -> Result<(), KeepError> {
        Ok(())
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All steps are done.
    Finished,
    /// The observer asked to stop; the last checkpoint it got resumes here.
    Interrupted,
}
