//! Ensemble adversarial training (Tramèr et al., ICLR 2018): natural images, and adversarial ones that other networks
//! make.
//!
//! A network that is trained on its own single steps learns to make them weak: it hides its gradient. So most of the
//! examples come from static networks, trained beforehand, which it cannot influence. The loss of a batch is
//! `(CE(natural) + CE(adversarial)) / 2`, in two passes that drop units apart.
//!
//! # How a batch is made adversarial
//!
//! - One source makes the whole batch, drawn uniformly from the static networks and the network itself by seed and step.
//! - The loss that it climbs is its cross-entropy towards the class that it *predicts* for the natural image. With the
//!   true class a single step gives the class away, and training learns to read it off the perturbation.
//! - The published step is one: epsilon times the sign of the gradient, from the image itself. Its forward pass gives
//!   both the predicted class and the gradient.
//!
//! # What is ours
//!
//! Everything in l2, of which the authors' program has nothing: epsilon times the gradient divided by its l2 norm, and
//! the raw form, epsilon times the gradient. Mix takes the norms by turns. The multi-step form climbs by projected
//! ascent on the one source that was drawn; the class stays the one predicted for the natural image, so that it differs
//! from the published form in its steps alone.
//!
//! # Source
//!
//! `train_adv.py`, `tf_utils.py` and `attack_utils.py` of github.com/ftramer/ensemble-adv-training.

use crate::natural::descend_in_pass;
use crate::{
    Adversarial, Defense, Error, InnerAttack, InnerMode, Madry, NormSchedule, RadiusSchedule,
    Result, Sources, StepContext, StepReport, StepSize,
};
use candle_core::Tensor;
use saddle_attacks::{Answer, Attack as _, Examples, Objective, Query, Start};
use saddle_model::{Classifier, Evaluated, Mode, Wanted, Weights, predictions};
use saddle_ops::{Draws, Norm, Radius, StepRule};
use serde::{Deserialize, Serialize};

/// Passes of a step: the natural half, the adversarial half, and from here on those of the source.
const NATURAL: u32 = 0;
const ADVERSARIAL: u32 = 1;
const CRAFTING: u32 = 2;

/// Training on natural images and on adversarial ones from static networks and the network itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ensemble {
    /// Names of the static networks ([`Sources`]); their order is the order of the draw. With none the network makes all
    /// examples itself, which is the adversarial training that the authors compare with.
    pub sources: Vec<String>,
    /// Whether a source drops units while it makes examples, as in the authors' program, which runs all of a training
    /// step in training mode; or is attacked as it is evaluated.
    pub crafting_dropout: bool,
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

impl Ensemble {
    /// As published: single sign steps of l-infinity 0.3 from the networks A, C and D of the paper, called `tramer_a`,
    /// `tramer_c` and `tramer_d`, and from the network itself, with dropout throughout and the radius constant.
    ///
    /// The authors train the sources for 6 epochs and A against them for 12, in batches of 64 by Adam at 0.001.
    ///
    /// # Errors
    ///
    /// None for these constant radii; the signature is [`Radius::new`]'s. So below.
    pub fn linf() -> Result<Self> {
        Ok(Self {
            sources: ["tramer_a", "tramer_c", "tramer_d"].map(str::to_owned).to_vec(),
            crafting_dropout: true,
            norms: NormSchedule::Fixed(Norm::Linf),
            radius: RadiusSchedule::Constant,
            l2: None,
            linf: Some(single_step(0.3, StepRule::Sign)?),
        })
    }

    /// Ours: [`Ensemble::linf`] with single steps of l2 4.0 along the normalised gradient.
    ///
    /// # Errors
    ///
    /// As [`Ensemble::linf`].
    pub fn l2() -> Result<Self> {
        let l2 = Some(single_step(4.0, StepRule::Unit)?);
        Ok(Self { norms: NormSchedule::Fixed(Norm::L2), l2, linf: None, ..Self::linf()? })
    }

    /// Ours: [`Ensemble::l2`] with the gradient as it is, times epsilon; on a confident source that hardly moves.
    ///
    /// # Errors
    ///
    /// As [`Ensemble::linf`].
    pub fn l2_raw() -> Result<Self> {
        Ok(Self { l2: Some(single_step(4.0, StepRule::Raw)?), ..Self::l2()? })
    }

    /// The "Mix" of the Second-Order paper: the steps of [`Ensemble::l2`] and of [`Ensemble::linf`] by turns.
    ///
    /// # Errors
    ///
    /// As [`Ensemble::linf`].
    pub fn mix() -> Result<Self> {
        Ok(Self { norms: NormSchedule::Alternate, linf: Self::linf()?.linf, ..Self::l2()? })
    }

    /// [`Ensemble::mix`] with the l2 steps of [`Ensemble::l2_raw`].
    ///
    /// # Errors
    ///
    /// As [`Ensemble::linf`].
    pub fn mix_raw() -> Result<Self> {
        Ok(Self { l2: Self::l2_raw()?.l2, ..Self::mix()? })
    }

    /// Ours: the same training by several steps, those that [`Madry`] takes in each norm, with its ramp of the radius and
    /// without dropout in the sources.
    ///
    /// # Errors
    ///
    /// As [`Ensemble::linf`].
    pub fn multi_step(self) -> Result<Self> {
        let raw = self.l2.is_some_and(|inner| inner.rule == StepRule::Raw);
        let l2 = if raw { InnerAttack::l2_raw() } else { InnerAttack::l2() }?;
        let linf = InnerAttack::linf()?;
        let radius = match self.norms {
            NormSchedule::Fixed(Norm::Linf) => Madry::linf()?.radius,
            _ => Madry::mix()?.radius,
        };
        Ok(Self {
            crafting_dropout: false,
            radius,
            l2: self.l2.map(|_| l2),
            linf: self.linf.map(|_| linf),
            ..self
        })
    }

    /// Norms, radii and inner attacks are Madry's.
    fn attacks(&self) -> Madry {
        let mode = InnerMode::Evaluation;
        Madry { norms: self.norms, radius: self.radius, l2: self.l2, linf: self.linf, mode }
    }

    /// Refuses settings that contradict each other or cannot run.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] naming the field.
    pub fn validate(&self) -> Result<()> {
        for (place, name) in self.sources.iter().enumerate() {
            if self.sources[..place].contains(name) {
                return Err(Error::InvalidPlan {
                    field: "sources",
                    message: format!("`{name}` is named twice; it would be drawn twice as often"),
                });
            }
        }
        self.attacks().validate()
    }

    /// The source of one step; none is the network itself. Each is equally likely, whatever the batch.
    pub fn source_at(&self, draws: Draws, step: u32) -> Option<&str> {
        let count = self.sources.len() as u64 + 1;
        let drawn = draws.stream("source of adversarial examples", 0, 0, step, 0).below(count);
        self.sources.get(drawn as usize).map(String::as_str)
    }

    /// Forward and backward passes of one training example, those of a source like those of the network itself; in Mix
    /// those of the dearer norm.
    pub fn passes_per_example(&self) -> u64 {
        let crafting = |inner: InnerAttack| {
            // The first gradient is taken where the class was read, unless the attack starts elsewhere.
            2 * u64::from(inner.steps) + u64::from(inner.start != Start::Natural)
        };
        4 + [self.l2, self.linf].into_iter().flatten().map(crafting).max().unwrap_or(0)
    }

    /// The adversarial examples that one step trains on.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] when the source of this step was not given or its norm has no attack, [`Error::Mismatch`]
    /// when a static source has no prediction; else what the source reports.
    pub fn attack(
        &self,
        sources: &Sources,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<Adversarial> {
        let (ascent, threat) = self.attacks().ascent(at)?;
        let name = self.source_at(at.draws, at.step);
        let source: &dyn Classifier = match name {
            Some(name) => sources.get(name)?,
            None => classifier,
        };
        let rows = batch.len() as u64;
        let natural = source.forward(batch.images(), self.mode(batch, at, 0))?;
        let labels = match (predictions(&natural.0), name) {
            (Ok(predicted), _) => predicted,
            // No gradient of such logits moves an image. The trainer sees the loss and stops there.
            (Err(_), None) => batch.labels().to_vec(),
            (Err(error), Some(name)) => return Err(no_prediction(name, &error)),
        };
        let examples = Examples::new(batch.images().clone(), labels, batch.ids().to_vec())?;
        let objective = Objective::untargeted(threat);
        let mut run = ascent.begin(&examples, &objective, at.draws, at.step)?;
        let mut passes = rows;
        let mut pass = 0;
        let mut known = (ascent.start == Start::Natural).then_some(natural);
        while let Query::Gradient { points, rows: own, loss, .. } = run.ask()? {
            let (logits, pullback) = match known.take() {
                Some(natural) => natural,
                None => {
                    pass += 1;
                    passes += rows;
                    source.forward(&points, self.mode(batch, at, pass))?
                }
            };
            let Evaluated { values: losses, cotangent } = loss.evaluate(&logits, &own)?;
            let gradient = pullback(&cotangent, Wanted::INPUT)?.input;
            passes += rows;
            run.tell(Answer { losses, logits, gradient })?;
        }
        let (images, health) = (run.iterate().clone(), run.health().iter().copied().sum());
        Ok(Adversarial { images, norm: threat.norm, radius: threat.epsilon, passes, health })
    }

    /// How a source runs in its pass number `pass` of a step.
    fn mode<'a>(&self, batch: &'a Examples, at: &StepContext, pass: u32) -> Mode<'a> {
        if !self.crafting_dropout {
            return Mode::Evaluation;
        }
        let pass = CRAFTING.saturating_add(pass);
        Mode::Training { draws: at.draws, step: at.step, pass, examples: batch.ids() }
    }

    /// The defence, still without its sources.
    pub fn training(&self) -> EnsembleTraining {
        EnsembleTraining { settings: self.clone(), sources: Sources::new() }
    }
}

/// [`Ensemble`] at work, with the networks that it names once [`Defense::equip`] has been called.
pub struct EnsembleTraining {
    settings: Ensemble,
    sources: Sources,
}

impl Defense for EnsembleTraining {
    fn step(
        &mut self,
        classifier: &dyn Classifier,
        batch: &Examples,
        at: &StepContext,
    ) -> Result<StepReport> {
        let crafted = self.settings.attack(&self.sources, classifier, batch, at)?;
        let natural = descend_in_pass(classifier, batch.images(), batch, at, NATURAL)?;
        let adversarial = descend_in_pass(classifier, &crafted.images, batch, at, ADVERSARIAL)?;
        Ok(StepReport {
            gradients: mean(&natural.gradients, &adversarial.gradients)?,
            loss: 0.5 * (natural.loss + adversarial.loss),
            correct: natural.correct + adversarial.correct,
            rows: natural.rows + adversarial.rows,
            passes: natural.passes + adversarial.passes + crafted.passes,
            ball: Some((crafted.norm, crafted.radius.get())),
            health: crafted.health,
        })
    }

    fn equip(&mut self, sources: &Sources) -> Result<()> {
        sources.check(&self.settings.sources)?;
        self.sources = sources.clone();
        Ok(())
    }
}

/// One step of length epsilon, from the image itself.
fn single_step(epsilon: f64, rule: StepRule) -> Result<InnerAttack> {
    Ok(InnerAttack {
        epsilon: Radius::new(epsilon)?,
        steps: 1,
        step_size: StepSize::Relative(1.0),
        rule,
        start: Start::Natural,
    })
}

/// The mean of two sets of gradients of one network.
fn mean(one: &Weights, other: &Weights) -> Result<Weights> {
    let pairs = one.iter().zip(other.iter());
    let halved = |((name, one), (_, other)): ((&str, &Tensor), (&str, &Tensor))| {
        Ok((name.to_owned(), ((one + other)? * 0.5)?))
    };
    Ok(Weights::new(pairs.map(halved).collect::<Result<_>>()?)?)
}

fn no_prediction(name: &str, error: &saddle_model::Error) -> Error {
    Error::Mismatch {
        operation: "ensemble adversarial training",
        message: format!("source `{name}` predicts nothing ({error}); train it again"),
    }
}
