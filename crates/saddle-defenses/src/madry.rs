//! Adversarial training (Madry et al., ICLR 2018, Eq. 2.1): descend on the adversarial examples
//! only.
//!
//! # The inner attack
//!
//! Projected ascent on the cross-entropy, the whole batch in one go and at the least cost that
//! gives its last iterate: `steps` forward and backward passes, no judging, no early stop, no
//! natural prediction. The radius may ramp; step sizes relative to the radius ramp with it. Draws
//! are keyed by example id and training step (which takes the place of the restart), so an example
//! gets the same start in whatever batch it travels.
//!
//! The network is attacked as it is evaluated (no dropout, running statistics) unless [`Madry::mode`] says otherwise, and
//! descended as it is trained.

use crate::inner_mode::InTraining;
use crate::natural::descend;
use crate::{
    Defense, Error, InnerMode, NormSchedule, RadiusSchedule, Result, StepContext, StepReport,
};
use candle_core::Tensor;
use saddle_attacks::{
    Attack, Direction, Examples, Objective, Perturbed, ProjectedAscent, Start, ThreatModel, perturb,
};
use saddle_model::{Classifier, LossKind};
use saddle_ops::{GradientHealth, Norm, PixelBox, Radius, StepRule};
use serde::{Deserialize, Serialize};

/// How long a step of the inner attack is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepSize {
    /// A multiple of the radius of the moment, so that a ramp scales the steps with it.
    Relative(f64),
    /// The same throughout, in pixel units (for the raw rule: a factor of the gradient).
    Absolute(f64),
}

impl StepSize {
    /// The step size at one radius.
    pub fn at(self, radius: Radius) -> f64 {
        match self {
            Self::Relative(factor) => factor * radius.get(),
            Self::Absolute(size) => size,
        }
    }
}

/// The attack that makes the examples to train on, in one norm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InnerAttack {
    /// Radius once the ramp is over, in pixel units.
    pub epsilon: Radius,
    /// Gradient steps.
    pub steps: u32,
    /// Length of a step.
    pub step_size: StepSize,
    /// What a step makes of the gradient: raw, normalised, sign.
    pub rule: StepRule,
    /// Where the attack starts.
    pub start: Start,
}

impl InnerAttack {
    /// l-infinity 0.3: five sign steps of 0.35 epsilon from a uniform start.
    ///
    /// # Errors
    ///
    /// None for this constant radius; the signature is [`Radius::new`]'s.
    pub fn linf() -> Result<Self> {
        Ok(Self {
            epsilon: Radius::new(0.3)?,
            steps: 5,
            step_size: StepSize::Relative(0.35),
            rule: StepRule::Sign,
            start: Start::Uniform,
        })
    }

    /// l2 4.0: five normalised steps of 0.4 epsilon from a uniform start.
    ///
    /// # Errors
    ///
    /// As [`InnerAttack::linf`].
    pub fn l2() -> Result<Self> {
        Ok(Self {
            epsilon: Radius::new(4.0)?,
            steps: 5,
            step_size: StepSize::Relative(0.4),
            rule: StepRule::Unit,
            start: Start::Uniform,
        })
    }

    /// l2 4.0 as the paper's Eq. 2 prints the step: five raw gradients times 1, from the image.
    ///
    /// Such steps hardly move on a confident network, so this trains hardly any robustness; it is
    /// here because a published table may rest on it.
    ///
    /// # Errors
    ///
    /// As [`InnerAttack::linf`].
    pub fn l2_raw() -> Result<Self> {
        Ok(Self {
            step_size: StepSize::Absolute(1.0),
            rule: StepRule::Raw,
            start: Start::Natural,
            ..Self::l2()?
        })
    }
}

/// Adversarial training in one norm, or in two by turns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Madry {
    /// The norm of each step.
    pub norms: NormSchedule,
    /// How the radius reaches epsilon.
    #[serde(default)]
    pub radius: RadiusSchedule,
    /// The attack of l2 steps; given exactly when `norms` has such steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l2: Option<InnerAttack>,
    /// The attack of l-infinity steps; given exactly when `norms` has such steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linf: Option<InnerAttack>,
    /// How the attack sees the network.
    #[serde(default, skip_serializing_if = "InnerMode::is_evaluation")]
    pub mode: InnerMode,
}

/// A batch of adversarial examples and what they cost.
pub struct Adversarial {
    /// The last iterate of the inner attack, in ball and pixel box.
    pub images: Tensor,
    /// The norm of this step.
    pub norm: Norm,
    /// The radius of this step.
    pub radius: Radius,
    /// Forward and backward passes, summed over the examples.
    pub passes: u64,
    /// Gradients that were zero, tiny or not finite.
    pub health: GradientHealth,
}

impl Madry {
    /// l-infinity 0.3, the radius growing over the first quarter of the run.
    ///
    /// # Errors
    ///
    /// As [`InnerAttack::linf`]; so below.
    pub fn linf() -> Result<Self> {
        Ok(Self {
            norms: NormSchedule::Fixed(Norm::Linf),
            radius: RadiusSchedule::Ramp { fraction: 0.25 },
            l2: None,
            linf: Some(InnerAttack::linf()?),
            mode: InnerMode::Evaluation,
        })
    }

    /// l2 4.0, the radius growing over the first 40 % of the run; without that it stays at chance.
    ///
    /// # Errors
    ///
    /// As [`Madry::linf`].
    pub fn l2() -> Result<Self> {
        Ok(Self {
            norms: NormSchedule::Fixed(Norm::L2),
            radius: RadiusSchedule::Ramp { fraction: 0.4 },
            l2: Some(InnerAttack::l2()?),
            linf: None,
            mode: InnerMode::Evaluation,
        })
    }

    /// The paper's "Mix": l2 4.0 and l-infinity 0.3 by turns, both growing over the first 40 %.
    ///
    /// # Errors
    ///
    /// As [`Madry::linf`].
    pub fn mix() -> Result<Self> {
        Ok(Self {
            norms: NormSchedule::Alternate,
            radius: RadiusSchedule::Ramp { fraction: 0.4 },
            l2: Some(InnerAttack::l2()?),
            linf: Some(InnerAttack::linf()?),
            mode: InnerMode::Evaluation,
        })
    }

    /// The attack of one norm.
    fn inner(&self, norm: Norm) -> Option<&InnerAttack> {
        match norm {
            Norm::L2 => self.l2.as_ref(),
            Norm::Linf => self.linf.as_ref(),
            Norm::L1 => None,
        }
    }

    /// Refuses settings that contradict each other or cannot run.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] naming the field.
    pub fn validate(&self) -> Result<()> {
        self.radius.validate()?;
        let used = self.norms.norms();
        if used.contains(&Norm::L1) {
            return Err(invalid("norms", "training in l1 is not offered; use l2 or linf"));
        }
        for (norm, field) in [(Norm::L2, "l2"), (Norm::Linf, "linf")] {
            match (used.contains(&norm), self.inner(norm)) {
                (true, None) => {
                    return Err(invalid(field, "`norms` has steps in this norm: give its attack"));
                }
                (false, Some(_)) => {
                    return Err(invalid(field, "`norms` has no step in this norm: leave it out"));
                }
                (true, Some(inner)) => {
                    let (StepSize::Relative(size) | StepSize::Absolute(size)) = inner.step_size;
                    if inner.steps == 0 {
                        return Err(invalid(field, "`steps` must be at least 1"));
                    }
                    if !(size > 0.0 && size.is_finite()) {
                        return Err(invalid(field, "`step_size` must be finite and above 0"));
                    }
                    if let Start::Gaussian { sigma } = inner.start
                        && !(sigma > 0.0 && sigma.is_finite())
                    {
                        return Err(invalid(field, "`sigma` must be finite and above 0"));
                    }
                }
                (false, None) => {}
            }
        }
        Ok(())
    }

    /// The adversarial examples that one step trains on.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] when this step's norm has no attack; else what network and attack
    /// report.
    pub fn attack(
        &self,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<Adversarial> {
        let (ascent, threat) = self.ascent(at)?;
        match self.mode {
            InnerMode::Evaluation => made_by(&ascent, threat, classifier, batch, at),
            InnerMode::Training => {
                let classifier = InTraining { classifier, batch, at };
                made_by(&ascent, threat, &classifier, batch, at)
            }
        }
    }

    /// The attack of one step and the threat model that it works in.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] when this step's norm has no attack.
    pub(crate) fn ascent(&self, at: &StepContext) -> Result<(ProjectedAscent, ThreatModel)> {
        let norm = self.norms.at(at.step);
        let inner = self
            .inner(norm)
            .ok_or_else(|| invalid("norms", "a step's norm has no inner attack"))?;
        let radius = self.radius.at(inner.epsilon, at.step, at.iterations)?;
        let ascent = ProjectedAscent {
            direction: Direction::Gradient,
            rule: inner.rule,
            step_size: inner.step_size.at(radius),
            steps: inner.steps,
            start: inner.start,
            momentum: 0.0,
            loss: LossKind::CrossEntropy,
        };
        Ok((ascent, ThreatModel { norm, epsilon: radius, pixels: PixelBox::UNIT }))
    }

    /// Steps of the longest of the inner attacks.
    pub(crate) fn most_steps(&self) -> u32 {
        [self.l2, self.linf].into_iter().flatten().map(|inner| inner.steps).max().unwrap_or(0)
    }
}

/// What an attack makes of a batch in one step.
///
/// # Errors
///
/// What network and attack report.
pub(crate) fn made_by(
    attack: &dyn Attack,
    threat: ThreatModel,
    classifier: &dyn Classifier,
    batch: &Examples,
    at: &StepContext,
) -> Result<Adversarial> {
    let objective = Objective::untargeted(threat);
    let Perturbed { images, passes, health } =
        perturb(classifier, attack, batch, &objective, at.draws, at.step)?;
    Ok(Adversarial { images, norm: threat.norm, radius: threat.epsilon, passes, health })
}

impl Defense for Madry {
    fn step(
        &mut self,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<StepReport> {
        let adversarial = self.attack(classifier, batch, at)?;
        let report = descend(classifier, &adversarial.images, batch, at)?;
        Ok(StepReport {
            passes: report.passes + adversarial.passes,
            ball: Some((adversarial.norm, adversarial.radius.get())),
            health: adversarial.health,
            ..report
        })
    }
}

pub(crate) fn invalid(field: &'static str, message: &str) -> Error {
    Error::InvalidPlan { field, message: message.to_owned() }
}
