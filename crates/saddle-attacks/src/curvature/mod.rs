//! Ascent along the curvature of the loss: what S-O would be if it were second order.
//!
//! The paper says that S-O steps along the top eigenvector of the Hessian of the cross-entropy. These attacks do, so
//! that its claim can be tested: [`Curvature::Eigenvector`] exactly, [`Curvature::Power`] by power iteration, and
//! [`Curvature::AsPrinted`] by the formula that the paper arrives at. Everything but the direction is as in a
//! [`ProjectedAscent`](crate::ProjectedAscent): step along it, project, clip.
//!
//! # What a step costs, with `k` classes
//!
//! | direction | passes |
//! | --- | --- |
//! | exact, sign by the gradient | `1 + k`: the gradient of every logit, which that of the loss is made of |
//! | exact, both signs tried | `3 + k` |
//! | power iteration | `2 + 2 · iterations` |
//! | as printed | 2 |
//!
//! # Which numbers differences need
//!
//! A difference of gradients at points `1e-6` apart cannot be had in single precision. A unit vector over 784 pixels
//! has entries of about 0.036, so a pixel moves by `3.6e-8`, while numbers of `f32` between one half and one are
//! `6e-8` apart: most pixels do not move at all, and what is left of the difference is the rounding of the network.
//! [`Curvature::Power`] therefore refuses images that are not `f64`; the network has to compute in `f64` too, which
//! both executors do. The exact direction needs no difference and is as good in `f32` as the gradients of the logits,
//! which do not vanish where a softmax saturates.

mod climb;
mod eigenvector;

use candle_core::DType;
use saddle_model::{Aim, Loss, LossKind};
use saddle_ops::{Draws, StepRule};
use serde::{Deserialize, Serialize};

use crate::{
    attack::{Attack, Run},
    error::{Error, Result},
    examples::Examples,
    threat_model::Objective,
};
use climb::Climb;

/// Where the direction of a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Curvature {
    /// The exact top eigenvector of the Hessian, `Jᵀ S J`, from the gradients of the logits.
    Eigenvector {
        /// How its sign is chosen.
        #[serde(default)]
        sign: Sign,
    },
    /// Power iteration from a random unit vector `d`: `d ← u / ‖u‖`, `u = ∇L(x + length · d) - ∇L(x)`; the sign is
    /// that of the slope. Needs `f64`.
    Power {
        /// How often `d` is replaced.
        iterations: u32,
        /// Distance of the points whose gradients are subtracted, in pixel units; the paper's ξ.
        length: f64,
    },
    /// Equation 3 as the paper's appendix A prints it: the gradient at `x + length · d` for one random unit vector
    /// `d`, with the gradient at `x` taken to be zero and so not subtracted. Where it is not zero this is the
    /// gradient at `x`, but for rounding.
    AsPrinted {
        /// Distance of that point, in pixel units; the paper's ξ.
        length: f64,
    },
}

/// How the sign of an eigenvector is chosen, which has none of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// The loss must not fall along it.
    #[default]
    Gradient,
    /// Both steps are tried and the one with the larger loss is taken: two forward passes more.
    Both,
}

/// Projected ascent of the cross-entropy along its curvature, as plans hold it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvatureAscent {
    /// Where the direction comes from.
    pub direction: Curvature,
    /// What a step makes of it.
    pub rule: StepRule,
    /// Length of a step in pixel units.
    pub step_size: f64,
    /// Number of steps.
    pub steps: u32,
}

impl CurvatureAscent {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        if !(self.step_size.is_finite() && self.step_size > 0.0) {
            let message = format!("{} must be finite and greater than 0", self.step_size);
            return Err(Error::setting("step_size", message));
        }
        if self.steps == 0 {
            return Err(Error::setting("steps", "0 steps find nothing; take at least one"));
        }
        let (iterations, length) = match self.direction {
            Curvature::Eigenvector { .. } => return Ok(()),
            Curvature::Power { iterations, length } => (iterations, length),
            Curvature::AsPrinted { length } => (1, length),
        };
        if iterations == 0 {
            return Err(Error::setting(
                "iterations",
                "0 iterations see no curvature; take at least one",
            ));
        }
        if !(length.is_finite() && length > 0.0) {
            let message = format!("{length} must be finite and greater than 0");
            return Err(Error::setting("length", message));
        }
        Ok(())
    }

    /// Passes that one step costs with a classifier of so many classes; judging is not among them.
    pub fn passes_per_step(&self, classes: usize) -> u64 {
        match self.direction {
            Curvature::Eigenvector { sign: Sign::Gradient } => 1 + classes as u64,
            Curvature::Eigenvector { sign: Sign::Both } => 3 + classes as u64,
            Curvature::Power { iterations, .. } => 2 + 2 * u64::from(iterations),
            Curvature::AsPrinted { .. } => 2,
        }
    }
}

impl Attack for CurvatureAscent {
    fn name(&self) -> String {
        let family = match self.direction {
            Curvature::Eigenvector { .. } => "top eigenvector",
            Curvature::Power { .. } => "power iteration",
            Curvature::AsPrinted { .. } => "appendix A",
        };
        format!("{family} {} x {}", self.steps, self.step_size)
    }

    fn repeats_itself(&self) -> bool {
        matches!(self.direction, Curvature::Eigenvector { .. })
    }

    fn begin(
        &self,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
        restart: u32,
    ) -> Result<Box<dyn Run>> {
        self.check()?;
        if objective.aim != Aim::Untargeted {
            let message = "it climbs the cross-entropy of the label; aim at any wrong class";
            return Err(Error::UnsupportedGoal { attack: self.name(), message: message.into() });
        }
        let threat_model = objective.threat_model(&self.name())?;
        let format = examples.images().dtype();
        if matches!(self.direction, Curvature::Power { .. }) && format != DType::F64 {
            let message = format!(
                "differences of gradients are noise in {format:?}; give it images and a network in F64"
            );
            return Err(Error::setting("direction", message));
        }
        let labels = examples.labels().to_vec();
        let loss = Loss::new(LossKind::CrossEntropy, labels, &objective.aim)?;
        Ok(Box::new(Climb::new(*self, threat_model, examples, loss, draws, restart)))
    }
}
