//! The front door of every row-wise operation: a batch seen as rows of numbers on the host.
//!
//! A batch is a tensor `(n, ...)`; row `i` is image `i`, flattened. [`Batch`] checks shape and number
//! format once, so that the mathematics behind it is written on plain slices.
//!
//! # Conventions
//!
//! - A tensor that lies contiguously in host memory is read in place. One that lives on another
//!   device makes a round trip: an image is 3 KB, the passes between two projections cost a thousand
//!   times more, and all devices share one set of bits.
//! - Rows are independent: `work` sees one row index at a time and nothing else of the batch. Large
//!   batches are spread over threads; results are in row order whatever the threads did.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Shape, Storage, Tensor};
use rayon::prelude::*;

use crate::{Error, Real, Result};

/// Below this many numbers, waking other threads costs more than it saves.
const PARALLEL_FROM: usize = 1 << 14;

/// A number format of images: `f32` in attacks, `f64` in checks of gradients.
///
/// The three roundings keep feasible what was feasible in `f64`: they go inward, never to nearest.
pub(crate) trait Entry: Real {
    /// `self + displacement`, at a distance from `self` of at most `|displacement|`.
    fn moved(self, displacement: f64) -> Self;
    /// The largest representable number that is not above `value`.
    fn at_most(value: f64) -> Self;
    /// The smallest representable number that is not below `value`.
    fn at_least(value: f64) -> Self;
}

macro_rules! entry {
    ($float:ident) => {
        impl Entry for $float {
            fn moved(self, displacement: f64) -> Self {
                let center = self.double();
                let rounded = (center + displacement) as $float;
                let inward =
                    if displacement > 0.0 { rounded.next_down() } else { rounded.next_up() };
                let is_near = (rounded.double() - center).abs() <= displacement.abs();
                if is_near { rounded } else { inward }
            }

            fn at_most(value: f64) -> Self {
                let rounded = value as $float;
                if rounded.double() > value { rounded.next_down() } else { rounded }
            }

            fn at_least(value: f64) -> Self {
                let rounded = value as $float;
                if rounded.double() < value { rounded.next_up() } else { rounded }
            }
        }
    };
}
entry!(f32);
entry!(f64);

/// Calls `function::<f32>` or `function::<f64>` as the rows' number format asks.
macro_rules! by_dtype {
    ($rows:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $rows.dtype() {
            candle_core::DType::F64 => $function::<f64>($($argument),*),
            // A `Batch` is of no other format.
            _ => $function::<f32>($($argument),*),
        }
    };
}
pub(crate) use by_dtype;

/// A checked batch: contiguous on the host, at least one row, `f32` or `f64`.
pub(crate) struct Batch {
    host: Tensor,
    home: Device,
    /// Number of rows.
    pub(crate) count: usize,
    /// Numbers per row.
    pub(crate) width: usize,
}

impl Batch {
    /// Checks `tensor` and brings it to the host when it is not there.
    pub(crate) fn new(operation: &'static str, tensor: &Tensor) -> Result<Self> {
        if tensor.rank() == 1 {
            return Err(Self::no_batch(operation, tensor));
        }
        Self::of_any_rank(operation, tensor)
    }

    /// As [`Batch::new`], but one number may be a row too.
    pub(crate) fn of_any_rank(operation: &'static str, tensor: &Tensor) -> Result<Self> {
        let Some(&count) = tensor.dims().first() else {
            return Err(Self::no_batch(operation, tensor));
        };
        if tensor.elem_count() == 0 {
            return Err(Error::EmptyBatch { operation });
        }
        if !matches!(tensor.dtype(), DType::F32 | DType::F64) {
            return Err(Error::UnsupportedDtype { operation, dtype: tensor.dtype().as_str() });
        }
        let host = tensor.detach().to_device(&Device::Cpu)?.contiguous()?;
        let width = tensor.elem_count() / count;
        Ok(Self { host, home: tensor.device().clone(), count, width })
    }

    fn no_batch(operation: &'static str, tensor: &Tensor) -> Error {
        let dims = tensor.dims();
        let message = format!("expected a batch (n, ...), got shape {dims:?}; add a dimension");
        Error::InvalidShape { operation, message }
    }

    /// Checks two batches that must agree in shape and number format.
    pub(crate) fn pair(
        operation: &'static str,
        left: &Tensor,
        right: &Tensor,
    ) -> Result<(Self, Self)> {
        if left.dims() != right.dims() {
            let (left, right) = (left.dims().to_vec(), right.dims().to_vec());
            return Err(Error::ShapeMismatch { operation, left, right });
        }
        if left.dtype() != right.dtype() {
            let (left, right) = (left.dtype().as_str(), right.dtype().as_str());
            return Err(Error::DtypeMismatch { operation, left, right });
        }
        Ok((Self::new(operation, left)?, Self::new(operation, right)?))
    }

    /// The checked tensor, on the host.
    pub(crate) fn host(&self) -> &Tensor {
        &self.host
    }

    /// Number format of the rows.
    pub(crate) fn dtype(&self) -> DType {
        self.host.dtype()
    }

    /// Lends all numbers, row after row, to `work`.
    pub(crate) fn read<T: Entry, R>(&self, work: impl FnOnce(&[T]) -> R) -> Result<R> {
        let (storage, layout) = self.host.storage_and_layout();
        match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(storage), Some((start, end))) => {
                Ok(work(&T::cpu_storage_as_slice(storage)?[start..end]))
            }
            // `new` brought the tensor to the host and made it contiguous.
            _ => Err(candle_core::Error::Msg("batch is not contiguous on the host".into()).into()),
        }
    }

    /// Turns numbers in row order into a tensor of this batch's shape, on the device it came from.
    pub(crate) fn tensor<T: Entry>(&self, values: Vec<T>) -> Result<Tensor> {
        self.shaped(values, self.host.shape().clone())
    }

    /// Turns numbers into a tensor of another shape, on the device that this batch came from.
    pub(crate) fn shaped<T: Entry>(
        &self,
        values: Vec<T>,
        shape: impl Into<Shape>,
    ) -> Result<Tensor> {
        Ok(Tensor::from_vec(values, shape.into(), &Device::Cpu)?.to_device(&self.home)?)
    }

    /// One result per row.
    pub(crate) fn map<R: Send>(&self, work: impl Fn(usize) -> R + Sync) -> Vec<R> {
        if self.count * self.width < PARALLEL_FROM {
            return (0..self.count).map(work).collect();
        }
        let (mut results, share) = (nothing(self.count), share(self.count));
        let parts: Vec<_> = results.chunks_mut(share).map(Mutex::new).collect();
        on_threads(parts.len(), &|part| {
            for (offset, result) in lock(&parts[part]).iter_mut().enumerate() {
                *result = Some(work(part * share + offset));
            }
        });
        drop(parts);
        everything(results)
    }

    /// Fresh numbers of this batch's shape, each row written by `work`, and one result per row.
    pub(crate) fn fill<T: Entry, R: Send>(
        &self,
        work: impl Fn(usize, &mut [T]) -> R + Sync,
    ) -> (Vec<T>, Vec<R>) {
        let mut values = vec![T::rounded(0.0); self.count * self.width];
        if values.len() < PARALLEL_FROM {
            let rows = values.chunks_mut(self.width).enumerate();
            let results = rows.map(|(i, row)| work(i, row)).collect();
            return (values, results);
        }
        let (mut results, share) = (nothing(self.count), share(self.count));
        let rows = values.chunks_mut(share * self.width).zip(results.chunks_mut(share));
        let parts: Vec<_> = rows.map(Mutex::new).collect();
        on_threads(parts.len(), &|part| {
            let (rows, results) = &mut *lock(&parts[part]);
            let rows = rows.chunks_mut(self.width).zip(results.iter_mut()).enumerate();
            for (offset, (row, result)) in rows {
                *result = Some(work(part * share + offset, row));
            }
        });
        drop(parts);
        (values, everything(results))
    }
}

/// Calls `work` for each part, on all threads. Behind a pointer: the machinery for that is compiled once, not again for each
/// operation and number format.
fn on_threads(parts: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..parts).into_par_iter().for_each(work);
}

/// Rows of a part: several parts for each thread, so that none is left with the last one. No row sees its part.
fn share(rows: usize) -> usize {
    rows.div_ceil(8 * rayon::current_num_threads())
}

/// A part, which one thread alone has to do with: nobody waits.
fn lock<V>(part: &Mutex<V>) -> MutexGuard<'_, V> {
    part.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for the result of each row.
fn nothing<R>(rows: usize) -> Vec<Option<R>> {
    (0..rows).map(|_| None).collect()
}

/// The results, when every row has left one; in the same memory.
fn everything<R>(results: Vec<Option<R>>) -> Vec<R> {
    results.into_iter().map_while(|result| result).collect()
}
