//! Where an ascent looks before a step, and what it makes of what it sees: the whole of S-O.
//!
//! The Second-Order attack (S-O) of the paper looks *around* the iterate: it averages the gradient
//! of the loss over Gaussian noise,
//!
//! `g(x) = E[∇L(x + d)]`, `d ~ N(0, σ² I)` (Eq. 4),
//!
//! and steps along it. To first order `∇L(x + d) ≈ ∇L(x) + H d`, and the paper argues that the term
//! with the Hessian `H` leads out of regions where `∇L(x)` vanishes. For symmetric noise
//! `E[H d] = 0`, so in the limit of many samples `g` is the gradient of the *smoothed* loss. The
//! two parts can be taken apart with antithetic pairs `x + d`, `x − d`:
//!
//! - [`Direction::Even`]: `(∇L(x + d) + ∇L(x − d)) / 2`. The Hessian term cancels.
//! - [`Direction::Odd`]: `(∇L(x + d) − ∇L(x − d)) / 2`. Only odd terms, the Hessian's first among
//!   them, are left; on a quadratic loss it is exactly `H d`, a step of power iteration.
//!
//! All three draw the same `d` for the same example, step and sample, so `Smoothed = Even + Odd`
//! sample by sample, and a comparison between them has no luck of the draw in it.
//!
//! # Conventions
//!
//! Noise is fresh at every step. Points are not clipped to the pixel box: Eq. 4 takes its
//! expectation over all of `N(0, σ² I)`; only the iterate has to be feasible. `samples` counts draws
//! of `d`; an antithetic draw is two points and so costs two gradients. Points are laid out sample
//! by sample, and gradients are added in that order, one sample after another.

use candle_core::Tensor;
use saddle_ops::{Draws, difference, join_rows, mean_of_blocks, sum};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Purpose of the noise, the same for S-O and its parts: they see the same draws.
const NOISE: &str = "second-order noise";

/// Where an ascent looks, and how it combines the gradients seen there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Direction {
    /// At the iterate: FGSM and PGD.
    #[default]
    Gradient,
    /// Around the iterate: S-O, Eq. 4.
    Smoothed {
        /// Standard deviation of the noise per pixel, in pixel units.
        sigma: f64,
        /// Draws of noise per step; one gradient each.
        samples: u32,
    },
    /// Around the iterate in antithetic pairs, added: S-O without its curvature.
    Even {
        /// Standard deviation of the noise per pixel, in pixel units.
        sigma: f64,
        /// Draws of noise per step; two gradients each.
        samples: u32,
    },
    /// Around the iterate in antithetic pairs, subtracted: the curvature in S-O, alone.
    Odd {
        /// Standard deviation of the noise per pixel, in pixel units.
        sigma: f64,
        /// Draws of noise per step; two gradients each.
        samples: u32,
    },
}

impl Direction {
    /// Gradients that one step costs.
    pub fn points_per_step(&self) -> u64 {
        match *self {
            Self::Gradient => 1,
            Self::Smoothed { samples, .. } => u64::from(samples),
            Self::Even { samples, .. } | Self::Odd { samples, .. } => 2 * u64::from(samples),
        }
    }

    /// The same with another number of draws of noise per step.
    #[must_use]
    pub fn with_samples(self, samples: u32) -> Self {
        match self {
            Self::Gradient => self,
            Self::Smoothed { sigma, .. } => Self::Smoothed { sigma, samples },
            Self::Even { sigma, .. } => Self::Even { sigma, samples },
            Self::Odd { sigma, .. } => Self::Odd { sigma, samples },
        }
    }

    /// Whether it looks exactly where it stands.
    pub fn is_at_iterate(&self) -> bool {
        matches!(self, Self::Gradient)
    }

    pub(crate) fn check(&self) -> Result<()> {
        let (sigma, samples) = match *self {
            Self::Gradient => return Ok(()),
            Self::Smoothed { sigma, samples }
            | Self::Even { sigma, samples }
            | Self::Odd { sigma, samples } => (sigma, samples),
        };
        if !(sigma.is_finite() && sigma > 0.0) {
            return Err(Error::setting(
                "sigma",
                format!("{sigma} is not usable; it must be finite and greater than 0"),
            ));
        }
        if samples == 0 {
            return Err(Error::setting("samples", "0 samples see nothing; take at least one"));
        }
        Ok(())
    }

    /// The points to look at from `here`, sample by sample: `(points_per_step · n, c, h, w)`.
    pub(crate) fn probes(
        &self,
        here: &Tensor,
        ids: &[u64],
        draws: Draws,
        restart: u32,
        step: u32,
    ) -> Result<Tensor> {
        let (sigma, samples, antithetic) = match *self {
            Self::Gradient => return Ok(here.clone()),
            Self::Smoothed { sigma, samples } => (sigma, samples, false),
            Self::Even { sigma, samples } | Self::Odd { sigma, samples } => (sigma, samples, true),
        };
        let mut points = Vec::new();
        for sample in 0..samples {
            let noise = draws.gaussian(NOISE, ids, restart, step, sample, sigma, here)?;
            points.push(sum(here, &noise)?);
            if antithetic {
                points.push(difference(here, &noise)?);
            }
        }
        Ok(join_rows(&points)?)
    }

    /// One gradient per row from the gradients at the [`Direction::probes`] of `rows` rows.
    pub(crate) fn combine(&self, gradients: &Tensor, rows: usize) -> Result<Tensor> {
        // The order of a row's sum is the order of its samples.
        match self {
            Self::Gradient => Ok(gradients.clone()),
            Self::Smoothed { .. } | Self::Even { .. } => {
                Ok(mean_of_blocks(gradients, rows, false)?)
            }
            Self::Odd { .. } => Ok(mean_of_blocks(gradients, rows, true)?),
        }
    }
}
