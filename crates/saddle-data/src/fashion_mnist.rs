//! Fashion-MNIST: the four files, their SHA-256, and where copies of them live.
//!
//! 60,000 training and 10,000 test pictures of clothes, 28 x 28 grey pixels in the form of MNIST (Xiao, Rasul and
//! Vollgraf, 2017; MIT licence). The hashes are of the raw files of Debian's package, whose MD5 sums are those that the
//! authors' page gives for theirs.

use crate::published::{Package, Published, RawFile};

/// Fashion-MNIST.
pub const FASHION_MNIST: Published = Published {
    name: "fashion-mnist",
    files: [
        RawFile {
            name: "train-images-idx3-ubyte",
            size: 47_040_016,
            sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        },
        RawFile {
            name: "train-labels-idx1-ubyte",
            size: 60_008,
            sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        },
        RawFile {
            name: "t10k-images-idx3-ubyte",
            size: 7_840_016,
            sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        },
        RawFile {
            name: "t10k-labels-idx1-ubyte",
            size: 10_008,
            sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ],
    mirrors: &[
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ],
    package: Package::Debian("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist/"),
};
