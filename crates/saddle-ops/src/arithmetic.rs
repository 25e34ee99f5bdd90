//! Sums and selections of whole batches, and their numbers in `f64`: the plain moves of an attack.
//!
//! candle has them all, each for a dozen number formats. Images come in two, and where a program is fetched before it runs
//! (the browser) the other ten are most of what is fetched. The bits are candle's: every function here rounds where its
//! twin there does, and a test holds one against the other (`tests/ops/arithmetic.rs`).
//!
//! # Conventions
//!
//! Batches are tensors `(n, ...)`, `f32` or `f64`. They are worked on in host memory and return to the device that they
//! came from; what comes back is contiguous and detached.

use candle_core::{CpuStorage, DType, Device, Shape, Storage, Tensor, WithDType};

use crate::norm::row;
use crate::rows::{Batch, Entry, by_dtype};
use crate::{Error, Result};

/// `left + right`, number by number.
///
/// # Errors
///
/// [`Error::ShapeMismatch`] and [`Error::DtypeMismatch`] when the two disagree, and as everywhere [`Error::EmptyBatch`],
/// [`Error::InvalidShape`] and [`Error::UnsupportedDtype`].
pub fn sum(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    fn sum<T: Entry>(left: &Batch, right: &Batch) -> Result<Tensor> {
        combined(left, right, |l: T, r| l + r)
    }
    let (left, right) = Batch::pair("sum", left, right)?;
    by_dtype!(left, sum(&left, &right))
}

/// `left - right`, number by number.
///
/// # Errors
///
/// As [`sum`].
pub fn difference(left: &Tensor, right: &Tensor) -> Result<Tensor> {
    fn difference<T: Entry>(left: &Batch, right: &Batch) -> Result<Tensor> {
        combined(left, right, |l: T, r| l - r)
    }
    let (left, right) = Batch::pair("difference", left, right)?;
    by_dtype!(left, difference(&left, &right))
}

/// `left + factor * right`, number by number; the product is rounded before it is added.
///
/// # Errors
///
/// As [`sum`].
pub fn sum_scaled(left: &Tensor, right: &Tensor, factor: f64) -> Result<Tensor> {
    fn sum_scaled<T: Entry>(left: &Batch, right: &Batch, factor: f64) -> Result<Tensor> {
        let (factor, zero) = (T::rounded(factor), T::rounded(0.0));
        // A tensor times a number is an affine map, whose `+ 0` makes -0 a 0.
        combined(left, right, |l: T, r| l + (r * factor + zero))
    }
    let (left, right) = Batch::pair("scaled sum", left, right)?;
    by_dtype!(left, sum_scaled(&left, &right, factor))
}

/// Each row times its own factor, which is rounded to the rows' number format first.
///
/// # Errors
///
/// [`Error::InvalidShape`] unless there is a factor for each row, else as [`sum`].
pub fn scale_rows(rows: &Tensor, factors: &[f64]) -> Result<Tensor> {
    fn scale<T: Entry>(rows: &Batch, factors: &[f64]) -> Result<Tensor> {
        let values: Vec<T> = rows.read(|numbers: &[T]| {
            let rows = numbers.chunks_exact(rows.width).zip(factors);
            let scaled = rows.flat_map(|(row, &factor)| {
                let factor = T::rounded(factor);
                row.iter().map(move |&number| number * factor)
            });
            scaled.collect()
        })?;
        rows.tensor(values)
    }
    let batch = Batch::new("scale rows", rows)?;
    if batch.count != factors.len() {
        let message = format!("{} factors for {} rows", factors.len(), batch.count);
        return Err(Error::InvalidShape { operation: "scale rows", message });
    }
    by_dtype!(batch, scale(&batch, factors))
}

/// The mean of blocks of `rows` rows, added block after block: `(blocks · rows, ...)` to `(rows, ...)`. With `alternating`
/// every second block is subtracted.
///
/// # Errors
///
/// [`Error::InvalidShape`] unless the batch is made of whole blocks, else as [`sum`].
pub fn mean_of_blocks(batch: &Tensor, rows: usize, alternating: bool) -> Result<Tensor> {
    fn mean<T: Entry>(
        batch: &Batch,
        rows: usize,
        alternating: bool,
        shape: Vec<usize>,
    ) -> Result<Tensor> {
        let blocks = batch.count / rows;
        let (factor, zero) = (T::rounded(1.0 / blocks as f64), T::rounded(0.0));
        let mean = batch.read(|numbers: &[T]| {
            let mut blocks = numbers.chunks_exact(rows * batch.width).enumerate();
            let mut sums = blocks.next().map(|(_, first)| first.to_vec()).unwrap_or_default();
            for (index, block) in blocks {
                let subtracted = alternating && index % 2 == 1;
                for (sum, number) in sums.iter_mut().zip(block) {
                    *sum = if subtracted { *sum - *number } else { *sum + *number };
                }
            }
            // Division by a number is an affine map too.
            sums.iter_mut().for_each(|sum| *sum = *sum * factor + zero);
            sums
        })?;
        batch.shaped(mean, shape)
    }
    let checked = Batch::new("mean of blocks", batch)?;
    if !checked.count.is_multiple_of(rows) {
        let message = format!("{} rows in blocks of {rows}", checked.count);
        return Err(Error::InvalidShape { operation: "mean of blocks", message });
    }
    let mut shape = batch.dims().to_vec();
    shape[0] = rows;
    by_dtype!(checked, mean(&checked, rows, alternating, shape))
}

/// Some rows of a tensor, in the order of `rows` and as often as they stand there; copied, so that the result does not keep
/// the whole batch alive.
///
/// # Errors
///
/// [`Error::InvalidShape`] for a tensor without dimensions and for a row that it does not have, [`Error::EmptyBatch`] and
/// [`Error::UnsupportedDtype`] as everywhere.
pub fn select_rows(tensor: &Tensor, rows: &[usize]) -> Result<Tensor> {
    const OPERATION: &str = "select rows";
    fn select<T: Entry>(batch: &Batch, rows: &[usize], shape: Vec<usize>) -> Result<Tensor> {
        let selected = batch.read(|numbers: &[T]| {
            let mut selected = Vec::with_capacity(rows.len() * batch.width);
            rows.iter().for_each(|&i| selected.extend_from_slice(row(numbers, i, batch.width)));
            selected
        })?;
        batch.shaped(selected, shape)
    }
    let batch = Batch::of_any_rank(OPERATION, tensor)?;
    if let Some(row) = rows.iter().find(|&&row| row >= batch.count) {
        let message = format!("row {row} of a batch of {}", batch.count);
        return Err(Error::InvalidShape { operation: OPERATION, message });
    }
    let mut shape = tensor.dims().to_vec();
    shape[0] = rows.len();
    by_dtype!(batch, select(&batch, rows, shape))
}

/// Batches one after the other as one; a single one as it is.
///
/// # Errors
///
/// [`Error::EmptyBatch`] for no batch at all, [`Error::ShapeMismatch`] and [`Error::DtypeMismatch`] when two disagree in
/// anything but their number of rows.
pub fn join_rows(batches: &[Tensor]) -> Result<Tensor> {
    const OPERATION: &str = "join rows";
    fn join<T: Entry>(batches: &[Batch], shape: Vec<usize>) -> Result<Tensor> {
        let length = batches.iter().map(|batch| batch.count * batch.width).sum();
        let mut joined = Vec::with_capacity(length);
        for batch in batches {
            batch.read(|numbers: &[T]| joined.extend_from_slice(numbers))?;
        }
        batches[0].shaped(joined, shape)
    }
    let (first, others) = match batches {
        [] => return Err(Error::EmptyBatch { operation: OPERATION }),
        [only] => return Ok(only.clone()),
        [first, others @ ..] => (first, others),
    };
    for other in others {
        if other.dims().get(1..) != first.dims().get(1..) {
            let (left, right) = (first.dims().to_vec(), other.dims().to_vec());
            return Err(Error::ShapeMismatch { operation: OPERATION, left, right });
        }
        if other.dtype() != first.dtype() {
            let (left, right) = (first.dtype().as_str(), other.dtype().as_str());
            return Err(Error::DtypeMismatch { operation: OPERATION, left, right });
        }
    }
    let checked = batches.iter().map(|batch| Batch::of_any_rank(OPERATION, batch));
    let checked = checked.collect::<Result<Vec<_>>>()?;
    let mut shape = first.dims().to_vec();
    shape[0] = checked.iter().map(|batch| batch.count).sum();
    by_dtype!(checked[0], join(&checked, shape))
}

/// All numbers of a tensor, in row-major order, in `f64`. The formats with 16 bits are read too, since logits may come in
/// them.
///
/// # Errors
///
/// [`Error::UnsupportedDtype`] for whole numbers.
pub fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    fn widened<T: WithDType>(numbers: &[T]) -> Vec<f64> {
        numbers.iter().map(|number| number.to_f64()).collect()
    }
    let host = tensor.detach().to_device(&Device::Cpu)?.contiguous()?;
    let (storage, layout) = host.storage_and_layout();
    let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets())
    else {
        return Err(candle_core::Error::Msg("numbers are not contiguous on the host".into()).into());
    };
    Ok(match storage {
        CpuStorage::F16(numbers) => widened(&numbers[start..end]),
        CpuStorage::BF16(numbers) => widened(&numbers[start..end]),
        CpuStorage::F32(numbers) => widened(&numbers[start..end]),
        CpuStorage::F64(numbers) => widened(&numbers[start..end]),
        _ => {
            let dtype = host.dtype().as_str();
            return Err(Error::UnsupportedDtype { operation: "numbers", dtype });
        }
    })
}

/// A tensor of these numbers, each rounded to nearest, with the shape, the number format and the device of `like`.
///
/// # Errors
///
/// [`Error::InvalidShape`] when there are not as many numbers as in `like`, [`Error::UnsupportedDtype`] when it holds whole
/// numbers.
pub fn tensor_like(like: &Tensor, numbers: Vec<f64>) -> Result<Tensor> {
    /// `format` names the type that the numbers are rounded to.
    fn rounded<T: WithDType>(
        _format: fn(Vec<T>) -> CpuStorage,
        shape: &Shape,
        numbers: Vec<f64>,
    ) -> Result<Tensor> {
        let rounded: Vec<T> = numbers.into_iter().map(T::from_f64).collect();
        Ok(Tensor::from_vec(rounded, shape, &Device::Cpu)?)
    }
    const OPERATION: &str = "tensor of numbers";
    let shape = like.shape();
    if numbers.len() != shape.elem_count() {
        let message = format!("{} numbers for a tensor of shape {shape:?}", numbers.len());
        return Err(Error::InvalidShape { operation: OPERATION, message });
    }
    let host = match like.dtype() {
        DType::F16 => rounded(CpuStorage::F16, shape, numbers)?,
        DType::BF16 => rounded(CpuStorage::BF16, shape, numbers)?,
        DType::F32 => rounded(CpuStorage::F32, shape, numbers)?,
        DType::F64 => rounded(CpuStorage::F64, shape, numbers)?,
        other => {
            let dtype = other.as_str();
            return Err(Error::UnsupportedDtype { operation: OPERATION, dtype });
        }
    };
    Ok(host.to_device(like.device())?)
}

/// One number from each pair of numbers. On the calling thread: beside the passes between two steps it costs nothing.
fn combined<T: Entry>(left: &Batch, right: &Batch, of: impl Fn(T, T) -> T) -> Result<Tensor> {
    let values: Vec<T> = left.read(|left: &[T]| {
        right.read(|right: &[T]| left.iter().zip(right).map(|(&l, &r)| of(l, r)).collect())
    })??;
    left.tensor(values)
}
