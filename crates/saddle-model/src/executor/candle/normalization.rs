//! Batch normalisation and the standardisation of images in candle's operations, forward and back.
//!
//! With `y = (x - m) / d`, mean `m` and deviation `d` of the same `k` numbers, the cotangent of `x` is
//! `(dy - mean dy - y mean(dy y)) / d`; where mean and deviation are given, it is `dy / d`.
//!
//! # Conventions
//!
//! - The deviation of a batch is that of all its numbers, `sqrt(sum (x - m)^2 / k + stabilizer)`; the running variance moves
//!   toward the sample's, divided by `k - 1`, as TensorFlow and PyTorch have it.
//! - A deviation that is exactly the floor of [`Standardize`] counts as above it: TensorFlow's maximum gives its first
//!   argument the gradient of a tie.
//! - Sums run over the places of an image first, then over images.

use candle_core::Tensor;

use crate::{Result, Wanted};

/// A batch normalisation's parameters, each `(1, c, 1, 1)`.
pub(super) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    variance: Tensor,
    stabilizer: f64,
}

/// What a pass through a batch normalisation left.
#[derive(Clone)]
pub(super) struct Normalized {
    /// `(x - mean) / deviation`.
    normalized: Tensor,
    /// `weight / deviation`, `(1, c, 1, 1)`.
    factor: Tensor,
    /// What the running mean and variance have beyond the batch's; none in evaluation.
    beyond: Option<[Tensor; 2]>,
}

impl BatchNorm {
    /// Each of the four is `(c)`.
    pub(super) fn new(
        [weight, bias, mean, variance]: [Tensor; 4],
        stabilizer: f64,
    ) -> Result<Self> {
        let wide = |tensor: Tensor| tensor.reshape((1, tensor.elem_count(), 1, 1));
        let (weight, bias) = (wide(weight)?, wide(bias)?);
        Ok(Self { weight, bias, mean: wide(mean)?, variance: wide(variance)?, stabilizer })
    }

    pub(super) fn forward(&self, input: &Tensor, training: bool) -> Result<(Tensor, Normalized)> {
        let (mean, variance, beyond) = if training {
            let count = numbers_per_channel(input)?;
            let mean = (channel_sums(input)? / count)?;
            let squares = channel_sums(&input.broadcast_sub(&mean)?.sqr()?)?;
            let variance = (&squares / count)?;
            let of_sample = (squares / (count - 1.0).max(1.0))?;
            let beyond = [(&self.mean - &mean)?, (&self.variance - of_sample)?];
            (mean, variance, Some(beyond))
        } else {
            (self.mean.clone(), self.variance.clone(), None)
        };
        let inverse = (variance + self.stabilizer)?.sqrt()?.recip()?;
        let normalized = input.broadcast_sub(&mean)?.broadcast_mul(&inverse)?;
        let output = normalized.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)?;
        let factor = (&self.weight * inverse)?;
        Ok((output, Normalized { normalized, factor, beyond }))
    }

    /// Cotangents of the input and of the four parameters, as far as they are wanted.
    pub(super) fn pullback(
        kept: &Normalized,
        cotangent: &Tensor,
        wanted: Wanted,
    ) -> Result<(Option<Tensor>, Vec<Tensor>)> {
        let Normalized { normalized, factor, beyond } = kept;
        if !wanted.weights && beyond.is_none() {
            let input = wanted.input.then(|| cotangent.broadcast_mul(factor));
            return Ok((input.transpose()?, Vec::new()));
        }
        let bias = channel_sums(cotangent)?;
        let weight = channel_sums(&(cotangent * normalized)?)?;
        let input = match beyond {
            _ if !wanted.input => None,
            None => Some(cotangent.broadcast_mul(factor)?),
            Some(_) => {
                let count = numbers_per_channel(cotangent)?;
                let along = normalized.broadcast_mul(&(&weight / count)?)?;
                let across = (cotangent.broadcast_sub(&(&bias / count)?)? - along)?;
                Some(across.broadcast_mul(factor)?)
            }
        };
        if !wanted.weights {
            return Ok((input, Vec::new()));
        }
        let [mean, variance] = match beyond {
            Some([mean, variance]) => [mean.clone(), variance.clone()],
            None => [bias.zeros_like()?, bias.zeros_like()?],
        };
        let parameters = [weight, bias, mean, variance].map(|tensor| tensor.flatten_all());
        Ok((input, parameters.into_iter().collect::<Result<_, _>>()?))
    }
}

/// The standardisation of images with pixels from 0 to `scale`.
pub(super) struct Standardize {
    pub(super) scale: f64,
}

/// What a pass through a standardisation left.
#[derive(Clone)]
pub(super) struct Standardized {
    output: Tensor,
    /// `max(deviation, floor)`, `(n, 1, 1, 1)`.
    divisor: Tensor,
    /// Whether the deviation is at least the floor, of each image.
    steep: Tensor,
}

impl Standardize {
    pub(super) fn forward(&self, input: &Tensor) -> Result<(Tensor, Standardized)> {
        let count = numbers_per_image(input);
        let scaled = (input * self.scale)?;
        let centred = scaled.broadcast_sub(&(image_sums(&scaled)? / count)?)?;
        let deviation = (image_sums(&centred.sqr()?)? / count)?.sqrt()?;
        let floor = 1.0 / count.sqrt();
        let steep = deviation.ge(floor)?;
        let least = (deviation.zeros_like()? + floor)?;
        let divisor = steep.where_cond(&deviation, &least)?;
        let output = centred.broadcast_div(&divisor)?;
        Ok((output.clone(), Standardized { output, divisor, steep }))
    }

    pub(super) fn pullback(&self, kept: &Standardized, cotangent: &Tensor) -> Result<Tensor> {
        let Standardized { output, divisor, steep } = kept;
        let count = numbers_per_image(output);
        let mean = (image_sums(cotangent)? / count)?;
        let slope = (image_sums(&(cotangent * output)?)? / count)?;
        let slope = steep.where_cond(&slope, &slope.zeros_like()?)?;
        let along = output.broadcast_mul(&slope)?;
        let across = (cotangent.broadcast_sub(&mean)? - along)?;
        Ok((across.broadcast_div(divisor)? * self.scale)?)
    }
}

/// Numbers of each channel of a batch `(n, c, h, w)`.
fn numbers_per_channel(batch: &Tensor) -> Result<f64> {
    let (n, _, height, width) = batch.dims4()?;
    Ok((n * height * width) as f64)
}

fn numbers_per_image(batch: &Tensor) -> f64 {
    batch.dims()[1..].iter().product::<usize>() as f64
}

/// `(n, c, h, w)` to `(1, c, 1, 1)`.
fn channel_sums(batch: &Tensor) -> Result<Tensor> {
    Ok(batch.sum_keepdim((2, 3))?.sum_keepdim(0)?)
}

/// `(n, c, h, w)` to `(n, 1, 1, 1)`.
fn image_sums(batch: &Tensor) -> Result<Tensor> {
    Ok(batch.sum_keepdim((1, 2, 3))?)
}
