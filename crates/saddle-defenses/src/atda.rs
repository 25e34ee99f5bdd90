//! ATDA (Song et al., ICLR 2019): natural and adversarial images as two domains that the network should not tell apart.
//!
//! ```text
//! mean CE(f(x), y) + mean CE(f(x'), y) + lambda (CORAL + MMD + margin)
//! ```
//!
//! with all three terms on the logits `f(x)` and `f(x')`: second moments ([`crate::domain_adaptation::coral`]), means
//! ([`crate::domain_adaptation::mmd`]), and the margin of all `2 n` rows to the class centres
//! ([`saddle_model::Loss::class_centres`]) divided by its number of pairs `2 n (classes - 1)`. Gradients go through both
//! branches, none through the centres.
//!
//! # Centres
//!
//! They start at zero and are all that the defence remembers between steps. A batch meets the centres as the batches
//! before left them; then they move, by [`crate::domain_adaptation::move_centres`], before the weights do. (The authors' program
//! reads a row's own centre so, and leaves open when it reads the others.)
//!
//! # The inner attack
//!
//! The published adversary takes one step of length epsilon along the sign of the gradient, away from what the network
//! itself *predicts*, so that the step gives nothing of the label away. A second published one takes ten steps of epsilon
//! / 4 from a uniform start against the true label. Both are l-infinity; everything in l2 here is ours. The network is
//! attacked as it is evaluated.
//!
//! # Conventions
//!
//! The terms belong to the batch, so a step is not a sum over examples, and CORAL grows with the batch, 32 as published.
//! [`crate::Reduction::Sum`] multiplies the whole loss by the number of examples. A step's report gives the whole loss, and
//! counts as correct the adversarial examples that were classified rightly.
//!
//! # Source
//!
//! `tf_utils.py`, `loss.py`, `train_atda.py`, `train_atda_npdg.py` of the authors' program
//! (github.com/JHL-HUST/ATDA), which has no script for MNIST: lengths of training and optimiser are those of its
//! Fashion-MNIST, whose epsilon is 0.1.

use crate::branch::{Branch, factor, sum};
use crate::domain_adaptation::{coral, mmd, move_centres};
use crate::madry::{invalid, made_by};
use crate::{
    Adversarial, Defense, DefensePlan, Error, InnerAttack, InnerMode, LearningSchedule, Madry,
    NormSchedule, RadiusSchedule, Result, StepContext, StepReport, StepSize, TrainingPlan,
};
use candle_core::{DType, Device, Tensor};
use saddle_attacks::{Examples, Start};
use saddle_model::{Aim, Classifier, Initialization, Loss, LossKind, predictions};
use saddle_ops::{Norm, Radius, StepRule};
use serde::{Deserialize, Serialize};

/// Name of the centres in a checkpoint.
const CENTRES: &str = "centres";
/// The training passes of a step, by which dropout tells them apart.
const NATURAL: u32 = 0;
const ADVERSARIAL: u32 = 1;

/// Whose cross-entropy the inner attack climbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttackedLabel {
    /// The label of the example.
    True,
    /// What the network says of the natural image.
    #[default]
    Predicted,
}

/// Training on natural and adversarial examples as two domains to be aligned.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Atda {
    /// Weight of the three terms; at least 0, as published 1/3.
    #[serde(default = "published_lambda")]
    pub lambda: f64,
    /// How fast class centres follow their rows, `alpha` of the authors; above 0, at most 1, as published 0.1.
    #[serde(default = "published_centre_rate")]
    pub centre_rate: f64,
    /// Whose cross-entropy the inner attack climbs.
    #[serde(default)]
    pub attacked_label: AttackedLabel,
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
}

fn published_lambda() -> f64 {
    1.0 / 3.0
}

fn published_centre_rate() -> f64 {
    0.1
}

/// One step as long as the ball is wide.
fn single_step(epsilon: f64, rule: StepRule) -> Result<InnerAttack> {
    Ok(InnerAttack {
        epsilon: Radius::new(epsilon)?,
        steps: 1,
        step_size: StepSize::Relative(1.0),
        rule,
        start: Start::Natural,
    })
}

/// Ten steps of a quarter of the radius from a uniform start.
fn many_steps(inner: InnerAttack) -> InnerAttack {
    InnerAttack { steps: 10, step_size: StepSize::Relative(0.25), start: Start::Uniform, ..inner }
}

impl Atda {
    /// As published, but for epsilon: one sign step of l-infinity 0.3 away from the predicted label.
    ///
    /// # Errors
    ///
    /// None for this constant radius; the signature is [`Radius::new`]'s. So below.
    pub fn linf() -> Result<Self> {
        Ok(Self {
            lambda: published_lambda(),
            centre_rate: published_centre_rate(),
            attacked_label: AttackedLabel::Predicted,
            norms: NormSchedule::Fixed(Norm::Linf),
            radius: RadiusSchedule::Constant,
            l2: None,
            linf: Some(single_step(0.3, StepRule::Sign)?),
        })
    }

    /// Ours: one step of length 4.0 along the gradient, in place of its sign.
    ///
    /// # Errors
    ///
    /// As [`Atda::linf`].
    pub fn l2() -> Result<Self> {
        let l2 = Some(single_step(4.0, StepRule::Unit)?);
        Ok(Self { norms: NormSchedule::Fixed(Norm::L2), l2, linf: None, ..Self::linf()? })
    }

    /// Ours, with the step as Eq. 2 of the paper prints it: epsilon times the gradient as it is, which hardly moves.
    ///
    /// # Errors
    ///
    /// As [`Atda::linf`].
    pub fn l2_raw() -> Result<Self> {
        Ok(Self { l2: Some(single_step(4.0, StepRule::Raw)?), ..Self::l2()? })
    }

    /// The paper's "Mix": the steps of [`Atda::l2`] and [`Atda::linf`] by turns.
    ///
    /// # Errors
    ///
    /// As [`Atda::linf`].
    pub fn mix() -> Result<Self> {
        Ok(Self { norms: NormSchedule::Alternate, l2: Self::l2()?.l2, ..Self::linf()? })
    }

    /// "Mix" with the raw step of [`Atda::l2_raw`] in its l2 half.
    ///
    /// # Errors
    ///
    /// As [`Atda::linf`].
    pub fn mix_raw() -> Result<Self> {
        Ok(Self { norms: NormSchedule::Alternate, l2: Self::l2_raw()?.l2, ..Self::linf()? })
    }

    /// The same training on adversarial examples of many steps: ten of epsilon / 4 by the same rule, from a uniform start,
    /// against the true label. Published for l-infinity; for l2 ours.
    #[must_use]
    pub fn multi_step(self) -> Self {
        Self {
            attacked_label: AttackedLabel::True,
            l2: self.l2.map(many_steps),
            linf: self.linf.map(many_steps),
            ..self
        }
    }

    /// The published training on images of 28 x 28: 50 epochs of 1,875 batches of 32, Adam at 0.001 throughout, weights
    /// after Glorot.
    pub fn published(self, seed: u64) -> TrainingPlan {
        TrainingPlan {
            batch: 32,
            learning_schedule: LearningSchedule::Constant,
            initialization: Initialization::Glorot,
            ..TrainingPlan::new(DefensePlan::Atda(self), 93_750, seed)
        }
    }

    /// Forward and backward passes that a step costs for each example, at most.
    pub fn passes_per_example(&self) -> u64 {
        let prediction = match self.attacked_label {
            AttackedLabel::True => 0,
            AttackedLabel::Predicted => 1,
        };
        prediction + 2 * (u64::from(self.inner().most_steps()) + 2)
    }

    /// Refuses settings that contradict each other or cannot run.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] naming the field.
    pub fn validate(&self) -> Result<()> {
        if !(self.lambda >= 0.0 && self.lambda.is_finite()) {
            return Err(invalid("lambda", "must be finite and at least 0"));
        }
        if !(self.centre_rate > 0.0 && self.centre_rate <= 1.0) {
            return Err(invalid("centre_rate", "must lie above 0 and at most at 1"));
        }
        self.inner().validate()
    }

    /// The adversarial examples that one step trains on.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] when this step's norm has no attack; else what network and attack report.
    pub fn attack(
        &self,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<Adversarial> {
        let (ascent, threat) = self.inner().ascent(at)?;
        if self.attacked_label == AttackedLabel::True {
            return made_by(&ascent, threat, classifier, batch, at);
        }
        let labels = match predictions(&classifier.logits(batch.images())?) {
            Ok(labels) => labels,
            // A network of NaN predicts nothing; the trainer stops at its loss.
            Err(saddle_model::Error::NonFinite { .. }) => batch.labels().to_vec(),
            Err(error) => return Err(error.into()),
        };
        let attack = ascent.on(Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted)?);
        let found = made_by(&attack, threat, classifier, batch, at)?;
        Ok(Adversarial { passes: found.passes + batch.len() as u64, ..found })
    }

    /// The defence at its first step.
    pub(crate) fn defense(&self) -> Result<Box<dyn Defense>> {
        self.validate()?;
        Ok(Box::new(Adaptation { settings: *self, centres: None }))
    }

    /// The schedules and attacks, which are those of adversarial training.
    fn inner(&self) -> Madry {
        let mode = InnerMode::Evaluation;
        Madry { norms: self.norms, radius: self.radius, l2: self.l2, linf: self.linf, mode }
    }
}

/// ATDA under way.
struct Adaptation {
    settings: Atda,
    /// Row `j` is the centre of class `j`, `f64`; none before the first step, when they are zero.
    centres: Option<Tensor>,
}

impl Defense for Adaptation {
    fn step(
        &mut self,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<StepReport> {
        let Atda { lambda, centre_rate, .. } = self.settings;
        let adversarial = self.settings.attack(classifier, batch, at)?;
        let (labels, count) = (batch.labels(), batch.len());
        let natural = Branch::open(classifier, batch.images(), batch, at, NATURAL)?;
        let attacked = Branch::open(classifier, &adversarial.images, batch, at, ADVERSARIAL)?;

        let classes = classifier.classes();
        let centres = match &self.centres {
            Some(centres) => centres.clone(),
            None => Tensor::zeros((classes, classes), DType::F64, &Device::Cpu)?,
        };
        // Both branches in one: natural rows first.
        let logits = Tensor::cat(&[natural.logits(), attacked.logits()], 0)?;
        let rows: Vec<usize> = (0..2 * count).collect();
        let both = labels.repeat(2);
        let supervised = Loss::new(LossKind::CrossEntropy, both.clone(), &Aim::Untargeted)?
            .evaluate(&logits, &rows)?;
        let margin = Loss::class_centres(&centres, both.clone())?.evaluate(&logits, &rows)?;
        let pairs = (2 * count * (classes - 1)) as f64;
        let (coral, mmd) = (
            coral(natural.logits(), attacked.logits())?,
            mmd(natural.logits(), attacked.logits())?,
        );
        let loss = supervised.values.iter().sum::<f64>() / count as f64
            + lambda * (coral.value + mmd.value + margin.values.iter().sum::<f64>() / pairs);
        let aligned = Tensor::cat(
            &[(coral.natural + mmd.natural)?, (coral.adversarial + mmd.adversarial)?],
            0,
        )?;
        let terms = ((aligned + (margin.cotangent / pairs)?)? * lambda)?;
        let cotangent = ((supervised.cotangent / count as f64)? + terms)?;
        let cotangent = (cotangent * factor(at.reduction, count))?;

        self.centres = Some(move_centres(&centres, &logits, &both, centre_rate)?);
        let correct = attacked.correct(labels);
        let gradients = sum(
            &natural.pull_back(&cotangent.narrow(0, 0, count)?)?,
            &attacked.pull_back(&cotangent.narrow(0, count, count)?)?,
        )?;
        Ok(StepReport {
            gradients,
            loss,
            correct,
            rows: count,
            passes: adversarial.passes + 4 * count as u64,
            ball: Some((adversarial.norm, adversarial.radius.get())),
            health: adversarial.health,
        })
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        Ok(self.centres.iter().map(|centres| (CENTRES.to_owned(), centres.clone())).collect())
    }

    fn restore(&mut self, state: Vec<(String, Tensor)>) -> Result<()> {
        let fits = |name: &str, tensor: &Tensor| -> Result<bool> {
            let square = matches!(*tensor.dims(), [rows, columns] if rows == columns && rows > 1);
            Ok(name == CENTRES
                && square
                && tensor.dtype() == DType::F64
                && tensor.flatten_all()?.to_vec1::<f64>()?.iter().all(|x| x.is_finite()))
        };
        self.centres = match state.as_slice() {
            [] => None,
            [(name, tensor)] if fits(name, tensor)? => Some(tensor.clone()),
            other => {
                let found: Vec<_> = other.iter().map(|(name, one)| (name, one.dims())).collect();
                return Err(Error::Mismatch {
                    operation: "restore defence",
                    message: format!(
                        "expected `{CENTRES}`, a square matrix of finite f64, found {found:?}"
                    ),
                });
            }
        };
        Ok(())
    }
}
