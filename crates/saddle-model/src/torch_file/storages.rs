//! The numbers of a file: read from the archive or from behind the pickles, and picked in the order of a tensor.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use candle_core::pickle::Object;
use candle_core::{Device, Tensor};
use half::{bf16, f16};
use zip::ZipArchive;

use super::records::{Record, Storage};
use super::unpickle::unpickle;
use super::{refused, shortened};
use crate::weight_file::check_finite;
use crate::{Error, Result};

/// The rows of numbers of one file, read when a tensor needs them.
pub(super) struct Storages<'a> {
    source: Source<'a>,
    read: BTreeMap<String, Cow<'a, [u8]>>,
    /// Bytes and numbers that may still be read: a file that shares its numbers among a thousand tensors, or lets archive
    /// entries overlap, must not grow beyond its length.
    bytes_left: usize,
    numbers_left: usize,
}

enum Source<'a> {
    /// The archive and the path of its storages.
    Archive(Box<ZipArchive<Cursor<&'a [u8]>>>, String),
    /// Everything has been found already.
    Legacy,
}

impl<'a> Storages<'a> {
    /// Opens a zip archive and reads its pickle.
    pub(super) fn of_archive(bytes: &'a [u8]) -> Result<(Object, Self)> {
        let mut archive = match ZipArchive::new(Cursor::new(bytes)) {
            Ok(archive) => archive,
            Err(error) => {
                return refused(format!(
                    "not a whole zip archive: {error}; the file may be cut off"
                ));
            }
        };
        let names = archive.file_names().map(|name| name.map(Cow::into_owned));
        let Ok(names) = names.collect::<std::result::Result<Vec<String>, _>>() else {
            return refused("the zip archive names entries in no known encoding");
        };
        let pickles: Vec<&str> =
            names.iter().filter_map(|one| one.strip_suffix("data.pkl")).collect();
        let [folder] = pickles.as_slice() else {
            return refused(format!(
                "a zip archive with {} entries called data.pkl where `torch.save` writes one",
                pickles.len()
            ));
        };
        let mut left = bytes.len();
        let order = format!("{folder}byteorder");
        if names.contains(&order) && entry(&mut archive, &order, &mut left)? != b"little" {
            return refused("its numbers are big-endian; save it again on a little-endian machine");
        }
        let pickle = entry(&mut archive, &format!("{folder}data.pkl"), &mut left)?;
        let (object, _) = unpickle(&pickle, 0, "data.pkl")?;
        let source = Source::Archive(Box::new(archive), format!("{folder}data/"));
        let storages =
            Self { source, read: BTreeMap::new(), bytes_left: left, numbers_left: bytes.len() };
        Ok((object, storages))
    }

    /// Reads the pickles of a file from before zip archives, the first of which ends at `start`: version, machine, object,
    /// keys; then for each key its length in 8 bytes and its numbers.
    pub(super) fn of_legacy(bytes: &'a [u8], start: usize) -> Result<(Object, Self)> {
        let (version, at) = unpickle(bytes, start, "version")?;
        if version != Object::Int(1001) {
            return refused("a version of the old format that PyTorch never released");
        }
        let (machine, at) = unpickle(bytes, at, "machine")?;
        let little = super::entries(&machine).and_then(|all| super::get(all, "little_endian"));
        if little == Some(&Object::Bool(false)) {
            return refused("its numbers are big-endian; save it again on a little-endian machine");
        }
        let (object, at) = unpickle(bytes, at, "state dict")?;
        let (keys, mut at) = unpickle(bytes, at, "keys of the numbers")?;
        let Object::List(keys) = keys else { return refused("no list of keys before the numbers") };
        let mut known = BTreeMap::new();
        collect(&object, &mut known);
        let mut read = BTreeMap::new();
        for key in keys {
            let storage = match &key {
                Object::Unicode(key) => known.get(key),
                _ => None,
            };
            let Some(storage) = storage else {
                return refused(format!("numbers that no tensor asks for, at byte {at}"));
            };
            let body = bytes.get(at..).and_then(|rest| rest.split_first_chunk::<8>());
            let length = body.map(|(length, _)| u64::from_le_bytes(*length));
            if length != Some(storage.length as u64) {
                return refused(format!(
                    "at byte {at} the numbers `{}` have no length or another one than their tensors say; the file is cut \
                     off or damaged",
                    shortened(&storage.key)
                ));
            }
            let size = storage.length.checked_mul(storage.width()?);
            let numbers = body.zip(size).and_then(|((_, rest), size)| rest.get(..size));
            let Some(numbers) = numbers else {
                return refused(format!(
                    "at byte {at} {} numbers of {} bytes should follow; the file is cut off",
                    storage.length,
                    storage.width()?
                ));
            };
            at += 8 + numbers.len();
            read.insert(storage.key.clone(), Cow::Borrowed(numbers));
        }
        let storages =
            Self { source: Source::Legacy, read, bytes_left: 0, numbers_left: bytes.len() };
        Ok((object, storages))
    }

    /// A tensor as `f32` on the CPU, its numbers in row-major order whatever their order in the file.
    pub(super) fn tensor(&mut self, name: &str, record: &Record) -> Result<Tensor> {
        let told = shortened(name);
        let Record { storage, shape, .. } = record;
        if !matches!(
            storage.kind.as_str(),
            "HalfStorage" | "BFloat16Storage" | "FloatStorage" | "DoubleStorage"
        ) {
            return refused(format!(
                "`{told}` is a {}; weights are read from Half, BFloat16, Float and Double",
                shortened(&storage.kind)
            ));
        }
        let count = shape.iter().try_fold(1usize, |count, &side| count.checked_mul(side));
        let Some(count) = count.filter(|&count| count > 0 && count <= self.numbers_left) else {
            return refused(format!(
                "`{told}` of shape {shape:?} is empty or has more numbers than the file"
            ));
        };
        self.numbers_left -= count;
        let last =
            shape.iter().zip(&record.strides).try_fold(record.offset, |last, (side, stride)| {
                last.checked_add(stride.checked_mul(side - 1)?)
            });
        let numbers = self.numbers(storage)?;
        let width = storage.width()?;
        if last.is_none_or(|last| last >= numbers.len() / width) {
            return refused(format!(
                "`{told}` of shape {shape:?}, strides {:?} and offset {} goes beyond its {} numbers",
                record.strides,
                record.offset,
                numbers.len() / width
            ));
        }
        let at = |place: usize| &numbers[place * width..][..width];
        let value: fn(&[u8]) -> f32 = match storage.kind.as_str() {
            "HalfStorage" => |raw| f16::from_le_bytes([raw[0], raw[1]]).to_f32(),
            "BFloat16Storage" => |raw| bf16::from_le_bytes([raw[0], raw[1]]).to_f32(),
            "FloatStorage" => |raw| f32::from_le_bytes(raw.try_into().unwrap_or_default()),
            _ => |raw| f64::from_le_bytes(raw.try_into().unwrap_or_default()) as f32,
        };
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0usize; shape.len()];
        let mut place = record.offset;
        for _ in 0..count {
            values.push(value(at(place)));
            // The next index, as a mileage counter turns: the last dimension fastest.
            for dimension in (0..shape.len()).rev() {
                let (side, stride) = (shape[dimension], record.strides[dimension]);
                index[dimension] += 1;
                // A side of one may have any stride; what overflows here is taken away again.
                place = place.wrapping_add(stride);
                if index[dimension] < side {
                    break;
                }
                place = place.wrapping_sub(stride.wrapping_mul(side));
                index[dimension] = 0;
            }
        }
        check_finite("read weights", &told, values.iter().map(|value| value.is_finite()))?;
        Ok(Tensor::from_vec(values, shape.as_slice(), &Device::Cpu)?)
    }

    fn numbers(&mut self, storage: &Storage) -> Result<&[u8]> {
        if !self.read.contains_key(&storage.key) {
            let Source::Archive(archive, folder) = &mut self.source else {
                return refused(format!("no numbers are called `{}`", shortened(&storage.key)));
            };
            let name = format!("{folder}{}", storage.key);
            let numbers = entry(archive, &name, &mut self.bytes_left)?;
            self.read.insert(storage.key.clone(), Cow::Owned(numbers));
        }
        Ok(&self.read[&storage.key])
    }
}

/// One entry of an archive, whole, as long as no more bytes are read than `left`.
fn entry(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str, left: &mut usize) -> Result<Vec<u8>> {
    let wrong = |error: &dyn std::fmt::Display| Error::WeightFile {
        message: format!("PyTorch file: entry `{}` of the zip archive: {error}", shortened(name)),
    };
    let file = archive.by_name(name).map_err(|error| wrong(&error))?;
    let mut bytes = Vec::new();
    file.take(*left as u64 + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    *left = left.checked_sub(bytes.len()).ok_or_else(|| wrong(&"larger than the whole file"))?;
    Ok(bytes)
}

/// All storages that an object's tensors ask for, by their keys.
fn collect(object: &Object, found: &mut BTreeMap<String, Storage>) {
    match object {
        Object::PersistentLoad(id) => {
            if let Some(storage) = Storage::of(id) {
                found.insert(storage.key.clone(), storage);
            }
        }
        Object::Tuple(items) | Object::List(items) => {
            items.iter().for_each(|item| collect(item, found));
        }
        Object::Dict(entries) => entries.iter().for_each(|(_, value)| collect(value, found)),
        Object::Reduce { callable, args } | Object::Build { callable, args } => {
            collect(callable, found);
            collect(args, found);
        }
        _ => {}
    }
}
