//! The units of work that are compared, done as the program itself does them: its driver, its trainer, its judge.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{Context as _, Result};
use candle_core::Tensor;
use clap::ValueEnum;
use saddle_attacks::{Driver, Examples, Judge, Objective, ProjectedAscent, Start, ThreatModel};
use saddle_benches::{Digits, SEED, input_gradient_flop, training_step_flop};
use saddle_defenses::{
    DefensePlan, InnerAttack, InnerMode, LearningSchedule, Madry, Natural, NormSchedule,
    RadiusSchedule, StepSize, Trainer, TrainingPlan,
};
use saddle_model::{
    Aim, Architecture, Classifier as _, Executor, Gradients, Loss, LossKind, Mode, Network, Wanted,
};
use saddle_ops::{Draws, Kernels, Norm, Radius, StepRule};

/// Radius, step size and steps of every attack here: those of Madry et al. for MNIST.
const EPSILON: f64 = 0.3;
const STEP_SIZE: f64 = 0.01;
const STEPS: u32 = 40;
/// Standard deviation per pixel of S-O's noise.
const SIGMA: f64 = 0.1;
/// So small that the network stays the robust one that it was.
const LEARNING_RATE: f64 = 1e-5;

/// What one call does.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Forward and gradient of the summed cross-entropy by the pixels of one batch.
    InputGradient,
    /// The same with wide linear layers in bf16.
    InputGradientBf16,
    /// Forward, weight gradients and Adam on one batch.
    TrainAdam,
    /// Adversarial training on all digits once: 40 steps of l-infinity PGD and one of Adam for each batch.
    TrainPgd40Epoch,
    /// 40 steps of l-infinity PGD from a uniform start on all digits, to the last step, judged.
    Pgd40Linf,
    /// 40 steps of l-infinity PGD, every iterate judged, as the browser does it.
    #[value(name = "pgd_40")]
    Pgd40,
    /// 40 steps of S-O with 20 samples each, every iterate judged.
    #[value(name = "so_40x20")]
    So40x20,
    /// 400 steps of S-O with one sample each, every iterate judged.
    #[value(name = "so_400x1")]
    So400x1,
}

/// A unit of work that can be repeated.
pub(crate) struct Unit {
    pub(crate) call: Box<dyn FnMut() -> Result<()>>,
    /// Of an attack: where a call leaves the number of robust digits.
    pub(crate) robust: Option<Rc<Cell<usize>>>,
}

impl Work {
    /// Whether it needs weight gradients.
    pub(crate) fn trains(self) -> bool {
        matches!(self, Self::TrainAdam | Self::TrainPgd40Epoch)
    }

    /// Dense operations for each of its images.
    pub(crate) fn flop(self, architecture: &Architecture) -> Result<u64> {
        let gradient = input_gradient_flop(architecture)?;
        let step = training_step_flop(architecture)?;
        Ok(match self {
            Self::InputGradient | Self::InputGradientBf16 => gradient,
            Self::TrainAdam => step,
            Self::TrainPgd40Epoch => u64::from(STEPS) * gradient + step,
            Self::Pgd40Linf | Self::Pgd40 => u64::from(STEPS) * gradient,
            Self::So40x20 => 40 * 20 * gradient,
            Self::So400x1 => 400 * gradient,
        })
    }

    /// The executor that does it on these kernels.
    pub(crate) fn executor(self, kernels: Kernels) -> Executor {
        match self {
            Self::InputGradientBf16 => Executor::EngineBf16(kernels),
            _ => Executor::Engine(kernels),
        }
    }

    /// The work made ready.
    pub(crate) fn unit(self, network: Network, digits: &Digits, batch: usize) -> Result<Unit> {
        let call: Box<dyn FnMut() -> Result<()>> = match self {
            Self::InputGradient | Self::InputGradientBf16 => {
                let (images, labels) = (digits.perturbed.clone(), digits.labels.clone());
                Box::new(move || gradients(&network, &images, &labels, Wanted::INPUT).map(drop))
            }
            Self::TrainAdam => {
                let (images, labels) = (digits.perturbed.clone(), digits.labels.clone());
                let examples = Examples::new(images, labels, digits.ids.clone())?;
                let mut trainer =
                    trainer(&network, DefensePlan::Natural(Natural {}), examples, batch)?;
                Box::new(move || Ok(trainer.step().map(drop)?))
            }
            Self::TrainPgd40Epoch => {
                let defense = DefensePlan::Madry(madry()?);
                let mut trainer = trainer(&network, defense, digits.examples()?, batch)?;
                Box::new(move || {
                    (0..trainer.batches_per_epoch()).try_for_each(|_| trainer.step().map(drop))?;
                    Ok(())
                })
            }
            Self::Pgd40Linf => {
                let start = Start::Uniform;
                let pgd = ProjectedAscent { start, ..pgd() };
                return attack(network, digits.examples()?, batch, pgd, Judge::Final);
            }
            Self::Pgd40 => {
                return attack(network, digits.examples()?, batch, pgd(), Judge::Any);
            }
            Self::So40x20 | Self::So400x1 => {
                let (step_size, steps, samples) = if self == Self::So40x20 {
                    (STEP_SIZE, 40, 20)
                } else {
                    (EPSILON / 16.0, 400, 1)
                };
                let so =
                    ProjectedAscent::second_order(Norm::Linf, step_size, steps, SIGMA, samples);
                return attack(network, digits.examples()?, batch, so, Judge::Any);
            }
        };
        Ok(Unit { call, robust: None })
    }
}

/// Gradients of the summed cross-entropy.
pub(crate) fn gradients(
    network: &Network,
    images: &Tensor,
    labels: &[u32],
    wanted: Wanted,
) -> Result<Gradients> {
    let loss = Loss::new(LossKind::CrossEntropy, labels.to_vec(), &Aim::Untargeted)?;
    let rows: Vec<usize> = (0..labels.len()).collect();
    let (logits, pullback) = network.forward(images, Mode::Evaluation)?;
    let evaluated = loss.evaluate(&logits, &rows)?;
    pullback(&evaluated.cotangent, wanted).context("the gradients of one batch")
}

fn pgd() -> ProjectedAscent {
    ProjectedAscent::pgd(Norm::Linf, STEP_SIZE, STEPS)
}

fn attack(
    network: Network,
    examples: Examples,
    batch: usize,
    attack: ProjectedAscent,
    judge: Judge,
) -> Result<Unit> {
    let objective = Objective::untargeted(ThreatModel::new(Norm::Linf, EPSILON)?);
    let driver = Driver { batch, judge, ..Driver::default() };
    let robust = Rc::new(Cell::new(0));
    let found = Rc::clone(&robust);
    let call = Box::new(move || {
        let outcome = driver.run(&network, &attack, &examples, &objective, Draws::new(SEED))?;
        found.set(outcome.robust(judge));
        Ok(())
    });
    Ok(Unit { call, robust: Some(robust) })
}

fn madry() -> Result<Madry> {
    Ok(Madry {
        norms: NormSchedule::Fixed(Norm::Linf),
        radius: RadiusSchedule::Constant,
        l2: None,
        linf: Some(InnerAttack {
            epsilon: Radius::new(EPSILON)?,
            steps: STEPS,
            step_size: StepSize::Absolute(STEP_SIZE),
            rule: StepRule::Sign,
            start: Start::Uniform,
        }),
        mode: InnerMode::Evaluation,
    })
}

fn trainer(
    network: &Network,
    defense: DefensePlan,
    examples: Examples,
    batch: usize,
) -> Result<Trainer> {
    let plan = TrainingPlan {
        batch,
        learning_rate: LEARNING_RATE,
        learning_schedule: LearningSchedule::Constant,
        ..TrainingPlan::new(defense, u32::MAX, SEED)
    };
    let architecture = network.architecture().clone();
    Ok(Trainer::new(plan, architecture, network.executor(), examples, Some(network.weights()))?)
}
