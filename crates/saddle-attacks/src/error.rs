//! What can go wrong in this crate, in words that name the place, the figures and the way out.

use thiserror::Error;

/// Result of every fallible function of `saddle-attacks`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in `saddle-attacks`.
#[derive(Debug, Error)]
pub enum Error {
    /// Images, labels or ids that cannot be attacked.
    #[error("examples: {message}")]
    InvalidExamples {
        /// What was wrong and what is expected.
        message: String,
    },
    /// A setting of an attack or of the driver that makes no sense.
    #[error("{setting}: {message}")]
    InvalidSetting {
        /// Name of the setting, as plans spell it.
        setting: &'static str,
        /// What was wrong and what is expected.
        message: String,
    },
    /// An attack that cannot pursue the goal it was given.
    #[error("{attack} cannot pursue this goal: {message}")]
    UnsupportedGoal {
        /// Name of the attack.
        attack: String,
        /// Why not, and which goal it can pursue.
        message: String,
    },
    /// A classifier whose scores are NaN or infinite: no verdict can be read from them.
    #[error(
        "example {example}: the classifier's logits hold NaN or infinity; check the weights, and \
         the pixel range that the network expects"
    )]
    NonFiniteLogits {
        /// Id of the first example concerned.
        example: u64,
    },
    /// A classifier that does not keep its contract.
    #[error("classifier: {message}")]
    Classifier {
        /// What was wrong and what is expected.
        message: String,
    },
    /// An attack that does not keep the contract of [`Run`](crate::Run).
    #[error("attack `{attack}`: {message}")]
    Attack {
        /// Name of the attack.
        attack: String,
        /// What was wrong and what is expected.
        message: String,
    },
    /// An image outside the threat model: the attack has a bug and none of its claims count.
    #[error("attack `{attack}`, example {example}: infeasible image; {figures}")]
    Infeasible {
        /// Name of the attack.
        attack: String,
        /// Id of the example.
        example: u64,
        /// The measured distance or pixels, and what was allowed.
        figures: String,
    },
    /// A geometric operation failed.
    #[error(transparent)]
    Ops(#[from] saddle_ops::Error),
    /// The classifier failed.
    #[error(transparent)]
    Model(#[from] saddle_model::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn setting(setting: &'static str, message: impl Into<String>) -> Self {
        Self::InvalidSetting { setting, message: message.into() }
    }

    pub(crate) fn examples(message: impl Into<String>) -> Self {
        Self::InvalidExamples { message: message.into() }
    }

    pub(crate) fn attack(attack: &str, message: impl Into<String>) -> Self {
        Self::Attack { attack: attack.to_owned(), message: message.into() }
    }
}
