//! Keys: the name of a result is the hash of everything that it depends on.
//!
//! A part of a plan is written as canonical JSON (keys sorted, no spaces, numbers in their shortest
//! form that reads back to the same value) and hashed with SHA-256. Two jobs with one key are one job.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// SHA-256 in lower-case hexadecimal: the address of one entry of the [`Store`](crate::Store).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of a description: SHA-256 of its canonical JSON.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] when the description does not serialise.
    pub fn of(description: &impl Serialize) -> Result<Self> {
        Ok(Self(sha256_hex(canonical_json(description)?.as_bytes())))
    }

    /// The 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// SHA-256 of some bytes, in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// JSON with sorted keys and no spaces: equal values give equal text, whatever order they were built in.
///
/// # Errors
///
/// [`Error::Format`] when the value does not serialise, for example a map whose keys are not text.
pub fn canonical_json(value: &impl Serialize) -> Result<String> {
    let value = serde_json::to_value(value).map_err(|e| Error::format("canonical JSON", e))?;
    let mut text = String::new();
    write_sorted(&value, &mut text);
    Ok(text)
}

fn write_sorted(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                write_sorted(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            // The map's own order depends on a feature that any dependency may switch on; sort here.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            text.push('{');
            for (position, (name, item)) in entries.into_iter().enumerate() {
                if position > 0 {
                    text.push(',');
                }
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_sorted(item, text);
            }
            text.push('}');
        }
        leaf => text.push_str(&leaf.to_string()),
    }
}
