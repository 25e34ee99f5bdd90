//! What a report refuses.

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that this crate refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Counts that no measurement can give.
    #[error("{what}: {correct} correct of {total} is no measurement")]
    Count {
        /// Whose count.
        what: String,
        /// Digits that stayed correct.
        correct: u64,
        /// Digits in all.
        total: u64,
    },
    /// Contenders that were not measured on the same digits.
    #[error("comparison: {attack} was judged on {found} digits, the first contender on {expected}")]
    Unpaired {
        /// The odd one.
        attack: String,
        /// Its number of digits.
        found: usize,
        /// The number of the first contender.
        expected: usize,
    },
    /// A comparison without anyone to compare with.
    #[error("comparison: {0}")]
    Comparison(String),
    /// An edge that no graph of that size has.
    #[error("conflict graph: edge {} to {} among {vertices} vertices; ends must differ and lie below", ends[0], ends[1])]
    Edge {
        /// Both ends.
        ends: [u32; 2],
        /// Number of vertices.
        vertices: usize,
    },
    /// A witness that proves no bound.
    #[error("{what}: {message}; it proves no bound, compute it again")]
    Witness {
        /// Which part of the witness.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// A picture that cannot be made.
    #[error("picture of {width} x {height} pixels: {message}")]
    Picture {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Why not.
        message: String,
    },
    /// JSON that is no report.
    #[error("report.json: {0}")]
    Json(#[from] serde_json::Error),
}
