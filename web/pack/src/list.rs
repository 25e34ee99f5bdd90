//! Hash and weight of every file of a folder.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// Larger files are compressed less hard, so that listing them takes a second and not a minute.
const LARGE: usize = 4 << 20;

/// Print as JSON, for every file below a folder: its path, `bytes`, `sha256` and, if asked for, `brotli` (bytes).
#[derive(Args)]
pub(crate) struct List {
    /// The folder.
    folder: PathBuf,
    /// Also compress: quality 11, for files above 4 MiB quality 5.
    #[arg(long)]
    brotli: bool,
}

impl List {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut paths = Vec::new();
        collect(&self.folder, &mut paths)?;
        paths.sort();
        let mut list = Map::new();
        for path in paths {
            let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
            let mut entry = json!({"bytes": bytes.len(), "sha256": sha256(&bytes)});
            if self.brotli {
                entry["brotli"] = json!(compressed(&bytes)?);
            }
            let inside = path.strip_prefix(&self.folder)?.components();
            let name: Vec<_> = inside.map(|part| part.as_os_str().to_string_lossy()).collect();
            list.insert(name.join("/"), entry);
        }
        println!("{}", serde_json::to_string_pretty(&Value::Object(list))?);
        Ok(())
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// SHA-256 in lower-case hex.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn compressed(bytes: &[u8]) -> anyhow::Result<usize> {
    let quality = if bytes.len() > LARGE { 5 } else { 11 };
    let mut writer = brotli::CompressorWriter::new(Vec::new(), 1 << 16, quality, 22);
    writer.write_all(bytes)?;
    writer.flush()?;
    Ok(writer.into_inner().len())
}
