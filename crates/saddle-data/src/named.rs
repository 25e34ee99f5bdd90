//! The data sets by name: what their images are, what their classes are called, how to load them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::cifar10::{self, CIFAR10};
use crate::dataset::Dataset;
use crate::error::Result;
use crate::fashion_mnist::FASHION_MNIST;
use crate::fetch::{FetchObserver, Source};
use crate::mnist::{self, MNIST, Split};
use crate::transport::Internet;

/// A data set that this crate knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DatasetName {
    /// Handwritten digits, 28 x 28 grey pixels.
    #[default]
    #[serde(rename = "mnist")]
    Mnist,
    /// Clothes in the form of MNIST.
    #[serde(rename = "fashion-mnist")]
    FashionMnist,
    /// Small photographs, 32 x 32 coloured pixels.
    #[serde(rename = "cifar10")]
    Cifar10,
}

impl DatasetName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mnist, Self::FashionMnist, Self::Cifar10];

    /// The name in plans, on the command line and of the folder in the cache.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "mnist",
            Self::FashionMnist => "fashion-mnist",
            Self::Cifar10 => "cifar10",
        }
    }

    /// The name for readers.
    pub fn title(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::FashionMnist => "Fashion-MNIST",
            Self::Cifar10 => "CIFAR-10",
        }
    }

    /// Whether it is MNIST, the data set of a plan that names none.
    pub fn is_mnist(&self) -> bool {
        *self == Self::Mnist
    }

    /// Channels, rows and columns of an image.
    pub fn image(self) -> [usize; 3] {
        match self {
            Self::Mnist | Self::FashionMnist => [1, 28, 28],
            Self::Cifar10 => [3, 32, 32],
        }
    }

    /// What its classes are called, by label.
    pub fn classes(self) -> [&'static str; 10] {
        match self {
            Self::Mnist => ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
            Self::FashionMnist => [
                "T-shirt/top",
                "trouser",
                "pullover",
                "dress",
                "coat",
                "sandal",
                "shirt",
                "sneaker",
                "bag",
                "ankle boot",
            ],
            Self::Cifar10 => [
                "airplane",
                "automobile",
                "bird",
                "cat",
                "deer",
                "dog",
                "frog",
                "horse",
                "ship",
                "truck",
            ],
        }
    }

    /// Loads one split over the real network: from the source if it is there, else fetched into the cache.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`](crate::Error::Damaged), [`Error::MissingFile`](crate::Error::MissingFile) or
    /// [`Error::Records`](crate::Error::Records) for a folder of the user, [`Error::Unavailable`](crate::Error::Unavailable) when nothing delivered, [`Error::Io`](crate::Error::Io)
    /// when the cache cannot be written.
    pub fn load(
        self,
        source: &Source,
        split: Split,
        observer: &mut dyn FetchObserver,
    ) -> Result<Dataset> {
        let internet = Internet::default();
        match self {
            Self::Mnist => mnist::load(&MNIST, source, split, &internet, observer),
            Self::FashionMnist => mnist::load(&FASHION_MNIST, source, split, &internet, observer),
            Self::Cifar10 => cifar10::load_batches(&CIFAR10, source, split, &internet, observer),
        }
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for DatasetName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|known| known.name() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown data set `{text}`; known: {known}")
        })
    }
}
