//! What changes over a run: the norm, the radius, the learning rate.
//!
//! A schedule is a pure function of the step and the number of steps. Nothing here has a state, so
//! a resumed run cannot fall out of step with itself. Steps count from 0.

use crate::{Error, Result};
use saddle_ops::{Norm, Radius};
use serde::{Deserialize, Serialize};

/// In which norm the inner attack of a step works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NormSchedule {
    /// One norm throughout.
    Fixed(Norm),
    /// The paper's "Mix": l2 on even steps, l-infinity on odd ones.
    Alternate,
}

impl NormSchedule {
    /// The norm of one step.
    pub fn at(self, step: u32) -> Norm {
        match self {
            Self::Fixed(norm) => norm,
            Self::Alternate if step.is_multiple_of(2) => Norm::L2,
            Self::Alternate => Norm::Linf,
        }
    }

    /// The norms that occur, in the order of their first step.
    pub fn norms(self) -> Vec<Norm> {
        match self {
            Self::Fixed(norm) => vec![norm],
            Self::Alternate => vec![Norm::L2, Norm::Linf],
        }
    }
}

/// How the radius of the inner attack reaches epsilon.
///
/// A network that meets l2 4.0 in its first step never leaves chance; one that meets a radius
/// growing from nothing does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RadiusSchedule {
    /// Epsilon from the first step on.
    #[default]
    Constant,
    /// Linear growth over the first part of the run, then epsilon.
    Ramp {
        /// Part of the run that the growth takes, above 0 and at most 1.
        fraction: f64,
    },
}

impl RadiusSchedule {
    /// The radius of step `step` out of `iterations`.
    ///
    /// The ramp counts steps from 1, so that its first radius is small but not zero: the `i`-th of
    /// `k` ramp steps has `epsilon * i / k`.
    ///
    /// # Errors
    ///
    /// [`saddle_ops::Error::InvalidRadius`] when the product underflows to zero.
    pub fn at(self, epsilon: Radius, step: u32, iterations: u32) -> Result<Radius> {
        let Self::Ramp { fraction } = self else { return Ok(epsilon) };
        let length = fraction * f64::from(iterations);
        let reached = (f64::from(step) + 1.0) / length;
        if reached >= 1.0 {
            return Ok(epsilon);
        }
        Ok(Radius::new(epsilon.get() * reached)?)
    }

    pub(crate) fn validate(self) -> Result<()> {
        match self {
            Self::Ramp { fraction } if !(fraction > 0.0 && fraction <= 1.0) => {
                Err(Error::InvalidPlan {
                    field: "radius",
                    message: format!("ramp fraction {fraction} must lie above 0 and at most at 1"),
                })
            }
            _ => Ok(()),
        }
    }
}

/// How the learning rate falls from the plan's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LearningSchedule {
    /// The plan's value throughout.
    Constant,
    /// The plan's value for the first part of the run, then a straight line down.
    LinearDecay {
        /// Part of the run at the full rate, 0 to 1.
        hold: f64,
        /// Part of the rate that is left when the run ends, 0 to 1.
        last: f64,
    },
    /// The plan's value, multiplied by a factor at each of some points of the run.
    Steps {
        /// What each drop leaves of the rate, above 0 and below 1.
        factor: f64,
        /// Parts of the run that are done when the rate drops: rising, above 0 and below 1.
        at: Vec<f64>,
    },
}

impl Default for LearningSchedule {
    /// Full rate up to 60 % of the run, then linearly to 3 %.
    fn default() -> Self {
        Self::LinearDecay { hold: 0.6, last: 0.03 }
    }
}

impl LearningSchedule {
    /// A tenth, a hundredth and a thousandth of the rate from the 55th, 75th and 90th of 100 epochs on: the schedule that
    /// TRADES was trained by on MNIST (`train_trades_mnist.py` of the authors' program, whose epochs count from 1).
    pub fn trades() -> Self {
        Self::Steps { factor: 0.1, at: vec![0.54, 0.74, 0.89] }
    }

    /// The learning rate of step `step` out of `iterations`, for a full rate of `rate`.
    ///
    /// The line reaches its end at the end of the run, one step after the last one.
    pub fn at(&self, rate: f64, step: u32, iterations: u32) -> f64 {
        let done = f64::from(step) / f64::from(iterations);
        match self {
            Self::Constant => rate,
            Self::LinearDecay { hold, .. } if done <= *hold => rate,
            Self::LinearDecay { hold, last } => {
                let descended = (done - hold) / (1.0 - hold);
                rate * (1.0 - (1.0 - last) * descended.min(1.0))
            }
            Self::Steps { factor, at } => {
                at.iter().filter(|&&drop| drop <= done).fold(rate, |rate, _| rate * factor)
            }
        }
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let invalid = |message| Err(Error::InvalidPlan { field: "learning_schedule", message });
        match self {
            Self::Constant => {}
            Self::LinearDecay { hold, last } => {
                for (name, value) in [("hold", hold), ("last", last)] {
                    if !(0.0..=1.0).contains(value) {
                        return invalid(format!(
                            "`{name}` is {value} and must lie between 0 and 1"
                        ));
                    }
                }
            }
            Self::Steps { factor, at } => {
                if !(*factor > 0.0 && *factor < 1.0) {
                    return invalid(format!("`factor` is {factor} and must lie above 0, below 1"));
                }
                let inside = at.iter().all(|&drop| drop > 0.0 && drop < 1.0);
                if at.is_empty() || !inside || !at.is_sorted_by(|one, next| one < next) {
                    return invalid(format!("`at` is {at:?} and must rise, above 0 and below 1"));
                }
            }
        }
        Ok(())
    }
}
