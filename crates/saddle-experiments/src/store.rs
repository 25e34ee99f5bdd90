//! One folder in which every finished result and every half-finished one lies under its key.
//!
//! ```text
//! STORE/saddle-store.txt             says what this folder is; only such a folder is ever erased
//! STORE/ab/ab12…/job.json            what the key stands for, for a person to read
//! STORE/ab/ab12…/seconds             how long was worked on it, all stretches together
//! STORE/ab/ab12…/parts/NAME          partial state: a training checkpoint, a chunk of 100 examples
//! STORE/ab/ab12…/result              the finished result; once it exists the parts are gone
//! STORE/failures/ab12…               why a job failed, until it has a result
//! STORE/leases/                      who works on what right now
//! ```
//!
//! # Invariants
//!
//! - A file is written beside its place, flushed to the disk and renamed into it: a reader sees the
//!   old bytes or the new ones, never half of them, whenever the writer dies.
//! - Every file starts with the SHA-256 and the length of what follows. A file that is damaged,
//!   truncated or foreign counts as absent (with a warning in the log) and is computed again.
//! - A write that fails is an error and removes nothing.
//! - A folder that holds anything and is no store is left as it is.
//!
//! # What is deliberately absent
//!
//! No index, no lock: two runs on one store write the same bytes to the same places. When one of them
//! finishes a job, its parts vanish under the hands of the other, which then makes their folder anew.
//! The leases keep runs from doing the same work; nothing that is kept depends on them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::key::sha256_hex;
use crate::{Error, Key, Result};

const MARKER: &str = "saddle-store.txt";
const MARKER_TEXT: &str = "Results and checkpoints of saddle, one folder per job. \
Deleting it costs time, nothing else: the next run computes what is missing.\n";
const MAGIC: &str = "saddle-entry-1";
const IGNORE: &str = ".gitignore";
const IGNORE_TEXT: &str = "*\n";
const FAILURES: &str = "failures";
const LEASES: &str = "leases";
/// How the names of files begin that are not yet in their place.
pub(crate) const UNFINISHED: &str = ".unfinished-";
/// How often a write is tried when its folder vanishes meanwhile.
const ATTEMPTS: usize = 5;

/// Where bytes go. The tests put a disk in its place that fills up.
pub trait Disk: Send + Sync {
    /// Writes a file so that after a crash at any moment either the old or the new content is there.
    ///
    /// # Errors
    ///
    /// Whatever the system says; the old content is then still there.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
}

/// The real disk: a temporary file in the same folder, `fsync`, rename, `fsync` of the folder.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtomicDisk;

impl Disk for AtomicDisk {
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut attempt = 1;
        loop {
            match put_in_place(path, bytes) {
                // Another run on this store has finished the job and dropped the folder.
                Err(error) if error.kind() == io::ErrorKind::NotFound && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

fn put_in_place(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("the path has no folder"))?;
    create_folders(folder)?;
    let mut file = draft(folder, UNFINISHED)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    flush_folder(folder)
}

/// A new file in a folder, under a name that begins so and that nothing there has; gone when it is dropped.
pub(crate) fn draft(folder: &Path, prefix: &str) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).rand_bytes(12);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // A temporary file is private by default; a result is for everyone the umask allows.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Creates a folder and its ancestors; each new one is an entry of its parent that must reach the
/// disk as well, or a power cut takes the file with it.
fn create_folders(folder: &Path) -> io::Result<()> {
    let created: Vec<&Path> = folder
        .ancestors()
        .filter(|ancestor| *ancestor != Path::new("") && !ancestor.exists())
        .collect();
    fs::create_dir_all(folder)?;
    for folder in created.iter().rev() {
        match folder.parent() {
            Some(parent) if parent != Path::new("") => flush_folder(parent)?,
            _ => flush_folder(Path::new("."))?,
        }
    }
    Ok(())
}

fn flush_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Removes what killed writers left in a folder; failing to do so loses nothing.
pub(crate) fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if is_unfinished(&entry.file_name()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_unfinished(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(UNFINISHED)
}

/// The folder of results and checkpoints; see the module's page for its layout.
pub struct Store {
    root: PathBuf,
    disk: Box<dyn Disk>,
}

impl Store {
    /// Opens a store, creating the folder when it does not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Occupied`] when the folder holds files and is no store, [`Error::Write`] when nothing
    /// can be written there: better said before hours of work.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self> {
        Self::with_disk(root, Box::new(AtomicDisk))
    }

    /// Opens a store on a disk of your own; for tests of what happens when the disk fails.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn with_disk(root: impl Into<PathBuf>, disk: Box<dyn Disk>) -> Result<Self> {
        let store = Self { root: root.into(), disk };
        // In this order: another run that makes the store right now puts the marker there first.
        if holds_anything(&store.root) && !store.root.join(MARKER).is_file() {
            return Err(Error::Occupied { path: store.root });
        }
        sweep(&store.root);
        // Written each time although it may exist: this is the proof that the folder takes files.
        store.write(&store.root.join(MARKER), MARKER_TEXT.as_bytes())?;
        let ignore = store.root.join(IGNORE);
        if !ignore.exists() {
            store.write(&ignore, IGNORE_TEXT.as_bytes())?;
        }
        Ok(store)
    }

    /// Deletes what a store has put into its folder, and the folder if nothing else is in it. One that
    /// does not exist is fine.
    ///
    /// # Errors
    ///
    /// [`Error::NotAStore`] when the folder was not made by [`Store::open`], [`Error::Write`] when
    /// the system refuses.
    pub fn erase(root: &Path) -> Result<()> {
        if !root.exists() {
            return Ok(());
        }
        if !root.join(MARKER).is_file() {
            return Err(Error::NotAStore { path: root.to_owned() });
        }
        let refused = |path: &Path, source| Error::Write { path: path.to_owned(), source };
        let read = |source| Error::Read { path: root.to_owned(), source };
        sweep(root);
        for entry in fs::read_dir(root).map_err(read)? {
            let path = entry.map_err(read)?.path();
            let ours = [FAILURES, LEASES].map(|name| root.join(name));
            if is_shelf(&path) || ours.contains(&path) && path.is_dir() {
                fs::remove_dir_all(&path).map_err(|source| refused(&path, source))?;
            }
        }
        let ignore = root.join(IGNORE);
        if fs::read(&ignore).is_ok_and(|text| text == IGNORE_TEXT.as_bytes()) {
            fs::remove_file(&ignore).map_err(|source| refused(&ignore, source))?;
        }
        // Last: whatever fails above, the folder is still known as a store.
        let marker = root.join(MARKER);
        fs::remove_file(&marker).map_err(|source| refused(&marker, source))?;
        // Refused by the system when somebody else's files are there, and then they stay.
        let _ = fs::remove_dir(root);
        Ok(())
    }

    /// The folder of the store.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether a result is there, damaged or not: cheap, for estimates. Only [`Store::result`] knows
    /// whether it is any good.
    pub fn contains(&self, key: &Key) -> bool {
        self.result_path(key).is_file()
    }

    /// The finished result of a job, if it is there and undamaged.
    pub fn result(&self, key: &Key) -> Option<Vec<u8>> {
        read_verified(&self.folder(key).join("result"))
    }

    /// What [`Store::finish`] was told of a job, if it can still be read.
    pub fn description(&self, key: &Key) -> Option<serde_json::Value> {
        serde_json::from_slice(&fs::read(self.folder(key).join("job.json")).ok()?).ok()
    }

    /// Writes the finished result of a job and then drops its partial state.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; the partial state is then still there.
    pub fn finish(&self, key: &Key, description: &impl Serialize, result: &[u8]) -> Result<()> {
        let folder = self.folder(key);
        let description = serde_json::to_vec_pretty(description)
            .map_err(|e| Error::format("description of a job", e))?;
        self.write(&folder.join("job.json"), &description)?;
        self.write(&folder.join("result"), &sealed(result))?;
        self.tidy(&folder);
        // Whatever went wrong before does no more.
        let _ = fs::remove_file(self.failure_path(key));
        Ok(())
    }

    /// Notes why a job failed, for other processes that wait for it; a result removes the note.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; an earlier note is then still there.
    pub fn put_failure(&self, key: &Key, note: &str) -> Result<()> {
        self.write(&self.failure_path(key), &sealed(note.as_bytes()))
    }

    /// The last note of why a job failed, if it has no result since.
    pub fn failure(&self, key: &Key) -> Option<String> {
        String::from_utf8(read_verified(&self.failure_path(key))?).ok()
    }

    /// Where [`Store::put_failure`] puts its note of a job.
    pub fn failure_path(&self, key: &Key) -> PathBuf {
        self.root.join(FAILURES).join(key.as_str())
    }

    /// All notes of failures, by the names of their keys.
    pub(crate) fn failures(&self) -> BTreeMap<String, String> {
        let entries = fs::read_dir(self.root.join(FAILURES)).into_iter().flatten().flatten();
        let notes = entries.filter_map(|entry| {
            let note = String::from_utf8(read_verified(&entry.path())?).ok()?;
            Some((entry.file_name().to_str()?.to_owned(), note))
        });
        notes.collect()
    }

    /// The folder in which processes say what they are working on.
    pub(crate) fn leases(&self) -> PathBuf {
        self.root.join(LEASES)
    }

    /// A piece of partial state, if it is there and undamaged.
    pub fn part(&self, key: &Key, name: &str) -> Option<Vec<u8>> {
        read_verified(&self.part_path(key, name))
    }

    /// Writes a piece of partial state, replacing what was there under this name.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; the earlier piece is then still there.
    pub fn put_part(&self, key: &Key, name: &str, bytes: &[u8]) -> Result<()> {
        self.write(&self.part_path(key, name), &sealed(bytes))
    }

    /// Whether there is any partial state of a job.
    pub fn has_parts(&self, key: &Key) -> bool {
        fs::read_dir(self.folder(key).join("parts")).is_ok_and(|mut parts| {
            parts.any(|part| part.is_ok_and(|p| !is_unfinished(&p.file_name())))
        })
    }

    /// Seconds worked on a job up to its last checkpoint, chunk or end, as far as they are known.
    pub fn seconds(&self, key: &Key) -> Option<f64> {
        let bytes = read_verified(&self.folder(key).join("seconds"))?;
        std::str::from_utf8(&bytes).ok()?.parse().ok()
    }

    /// Notes how many seconds were worked on a job, all stretches together.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; the earlier note is then still there.
    pub fn put_seconds(&self, key: &Key, seconds: f64) -> Result<()> {
        self.write(&self.folder(key).join("seconds"), &sealed(seconds.to_string().as_bytes()))
    }

    /// Where a finished result lies, for messages and for tests that damage it.
    pub fn result_path(&self, key: &Key) -> PathBuf {
        self.folder(key).join("result")
    }

    /// Where a piece of partial state lies, for messages and for tests that damage it.
    pub fn part_path(&self, key: &Key, name: &str) -> PathBuf {
        self.folder(key).join("parts").join(name)
    }

    fn folder(&self, key: &Key) -> PathBuf {
        self.root.join(&key.as_str()[..2]).join(key.as_str())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.disk
            .write(path, bytes)
            .map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    /// Removes the parts and whatever a killed writer left; failing to do so loses nothing.
    fn tidy(&self, folder: &Path) {
        let _ = fs::remove_dir_all(folder.join("parts"));
        sweep(folder);
    }
}

/// Whether there is anything in a folder but what a killed writer left.
fn holds_anything(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| !is_unfinished(&entry.file_name()))
}

/// Whether this is one of the folders, named by two hexadecimal digits, in which jobs lie.
fn is_shelf(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let hexadecimal = name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    name.len() == 2 && hexadecimal && path.is_dir() && !path.is_symlink()
}

/// Bytes behind a line with their hash and length.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let mut file = format!("{MAGIC} {} {}\n", sha256_hex(bytes), bytes.len()).into_bytes();
    file.extend_from_slice(bytes);
    file
}

fn read_verified(path: &Path) -> Option<Vec<u8>> {
    let file = match fs::read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "unreadable entry; computing it again");
            return None;
        }
    };
    let payload = unsealed(&file);
    if payload.is_none() {
        tracing::warn!(path = %path.display(), "damaged entry; computing it again");
    }
    payload.map(<[u8]>::to_vec)
}

/// The bytes behind the header line when hash and length are right.
fn unsealed(file: &[u8]) -> Option<&[u8]> {
    let end = file.iter().take(128).position(|&byte| byte == b'\n')?;
    let payload = &file[end + 1..];
    let expected = format!("{MAGIC} {} {}", sha256_hex(payload), payload.len());
    (file[..end] == *expected.as_bytes()).then_some(payload)
}
