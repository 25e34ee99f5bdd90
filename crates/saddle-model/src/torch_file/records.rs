//! What a pickle says of one tensor: which numbers of which storage, in which order.

use candle_core::pickle::Object;

use super::{refused, shortened};
use crate::Result;

/// Where a tensor's numbers lie.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) storage: Storage,
    /// Elements before the first.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    /// Elements from one index to the next, in each dimension.
    pub(super) strides: Vec<usize>,
}

/// A row of numbers that tensors are views of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    pub(super) key: String,
    /// PyTorch's name of its type, such as `FloatStorage`.
    pub(super) kind: String,
    /// How many numbers.
    pub(super) length: usize,
}

impl Record {
    /// The tensor that an object stands for; none when it is no tensor.
    ///
    /// # Errors
    ///
    /// [`Error::WeightFile`](crate::Error::WeightFile) for a tensor without all that belongs to one.
    pub(super) fn of(object: &Object) -> Result<Option<Self>> {
        let Object::Reduce { callable, args } = object else { return Ok(None) };
        let Object::Class { module_name, class_name } = &**callable else { return Ok(None) };
        let args = tuple(args);
        match (module_name.as_str(), class_name.as_str(), args) {
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor", Some(args)) => {
                let record = Self::from_arguments(args);
                let Some(record) = record else {
                    return refused("a tensor without storage, offset, shape and strides");
                };
                Ok(Some(record))
            }
            ("torch._utils", "_rebuild_parameter", Some([tensor, ..])) => Self::of(tensor),
            ("torch._tensor", "_rebuild_from_type_v2", Some([callable, _, args, ..])) => {
                let (callable, args) = (Box::new(callable.clone()), Box::new(args.clone()));
                Self::of(&Object::Reduce { callable, args })
            }
            _ => Ok(None),
        }
    }

    fn from_arguments(arguments: &[Object]) -> Option<Self> {
        let [storage, offset, shape, strides, ..] = arguments else { return None };
        let Object::PersistentLoad(id) = storage else { return None };
        let (shape, strides) = (sizes(shape)?, sizes(strides)?);
        let record = Self { storage: Storage::of(id)?, offset: size(offset)?, shape, strides };
        (record.shape.len() == record.strides.len()).then_some(record)
    }
}

impl Storage {
    /// Reads `("storage", type, key, device, length, …)`.
    pub(super) fn of(id: &Object) -> Option<Self> {
        let [
            Object::Unicode(word),
            Object::Class { class_name, .. },
            Object::Unicode(key),
            _,
            length,
            ..,
        ] = tuple(id)?
        else {
            return None;
        };
        let (key, kind) = (key.clone(), class_name.clone());
        (word == "storage").then_some(Self { key, kind, length: size(length)? })
    }

    /// Bytes of one number.
    ///
    /// # Errors
    ///
    /// [`Error::WeightFile`](crate::Error::WeightFile) for a type that PyTorch does not have.
    pub(super) fn width(&self) -> Result<usize> {
        match self.kind.as_str() {
            "ByteStorage" | "CharStorage" | "BoolStorage" => Ok(1),
            "HalfStorage" | "BFloat16Storage" | "ShortStorage" => Ok(2),
            "FloatStorage" | "IntStorage" => Ok(4),
            "DoubleStorage" | "LongStorage" => Ok(8),
            other => refused(format!("numbers of the type `{}`", shortened(other))),
        }
    }
}

fn tuple(object: &Object) -> Option<&[Object]> {
    match object {
        Object::Tuple(items) => Some(items),
        _ => None,
    }
}

fn size(object: &Object) -> Option<usize> {
    match object {
        Object::Int(size) => usize::try_from(*size).ok(),
        Object::Long(size) => usize::try_from(*size).ok(),
        _ => None,
    }
}

fn sizes(object: &Object) -> Option<Vec<usize>> {
    tuple(object)?.iter().map(size).collect()
}
