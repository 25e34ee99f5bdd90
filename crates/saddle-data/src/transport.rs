//! How bytes travel: HTTPS and the clients of package registries, behind a trait so that tests need neither.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Told after every piece: bytes so far, and bytes in all where the server says so.
pub type Progress<'a> = &'a mut dyn FnMut(u64, Option<u64>);

/// A way to get files from elsewhere. Failures are words: they end in a list of what was tried.
pub trait Transport {
    /// The body of `address`, at most `limit` bytes; longer is a failure.
    ///
    /// # Errors
    ///
    /// The reason in words.
    fn get(&self, address: &str, limit: u64, progress: Progress<'_>) -> Result<Vec<u8>, String>;

    /// Has the archive of the npm package `package` (`name@version`) put into `folder`; returns its
    /// path.
    ///
    /// # Errors
    ///
    /// The reason in words.
    fn npm_pack(&self, package: &str, folder: &Path) -> Result<PathBuf, String>;

    /// Has the files of the Debian package `package` put into a tar archive in `folder`, without installing it; returns
    /// the archive's path.
    ///
    /// # Errors
    ///
    /// The reason in words.
    fn debian_pack(&self, package: &str, folder: &Path) -> Result<PathBuf, String>;
}

/// The real one: ureq over TLS (5 s to resolve a name, 5 s to connect, 15 s to the first byte of an answer, 10 minutes in
/// all; proxies of the environment are honoured), the `npm` program, and `apt-get` with `dpkg-deb`.
#[derive(Debug, Clone)]
pub struct Internet {
    agent: ureq::Agent,
}

impl Default for Internet {
    fn default() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_resolve(Some(Duration::from_secs(5)))
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_recv_response(Some(Duration::from_secs(15)))
            .timeout_global(Some(Duration::from_secs(600)))
            .build();
        Self { agent: config.into() }
    }
}

impl Transport for Internet {
    fn get(&self, address: &str, limit: u64, progress: Progress<'_>) -> Result<Vec<u8>, String> {
        let response = self.agent.get(address).call().map_err(|error| error.to_string())?;
        let body = response.into_body();
        let total = body.content_length();
        let mut reader = body.into_reader();
        let mut bytes = Vec::new();
        let mut piece = vec![0; 1 << 16];
        loop {
            let count = reader.read(&mut piece).map_err(|error| error.to_string())?;
            if count == 0 {
                return Ok(bytes);
            }
            bytes.extend_from_slice(&piece[..count]);
            if bytes.len() as u64 > limit {
                return Err(format!("sends more than the {limit} bytes that the file has"));
            }
            progress(bytes.len() as u64, total);
        }
    }

    fn npm_pack(&self, package: &str, folder: &Path) -> Result<PathBuf, String> {
        let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
        let arguments = ["pack", package, "--ignore-scripts", "--silent"];
        let patience = ["--fetch-retries=1", "--fetch-timeout=60000"];
        let mut npm = Command::new(program);
        finish(npm.args(arguments).args(patience).current_dir(folder), "npm pack")?;
        left(folder, "tgz").ok_or_else(|| "npm pack left no archive".to_owned())
    }

    fn debian_pack(&self, package: &str, folder: &Path) -> Result<PathBuf, String> {
        let mut apt = Command::new("apt-get");
        finish(apt.args(["download", "--quiet", package]).current_dir(folder), "apt-get download")?;
        let archive =
            left(folder, "deb").ok_or_else(|| "apt-get download left no package".to_owned())?;
        // The package's own archive may be packed in any of several ways; this tool knows them all.
        let files = folder.join("files.tar");
        let to = File::create(&files).map_err(|error| error.to_string())?;
        let mut unpack = Command::new("dpkg-deb");
        unpack.arg("--fsys-tarfile").arg(archive).stdout(to);
        finish(&mut unpack, "dpkg-deb --fsys-tarfile")?;
        Ok(files)
    }
}

/// Runs a program to its end, or says why it did not do its work.
fn finish(command: &mut Command, what: &str) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start the program {program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.trim();
    let reason = if words.is_empty() { "without a word (no network?)" } else { words };
    Err(format!("{what} failed, {}: {reason}", output.status))
}

/// A file of the folder whose name ends so.
fn left(folder: &Path, extension: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.find(|path| path.extension().is_some_and(|own| own == extension))
}
