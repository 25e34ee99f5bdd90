//! Numbered files of which exactly one of many processes makes each, on network disks too.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::store::{UNFINISHED, draft};

/// One numbered lease.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) name: String,
    pub(super) number: u64,
}

impl Place {
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(file_name(&self.name, self.number))
    }

    /// The highest number under this name.
    pub(super) fn newest(&self) -> Option<u64> {
        names(&self.folder).filter_map(|file| number(&file, &self.name)).max()
    }

    pub(super) fn is_newest(&self) -> bool {
        self.newest() == Some(self.number)
    }

    /// Removes the file; failing to do so costs others some patience.
    pub(super) fn give_up(&self) {
        let _ = fs::remove_file(self.path());
    }
}

pub(super) fn file_name(name: &str, number: u64) -> String {
    format!("{name}.{number}")
}

fn number(file: &str, name: &str) -> Option<u64> {
    file.strip_prefix(name)?.strip_prefix('.')?.parse().ok()
}

pub(super) fn names(folder: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// Makes a file with these bytes unless there is one; says whether it did.
pub(super) fn make(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let folder = path.parent().ok_or_else(|| io::Error::other("the path has no folder"))?;
    fs::create_dir_all(folder)?;
    let mut file = draft(folder, UNFINISHED)?;
    file.write_all(bytes)?;
    file.flush()?;
    match fs::hard_link(file.path(), path) {
        Ok(()) => return Ok(true),
        // On a network disk the answer to a link that was made may get lost; the count of links tells.
        Err(_) if links(file.path()) == Some(2) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(_) => {}
    }
    // A disk without links.
    match fs::OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(bytes).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn links(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).ok().map(|metadata| metadata.nlink())
}

#[cfg(not(unix))]
fn links(_path: &Path) -> Option<u64> {
    None
}
