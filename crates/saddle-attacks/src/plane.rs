//! A plane through an image on which a loss can be looked at: the landscape that an attack climbs.
//!
//! One axis runs along the gradient, the other along Gaussian noise made orthogonal to it; both have length 1, so
//! positions are distances in pixel units. Points are not clipped to the pixel box: the picture is about the network's
//! function, not about images. Beside the plain loss stands the smoothed one, its mean over Gaussian noise, which is what
//! S-O's averaged gradient belongs to ([`Direction`](crate::Direction)); every point of the plane meets the same draws, so
//! that the smoothed surface shows the function and not the luck of each point.
//!
//! Nothing is evaluated here: [`Plane::points`] says where to look, whoever has the network says what it sees.

use std::ops::Range;

use candle_core::Tensor;
use saddle_ops::{Draws, Norm, join_rows, numbers, sum, sum_scaled, tensor_like};

use crate::error::{Error, Result};

/// Most positions along one axis.
const MOST: usize = 201;

/// A square of positions around an image.
#[derive(Clone, Debug)]
pub struct Plane {
    center: Tensor,
    along_gradient: Tensor,
    along_noise: Tensor,
    flat: bool,
    extent: f64,
    resolution: usize,
    sigma: f64,
    samples: u32,
    draws: Draws,
}

impl Plane {
    /// The plane through `center` `(1, c, h, w)` along `direction`, usually the gradient there.
    ///
    /// A direction that is exactly zero points nowhere; then both axes are noise and [`Plane::is_flat`] says so.
    /// Positions are `resolution` by `resolution` over `[-extent, extent]` in pixel units; `samples` draws of noise of
    /// standard deviation `sigma` smooth the loss. All of them are pure functions of `draws`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] for a resolution outside `2..=201`, an extent or sigma that is not finite and greater
    /// than 0, and no samples; [`Error::Classifier`] for a direction of another shape or with NaN or infinity.
    pub fn new(
        center: &Tensor,
        direction: &Tensor,
        extent: f64,
        resolution: usize,
        (sigma, samples): (f64, u32),
        draws: Draws,
    ) -> Result<Self> {
        for (name, value) in [("extent", extent), ("sigma", sigma)] {
            if !(value.is_finite() && value > 0.0) {
                let message = format!("{value} is not usable; it must be finite and above 0");
                return Err(Error::setting(name, message));
            }
        }
        if !(2..=MOST).contains(&resolution) {
            let message = format!("{resolution} positions along an axis; take 2 to {MOST}");
            return Err(Error::setting("resolution", message));
        }
        if samples == 0 {
            return Err(Error::setting("samples", "0 samples smooth nothing; take at least one"));
        }
        let sizes = Norm::L2.sizes(direction)?;
        if direction.dims() != center.dims() || sizes.iter().any(|size| !size.is_finite()) {
            let message = format!(
                "a direction of shape {:?} with finite numbers is needed, like the image's {:?}",
                direction.dims(),
                center.dims()
            );
            return Err(Error::Classifier { message });
        }
        let noise = |sample| draws.gaussian("plane", &[0], 0, 0, sample, 1.0, center);
        let flat = sizes == [0.0];
        let along_gradient = unit(&if flat { noise(1)? } else { direction.clone() })?;
        let along_noise = orthogonal(&noise(0)?, &along_gradient)?;
        Ok(Self {
            center: center.detach(),
            along_gradient,
            along_noise: unit(&along_noise)?,
            flat,
            extent,
            resolution,
            sigma,
            samples,
            draws,
        })
    }

    /// The first axis, `(1, c, h, w)`, of l2 norm 1.
    pub fn along_gradient(&self) -> &Tensor {
        &self.along_gradient
    }

    /// The second axis, `(1, c, h, w)`, of l2 norm 1 and orthogonal to the first.
    pub fn along_noise(&self) -> &Tensor {
        &self.along_noise
    }

    /// Whether the direction was exactly zero, so that the first axis is noise as well.
    pub fn is_flat(&self) -> bool {
        self.flat
    }

    /// Number of positions: `resolution` squared.
    #[expect(clippy::len_without_is_empty, reason = "a plane has at least four positions")]
    pub fn len(&self) -> usize {
        self.resolution * self.resolution
    }

    /// Points to look at for each position: itself, then one for each draw of noise.
    pub fn points_per_position(&self) -> usize {
        1 + self.samples as usize
    }

    /// Points of some positions, `(positions * points_per_position, c, h, w)`, position by position.
    ///
    /// Position `row * resolution + column` is `column` steps along the gradient and `row` steps along the noise, both
    /// from `-extent` on.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] for positions beyond [`Plane::len`] and for none.
    pub fn points(&self, positions: Range<usize>) -> Result<Tensor> {
        if positions.is_empty() || positions.end > self.len() {
            let message = format!("{positions:?} of {} positions", self.len());
            return Err(Error::setting("positions", message));
        }
        let mut noise = Vec::with_capacity(self.samples as usize);
        for sample in 0..self.samples {
            let drawn = self.draws.gaussian(
                "plane smoothing",
                &[0],
                0,
                0,
                sample,
                self.sigma,
                &self.center,
            );
            noise.push(drawn?);
        }
        let at =
            |index: usize| self.extent * (2.0 * index as f64 / (self.resolution - 1) as f64 - 1.0);
        let mut points = Vec::with_capacity(positions.len() * self.points_per_position());
        for position in positions {
            let (row, column) = (position / self.resolution, position % self.resolution);
            let along = self.center.zeros_like()?;
            let along = sum_scaled(&along, &self.along_gradient, at(column))?;
            let along = sum_scaled(&along, &self.along_noise, at(row))?;
            let here = sum(&self.center, &along)?;
            points.push(here.clone());
            for noise in &noise {
                points.push(sum(&here, noise)?);
            }
        }
        Ok(join_rows(&points)?)
    }

    /// Plain and smoothed loss at each position, from the losses at [`Plane::points`], in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Classifier`] unless there are as many losses as points of whole positions.
    pub fn surfaces(&self, losses: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let each = self.points_per_position();
        if losses.is_empty() || !losses.len().is_multiple_of(each) {
            let message = format!("{} losses, expected {each} for each position", losses.len());
            return Err(Error::Classifier { message });
        }
        let mean = |losses: &[f64]| losses[1..].iter().sum::<f64>() / f64::from(self.samples);
        let plain = losses.chunks_exact(each).map(|losses| losses[0]).collect();
        Ok((plain, losses.chunks_exact(each).map(mean).collect()))
    }
}

/// A row `(1, ...)` at l2 norm 1, divided in 64 bits: the inverse of a tiny norm is no `f32`.
fn unit(row: &Tensor) -> Result<Tensor> {
    let size = Norm::L2.sizes(row)?[0];
    let scaled = numbers(row)?.into_iter().map(|number| number / size).collect();
    Ok(tensor_like(row, scaled)?)
}

/// What is left of `row` without its part along `axis`.
fn orthogonal(row: &Tensor, axis: &Tensor) -> Result<Tensor> {
    let (row_numbers, along) = (numbers(row)?, numbers(axis)?);
    let length: f64 = along.iter().map(|a| a * a).sum();
    let part = row_numbers.iter().zip(&along).map(|(n, a)| n * a).sum::<f64>() / length;
    let rest = row_numbers.iter().zip(&along).map(|(n, a)| n - part * a).collect();
    Ok(tensor_like(row, rest)?)
}
