//! TRADES (Zhang et al., ICML 2019): accuracy on natural images, and outputs that an attack cannot move.
//!
//! ```text
//! mean CE(f(x), y) + beta * mean KL(softmax f(x) || softmax f(x'))
//! ```
//!
//! The gradient goes through both branches of the divergence: `f(x)` is not held fixed. Values and cotangents are closed
//! forms on log-softmax ([`Loss::kl`]), which stay finite however sure the network is; nothing is clamped.
//!
//! # The inner attack
//!
//! Projected ascent on the same divergence with `f(x)` held fixed, the network as it is evaluated (no dropout). It starts
//! at `x + 0.001 N(0, I)`, because the divergence is flat at `x`. Iterates are kept in ball and box from the start on,
//! where the authors' program takes its first gradient at a point up to 0.003 outside.
//!
//! l-infinity steps follow the sign of the gradient; l2 steps its direction. Where an l2 gradient is exactly zero, as
//! everywhere while the last layer is zero, the authors' program steps along noise ([`WhenFlat::Random`]); its noise is
//! some 28 times as long as a gradient on MNIST, ours as long as one. It changes nothing at such a network, whose
//! divergence is zero everywhere.
//!
//! # Conventions
//!
//! A step's report gives the whole loss, and counts as correct the adversarial examples that were classified rightly.
//!
//! # Source
//!
//! `trades.py`, `train_trades_mnist.py` of the authors' program (github.com/yaodongyu/TRADES).

use crate::branch::{Branch, factor, sum};
use crate::madry::{invalid, made_by};
use crate::{
    Adversarial, Defense, DefensePlan, InnerAttack, InnerMode, LearningSchedule, Madry,
    NormSchedule, OptimizerKind, RadiusSchedule, Reduction, Result, StepContext, StepReport,
    StepSize, TrainingPlan,
};
use saddle_attacks::{Examples, Start, WhenFlat};
use saddle_model::{Aim, Classifier, Initialization, Loss, LossKind};
use saddle_ops::{Norm, Radius, StepRule};
use serde::{Deserialize, Serialize};

/// Standard deviation of the published start.
const START: f64 = 0.001;
/// The training passes of a step, by which dropout tells them apart.
const NATURAL: u32 = 0;
const ADVERSARIAL: u32 = 1;
const NATURAL_AGAIN: u32 = 2;

/// Which forward pass on the natural images the divergence is measured from. It matters to networks with dropout only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NaturalPass {
    /// One of its own, with units dropped anew: the authors' program, which runs the natural images twice.
    #[default]
    Separate,
    /// The one that the cross-entropy is taken from: a forward and a backward pass less.
    Shared,
}

/// Training on natural examples and on the divergence of adversarial ones from them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trades {
    /// Weight of the divergence, `1 / lambda` in the paper; at least 0.
    pub beta: f64,
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
    /// What an l2 attack does where the gradient is exactly zero; l-infinity attacks stay.
    #[serde(default = "random")]
    pub l2_when_flat: WhenFlat,
    /// Where the divergence is measured from.
    #[serde(default)]
    pub natural_pass: NaturalPass,
}

fn random() -> WhenFlat {
    WhenFlat::Random
}

impl Trades {
    /// As published for MNIST: beta 1, l-infinity 0.3, forty sign steps of 0.01.
    ///
    /// # Errors
    ///
    /// None for this constant radius; the signature is [`Radius::new`]'s. So below.
    pub fn linf() -> Result<Self> {
        let attack = InnerAttack {
            epsilon: Radius::new(0.3)?,
            steps: 40,
            step_size: StepSize::Absolute(0.01),
            rule: StepRule::Sign,
            start: Start::Gaussian { sigma: START },
        };
        Ok(Self {
            beta: 1.0,
            norms: NormSchedule::Fixed(Norm::Linf),
            radius: RadiusSchedule::Constant,
            l2: None,
            linf: Some(attack),
            l2_when_flat: WhenFlat::Random,
            natural_pass: NaturalPass::Separate,
        })
    }

    /// The authors' l2 form, forty steps of 2 epsilon / 40 along the gradient, at the paper's l2 4.0.
    ///
    /// # Errors
    ///
    /// As [`Trades::linf`].
    pub fn l2() -> Result<Self> {
        let attack = InnerAttack {
            epsilon: Radius::new(4.0)?,
            steps: 40,
            step_size: StepSize::Relative(2.0 / 40.0),
            rule: StepRule::Unit,
            start: Start::Gaussian { sigma: START },
        };
        let norms = NormSchedule::Fixed(Norm::L2);
        Ok(Self { norms, l2: Some(attack), linf: None, ..Self::linf()? })
    }

    /// The paper's "Mix": the attacks of [`Trades::l2`] and [`Trades::linf`] by turns.
    ///
    /// # Errors
    ///
    /// As [`Trades::linf`].
    pub fn mix() -> Result<Self> {
        Ok(Self { norms: NormSchedule::Alternate, l2: Self::l2()?.l2, ..Self::linf()? })
    }

    /// l2 4.0 with steps as Eq. 2 of the paper prints them: forty raw gradients times 1, none where the gradient is zero.
    ///
    /// The divergence is smallest, and so is its gradient, where the attack starts: such steps hardly move. See
    /// [`InnerAttack::l2_raw`].
    ///
    /// # Errors
    ///
    /// As [`Trades::linf`].
    pub fn l2_raw() -> Result<Self> {
        let normalised = Self::l2()?;
        let (step_size, rule) = (StepSize::Absolute(1.0), StepRule::Raw);
        let l2 = normalised.l2.map(|inner| InnerAttack { step_size, rule, ..inner });
        Ok(Self { l2, l2_when_flat: WhenFlat::Stay, ..normalised })
    }

    /// "Mix" with the raw steps of [`Trades::l2_raw`] in its l2 half.
    ///
    /// # Errors
    ///
    /// As [`Trades::linf`].
    pub fn mix_raw() -> Result<Self> {
        let raw = Self::l2_raw()?;
        Ok(Self { norms: NormSchedule::Alternate, linf: Self::linf()?.linf, ..raw })
    }

    /// The published training on MNIST: 100 epochs of 468 batches of 128, descent at 0.01 with momentum 0.9, the rate
    /// falling by [`LearningSchedule::trades`], the initialisation of the authors' network.
    pub fn published(self, seed: u64) -> TrainingPlan {
        TrainingPlan {
            batch: 128,
            reduction: Reduction::Mean,
            optimizer: OptimizerKind::Momentum { momentum: 0.9 },
            learning_rate: 0.01,
            learning_schedule: LearningSchedule::trades(),
            initialization: Initialization::Trades,
            ..TrainingPlan::new(DefensePlan::Trades(self), 46_800, seed)
        }
    }

    /// Forward and backward passes that a step costs for each example, at most.
    pub fn passes_per_example(&self) -> u64 {
        let training = match self.natural_pass {
            NaturalPass::Separate => 3,
            NaturalPass::Shared => 2,
        };
        1 + 2 * (u64::from(self.inner().most_steps()) + training)
    }

    /// Refuses settings that contradict each other or cannot run.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidPlan`] naming the field.
    pub fn validate(&self) -> Result<()> {
        if !(self.beta >= 0.0 && self.beta.is_finite()) {
            return Err(invalid("beta", "must be finite and at least 0"));
        }
        self.inner().validate()
    }

    /// The adversarial examples that one step trains on.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidPlan`] when this step's norm has no attack; else what network and attack report.
    pub fn attack(
        &self,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<Adversarial> {
        let (ascent, threat) = self.inner().ascent(at)?;
        let divergence = Loss::kl(&classifier.logits(batch.images())?)?;
        let when_flat = match threat.norm {
            Norm::L2 => self.l2_when_flat,
            Norm::L1 | Norm::Linf => WhenFlat::Stay,
        };
        let attack = ascent.on(divergence).when_flat(when_flat);
        let found = made_by(&attack, threat, classifier, batch, at)?;
        Ok(Adversarial { passes: found.passes + batch.len() as u64, ..found })
    }

    /// The schedules and attacks, which are those of adversarial training.
    fn inner(&self) -> Madry {
        let mode = InnerMode::Evaluation;
        Madry { norms: self.norms, radius: self.radius, l2: self.l2, linf: self.linf, mode }
    }
}

impl Defense for Trades {
    fn step(
        &mut self,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<StepReport> {
        let adversarial = self.attack(classifier, batch, at)?;
        let (labels, count) = (batch.labels(), batch.len());
        let rows: Vec<usize> = (0..count).collect();
        let open = |images, pass| Branch::open(classifier, images, batch, at, pass);
        let natural = open(batch.images(), NATURAL)?;
        let attacked = open(&adversarial.images, ADVERSARIAL)?;
        let again = match self.natural_pass {
            NaturalPass::Separate => Some(open(batch.images(), NATURAL_AGAIN)?),
            NaturalPass::Shared => None,
        };

        let supervised = Loss::new(LossKind::CrossEntropy, labels.to_vec(), &Aim::Untargeted)?
            .evaluate(natural.logits(), &rows)?;
        let divergence = Loss::kl(again.as_ref().unwrap_or(&natural).logits())?;
        let moved = divergence.evaluate(attacked.logits(), &rows)?;
        let anchor = divergence.evaluate_reference(attacked.logits(), &rows)?;

        let scale = factor(at.reduction, count) / count as f64;
        let supervised_cotangent = (supervised.cotangent * scale)?;
        let moved_cotangent = (moved.cotangent * (self.beta * scale))?;
        let anchor_cotangent = (anchor.cotangent * (self.beta * scale))?;
        let correct = attacked.correct(labels);
        let passes = 2 * (count * if again.is_some() { 3 } else { 2 }) as u64;
        let of_natural = match again {
            None => natural.pull_back(&(supervised_cotangent + anchor_cotangent)?)?,
            Some(again) => sum(
                &natural.pull_back(&supervised_cotangent)?,
                &again.pull_back(&anchor_cotangent)?,
            )?,
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / count as f64;
        Ok(StepReport {
            gradients: sum(&of_natural, &attacked.pull_back(&moved_cotangent)?)?,
            loss: mean(&supervised.values) + self.beta * mean(&moved.values),
            correct,
            rows: count,
            passes: adversarial.passes + passes,
            ball: Some((adversarial.norm, adversarial.radius.get())),
            health: adversarial.health,
        })
    }
}
