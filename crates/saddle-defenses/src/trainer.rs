//! The trainer: order of examples, step after step, and checkpoints in between.
//!
//! # Invariants
//!
//! - Position is the number of steps done. Epoch and place in it, order, radius, learning rate and
//!   draws follow, so a resumed training has nothing to get wrong: same plan, data and kernels give
//!   the same bits, through any interruptions and on any number of threads.
//! - Each epoch visits the examples in an order of its own and leaves out the last incomplete batch.
//! - A step whose examples or gradients fail changes nothing: the trainer stands where it stood before it.
//!
//! # What is deliberately absent
//!
//! No clock and no file: see [`TrainObserver`]. No evaluation: that is an attack's business.

use crate::checkpoint::{Checkpoint, Identity};
use crate::descent;
use crate::optimizer::first_not_finite;
use crate::{
    Defense, Ended, Error, Optimizer, Progress, Result, Sources, StepContext, StepReport,
    TrainObserver, TrainingPlan,
};
use saddle_attacks::Examples;
use saddle_model::{Architecture, Executor, Network, Statistic, Weights, initialize};
use saddle_ops::Draws;

/// A training under way.
pub struct Trainer {
    plan: TrainingPlan,
    identity: Identity,
    examples: Examples,
    network: Network,
    /// Running statistics among the weights.
    statistics: Vec<Statistic>,
    defense: Box<dyn Defense>,
    optimizer: Optimizer,
    done: u32,
    order: Option<Order>,
}

/// The order of the examples in one epoch.
struct Order {
    epoch: u32,
    rows: Vec<u32>,
}

impl Trainer {
    /// A training at its first step.
    ///
    /// Weights start from a copy of `initial`, or are drawn as the plan says. They take dtype and
    /// device of the examples' images.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] when plan, network and examples do not fit together; else what the
    /// network reports.
    pub fn new(
        plan: TrainingPlan,
        architecture: Architecture,
        executor: Executor,
        examples: Examples,
        initial: Option<&Weights>,
    ) -> Result<Self> {
        Self::with_sources(plan, architecture, executor, examples, initial, &Sources::new())
    }

    /// [`Trainer::new`] against the static networks that the plan names.
    ///
    /// # Errors
    ///
    /// As [`Trainer::new`], also when a source is missing, superfluous or does not fit; the message names it.
    pub fn with_sources(
        plan: TrainingPlan,
        architecture: Architecture,
        executor: Executor,
        examples: Examples,
        initial: Option<&Weights>,
        sources: &Sources,
    ) -> Result<Self> {
        check(&plan, &architecture, &examples)?;
        let weights = match initial {
            Some(weights) => weights.copy()?,
            None => initialize(&architecture, plan.initialization, Draws::new(plan.seed))?,
        };
        let identity = Identity::new(&plan, &architecture, &examples, executor.name(), sources)?;
        Self::assemble(plan, identity, architecture, executor, examples, weights, sources)
    }

    /// A training that goes on where a checkpoint was written, to the bit.
    ///
    /// # Errors
    ///
    /// [`Error::BadCheckpoint`] for bytes that are no whole checkpoint,
    /// [`Error::ForeignCheckpoint`] for one of another plan, network, data set or executor.
    pub fn resume(
        bytes: &[u8],
        plan: TrainingPlan,
        architecture: Architecture,
        executor: Executor,
        examples: Examples,
    ) -> Result<Self> {
        let sources = Sources::new();
        Self::resume_with_sources(bytes, plan, architecture, executor, examples, &sources)
    }

    /// [`Trainer::resume`] against the static networks that the plan names.
    ///
    /// # Errors
    ///
    /// As [`Trainer::resume`] and [`Trainer::with_sources`]; [`Error::ForeignCheckpoint`] also when a source is not the
    /// network that the checkpoint was trained against.
    pub fn resume_with_sources(
        bytes: &[u8],
        plan: TrainingPlan,
        architecture: Architecture,
        executor: Executor,
        examples: Examples,
        sources: &Sources,
    ) -> Result<Self> {
        let checkpoint = Checkpoint::from_bytes(bytes)?;
        check(&plan, &architecture, &examples)?;
        let identity = Identity::new(&plan, &architecture, &examples, executor.name(), sources)?;
        identity.check(&checkpoint.identity)?;
        let bad = |message| Error::BadCheckpoint { message };
        if checkpoint.step > plan.iterations {
            let (step, iterations) = (checkpoint.step, plan.iterations);
            return Err(bad(format!("it stands at step {step} of {iterations}")));
        }
        let entries = architecture.parameters().into_iter().map(|parameter| {
            let own = checkpoint.weights.iter().find(|(name, _)| *name == parameter.name);
            own.cloned().ok_or_else(|| bad(format!("weights `{}` are missing", parameter.name)))
        });
        let weights = Weights::new(entries.collect::<Result<_>>()?)?;
        if let Some(name) = first_not_finite(&weights)? {
            return Err(bad(format!("weights `{name}` hold NaN or infinity")));
        }
        let mut trainer =
            Self::assemble(plan, identity, architecture, executor, examples, weights, sources)?;
        trainer.optimizer.restore(checkpoint.updates, &checkpoint.optimizer)?;
        trainer.defense.restore(checkpoint.defense)?;
        trainer.done = checkpoint.step;
        Ok(trainer)
    }

    /// A training at its first step with these weights.
    fn assemble(
        plan: TrainingPlan,
        identity: Identity,
        architecture: Architecture,
        executor: Executor,
        examples: Examples,
        weights: Weights,
        sources: &Sources,
    ) -> Result<Self> {
        keep_freed_memory();
        let images = examples.images();
        sources.fit(&architecture, images)?;
        let weights = weights.to_dtype(images.dtype())?.to_device(images.device())?;
        let optimizer = Optimizer::new(plan.optimizer, &weights)?;
        let statistics = architecture.statistics();
        let network = Network::new(architecture, weights, executor)?;
        let mut defense = plan.defense.defense()?;
        defense.equip(sources)?;
        let (done, order) = (0, None);
        Ok(Self { plan, identity, examples, network, statistics, defense, optimizer, done, order })
    }

    /// The network as trained so far.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The weights as trained so far.
    pub fn weights(&self) -> &Weights {
        self.network.weights()
    }

    /// The plan.
    pub fn plan(&self) -> &TrainingPlan {
        &self.plan
    }

    /// Steps done.
    pub fn done(&self) -> u32 {
        self.done
    }

    /// Whether all steps are done.
    pub fn is_done(&self) -> bool {
        self.done >= self.plan.iterations
    }

    /// Batches of an epoch; an incomplete last batch is left out.
    pub fn batches_per_epoch(&self) -> u32 {
        u32::try_from(self.examples.len() / self.plan.batch).unwrap_or(u32::MAX)
    }

    /// Does one step.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] when the loss or a gradient is not finite; else what the defence reports.
    /// After an error the training stands where it stood before the step; after a gradient that is not finite it can
    /// neither step nor give a checkpoint any more, and the last checkpoint stands.
    pub fn step(&mut self) -> Result<Progress> {
        if self.is_done() {
            return Err(Error::Mismatch {
                operation: "training step",
                message: format!("all {} steps are done", self.plan.iterations),
            });
        }
        let step = self.done;
        let iterations = self.plan.iterations;
        let batch = self.batch(step)?;
        let at = StepContext {
            step,
            iterations,
            draws: Draws::new(self.plan.seed),
            reduction: self.plan.reduction,
        };
        let learning_rate =
            self.plan.learning_schedule.at(self.plan.learning_rate, step, iterations);
        let remembered = self.defense.state()?;
        let report = match self.descend(&batch, &at, learning_rate) {
            Ok(report) => report,
            Err(error) => {
                self.defense.restore(remembered)?;
                return Err(error);
            }
        };
        self.done += 1;
        let batches_per_epoch = self.batches_per_epoch();
        Ok(Progress {
            done: self.done,
            iterations,
            epoch: step / batches_per_epoch,
            batch_in_epoch: step % batches_per_epoch,
            batches_per_epoch,
            learning_rate,
            loss: report.loss,
            correct: report.correct,
            rows: report.rows,
            passes: report.passes,
            ball: report.ball,
            health: report.health,
        })
    }

    /// One step of defence and optimiser on a batch.
    fn descend(
        &mut self,
        batch: &Examples,
        at: &StepContext,
        learning_rate: f64,
    ) -> Result<StepReport> {
        let report = self.defense.step(&self.network, batch, at)?;
        let diverged = |what| Error::Diverged { step: at.step, what, learning_rate };
        if !report.loss.is_finite() {
            return Err(diverged(format!("the loss is {}", report.loss)));
        }
        let (old, statistics) = (self.network.weights(), &self.statistics);
        let decay = self.plan.weight_decay;
        let gradients = descent::to_optimize(old, &report.gradients, decay, statistics)?;
        let weights = self.optimizer.update(old, &gradients, learning_rate);
        let weights = weights.map_err(|error| match error {
            Error::NotFinite { .. } => diverged(error.to_string()),
            other => other,
        })?;
        let weights = descent::with_statistics(weights, old, &report.gradients, statistics)?;
        self.network.set_weights(weights)?;
        Ok(report)
    }

    /// Steps until the run is done or the observer interrupts it; checkpoints when the observer
    /// wants them, and on an interruption.
    ///
    /// # Errors
    ///
    /// As [`Trainer::step`], and [`Error::Observer`] when a checkpoint could not be kept.
    pub fn run(&mut self, observer: &mut dyn TrainObserver) -> Result<Ended> {
        while !self.is_done() {
            if observer.interrupted() {
                self.hand_over(observer)?;
                return Ok(Ended::Interrupted);
            }
            let progress = self.step()?;
            observer.step(&progress);
            if observer.wants_checkpoint() {
                self.hand_over(observer)?;
            }
        }
        Ok(Ended::Finished)
    }

    /// The training as it stands, as safetensors bytes; equal trainings give equal bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] when the weights are no longer finite: such a checkpoint would be of no
    /// use and must not replace the last good one.
    pub fn checkpoint(&self) -> Result<Vec<u8>> {
        if let Some(name) = first_not_finite(self.weights())? {
            return Err(Error::Diverged {
                step: self.done,
                what: format!("the weights `{name}` hold NaN or infinity"),
                learning_rate: self.plan.learning_rate,
            });
        }
        let own = |(name, tensor): (&str, &candle_core::Tensor)| (name.to_owned(), tensor.clone());
        let checkpoint = Checkpoint {
            identity: self.identity.clone(),
            step: self.done,
            updates: self.optimizer.updates(),
            weights: self.weights().iter().map(own).collect(),
            optimizer: self.optimizer.state()?,
            defense: self.defense.state()?,
        };
        checkpoint.to_bytes()
    }

    fn hand_over(&self, observer: &mut dyn TrainObserver) -> Result<()> {
        let bytes = self.checkpoint()?;
        observer.checkpoint(&bytes).map_err(|source| Error::Observer { step: self.done, source })
    }

    /// The examples of one step.
    fn batch(&mut self, step: u32) -> Result<Examples> {
        let (epoch, place) = (step / self.batches_per_epoch(), step % self.batches_per_epoch());
        let size = self.plan.batch;
        let order = match self.order.take() {
            Some(order) if order.epoch == epoch => order,
            _ => {
                let draws = Draws::new(self.plan.seed);
                Order { epoch, rows: draws.permutation("order", epoch, self.examples.len()) }
            }
        };
        let start = place as usize * size;
        let rows: Vec<usize> =
            order.rows[start..start + size].iter().map(|&row| row as usize).collect();
        self.order = Some(order);
        let batch = self.examples.select(&rows)?;
        match self.plan.augmentation {
            Some(augmentation) => augmentation.apply(&batch, Draws::new(self.plan.seed), step),
            None => Ok(batch),
        }
    }
}

/// Refuses parts that do not fit together.
fn check(plan: &TrainingPlan, architecture: &Architecture, examples: &Examples) -> Result<()> {
    plan.validate()?;
    let invalid = |field, message| Err(Error::InvalidPlan { field, message });
    if plan.batch > examples.len() {
        let (batch, count) = (plan.batch, examples.len());
        return invalid("batch", format!("{batch} is more than the {count} training examples"));
    }
    let shape = &examples.images().dims()[1..];
    if shape != architecture.input {
        let input = architecture.input;
        return invalid("examples", format!("images are {shape:?}, the network takes {input:?}"));
    }
    if let Some(augmentation) = plan.augmentation {
        augmentation.check(architecture.input)?;
    }
    match examples.labels().iter().find(|&&label| label as usize >= architecture.classes) {
        Some(label) => invalid(
            "examples",
            format!("label {label} is too large for {} classes", architecture.classes),
        ),
        None => Ok(()),
    }
}

/// Makes the allocator keep what a training step frees for the next step: gradients and weights of 13 MB each.
///
/// glibc hands blocks of that size back to the system, which costs a tenth of a step in page faults, until it has seen one
/// as large freed once; then it keeps up to twice as much. Other allocators lose nothing by it.
fn keep_freed_memory() {
    /// Just below the 32 MiB at which glibc stops learning.
    const LENGTH: usize = 31 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(LENGTH)));
}
