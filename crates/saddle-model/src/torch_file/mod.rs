//! State dicts as PyTorch saves them: `.pt` and `.pth`, both of the forms that `torch.save` has written.
//!
//! Since version 1.6 such a file is a zip archive of uncompressed entries: `NAME/data.pkl`, which says what tensors there
//! are, and `NAME/data/KEY`, the numbers. Before, and so for networks released until 2020, it is a row of pickles with the
//! numbers behind them.
//!
//! # Invariants
//!
//! Bytes are untrusted, and a pickle is a program. Candle's reader runs the few instructions that state dicts are made of
//! and calls nothing; [`unpickle`] bounds what they may cost. Any bytes give tensors or an error that says what is wrong
//! and where, never a panic; memory stays within a small multiple of the length of the bytes, the objects of the pickle
//! apart, of which there are at most a million.
//!
//! # What is deliberately absent
//!
//! Pickled modules (they name code that only their author has), TorchScript, tensors of integers, big-endian files. A
//! dictionary that stands in a file twice is read where it stands first; candle finds the other place empty.

mod records;
mod storages;
mod unpickle;

use candle_core::Tensor;
use candle_core::pickle::Object;

use crate::{Error, Result};
use storages::Storages;

/// How a zip archive begins.
const ZIP: &[u8] = b"PK\x03\x04";
/// How files begin that `torch.save` wrote before zip archives: a pickled magic number.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e";
/// Under which keys programs keep a state dict beside other things.
const WRAPPERS: [&str; 7] =
    ["state_dict", "model_state_dict", "model", "net", "network", "weights", "params"];

/// Whether the bytes begin as one of PyTorch's files does.
pub(crate) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP) || bytes.starts_with(LEGACY)
}

/// Names and tensors (`f32`, on the CPU) of a state dict, sorted by name.
///
/// `under` are the keys that lead to the state dict. Without any it is the file's own dictionary if that holds tensors,
/// else the one dictionary with tensors under a usual key such as `state_dict`.
///
/// # Errors
///
/// [`Error::WeightFile`] when the bytes are no such file or hold no such state dict, [`Error::NonFinite`] when a tensor
/// holds NaN or infinity.
pub(crate) fn tensors(bytes: &[u8], under: &[String]) -> Result<Vec<(String, Tensor)>> {
    let (object, mut storages) = if bytes.starts_with(LEGACY) {
        Storages::of_legacy(bytes, LEGACY.len())?
    } else {
        Storages::of_archive(bytes)?
    };
    let mut tensors = Vec::new();
    for (name, value) in state_dict(&object, under)? {
        let (Object::Unicode(name), Some(record)) = (name, records::Record::of(value)?) else {
            continue;
        };
        tensors.push((name.clone(), storages.tensor(name, &record)?));
    }
    tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(tensors)
}

/// The entries of the dictionary that holds the tensors.
fn state_dict<'a>(whole: &'a Object, under: &[String]) -> Result<&'a [(Object, Object)]> {
    let Some(mut entries) = entries(whole) else {
        return refused(format!(
            "it holds {} where a state dict is expected; save `module.state_dict()`",
            in_words(whole)
        ));
    };
    for key in under {
        let Some(inner) = get(entries, key).and_then(self::entries) else {
            return refused(format!(
                "no dictionary lies under the key `{key}`; there are {}",
                keys(entries)
            ));
        };
        entries = inner;
    }
    if holds_tensors(entries) || !under.is_empty() {
        return Ok(entries);
    }
    let wrapped =
        WRAPPERS.iter().filter_map(|key| Some((*key, self::entries(get(entries, key)?)?)));
    let wrapped: Vec<_> = wrapped.filter(|(_, inner)| holds_tensors(inner)).collect();
    match wrapped.as_slice() {
        [(_, inner)] => Ok(inner),
        [] => refused(format!(
            "no tensors at its top nor under {}; its keys are {}; a name map says where they lie (`under`)",
            WRAPPERS.join(", "),
            keys(entries)
        )),
        several => {
            let keys: Vec<&str> = several.iter().map(|(key, _)| *key).collect();
            refused(format!(
                "it holds several state dicts, under {}; a name map says which one is meant (`under`)",
                keys.join(", ")
            ))
        }
    }
}

/// The entries of a dictionary, or of an object whose state was set after it was made from one.
fn entries(object: &Object) -> Option<&[(Object, Object)]> {
    match object {
        Object::Dict(entries) => Some(entries),
        Object::Build { callable, .. } => match &**callable {
            Object::Dict(entries) => Some(entries),
            _ => None,
        },
        _ => None,
    }
}

fn get<'a>(entries: &'a [(Object, Object)], key: &str) -> Option<&'a Object> {
    let named = |name: &Object| matches!(name, Object::Unicode(name) if name == key);
    entries.iter().find(|(name, _)| named(name)).map(|(_, value)| value)
}

fn holds_tensors(entries: &[(Object, Object)]) -> bool {
    entries.iter().any(|(_, value)| !matches!(records::Record::of(value), Ok(None)))
}

/// The first keys of a dictionary, to be told.
fn keys(entries: &[(Object, Object)]) -> String {
    let named = entries.iter().filter_map(|(name, _)| match name {
        Object::Unicode(name) => Some(format!("`{}`", shortened(name))),
        _ => None,
    });
    let named: Vec<String> = named.take(crate::weights::MOST_NAMED).collect();
    if named.is_empty() { "none".to_owned() } else { named.join(", ") }
}

fn in_words(object: &Object) -> String {
    match object {
        Object::Reduce { callable, .. } | Object::Build { callable, .. } => in_words(callable),
        Object::Class { module_name, class_name } => {
            format!("a pickled `{}.{}`", shortened(module_name), shortened(class_name))
        }
        Object::List(_) => "a list".to_owned(),
        Object::Tuple(_) => "a tuple".to_owned(),
        _ => "a single value".to_owned(),
    }
}

/// A name of the file's, cut to a length that an error can show.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

fn refused<T>(message: impl Into<String>) -> Result<T> {
    Err(Error::WeightFile { message: format!("PyTorch file: {}", message.into()) })
}
