//! Tests of training: schedules, optimisers, defences, the trainer and its checkpoints.

mod atda;
mod augmentation;
mod checkpoints;
mod domain_adaptation;
mod ensemble;
mod gradients;
mod madry;
mod normalized_networks;
mod optimizers;
mod plans;
mod resume;
mod schedules;
mod sources;
mod trades;
mod training;
