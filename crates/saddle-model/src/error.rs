//! What can go wrong in this crate, in words that name the operation, the shapes and the way out.

use thiserror::Error;

/// Result of every fallible function of `saddle-model`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in `saddle-model`.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor whose shape does not fit the network, the loss or its partner.
    #[error("{operation}: expected {expected}, found {found}")]
    Shape {
        /// The operation that was asked for.
        operation: &'static str,
        /// What would have been right.
        expected: String,
        /// What was passed.
        found: String,
    },
    /// A list of layers that does not describe a network.
    #[error("architecture `{architecture}`: {message}")]
    InvalidArchitecture {
        /// Name of the architecture.
        architecture: String,
        /// Which layer, what is wrong and what is expected.
        message: String,
    },
    /// A layer that the executor asked for does not run.
    #[error(
        "architecture `{architecture}` has {layer}, which the executor {executor} does not run; the executor candle runs every layer"
    )]
    UnsupportedLayer {
        /// Name of the architecture.
        architecture: String,
        /// What the layer is.
        layer: &'static str,
        /// Name of the executor.
        executor: String,
    },
    /// A network name that nobody wrote a table for.
    #[error("unknown network `{name}`; known networks: {known}")]
    UnknownNetwork {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// Weights whose names or shapes are not those of the network.
    #[error("weights do not fit network `{architecture}`: {message}")]
    WeightsMismatch {
        /// Name of the architecture.
        architecture: String,
        /// Which tensors are missing, unknown or of another shape.
        message: String,
    },
    /// Bytes that are not a weight file, or one that this crate refuses.
    #[error("weight file refused: {message}")]
    WeightFile {
        /// What was found and what is expected.
        message: String,
    },
    /// A name map that does not fit the network or the file.
    #[error("name map: {message}")]
    NameMap {
        /// Which name is wrong, what was expected and what the file holds.
        message: String,
    },
    /// A tensor that holds NaN or infinity where only finite values make sense.
    #[error("{operation}: `{tensor}` holds NaN or infinity, first at element {index}")]
    NonFinite {
        /// The operation that was asked for.
        operation: &'static str,
        /// Name of the tensor.
        tensor: String,
        /// Position of the first such value in row-major order.
        index: usize,
    },
    /// Labels, targets or rows that do not fit the logits.
    #[error("loss: {message}")]
    Loss {
        /// What was found and what is expected.
        message: String,
    },
    /// A name that is not one of a closed set.
    #[error("unknown {what} `{name}`; known: {known}")]
    UnknownName {
        /// What kind of thing was named.
        what: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: &'static str,
    },
    /// A classifier of somebody else's making failed.
    #[error("classifier: {0}")]
    Classifier(String),
    /// A kernel or a piece of geometry failed.
    #[error(transparent)]
    Ops(#[from] saddle_ops::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
