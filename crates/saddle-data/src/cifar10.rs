//! CIFAR-10 in its binary version: records, the archive, and a folder of files.
//!
//! 50,000 training and 10,000 test photographs of 32 x 32 coloured pixels in ten classes (Krizhevsky, "Learning Multiple
//! Layers of Features from Tiny Images", 2009).
//!
//! # Format
//!
//! A file is nothing but records of 3,073 bytes: the label, then the planes of red, green and blue, each row by row.
//! Training records come in five files, test records in one, ten thousand in each.
//!
//! # What is verified
//!
//! The archive by length and SHA-256, before anything in it is looked at. The authors' page
//! (cs.toronto.edu/~kriz/cifar.html) gives its MD5, `c32a1d4ab5d03f1284b67883e8d87530`; the SHA-256 here is the one that
//! torchvision-ruby and gomlx, programs of different people, pin for the file of that address. The SHA-256 of the test
//! file is pinned alike by torchvision-ruby and others. Files of a user's folder that are not known by such a hash are
//! checked as far as their form goes, and the name of the data set says that they are not verified.
//!
//! # Sources
//!
//! The authors' page, for form, names and MD5.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::dataset::{Dataset, hex};
use crate::error::{Attempt, Error, Result};
use crate::fetch::{FetchEvent, FetchObserver, Source, verify, write_whole};
use crate::mnist::Split;
use crate::published::{PublishedBatches, RawFile};
use crate::transport::Transport;

/// Channels, rows and columns of an image.
const IMAGE: [usize; 3] = [3, 32, 32];
/// Bytes of a record: the label and the image.
const RECORD: usize = 1 + IMAGE[0] * IMAGE[1] * IMAGE[2];
/// Classes: labels are less.
const CLASSES: u8 = 10;

/// CIFAR-10, the binary version.
pub const CIFAR10: PublishedBatches = PublishedBatches {
    name: "cifar10",
    archive: RawFile {
        name: "cifar-10-binary.tar.gz",
        size: 170_052_171,
        sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    },
    mirrors: &["https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"],
    inside: "cifar-10-batches-bin/",
    train: &[
        "data_batch_1.bin",
        "data_batch_2.bin",
        "data_batch_3.bin",
        "data_batch_4.bin",
        "data_batch_5.bin",
    ],
    test: RawFile {
        name: "test_batch.bin",
        size: 30_730_000,
        sha256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    },
    records: 10_000,
};

/// Images and labels of a file of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// One class per image, 0 to 9.
    pub labels: Vec<u8>,
    /// 3,072 bytes for each image: the planes of red, green and blue, each row by row.
    pub pixels: Vec<u8>,
}

/// Reads a file of records.
///
/// # Errors
///
/// [`Error::Records`] when there are none, the last one is cut short, or a label is above 9.
pub fn records(bytes: &[u8]) -> Result<Records> {
    if bytes.is_empty() {
        return Err(Error::Records("the file is empty".to_owned()));
    }
    let (whole, rest) = (bytes.len() / RECORD, bytes.len() % RECORD);
    if rest != 0 {
        return Err(Error::Records(format!(
            "{} bytes are {whole} records of {RECORD} and {rest} bytes more; the file is cut short or is another one",
            bytes.len()
        )));
    }
    let mut found = Records {
        labels: Vec::with_capacity(whole),
        pixels: Vec::with_capacity(bytes.len() - whole),
    };
    for (index, record) in bytes.chunks_exact(RECORD).enumerate() {
        let label = record[0];
        if label >= CLASSES {
            return Err(Error::Records(format!(
                "record {index} has the label {label}; labels are 0 to {}",
                CLASSES - 1
            )));
        }
        found.labels.push(label);
        found.pixels.extend_from_slice(&record[1..]);
    }
    Ok(found)
}

/// Loads one split of a data set that is published as an archive of records, over any [`Transport`].
///
/// A folder of the user may hold the archive, or the files of records, in itself or in a folder of the name that they
/// have in the archive; then they may have any number of records.
///
/// # Errors
///
/// As [`DatasetName::load`](crate::DatasetName::load).
pub fn load_batches(
    published: &PublishedBatches,
    source: &Source,
    split: Split,
    transport: &dyn Transport,
    observer: &mut dyn FetchObserver,
) -> Result<Dataset> {
    let archive = &published.archive;
    match source {
        Source::Folder(folder) => {
            let path = folder.join(archive.name);
            if path.exists() {
                let bytes = read_verified(&path, archive)?;
                observer.event(FetchEvent::Verified { file: archive.name });
                return from_archive(published, split, &path, &bytes);
            }
            from_files(published, split, folder, observer)
        }
        Source::Cache(folder) => {
            let path = folder.join(archive.name);
            let bytes = match cached(&path, archive, observer)? {
                Some(bytes) => bytes,
                None => fetched(published, folder, transport, observer)?,
            };
            from_archive(published, split, &path, &bytes)
        }
    }
}

/// The bytes of a file that has the pinned length and hash.
fn read_verified(path: &Path, file: &RawFile) -> Result<Vec<u8>> {
    let bytes = read(path, file.size + 1)?;
    match verify(&bytes, file) {
        Ok(()) => Ok(bytes),
        Err(reason) => Err(Error::Damaged { path: path.to_owned(), reason }),
    }
}

/// A file's bytes, at most so many.
fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = File::open(path).map_err(Error::io("read", path))?;
    opened.take(most).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(bytes)
}

/// The archive in the cache; none if it is not there or damaged, which the observer is told.
fn cached(
    path: &Path,
    archive: &RawFile,
    observer: &mut dyn FetchObserver,
) -> Result<Option<Vec<u8>>> {
    if !path.exists() {
        return Ok(None);
    }
    match read_verified(path, archive) {
        Ok(bytes) => {
            observer.event(FetchEvent::Verified { file: archive.name });
            Ok(Some(bytes))
        }
        Err(Error::Damaged { reason, .. }) => {
            observer.event(FetchEvent::Damaged { file: archive.name, reason: &reason });
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// The archive from the first mirror that delivers it, stored in the cache.
fn fetched(
    published: &PublishedBatches,
    folder: &Path,
    transport: &dyn Transport,
    observer: &mut dyn FetchObserver,
) -> Result<Vec<u8>> {
    let archive = &published.archive;
    let file = archive.name;
    std::fs::create_dir_all(folder).map_err(Error::io("create the folder", folder))?;
    let mut attempts = Vec::new();
    for mirror in published.mirrors {
        let source = format!("{mirror}{file}");
        observer.event(FetchEvent::Asking { file, source: &source });
        let mut progress =
            |received, total| observer.event(FetchEvent::Bytes { file, received, total });
        let body = transport.get(&source, archive.size, &mut progress);
        match body.and_then(|body| verify(&body, archive).map(|()| body)) {
            Ok(body) => {
                write_whole(&folder.join(file), &body)?;
                observer.event(FetchEvent::Stored { file, source: &source });
                return Ok(body);
            }
            Err(reason) => {
                observer.event(FetchEvent::Failed { source: &source, reason: &reason });
                attempts.push(Attempt { source, reason });
            }
        }
    }
    Err(Error::Unavailable { files: vec![file], attempts })
}

/// One split from the verified archive at `path`.
fn from_archive(
    published: &PublishedBatches,
    split: Split,
    path: &Path,
    bytes: &[u8],
) -> Result<Dataset> {
    let damaged = |reason: String| Error::Damaged { path: path.to_owned(), reason };
    let unreadable = |error: std::io::Error| damaged(format!("it cannot be unpacked: {error}"));
    let wanted = files(published, split);
    let length = published.records as u64 * RECORD as u64;
    let mut found: Vec<Option<Records>> = wanted.iter().map(|_| None).collect();
    let mut archive = tar::Archive::new(GzDecoder::new(bytes));
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).strip_prefix(published.inside);
        let Some(place) = wanted.iter().position(|wanted| name == Some(*wanted)) else { continue };
        let mut raw = Vec::new();
        entry.take(length + 1).read_to_end(&mut raw).map_err(unreadable)?;
        if raw.len() as u64 != length {
            let file = wanted[place];
            return Err(damaged(format!("its file {file} has not the {length} bytes it should")));
        }
        let of_file = |error| damaged(format!("its file {}: {error}", wanted[place]));
        found[place] = Some(records(&raw).map_err(of_file)?);
    }
    let mut all = Vec::new();
    for (records, file) in found.into_iter().zip(wanted) {
        all.push(
            records.ok_or_else(|| damaged(format!("it holds no {}{file}", published.inside)))?,
        );
    }
    Ok(joined(format!("{}-{}", published.name, split.name()), all))
}

/// One split from the files of records in a folder of the user.
fn from_files(
    published: &PublishedBatches,
    split: Split,
    folder: &Path,
    observer: &mut dyn FetchObserver,
) -> Result<Dataset> {
    let inner = folder.join(published.inside);
    let home: PathBuf = if inner.is_dir() { inner } else { folder.to_owned() };
    let most = published.records as u64 * RECORD as u64;
    let test = &published.test;
    let mut verified = true;
    let mut all = Vec::new();
    for file in files(published, split) {
        let path = home.join(file);
        if !path.exists() {
            let (home, archive) = (home.display(), published.archive.name);
            return Err(Error::Records(format!("{home} holds neither {archive} nor {file}")));
        }
        let bytes = read(&path, most + 1)?;
        let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
        if bytes.len() as u64 > most {
            return Err(damaged(format!("it is longer than the {most} bytes of such a file")));
        }
        if file == test.name && hex(&Sha256::digest(&bytes)) == test.sha256 {
            observer.event(FetchEvent::Verified { file });
        } else {
            verified = false;
        }
        all.push(records(&bytes).map_err(|error| damaged(error.to_string()))?);
    }
    let word = if verified { "" } else { " (not verified)" };
    Ok(joined(format!("{}-{}{word}", published.name, split.name()), all))
}

/// The files of a split, in order.
fn files(published: &PublishedBatches, split: Split) -> Vec<&'static str> {
    match split {
        Split::Train => published.train.to_vec(),
        Split::Test => vec![published.test.name],
    }
}

fn joined(name: String, parts: Vec<Records>) -> Dataset {
    let [channels, rows, cols] = IMAGE;
    let (mut images, mut labels) = (Vec::new(), Vec::new());
    for part in parts {
        images.extend(part.pixels);
        labels.extend(part.labels);
    }
    Dataset { name, images, labels, channels, rows, cols }
}
