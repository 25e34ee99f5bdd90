//! Draws for whole batches: noise, random starts, the order of examples.

use candle_core::{DType, Tensor};

use super::{Draws, Purpose, Stream, normals};
use crate::rows::{Batch, Entry, by_dtype};
use crate::{Error, LpBall, Norm, Result};

impl Draws {
    /// Normal noise of standard deviation `sigma` for a batch.
    ///
    /// Row `i` belongs to `examples[i]` and is the same in any batch and in any company. Shape, number
    /// format and device are those of `like` `(n, ...)`, whose values are not read. The noise of an
    /// `f64` batch is the noise of the `f32` batch, so the two can be compared.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSigma`] unless `sigma` is finite and at least 0; [`Error::InvalidShape`] when
    /// `examples` does not name each row once; [`Error::EmptyBatch`] and [`Error::UnsupportedDtype`].
    pub fn gaussian(
        &self,
        label: &str,
        examples: &[u64],
        restart: u32,
        step: u32,
        sample: u32,
        sigma: f64,
        like: &Tensor,
    ) -> Result<Tensor> {
        if !(sigma.is_finite() && sigma >= 0.0) {
            return Err(Error::InvalidSigma { value: sigma });
        }
        let rows = checked("gaussian draw", examples, like)?;
        let open =
            |i: usize| self.open(Purpose::Gaussian, label, examples[i], restart, step, sample);
        if rows.dtype() == DType::F64 {
            let (values, _) = rows.fill(|i, out: &mut [f64]| {
                let mut noise = vec![0.0; out.len()];
                normals::fill(&mut open(i), &mut noise);
                out.iter_mut().zip(noise).for_each(|(out, z)| *out = f64::from(z) * sigma);
            });
            return rows.tensor(values);
        }
        let sigma = sigma as f32;
        let (values, _) = rows.fill(|i, out: &mut [f32]| {
            normals::fill(&mut open(i), out);
            out.iter_mut().for_each(|z| *z *= sigma);
        });
        rows.tensor(values)
    }

    /// Perturbations drawn uniformly, by volume, from a ball.
    ///
    /// Row `i` belongs to `examples[i]`; shape, number format and device are those of `like`
    /// `(n, ...)`. Every row lies in the ball. The sum with an image is rounded and may leave the pixel
    /// box: project it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidShape`] when `examples` does not name each row once; [`Error::EmptyBatch`] and
    /// [`Error::UnsupportedDtype`].
    ///
    /// # Source
    ///
    /// l2: a normal vector has a uniform direction, and the radius of a uniform point is distributed as
    /// `u^(1/n)` (Muller, 1959). l1: exponentials over their sum, with one more than there are
    /// coordinates, are uniform in a simplex (Devroye, Non-Uniform Random Variate Generation, 1986,
    /// chapter V); random signs make it the ball.
    pub fn uniform_in_ball(
        &self,
        label: &str,
        examples: &[u64],
        restart: u32,
        ball: &LpBall,
        like: &Tensor,
    ) -> Result<Tensor> {
        fn fill<T: Entry>(
            rows: &Batch,
            ball: &LpBall,
            open: &(dyn Fn(usize) -> Stream + Sync),
        ) -> Result<Tensor> {
            let (values, _) = rows.fill(|i, out: &mut [T]| {
                let point = point_in_ball(ball, &mut open(i), out.len());
                let zero = T::rounded(0.0);
                out.iter_mut().zip(point).for_each(|(out, d)| *out = zero.moved(d));
            });
            rows.tensor(values)
        }
        let rows = checked("uniform draw", examples, like)?;
        let open = |i: usize| self.open(Purpose::Ball, label, examples[i], restart, 0, 0);
        by_dtype!(rows, fill(&rows, ball, &open))
    }

    /// A random order of `0..n`, all orders equally likely.
    ///
    /// The order of the training examples in one epoch. Fisher and Yates, from the end.
    #[must_use]
    pub fn permutation(&self, label: &str, epoch: u32, n: usize) -> Vec<u32> {
        let mut stream = self.open(Purpose::Permutation, label, 0, 0, epoch, 0);
        let mut order: Vec<u32> = (0..n).map(|i| i as u32).collect();
        for i in (1..n).rev() {
            order.swap(i, stream.below(i as u64 + 1) as usize);
        }
        order
    }
}

/// Checks that every row of `like` has its example.
fn checked(operation: &'static str, examples: &[u64], like: &Tensor) -> Result<Batch> {
    let rows = Batch::new(operation, like)?;
    if rows.count == examples.len() {
        return Ok(rows);
    }
    let message =
        format!("{} rows but {} example ids; pass one per row", rows.count, examples.len());
    Err(Error::InvalidShape { operation, message })
}

/// A uniform point of `ball` with `width` coordinates.
fn point_in_ball(ball: &LpBall, stream: &mut Stream, width: usize) -> Vec<f64> {
    let radius = ball.aim();
    match ball.norm() {
        Norm::Linf => (0..width).map(|_| radius * (2.0 * stream.uniform() - 1.0)).collect(),
        Norm::L2 => {
            let mut point: Vec<f64> = (0..width).map(|_| stream.normal()).collect();
            let length = Norm::L2.size(point.iter().copied());
            let radius = radius * libm::pow(stream.uniform(), 1.0 / width as f64);
            // A normal vector of exact zeros has no direction; it is the center then.
            let factor = if length > 0.0 { radius / length } else { 0.0 };
            point.iter_mut().for_each(|v| *v *= factor);
            point
        }
        Norm::L1 => {
            let mut point: Vec<f64> = (0..width).map(|_| stream.exponential()).collect();
            let total = point.iter().sum::<f64>() + stream.exponential();
            let factor = if total > 0.0 { radius / total } else { 0.0 };
            for v in &mut point {
                *v *= if stream.uniform() < 0.5 { -factor } else { factor };
            }
            point
        }
    }
}
