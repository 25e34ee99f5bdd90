//! What can go wrong between a mirror and a data set, said so that a person knows the way out.

use std::fmt;
use std::path::PathBuf;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One source that was tried and why it did not deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Address of the mirror, or the package.
    pub source: String,
    /// Reason in words.
    pub reason: String,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.reason)
    }
}

/// Everything that this crate refuses or fails at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first four bytes name another kind of file.
    #[error(
        "IDX: wrong magic number {found:#010x}, expected {expected:#010x} ({what}); is this another file?"
    )]
    WrongMagic {
        /// Magic number of the wanted kind.
        expected: u32,
        /// Magic number in the file.
        found: u32,
        /// The wanted kind in words.
        what: &'static str,
    },
    /// The file ends before what its header promises.
    #[error("IDX: truncated, the header promises {promised} bytes and the file holds {found}")]
    Truncated {
        /// Header and data, in bytes.
        promised: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// The file goes on after what its header promises.
    #[error("IDX: bytes after the end, the header promises {promised} bytes in all")]
    TrailingBytes {
        /// Header and data, in bytes.
        promised: u64,
    },
    /// The dimensions multiply to more than a file of this length can hold.
    #[error("IDX: impossible size {dimensions:?} for a file of {length} bytes")]
    ImpossibleSize {
        /// Dimensions of the header.
        dimensions: Vec<u32>,
        /// Length of the file as given, compressed or not.
        length: usize,
    },
    /// The gzip stream is damaged.
    #[error("gzip: {0}")]
    Gzip(String),
    /// Bytes that are no records of CIFAR-10's binary version.
    #[error("CIFAR-10: {0}")]
    Records(String),
    /// Images and labels do not belong together, or there are none.
    #[error(
        "data set {name}: {images} images and {labels} labels; one label per image, at least one"
    )]
    Mismatch {
        /// Name of the data set.
        name: String,
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A choice of examples that cannot be made.
    #[error("choice of examples: {0}")]
    Choice(String),
    /// A file in the user's folder that is not what it should be.
    #[error(
        "{} is not the file it should be: {reason}. It was left as it is; put a good copy there, \
         or leave the folder out to have the data fetched", .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The user's folder lacks a file.
    #[error("{} holds neither {file} nor {file}.gz", .folder.display())]
    MissingFile {
        /// The folder that the user named.
        folder: PathBuf,
        /// Name of the raw file.
        file: &'static str,
    },
    /// No source delivered.
    #[error(
        "could not get {}.\nTried:\n{}\nWay out: put the files (raw, or gzipped with .gz at the end of \
         the name) into a folder and name it with --data FOLDER",
        .files.join(" and "), lines(.attempts)
    )]
    Unavailable {
        /// Names of the missing files.
        files: Vec<&'static str>,
        /// Every source that was tried.
        attempts: Vec<Attempt>,
    },
    /// The file system said no.
    #[error("cannot {operation} {}: {source}", .path.display())]
    Io {
        /// What was tried, as a verb.
        operation: &'static str,
        /// On which path.
        path: PathBuf,
        /// The reason of the system.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(
        operation: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { operation, path, source }
    }
}

fn lines(attempts: &[Attempt]) -> String {
    attempts.iter().map(|attempt| format!("  - {attempt}")).collect::<Vec<_>>().join("\n")
}
