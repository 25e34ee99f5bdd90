//! The fast gradient sign method: one step of length epsilon.
//!
//! Goodfellow et al. (ICLR 2015) linearise the loss at the natural image and jump to the corner of
//! the l-infinity ball where the linearisation is largest. For l2 the same idea is one unit step of
//! length epsilon. Exact on a loss that is linear in the image, as long as the pixel box is far.

use saddle_ops::{Norm, Radius};

use crate::projected_ascent::ProjectedAscent;

impl ProjectedAscent {
    /// FGSM for `norm`: PGD with one step, as long as the ball is wide.
    pub fn fgsm(norm: Norm, epsilon: Radius) -> Self {
        Self::pgd(norm, epsilon.get(), 1)
    }
}
