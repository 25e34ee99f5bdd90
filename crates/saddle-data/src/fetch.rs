//! Cache, folder, mirrors, package: in which order a file is looked for, and how it is kept.
//!
//! # Invariants
//!
//! - Bytes leave this module only with the pinned length and SHA-256.
//! - A file of the user's folder is read, never written. A file of the cache is only ever replaced
//!   whole: written beside itself, flushed, renamed. Any number of processes may fetch at once; each
//!   rename brings the same bytes.
//! - A mirror that fails once is not asked again for the next file.
//! - Nothing is read beyond the pinned length and [`PACKING`], nothing unpacked beyond the length.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};

use crate::dataset::hex;
use crate::error::{Attempt, Error, Result};
use crate::idx;
use crate::published::{Package, Published, RawFile};
use crate::transport::Transport;

/// Gzip may lengthen a file that does not compress by its header and its trailer, in bytes.
const PACKING: u64 = 1024;

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder of ours: what is missing or damaged is fetched into it.
    Cache(PathBuf),
    /// A folder of the user: read, verified, never written.
    Folder(PathBuf),
}

/// What happens on the way, for a progress bar or a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchEvent<'a> {
    /// A file was found in place and matches its SHA-256.
    Verified {
        /// Name of the raw file.
        file: &'a str,
    },
    /// A file of the cache does not match and will be fetched again.
    Damaged {
        /// Name of the raw file.
        file: &'a str,
        /// What is wrong with it.
        reason: &'a str,
    },
    /// A source is asked.
    Asking {
        /// Name of the raw file; for a package, the first one missing.
        file: &'a str,
        /// Address of the mirror, or the package.
        source: &'a str,
    },
    /// Bytes are coming.
    Bytes {
        /// Name of the raw file.
        file: &'a str,
        /// So far.
        received: u64,
        /// In all, where the server says so.
        total: Option<u64>,
    },
    /// A source did not deliver; the next one is tried.
    Failed {
        /// Address of the mirror, or the package.
        source: &'a str,
        /// Reason in words.
        reason: &'a str,
    },
    /// A good file is in the cache now.
    Stored {
        /// Name of the raw file.
        file: &'a str,
        /// Address of the mirror, or the package.
        source: &'a str,
    },
}

/// Someone who wants to know how fetching goes.
pub trait FetchObserver {
    /// Called for every event, from the thread that fetches.
    fn event(&mut self, event: FetchEvent<'_>);
}

/// An observer that looks away.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl FetchObserver for Silent {
    fn event(&mut self, _: FetchEvent<'_>) {}
}

/// Verified raw bytes of `files`, from the folder, the cache, or fetched into the cache.
pub(crate) fn obtain<const N: usize>(
    published: &Published,
    source: &Source,
    files: [RawFile; N],
    transport: &dyn Transport,
    observer: &mut dyn FetchObserver,
) -> Result<[Vec<u8>; N]> {
    let mut found = files.map(|_| None);
    match source {
        Source::Folder(folder) => {
            for (file, slot) in files.iter().zip(&mut found) {
                *slot = Some(from_folder(folder, file)?);
                observer.event(FetchEvent::Verified { file: file.name });
            }
        }
        Source::Cache(folder) => {
            for (file, slot) in files.iter().zip(&mut found) {
                *slot = from_cache(folder, file, observer)?;
            }
            let attempts = Vec::new();
            Fetch { published, folder, transport, observer, attempts }.run(&files, &mut found)?;
        }
    }
    // Whoever could not fill a slot has returned an error.
    Ok(found.map(Option::unwrap_or_default))
}

/// One fetch into the cache: remembers what was tried.
struct Fetch<'a> {
    published: &'a Published,
    folder: &'a Path,
    transport: &'a dyn Transport,
    observer: &'a mut dyn FetchObserver,
    attempts: Vec<Attempt>,
}

impl Fetch<'_> {
    fn run(mut self, files: &[RawFile], found: &mut [Option<Vec<u8>>]) -> Result<()> {
        let complete = |found: &[Option<Vec<u8>>]| found.iter().all(Option::is_some);
        if complete(found) {
            return Ok(());
        }
        fs::create_dir_all(self.folder).map_err(Error::io("create the folder", self.folder))?;
        for mirror in self.published.mirrors {
            for (file, slot) in files.iter().zip(&mut *found).filter(|(_, slot)| slot.is_none()) {
                match self.try_mirror(mirror, file)? {
                    Some(raw) => *slot = Some(raw),
                    None => break,
                }
            }
            if complete(found) {
                return Ok(());
            }
        }
        self.try_package(files, found)?;
        if complete(found) {
            return Ok(());
        }
        let missing = files.iter().zip(found).filter(|(_, slot)| slot.is_none());
        let files = missing.map(|(file, _)| file.name).collect();
        Err(Error::Unavailable { files, attempts: self.attempts })
    }

    /// Asks one mirror for one file; `None` when it did not deliver.
    fn try_mirror(&mut self, mirror: &str, file: &RawFile) -> Result<Option<Vec<u8>>> {
        let address = format!("{mirror}{}.gz", file.name);
        self.observer.event(FetchEvent::Asking { file: file.name, source: &address });
        let observer = &mut *self.observer;
        let mut progress = |received, total| {
            observer.event(FetchEvent::Bytes { file: file.name, received, total });
        };
        let body = self.transport.get(&address, file.size + PACKING, &mut progress);
        match body.and_then(|body| unpack(body, file)) {
            Ok(raw) => self.store(file, raw, &address).map(Some),
            Err(reason) => {
                self.failed(&address, reason);
                Ok(None)
            }
        }
    }

    /// Has the package brought and stores every one of the four files that is good, as they come at
    /// one price; fills the slots that are still empty.
    fn try_package(&mut self, files: &[RawFile], found: &mut [Option<Vec<u8>>]) -> Result<()> {
        let package = self.published.package;
        let (source, inside) = (package.title(), package.inside());
        let first = files.iter().zip(&*found).find(|(_, slot)| slot.is_none());
        let file = first.map_or("", |(file, _)| file.name);
        self.observer.event(FetchEvent::Asking { file, source: &source });
        // Inside the cache: the system's folder for temporary files may be small.
        let temporary = tempfile::Builder::new().prefix(".package-").tempdir_in(self.folder);
        let temporary = temporary.map_err(Error::io("create a folder in", self.folder))?;
        let packed = match package {
            Package::Npm(name, _) => self.transport.npm_pack(name, temporary.path()),
            Package::Debian(name, _) => self.transport.debian_pack(name, temporary.path()),
        };
        let archive = match packed {
            Ok(archive) => archive,
            Err(reason) => {
                self.failed(&source, reason);
                return Ok(());
            }
        };
        let entries = match read_archive(&archive, inside, &self.published.files) {
            Ok(entries) => entries,
            Err(error) => {
                self.failed(&source, format!("its archive cannot be read: {error}"));
                return Ok(());
            }
        };
        for file in files.iter().filter(|file| !entries.iter().any(|(entry, _)| entry == *file)) {
            self.failed(&source, format!("its archive holds no {inside}{}", file.name));
        }
        for (file, raw) in entries {
            let raw = match unpack(raw, &file) {
                Ok(raw) => raw,
                Err(reason) => {
                    self.failed(&source, format!("{}: {reason}", file.name));
                    continue;
                }
            };
            let slot = files.iter().position(|wanted| *wanted == file);
            match slot {
                Some(slot) if found[slot].is_none() => {
                    found[slot] = Some(self.store(&file, raw, &source)?);
                }
                Some(_) => {}
                // The other split: kept unless a good copy is there already.
                None if read_verified(&self.folder.join(file.name), &file).is_ok() => {}
                None => drop(self.store(&file, raw, &source)?),
            }
        }
        Ok(())
    }

    fn store(&mut self, file: &RawFile, raw: Vec<u8>, source: &str) -> Result<Vec<u8>> {
        write_whole(&self.folder.join(file.name), &raw)?;
        self.observer.event(FetchEvent::Stored { file: file.name, source });
        Ok(raw)
    }

    fn failed(&mut self, source: &str, reason: String) {
        self.observer.event(FetchEvent::Failed { source, reason: &reason });
        self.attempts.push(Attempt { source: source.to_owned(), reason });
    }
}

fn from_cache(
    folder: &Path,
    file: &RawFile,
    observer: &mut dyn FetchObserver,
) -> Result<Option<Vec<u8>>> {
    match read_verified(&folder.join(file.name), file) {
        Ok(raw) => {
            observer.event(FetchEvent::Verified { file: file.name });
            Ok(Some(raw))
        }
        Err(Unread::Absent) => Ok(None),
        Err(Unread::Damaged(reason)) => {
            observer.event(FetchEvent::Damaged { file: file.name, reason: &reason });
            Ok(None)
        }
        Err(Unread::Io(error)) => Err(Error::io("read", folder.join(file.name))(error)),
    }
}

/// The raw file if there is one, else the gzipped one; whichever is there must be good.
fn from_folder(folder: &Path, file: &RawFile) -> Result<Vec<u8>> {
    for path in [folder.join(file.name), folder.join(format!("{}.gz", file.name))] {
        match read_verified(&path, file) {
            Ok(raw) => return Ok(raw),
            Err(Unread::Absent) => {}
            Err(Unread::Damaged(reason)) => return Err(Error::Damaged { path, reason }),
            Err(Unread::Io(error)) => return Err(Error::io("read", path)(error)),
        }
    }
    Err(Error::MissingFile { folder: folder.to_owned(), file: file.name })
}

/// Why a file on disk gave no bytes.
enum Unread {
    Absent,
    Damaged(String),
    Io(io::Error),
}

/// Reads a raw or gzipped file and verifies it; reads no more than it may hold.
fn read_verified(path: &Path, file: &RawFile) -> std::result::Result<Vec<u8>, Unread> {
    let opened = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unread::Absent,
        _ => Unread::Io(error),
    })?;
    let mut bytes = Vec::new();
    opened.take(file.size + PACKING).read_to_end(&mut bytes).map_err(Unread::Io)?;
    unpack(bytes, file).map_err(Unread::Damaged)
}

/// Raw bytes from raw or gzipped ones, verified.
fn unpack(bytes: Vec<u8>, file: &RawFile) -> std::result::Result<Vec<u8>, String> {
    let raw = if idx::is_gzip(&bytes) {
        idx::gunzip(&bytes, file.size).map_err(|error| error.to_string())?
    } else {
        bytes
    };
    verify(&raw, file)?;
    Ok(raw)
}

pub(crate) fn verify(raw: &[u8], file: &RawFile) -> std::result::Result<(), String> {
    let (found, expected) = (raw.len() as u64, file.size);
    if found > expected {
        return Err(format!("it is longer than the {expected} bytes it should have"));
    }
    if found < expected {
        return Err(format!("it has {found} bytes and should have {expected}"));
    }
    let found = hex(&Sha256::digest(raw));
    if found != file.sha256 {
        return Err(format!("its SHA-256 is {found} and should be {}", file.sha256));
    }
    Ok(())
}

/// The entries of a tar archive, gzipped or not, that are one of the four files in the folder `inside`, raw or gzipped;
/// others are passed over, and nothing is written to disk.
fn read_archive(
    path: &Path,
    inside: &str,
    files: &[RawFile],
) -> io::Result<Vec<(RawFile, Vec<u8>)>> {
    let mut stream = BufReader::new(File::open(path)?);
    let packed = idx::is_gzip(stream.fill_buf()?);
    let stream: Box<dyn Read> =
        if packed { Box::new(GzDecoder::new(stream)) } else { Box::new(stream) };
    let mut archive = tar::Archive::new(stream);
    let mut found = Vec::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = name.strip_prefix("./").unwrap_or(&name).strip_prefix(inside);
        let name = name.map(|name| name.strip_suffix(".gz").unwrap_or(name));
        if let Some(&file) = files.iter().find(|file| name == Some(file.name)) {
            let mut raw = Vec::new();
            entry.take(file.size + PACKING).read_to_end(&mut raw)?;
            found.push((file, raw));
        }
    }
    Ok(found)
}

/// Writes beside `path`, flushes to disk, renames: whoever reads sees the old file or the new one.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file =
        tempfile::NamedTempFile::new_in(folder).map_err(Error::io("create a file in", folder))?;
    file.write_all(bytes).map_err(Error::io("write", path))?;
    file.as_file().sync_all().map_err(Error::io("flush", path))?;
    file.persist(path).map_err(|error| Error::io("rename a file to", path)(error.error))?;
    Ok(())
}
