//! Tests of training: schedules, optimisers, defences, the trainer and its checkpoints.

mod checkpoints;
mod gradients;
mod madry;
mod optimizers;
mod plans;
mod resume;
mod schedules;
mod trades;
mod training;
