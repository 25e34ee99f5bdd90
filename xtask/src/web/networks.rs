//! Networks of the page: the zoo's files, and what the page says of them.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value, json};

use super::{pack::Pack, write_json};

/// Copies every weight file of the zoo and writes `index.json`:
/// `[{id, title, file, bytes, sha256, card: {metadata, text}}]`.
pub(super) fn assemble(zoo: &Path, out: &Path, pack: &Pack<'_>) -> anyhow::Result<()> {
    std::fs::create_dir_all(out)?;
    for entry in std::fs::read_dir(zoo).with_context(|| zoo.display().to_string())? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| is_weights(&path)) {
            std::fs::copy(&path, out.join(name))?;
        }
    }
    let files = pack.list(out, false)?;
    ensure!(!files.is_empty(), "{} holds no weight file", zoo.display());
    let mut index = Vec::with_capacity(files.len());
    for (file, known) in files {
        let id = file.strip_suffix(".safetensors").unwrap_or(&file);
        let text = card(zoo, id)?;
        index.push(json!({
            "id": id,
            "title": title(id),
            "file": file,
            "bytes": known.bytes,
            "sha256": known.sha256,
            "card": {"metadata": metadata(&out.join(&file))?, "text": text},
        }));
    }
    write_json(&out.join("index.json"), &Value::Array(index))
}

/// The name of a file as a person says it: `madry_linf` is `Madry l∞`.
fn title(id: &str) -> String {
    let words = id.split('_').enumerate().map(|(place, word)| match word {
        "linf" => "l∞".to_owned(),
        "trades" | "atda" => word.to_uppercase(),
        _ if place == 0 => {
            let (first, rest) = word.split_at(word.chars().next().map_or(0, char::len_utf8));
            first.to_uppercase() + rest
        }
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_weights(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "safetensors")
}

/// The network's own card, else its section in the zoo's README.
fn card(zoo: &Path, id: &str) -> anyhow::Result<String> {
    let own = zoo.join(format!("{id}.md"));
    if own.is_file() {
        return Ok(std::fs::read_to_string(own)?);
    }
    let readme = std::fs::read_to_string(zoo.join("README.md"))?;
    let heading = format!("## {id}.safetensors");
    let lines = readme.lines().skip_while(|line| line.trim() != heading).skip(1);
    let section: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    Ok(section.join("\n").trim().to_owned())
}

/// What the weight file says of itself: eight bytes of length, then a JSON header.
fn metadata(path: &Path) -> anyhow::Result<Value> {
    let bytes = std::fs::read(path)?;
    let header = bytes
        .split_first_chunk::<8>()
        .and_then(|(length, rest)| rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?));
    let header = header.with_context(|| format!("{} is cut off", path.display()))?;
    let mut header: Map<String, Value> =
        serde_json::from_slice(header).with_context(|| path.display().to_string())?;
    Ok(header.remove("__metadata__").unwrap_or_else(|| json!({})))
}
