//! Training networks that hold under attack.
//!
//! Adversarial training (Madry et al., ICLR 2018) solves a saddle point: the weights minimise the
//! loss that an attack maximises. This crate owns the outer half. Its pieces:
//!
//! - A **defence** turns a batch into weight gradients ([`Defense`]). [`Natural`] trains on the
//!   images as they are, [`Madry`] on the adversarial examples that an inner attack makes of them,
//!   [`Trades`] on how far those move the outputs, [`Atda`] on both kinds of images as two domains, [`Ensemble`] on both,
//!   the adversarial ones made by other networks: its [`Sources`].
//! - **Schedules** say what changes over a run: norm, radius, learning rate. They are pure functions
//!   of the step.
//! - An [`Optimizer`] turns gradients into new weights, elementwise, in one pass.
//! - The [`Trainer`] holds all of it together, and a [`TrainingPlan`] says in plain data what it
//!   does: same plan, same data, same kernels, same bits, on any number of threads and through any
//!   number of interruptions.
//!
//! # Invariants
//!
//! Position is one number, the step; epoch, order of examples, radius, learning rate and every draw
//! follow from it. A checkpoint is therefore weights, optimiser state, the step, and enough about
//! plan, network and data to refuse the wrong ones.
//!
//! # What is deliberately absent
//!
//! No file, no clock, no environment, no global random source: a [`TrainObserver`] brings those. An
//! attack is only ever seen as a [`saddle_attacks::Attack`].

mod atda;
mod augmentation;
mod branch;
mod checkpoint;
mod defense;
mod descent;
pub mod domain_adaptation;
mod ensemble;
mod error;
mod inner_mode;
mod madry;
mod natural;
mod observer;
pub mod optimizer;
mod plan;
mod schedule;
mod sources;
mod trades;
mod trainer;

pub use atda::{Atda, AttackedLabel};
pub use augmentation::Augmentation;
pub use defense::{Defense, Reduction, StepContext, StepReport};
pub use ensemble::{Ensemble, EnsembleTraining};
pub use error::{Error, Result};
pub use inner_mode::InnerMode;
pub use madry::{Adversarial, InnerAttack, Madry, StepSize};
pub use natural::Natural;
pub use observer::{Ended, KeepError, Progress, TrainObserver, Unobserved};
pub use optimizer::{Optimizer, OptimizerKind};
pub use plan::{DefensePlan, TrainingPlan};
pub use schedule::{LearningSchedule, NormSchedule, RadiusSchedule};
pub use sources::Sources;
pub use trades::{NaturalPass, Trades};
pub use trainer::Trainer;
