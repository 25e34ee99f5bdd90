//! Projected gradient descent on the negative loss: PGD.
//!
//! Madry et al. (ICLR 2018) step along the sign of the gradient for l-infinity; for l2 the usual
//! form steps along the unit gradient. The paper prints, as its Eq. 2, `x + α ∇L(x)` with the *raw*
//! gradient. Where a network is confident its cross-entropy has a tiny gradient, so the raw step
//! hardly moves: a survivor of [`ProjectedAscent::raw_pgd`] has met a short step, not yet an attack.

use saddle_ops::{Norm, StepRule, steepest};

use crate::{
    direction::Direction,
    projected_ascent::{ProjectedAscent, Start},
};

impl ProjectedAscent {
    /// PGD from the natural image with the steepest step of `norm`: sign for l-infinity, unit
    /// gradient for l2. `step_size` is in pixel units.
    pub fn pgd(norm: Norm, step_size: f64, steps: u32) -> Self {
        Self {
            direction: Direction::Gradient,
            rule: steepest(norm),
            step_size,
            steps,
            start: Start::Natural,
            momentum: 0.0,
            loss: saddle_model::LossKind::CrossEntropy,
        }
    }

    /// PGD as the paper's Eq. 2 prints it: `step_size` times the gradient as it is.
    pub fn raw_pgd(step_size: f64, steps: u32) -> Self {
        Self { rule: StepRule::Raw, ..Self::pgd(Norm::L2, step_size, steps) }
    }
}
