//! The list of the page's files, and the service worker that keeps them for visits without a connection.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Map, Value};

use super::{pack::Pack, write_json};

/// The worker, which cannot be part of the list that it holds.
const WORKER: &str = "sw.js";
const MANIFEST: &str = "manifest.json";

/// Writes `manifest.json`, the SHA-256 of every other file but the worker by its path, and puts that list and its own
/// hash, the version of the page, in front of the worker's text.
pub(super) fn assemble(folder: &Path, pack: &Pack<'_>) -> anyhow::Result<()> {
    let files: Map<String, Value> = pack
        .list(folder, false)?
        .into_iter()
        .filter(|(path, _)| path != WORKER)
        .map(|(path, entry)| (path, entry.sha256.into()))
        .collect();
    let files = Value::Object(files);
    write_json(&folder.join(MANIFEST), &files)?;
    let listed = pack.list(folder, false)?;
    let manifest = listed.into_iter().find(|(path, _)| path == MANIFEST);
    let (_, manifest) = manifest.context("the manifest is not among the files")?;

    let path = folder.join(WORKER);
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let constants = format!("const VERSION = '{}';\nconst FILES = {files:#};\n", manifest.sha256);
    std::fs::write(&path, constants + &text).with_context(|| path.display().to_string())
}
