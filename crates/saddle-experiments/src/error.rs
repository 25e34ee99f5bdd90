//! What can go wrong between a plan and its report.

use std::path::PathBuf;

use thiserror::Error;

/// Result of every fallible function of `saddle-experiments`.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in `saddle-experiments`.
#[derive(Debug, Error)]
pub enum Error {
    /// The text of a plan is not TOML, or holds a field or a value that no plan has.
    #[error("the plan cannot be read: {0}")]
    PlanSyntax(#[from] toml::de::Error),
    /// A plan that parses and yet cannot be run.
    #[error("the plan cannot be run: {0}")]
    Plan(String),
    /// A profile that is not embedded in the program.
    #[error("unknown profile `{name}`; known: {known}; or pass a plan of your own as a file")]
    UnknownProfile {
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A table or figure that the plan does not hold.
    #[error("plan `{plan}` has no table or figure `{name}`; it has: {known}")]
    UnknownPart {
        /// Name of the plan.
        plan: String,
        /// The name that was asked for.
        name: String,
        /// The names that exist.
        known: String,
    },
    /// A file or folder that could not be written; whatever was finished before stays on disk.
    #[error("cannot write {path}: {source}; finished work is kept, make room and run it again", path = path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file or folder that could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A folder that was given as a store, holds files and is no store.
    #[error("{path} holds files and is not a store of ours, so nothing was written there; name a new or an empty folder for the store", path = path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that someone asked to empty although no store ever lived there.
    #[error("{path} is not a store of ours, so nothing in it is deleted; remove it by hand if you mean it", path = path.display())]
    NotAStore {
        /// The folder.
        path: PathBuf,
    },
    /// A file of given weights that no column of the plan can use.
    #[error("given weights {path}: {message}", path = path.display())]
    Given {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what would be right.
        message: String,
    },
    /// The observer asked to stop; everything up to the last checkpoint is in the store.
    #[error("interrupted; run the same command again and it goes on where it stopped")]
    Interrupted,
    /// Another process that shares the store works on it, or is to.
    #[error("another process that shares the store works on it, or is to")]
    Elsewhere,
    /// Another process that shares the store has worked on it in vain; in that process's words.
    #[error("{0}")]
    Failed(String),
    /// Something that the store or the report holds does not have the form it should have.
    #[error("{what}: {message}")]
    Format {
        /// What was being read or written.
        what: String,
        /// Why that failed.
        message: String,
    },
    /// Maths failed.
    #[error(transparent)]
    Ops(#[from] saddle_ops::Error),
    /// A network failed.
    #[error(transparent)]
    Model(#[from] saddle_model::Error),
    /// An attack failed.
    #[error(transparent)]
    Attack(#[from] saddle_attacks::Error),
    /// A training failed.
    #[error(transparent)]
    Defense(#[from] saddle_defenses::Error),
    /// The tensor library failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Whether going on with other jobs makes no sense: a stop was asked for or the disk refuses.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Write { .. })
    }

    pub(crate) fn format(what: impl Into<String>, message: impl ToString) -> Self {
        Self::Format { what: what.into(), message: message.to_string() }
    }
}
