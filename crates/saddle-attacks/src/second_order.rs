//! S-O, the Second-Order attack of the paper: projected ascent that looks around itself.
//!
//! What it sees and what its two parts are stands with [`Direction`].

use saddle_ops::Norm;

use crate::{direction::Direction, projected_ascent::ProjectedAscent};

impl ProjectedAscent {
    /// S-O, Eq. 4: the averaged gradient of `samples` noisy points, steepest ascent of `norm`.
    ///
    /// Averages raw gradients first and normalises once, as printed. For l-infinity that is the
    /// sign of the average; the literal l2-normalised step inside an l-infinity ball is
    /// `rule: StepRule::Unit`.
    ///
    /// Two settings decide whether it works at all: `steps · step_size` well over epsilon (2.5
    /// times or more), and `sigma` within a narrow window that depends on the network.
    pub fn second_order(norm: Norm, step_size: f64, steps: u32, sigma: f64, samples: u32) -> Self {
        let direction = Direction::Smoothed { sigma, samples };
        Self { direction, ..Self::pgd(norm, step_size, steps) }
    }
}
