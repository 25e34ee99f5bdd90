//! How long work takes on this machine: a few timed steps, thrown away.
//!
//! Networks have seen a few batches of natural training first: kernels skip zeros, of which fresh networks have fewer. Nothing
//! of this reaches a result.

use std::time::Instant;

use candle_core::Tensor;

use saddle_attacks::{
    Direction, Examples, Objective, ProjectedAscent, Start, ThreatModel, perturb,
};
use saddle_defenses::{DefensePlan, Natural, Sources, Trainer, TrainingPlan};
use saddle_model::{Architecture, Initialization, LossKind, Network, Weights, initialize};
use saddle_ops::{Draws, Norm, StepRule};

use super::{Bench, CHUNK, TrainJob, batch_shape};
use crate::Result;

/// Steps that are timed: both norms of a training that takes them in turn.
const STEPS: u32 = 2;

/// Batches that a network sees before anything is timed, and digits of each.
const BATCHES: [usize; 2] = [20, 64];

/// A network that has seen a few batches of natural training.
pub(crate) fn hardly_trained(bench: &Bench<'_>, architecture: &Architecture) -> Result<Network> {
    let [batches, batch] = BATCHES;
    let examples = some_digits(bench, batches * batch)?;
    let batch = batch.min(examples.len());
    let natural = DefensePlan::Natural(Natural {});
    let plan = TrainingPlan { batch, ..TrainingPlan::new(natural, batches as u32, 0) };
    let (architecture, executor) = (architecture.clone(), bench.machine.executor);
    let mut trainer = Trainer::new(plan, architecture.clone(), executor, examples, None)?;
    while !trainer.is_done() {
        trainer.step()?;
    }
    Ok(Network::new(architecture, trainer.weights().copy()?, executor)?)
}

/// Seconds of one step of a training that starts from these weights, against sources of these architectures, in the order
/// of its recipe.
pub(crate) fn seconds_per_step(
    bench: &Bench<'_>,
    job: &TrainJob,
    start: &Weights,
    sources: &[Architecture],
) -> Result<f64> {
    let plan = job.training.clone();
    let examples = some_digits(bench, 2 * plan.batch)?;
    let mut networks = Sources::new();
    for (name, architecture) in plan.defense.sources().iter().zip(sources) {
        networks.insert(name, &untrained(bench, architecture)?)?;
    }
    let (architecture, executor) = (job.architecture.clone(), bench.machine.executor);
    let mut trainer =
        Trainer::with_sources(plan, architecture, executor, examples, Some(start), &networks)?;
    let mut timed: u32 = 0;
    let mut seconds = 0.0;
    // The first step warms caches and the allocator up.
    for step in 0..=STEPS {
        if trainer.is_done() {
            break;
        }
        let started = Instant::now();
        trainer.step()?;
        if step > 0 || job.training.iterations == 1 {
            (seconds, timed) = (seconds + started.elapsed().as_secs_f64(), timed + 1);
        }
    }
    Ok(seconds / f64::from(timed.max(1)))
}

/// Seconds of one forward or backward pass of one digit, as an attack makes them.
pub(crate) fn seconds_per_pass(bench: &Bench<'_>, network: &Network) -> Result<f64> {
    let examples = some_digits(bench, CHUNK)?;
    let attack = ProjectedAscent {
        direction: Direction::Gradient,
        rule: StepRule::Sign,
        step_size: 0.01,
        steps: STEPS,
        start: Start::Uniform,
        momentum: 0.0,
        loss: LossKind::CrossEntropy,
    };
    let objective = Objective::untargeted(ThreatModel::new(Norm::Linf, 0.3)?);
    let run = |restart| -> Result<f64> {
        let started = Instant::now();
        let found = perturb(network, &attack, &examples, &objective, Draws::new(0), restart)?;
        Ok(started.elapsed().as_secs_f64() / found.passes.max(1) as f64)
    };
    run(0)?;
    run(1)
}

fn untrained(bench: &Bench<'_>, architecture: &Architecture) -> Result<Network> {
    let weights = initialize(architecture, Initialization::Default, Draws::new(0))?;
    let weights = weights.to_device(&bench.machine.device)?;
    Ok(Network::new(architecture.clone(), weights, bench.machine.executor)?)
}

/// The first training digits, as many as there are up to `count`.
fn some_digits(bench: &Bench<'_>, count: usize) -> Result<Examples> {
    let (data, count) = (&bench.data.train, count.min(bench.seen()));
    let shape = batch_shape(data, count);
    let images = Tensor::from_vec(data.pixels_f32(0..count), shape, &bench.machine.device)?;
    let labels = data.labels[..count].iter().map(|&label| u32::from(label)).collect();
    Ok(Examples::new(images, labels, (0..count as u64).collect())?)
}
