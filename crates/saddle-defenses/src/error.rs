//! What can go wrong while training, in words that say what to try.

use thiserror::Error;

/// Result of every fallible function of `saddle-defenses`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in `saddle-defenses`.
#[derive(Debug, Error)]
pub enum Error {
    /// A plan that cannot be carried out.
    #[error("training plan, {field}: {message}")]
    InvalidPlan {
        /// The field at fault.
        field: &'static str,
        /// What is wrong and what is expected.
        message: String,
    },
    /// The loss or a gradient stopped being a number.
    #[error(
        "training diverged at step {step}: {what} (learning rate {learning_rate}). Nothing is lost: \
         the last checkpoint stands. Try a lower learning rate, a slower radius ramp, or smaller \
         inner steps"
    )]
    Diverged {
        /// The step that failed, counted from 0.
        step: u32,
        /// What was found where.
        what: String,
        /// The learning rate of that step.
        learning_rate: f64,
    },
    /// A gradient that an optimiser cannot use.
    #[error("the gradient of `{tensor}` holds NaN or infinity")]
    NotFinite {
        /// The parameter whose gradient it is.
        tensor: String,
    },
    /// Bytes that are not a checkpoint of ours, or no longer a whole one.
    #[error("checkpoint: {message}; start this training afresh or give its own checkpoint")]
    BadCheckpoint {
        /// What is wrong with the bytes.
        message: String,
    },
    /// A whole checkpoint, but of another training.
    #[error(
        "checkpoint: it belongs to another training, its {what} differs ({found} there, {expected} \
         here); resume with the plan, network and data it was written with"
    )]
    ForeignCheckpoint {
        /// The part that differs.
        what: &'static str,
        /// The part as the checkpoint has it.
        found: String,
        /// The part as this training has it.
        expected: String,
    },
    /// Weights, gradients or optimiser state that do not belong together.
    #[error("{operation}: {message}")]
    Mismatch {
        /// The operation that was asked for.
        operation: &'static str,
        /// What differs and what is expected.
        message: String,
    },
    /// The observer could not keep a checkpoint.
    #[error("the checkpoint after step {step} could not be kept: {source}")]
    Observer {
        /// Steps done when the checkpoint was written.
        step: u32,
        /// What the observer said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The geometry or the draws failed.
    #[error(transparent)]
    Ops(#[from] saddle_ops::Error),
    /// The network failed.
    #[error(transparent)]
    Model(#[from] saddle_model::Error),
    /// The inner attack failed.
    #[error(transparent)]
    Attack(#[from] saddle_attacks::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
