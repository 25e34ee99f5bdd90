//! What attacks do to whole rows of a batch: a number for each row, a choice for each row.

use candle_core::{DType, Tensor};

use crate::error::{Error, Result};

/// One number for each row, shaped to be multiplied with images `(n, c, h, w)` of the format of `like`.
pub(crate) fn column(numbers: Vec<f64>, like: &Tensor) -> Result<Tensor> {
    let count = numbers.len();
    Ok(Tensor::from_vec(numbers, (count, 1, 1, 1), like.device())?.to_dtype(like.dtype())?)
}

/// Row `i` of `yes` where `chosen[i]`, else row `i` of `no`, bit for bit.
pub(crate) fn choose(chosen: &[bool], yes: &Tensor, no: &Tensor) -> Result<Tensor> {
    if !chosen.contains(&true) {
        return Ok(no.clone());
    }
    if !chosen.contains(&false) {
        return Ok(yes.clone());
    }
    let mask: Vec<u8> = chosen.iter().map(|&chosen| u8::from(chosen)).collect();
    let mask = Tensor::from_vec(mask, (chosen.len(), 1, 1, 1), no.device())?;
    Ok(mask.broadcast_as(no.shape())?.where_cond(yes, no)?)
}

/// Refuses rows that a run cannot go on with: none at all, or one that is not among the `present`.
pub(crate) fn check_kept(attack: &str, rows: &[usize], present: usize) -> Result<()> {
    if rows.is_empty() || rows.iter().any(|&row| row >= present) {
        return Err(Error::attack(attack, format!("cannot keep rows {rows:?} of {present}")));
    }
    Ok(())
}

/// The flattened rows of a batch in 64 bits, on the host.
pub(crate) fn wide(images: &Tensor) -> Result<Vec<Vec<f64>>> {
    Ok(images.to_dtype(DType::F64)?.flatten_from(1)?.to_vec2()?)
}

/// Rows of 64-bit numbers as a batch shaped, stored and placed like `like`.
pub(crate) fn narrow(rows: Vec<Vec<f64>>, like: &Tensor) -> Result<Tensor> {
    let flat: Vec<f64> = rows.into_iter().flatten().collect();
    let images = Tensor::from_vec(flat, like.shape(), &candle_core::Device::Cpu)?;
    Ok(images.to_dtype(like.dtype())?.to_device(like.device())?)
}
