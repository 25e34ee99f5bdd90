//! What can go wrong in this crate, in words that name the operation, the shapes and the way out.

use thiserror::Error;

/// Result of every fallible function of `saddle-ops`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in `saddle-ops`.
#[derive(Debug, Error)]
pub enum Error {
    /// Two tensors or slices that must agree in shape do not.
    #[error("{operation}: shapes differ, {left:?} against {right:?}; pass tensors of one shape")]
    ShapeMismatch {
        /// The operation that was asked for.
        operation: &'static str,
        /// Shape of the first argument.
        left: Vec<usize>,
        /// Shape of the second argument.
        right: Vec<usize>,
    },
    /// A shape that the operation cannot work on.
    #[error("{operation}: {message}")]
    InvalidShape {
        /// The operation that was asked for.
        operation: &'static str,
        /// What was wrong and what is expected.
        message: String,
    },
    /// A radius that is zero, negative, infinite or not a number.
    #[error("radius {value} is not usable: a radius must be finite and greater than 0")]
    InvalidRadius {
        /// The refused value.
        value: f64,
    },
    /// A pixel box whose ends are not finite or not in order.
    #[error("pixel box [{low}, {high}] is not usable: both ends must be finite and low < high")]
    InvalidBox {
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
    },
    /// A value that is NaN or infinite where only finite values make sense.
    #[error("{operation}: row {row} holds NaN or infinity; check the images or the weights")]
    NonFinite {
        /// The operation that was asked for.
        operation: &'static str,
        /// First offending row.
        row: usize,
    },
    /// A batch without rows.
    #[error("{operation}: the batch is empty; pass at least one image")]
    EmptyBatch {
        /// The operation that was asked for.
        operation: &'static str,
    },
    /// A kernel path that nobody wrote.
    #[error("unknown kernel path `{name}`; known: portable, avx2, avx512, simd128")]
    UnknownKernels {
        /// The name that was asked for.
        name: String,
    },
    /// A kernel path that this processor cannot run.
    #[error("kernel path `{name}` does not run on this processor; leave the choice to detection")]
    UnsupportedKernels {
        /// The name that was asked for.
        name: String,
    },
    /// Two tensors that must agree in number format do not.
    #[error("{operation}: number formats differ, {left} against {right}; convert one of them")]
    DtypeMismatch {
        /// The operation that was asked for.
        operation: &'static str,
        /// Format of the first argument.
        left: &'static str,
        /// Format of the second argument.
        right: &'static str,
    },
    /// A number format that this crate does not compute in.
    #[error("{operation}: number format {dtype} is not supported; pass f32 or f64")]
    UnsupportedDtype {
        /// The operation that was asked for.
        operation: &'static str,
        /// The refused format.
        dtype: &'static str,
    },
    /// A norm that nobody wrote.
    #[error("unknown norm `{name}`; known: l1, l2, linf")]
    UnknownNorm {
        /// The name that was asked for.
        name: String,
    },
    /// A standard deviation that is negative, infinite or not a number.
    #[error("sigma {value} is not usable: a standard deviation must be finite and at least 0")]
    InvalidSigma {
        /// The refused value.
        value: f64,
    },
    /// A natural image that lies outside the box of legal pixels.
    #[error(
        "{operation}: natural image in row {row} leaves the pixel box [{low}, {high}]; scale the \
         images or name the box they live in"
    )]
    OutsideBox {
        /// The operation that was asked for.
        operation: &'static str,
        /// First offending row.
        row: usize,
        /// Lower end of the box.
        low: f64,
        /// Upper end of the box.
        high: f64,
    },
    /// Weight gradients of a layer whose products are rounded.
    #[error(
        "linear weight gradient: this layer rounds its products to bf16, which serves an attack's directions; train with \
         full precision"
    )]
    RoundedWeights,
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
