//! Max pooling over windows that do not overlap, with one winner per window: the first of the largest.
//!
//! candle's own pooling is not used: its gradient is wrong by the size of the window, and shares ties.
//!
//! # Conventions
//!
//! - Within a window places are numbered row after row. The gradient goes to the first largest place and nowhere else,
//!   as in PyTorch.
//! - A window that holds NaN gives NaN, so that a broken network cannot pass for a sound one.
//! - [`max_pool2d`] and [`max_pool2d_composed`] work on tensors, `(n, c, h, w)`; [`Pool`] works on the host images of the
//!   engine, `(h, w, c)`, and can take a ReLU with it.

mod host;
mod naive;

pub use host::{DEAD, Pool};
pub use naive::{max_pool2d as max_pool2d_naive, max_pool2d_gradient as max_pool2d_gradient_naive};

use crate::{Error, Real, Result};
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

/// Largest value of each `window x window` window: `(n, c, h, w)` to `(n, c, h / window, w / window)`, differentiable.
///
/// On the CPU in `f32` and `f64` this is one operation; elsewhere [`max_pool2d_composed`].
///
/// # Errors
///
/// [`Error::InvalidShape`] when the tensor has not four dimensions or does not divide into windows.
pub fn max_pool2d(images: &Tensor, window: usize) -> Result<Tensor> {
    if !images.device().is_cpu() || !matches!(images.dtype(), DType::F32 | DType::F64) {
        return max_pool2d_composed(images, window);
    }
    check(images, window)?;
    Ok(images.contiguous()?.apply_op1(MaxPool2d { window })?)
}

/// [`max_pool2d`] in candle's own operations, for any device.
pub fn max_pool2d_composed(images: &Tensor, window: usize) -> Result<Tensor> {
    let [n, c, h, w] = check(images, window)?;
    let windows = images.reshape(&[n, c, h / window, window, w / window, window])?;
    let place = |row: usize, column: usize| -> Result<Tensor> {
        Ok(windows.narrow(3, row, 1)?.narrow(5, column, 1)?.squeeze(5)?.squeeze(3)?.contiguous()?)
    };
    let mut best = place(0, 0)?;
    for i in 1..window * window {
        let next = place(i / window, i % window)?;
        // A comparison with NaN is false, and only NaN differs from itself. At most one of the two holds.
        let wins = (next.detach().gt(&best.detach())? + next.detach().ne(&next.detach())?)?;
        best = wins.where_cond(&next, &best)?;
    }
    Ok(best)
}

fn check(images: &Tensor, window: usize) -> Result<[usize; 4]> {
    let refuse = |message: String| Err(Error::InvalidShape { operation: "max_pool2d", message });
    let &[n, c, h, w] = images.dims() else {
        return refuse(format!("{:?} is not (n, c, h, w)", images.dims()));
    };
    if window == 0 || h % window != 0 || w % window != 0 {
        return refuse(format!("{h} x {w} does not divide into windows of {window}"));
    }
    Ok([n, c, h, w])
}

struct MaxPool2d {
    window: usize,
}

impl CustomOp1 for MaxPool2d {
    fn name(&self) -> &'static str {
        "max_pool2d"
    }

    fn cpu_fwd(
        &self,
        images: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, c, h, w) = layout.shape().dims4()?;
        let shape = Shape::from((n, c, h / self.window, w / self.window));
        let pooled = match images {
            CpuStorage::F32(values) => CpuStorage::F32(self.forward(values, layout)?),
            CpuStorage::F64(values) => CpuStorage::F64(self.forward(values, layout)?),
            _ => candle_core::bail!("max_pool2d: f32 or f64 expected"),
        };
        Ok((pooled, shape))
    }

    fn bwd(
        &self,
        images: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let gradient = match images.dtype() {
            DType::F32 => self.backward::<f32>(images, gradient)?,
            _ => self.backward::<f64>(images, gradient)?,
        };
        Ok(Some(gradient))
    }
}

impl MaxPool2d {
    fn forward<T: Real>(&self, values: &[T], layout: &Layout) -> candle_core::Result<Vec<T>> {
        let (_, _, h, w) = layout.shape().dims4()?;
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("max_pool2d: contiguous images expected");
        };
        let area = self.window * self.window;
        let mut pooled = vec![T::ZERO; (end - start) / area];
        if !pooled.is_empty() {
            let planes = values[start..end].par_chunks(h * w);
            pooled.par_chunks_mut(h * w / area).zip(planes).for_each(|(pooled, plane)| {
                for (i, pooled) in pooled.iter_mut().enumerate() {
                    *pooled = plane[first_largest(plane, w, self.window, i)];
                }
            });
        }
        Ok(pooled)
    }

    fn backward<T: Real>(&self, images: &Tensor, gradient: &Tensor) -> candle_core::Result<Tensor> {
        let (_, _, h, w) = images.dims4()?;
        let values = images.flatten_all()?.to_vec1::<T>()?;
        let gradient = gradient.flatten_all()?.to_vec1::<T>()?;
        let area = self.window * self.window;
        let mut spread = vec![T::ZERO; values.len()];
        if !spread.is_empty() {
            let planes = values.par_chunks(h * w).zip(gradient.par_chunks(h * w / area));
            spread.par_chunks_mut(h * w).zip(planes).for_each(|(spread, (plane, gradient))| {
                for (i, gradient) in gradient.iter().enumerate() {
                    spread[first_largest(plane, w, self.window, i)] = *gradient;
                }
            });
        }
        Tensor::from_vec(spread, images.shape(), images.device())
    }
}

/// Where the `i`-th window of a plane has its first largest value; NaN counts as largest.
fn first_largest<T: Real>(plane: &[T], width: usize, window: usize, i: usize) -> usize {
    let across = width / window;
    let corner = (i / across) * window * width + (i % across) * window;
    let mut best = corner;
    for row in 0..window {
        for place in corner + row * width..corner + row * width + window {
            if wins(plane[place], plane[best]) {
                best = place;
            }
        }
    }
    best
}

/// Whether a later value of a window takes the place of the best one so far.
#[expect(clippy::eq_op, reason = "only NaN differs from itself")]
#[inline(always)]
pub(crate) fn wins<T: Real>(next: T, best: T) -> bool {
    (next > best) | (next != next)
}
