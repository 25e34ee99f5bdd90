//! An attack and its threat model as one flat record: what a form has fields for.
//!
//! Plans describe an attack by parts that nest ([`ProjectedAscent`], [`ThreatModel`]). A person at a page sets a kind, a
//! norm and some numbers; links and exported files carry the same. [`AttackSettings`] is that record, with JavaScript's
//! spelling of names, and [`AttackSettings::attack`] says what it means. Fields that a kind does not look at are read and
//! not used, since a form keeps its numbers when the kind changes.

use saddle_model::LossKind;
use saddle_ops::{Norm, Radius, StepRule, steepest};
use serde::{Deserialize, Serialize};

use crate::{
    direction::Direction,
    error::Result,
    projected_ascent::{ProjectedAscent, Start},
    threat_model::ThreatModel,
};

/// What a form says of an attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttackSettings {
    /// The attack.
    pub kind: AttackKind,
    /// Norm of the threat model, and of the steepest step.
    pub norm: Norm,
    /// Radius of the threat model in pixel units.
    pub epsilon: Radius,
    /// Length of a step in pixel units. FGSM's is epsilon, whatever stands here.
    pub step_size: f64,
    /// Number of steps. FGSM takes one, whatever stands here.
    pub steps: u32,
    /// Standard deviation per pixel of the noise of S-O and its parts.
    pub sigma: f64,
    /// Draws of noise per step of S-O and its parts.
    pub samples: u32,
    /// Where it begins.
    #[serde(default)]
    pub start: StartKind,
    /// What a step makes of the gradient.
    #[serde(default)]
    pub rule: RuleKind,
    /// How much of the velocity survives a step; 0 for none.
    #[serde(default)]
    pub momentum: f64,
    /// The loss it climbs.
    #[serde(default)]
    pub loss: SettingsLoss,
    /// Standard deviation per pixel of a Gaussian start; that of the noise when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_sigma: Option<f64>,
}

/// Attacks of the family of projected ascents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackKind {
    /// One step of length epsilon.
    Fgsm,
    /// Projected ascent along the gradient at the iterate.
    Pgd,
    /// The Second-Order attack.
    So,
    /// Its antithetic pairs added: without curvature.
    SoEven,
    /// Its antithetic pairs subtracted: the curvature alone.
    SoOdd,
}

/// Places to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartKind {
    /// At the natural image.
    #[default]
    Natural,
    /// Uniformly in the ball.
    Uniform,
    /// At the natural image plus Gaussian noise.
    Gaussian,
}

/// Step rules, with the one that suits the norm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleKind {
    /// The rule that climbs fastest in the norm of the threat model.
    #[default]
    Steepest,
    /// The gradient as it is: the paper's Eq. 2.
    Raw,
    /// The sign of each entry.
    Sign,
    /// The gradient at l2 length 1.
    Unit,
}

/// Losses that a form offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingsLoss {
    /// Cross-entropy.
    #[default]
    CrossEntropy,
    /// The margin of Carlini and Wagner.
    CwMargin,
}

impl AttackSettings {
    /// The attack and the threat model that are meant.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`](crate::Error::InvalidSetting) for numbers that make no sense.
    pub fn attack(&self) -> Result<(ProjectedAscent, ThreatModel)> {
        let Self { norm, epsilon, sigma, samples, .. } = *self;
        let direction = match self.kind {
            AttackKind::Fgsm | AttackKind::Pgd => Direction::Gradient,
            AttackKind::So => Direction::Smoothed { sigma, samples },
            AttackKind::SoEven => Direction::Even { sigma, samples },
            AttackKind::SoOdd => Direction::Odd { sigma, samples },
        };
        let (steps, step_size) = match self.kind {
            AttackKind::Fgsm => (1, epsilon.get()),
            _ => (self.steps, self.step_size),
        };
        let ascent = ProjectedAscent {
            direction,
            rule: match self.rule {
                RuleKind::Steepest => steepest(norm),
                RuleKind::Raw => StepRule::Raw,
                RuleKind::Sign => StepRule::Sign,
                RuleKind::Unit => StepRule::Unit,
            },
            step_size,
            steps,
            start: match self.start {
                StartKind::Natural => Start::Natural,
                StartKind::Uniform => Start::Uniform,
                StartKind::Gaussian => Start::Gaussian { sigma: self.start_sigma.unwrap_or(sigma) },
            },
            momentum: self.momentum,
            loss: match self.loss {
                SettingsLoss::CrossEntropy => LossKind::CrossEntropy,
                SettingsLoss::CwMargin => LossKind::Margin,
            },
        };
        ascent.check()?;
        Ok((ascent, ThreatModel::new(norm, epsilon.get())?))
    }
}
