//! Keys: the name of a result is the hash of everything that it depends on.
//!
//! A part of a plan is written as canonical JSON (keys sorted, no spaces, numbers in their shortest
//! form that reads back to the same value), together with the [`Program`] that works on it, and hashed
//! with SHA-256. Two jobs with one key are one job.
//!
//! The commit is no part of it: most commits change no number, and those that do raise the revision
//! of the algorithm, or of the kernels. It is noted beside the result.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Error, Result, lock::locked};

/// The lock file with the exact version of everything in this workspace.
const LOCK: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"));

/// The program behind a result, as far as any of its results may depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Version of this package.
    pub version: String,
    /// SHA-256 of what `Cargo.lock` says of the packages that this one is built from, directly or not
    /// ([`locked`]); what serves only tests, benches or the browser changes no result.
    pub lock: String,
}

impl Program {
    /// The program that is running.
    pub fn this() -> &'static Self {
        static THIS: OnceLock<Program> = OnceLock::new();
        THIS.get_or_init(|| Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            lock: sha256_hex(locked(LOCK, env!("CARGO_PKG_NAME")).as_bytes()),
        })
    }
}

/// SHA-256 in lower-case hexadecimal: the address of one entry of the [`Store`](crate::Store).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(String);

impl Key {
    /// The key of a job for the program that is running.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] when the description does not serialise.
    pub fn of(job: &impl Serialize) -> Result<Self> {
        Self::by(Program::this(), job)
    }

    /// The key of a job for some program: SHA-256 of the canonical JSON of both.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] when the description does not serialise.
    pub fn by(program: &Program, job: &impl Serialize) -> Result<Self> {
        #[derive(Serialize)]
        struct Whole<'a, T> {
            program: &'a Program,
            job: &'a T,
        }
        Ok(Self(sha256_hex(canonical_json(&Whole { program, job })?.as_bytes())))
    }

    /// The 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Key {
    type Err = Error;

    /// Reads the 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self> {
        let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 64 && hexadecimal {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::format("key", format!("`{text}` is not 64 hexadecimal digits in lower case")))
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
