//! A training in plain data: what a plan file holds and what a checkpoint is compared with.

use crate::{
    Atda, Augmentation, Defense, Ensemble, Error, InnerAttack, LearningSchedule, Madry, Natural,
    OptimizerKind, Reduction, Result, Trades,
};
use saddle_model::Initialization;
use saddle_ops::Norm;
use serde::{Deserialize, Serialize};

/// Which defence trains, with its settings; `kind` names it in a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DefensePlan {
    /// Training on the images as they are.
    Natural(Natural),
    /// Training on adversarial examples only.
    Madry(Madry),
    /// Training on natural examples and on the divergence of adversarial ones from them.
    Trades(Trades),
    /// Training on natural and adversarial examples as two domains to be aligned.
    Atda(Atda),
    /// Training on natural examples and on adversarial ones that static networks make.
    Ensemble(Ensemble),
}

impl DefensePlan {
    /// The defence, ready for its first step but for the networks of [`Defense::equip`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] when its settings contradict each other or cannot run.
    pub fn defense(&self) -> Result<Box<dyn Defense>> {
        match self {
            Self::Natural(natural) => Ok(Box::new(*natural)),
            Self::Madry(madry) => {
                madry.validate()?;
                Ok(Box::new(*madry))
            }
            Self::Trades(trades) => {
                trades.validate()?;
                Ok(Box::new(*trades))
            }
            Self::Atda(atda) => atda.defense(),
            Self::Ensemble(ensemble) => {
                ensemble.validate()?;
                Ok(Box::new(ensemble.training()))
            }
        }
    }

    /// The attacks that make its adversarial examples, one for each norm in the order of [`crate::NormSchedule::norms`];
    /// none for natural training.
    pub fn inner_attacks(&self) -> Vec<InnerAttack> {
        let (norms, l2, linf) = match self {
            Self::Natural(_) => return Vec::new(),
            Self::Madry(madry) => (madry.norms, madry.l2, madry.linf),
            Self::Trades(trades) => (trades.norms, trades.l2, trades.linf),
            Self::Atda(atda) => (atda.norms, atda.l2, atda.linf),
            Self::Ensemble(ensemble) => (ensemble.norms, ensemble.l2, ensemble.linf),
        };
        let of = |norm| match norm {
            Norm::L2 => l2,
            Norm::Linf => linf,
            Norm::L1 => None,
        };
        norms.norms().into_iter().filter_map(of).collect()
    }

    /// The static networks that it trains against, by the names under which the trainer is to be given them.
    pub fn sources(&self) -> &[String] {
        match self {
            Self::Ensemble(ensemble) => &ensemble.sources,
            _ => &[],
        }
    }

    /// [`DefensePlan::sources`], to be called otherwise.
    pub fn sources_mut(&mut self) -> &mut [String] {
        match self {
            Self::Ensemble(ensemble) => &mut ensemble.sources,
            _ => &mut [],
        }
    }
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

/// Everything that decides the outcome of a training, but for network, data and kernels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingPlan {
    /// What the network is trained on.
    pub defense: DefensePlan,
    /// Steps of the run.
    pub iterations: u32,
    /// Examples per step.
    pub batch: usize,
    /// Mean or sum of the losses of a batch.
    #[serde(default)]
    pub reduction: Reduction,
    /// How gradients become new weights.
    #[serde(default)]
    pub optimizer: OptimizerKind,
    /// Full learning rate.
    pub learning_rate: f64,
    /// How the learning rate falls over the run.
    #[serde(default)]
    pub learning_schedule: LearningSchedule,
    /// The gradient of a kernel or a matrix `w` gets `weight_decay * w` added; biases and normalisations do not decay.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight_decay: f64,
    /// What is done to the images of every batch; nothing when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augmentation: Option<Augmentation>,
    /// How weights are drawn, unless the training starts from given ones.
    pub initialization: Initialization,
    /// Key of every draw: weights, order of examples, starts of the inner attack.
    pub seed: u64,
}

impl TrainingPlan {
    /// A plan by the recipe that serves MNIST: batches of 64, Adam at 0.001, falling to 3 % over
    /// the last 40 % of the run.
    pub fn new(defense: DefensePlan, iterations: u32, seed: u64) -> Self {
        Self {
            defense,
            iterations,
            batch: 64,
            reduction: Reduction::Mean,
            optimizer: OptimizerKind::default(),
            learning_rate: 1e-3,
            learning_schedule: LearningSchedule::default(),
            weight_decay: 0.0,
            augmentation: None,
            initialization: Initialization::Default,
            seed,
        }
    }

    /// Refuses a plan that cannot be carried out.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] naming the first field at fault.
    pub fn validate(&self) -> Result<()> {
        let invalid = |field, message: String| Err(Error::InvalidPlan { field, message });
        if self.iterations == 0 {
            return invalid("iterations", "must be at least 1".to_owned());
        }
        if self.batch == 0 {
            return invalid("batch", "must be at least 1".to_owned());
        }
        let rate = self.learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            return invalid("learning_rate", format!("{rate} must be finite and above 0"));
        }
        let decay = self.weight_decay;
        if !(decay >= 0.0 && decay.is_finite()) {
            return invalid("weight_decay", format!("{decay} must be finite and at least 0"));
        }
        self.learning_schedule.validate()?;
        self.optimizer.validate()?;
        self.defense.defense().map(|_| ())
    }
}
