//! `max(0, x)`, with slope 0 at 0.
//!
//! candle's own has slope 1 there, which shows as soon as a bias or a whole image is 0. NaN stays NaN. The engine's ReLU is
//! a [`Pool`](crate::Pool) of window 1; this folder is the tensor's.

mod naive;

pub use naive::relu as relu_naive;

use crate::{Real, Result};
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};

/// `max(0, x)` of each number, differentiable, with slope 0 at 0.
///
/// On the CPU in `f32` and `f64` this is one operation; elsewhere [`relu_composed`].
pub fn relu(tensor: &Tensor) -> Result<Tensor> {
    if !tensor.device().is_cpu() || !matches!(tensor.dtype(), DType::F32 | DType::F64) {
        return relu_composed(tensor);
    }
    Ok(tensor.contiguous()?.apply_op1(Relu)?)
}

/// [`relu`] in candle's own operations, for any device.
pub fn relu_composed(tensor: &Tensor) -> Result<Tensor> {
    let zeros = tensor.zeros_like()?;
    let dead = tensor.detach().le(&zeros)?;
    Ok(dead.where_cond(&zeros, tensor)?)
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(
        &self,
        values: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("relu: contiguous numbers expected");
        };
        let rectified = match values {
            CpuStorage::F32(values) => {
                CpuStorage::F32(select(&values[start..end], &values[start..end]))
            }
            CpuStorage::F64(values) => {
                CpuStorage::F64(select(&values[start..end], &values[start..end]))
            }
            _ => candle_core::bail!("relu: f32 or f64 expected"),
        };
        Ok((rectified, layout.shape().clone()))
    }

    fn bwd(
        &self,
        tensor: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        fn backward<T: Real>(tensor: &Tensor, gradient: &Tensor) -> candle_core::Result<Tensor> {
            let values = tensor.flatten_all()?.to_vec1::<T>()?;
            let gradient = gradient.flatten_all()?.to_vec1::<T>()?;
            Tensor::from_vec(select(&values, &gradient), tensor.shape(), tensor.device())
        }
        Ok(Some(match tensor.dtype() {
            DType::F32 => backward::<f32>(tensor, gradient)?,
            _ => backward::<f64>(tensor, gradient)?,
        }))
    }
}

/// `chosen` where `values` is not at or below 0, else 0.
fn select<T: Real>(values: &[T], chosen: &[T]) -> Vec<T> {
    let pairs = values.iter().zip(chosen);
    pairs.map(|(value, chosen)| if *value <= T::ZERO { T::ZERO } else { *chosen }).collect()
}
