//! What a network is, what its losses are and how its weights are kept.
//!
//! A network here is a pair: a forward pass that gives logits and a *pullback* that takes a gradient with respect to
//! the logits back to the images, to the weights or to both ([`Classifier`]). That is all that an attack or a training
//! step needs, because every loss of the papers reads logits only and so has a closed form ([`Loss`]):
//!
//! ```text
//! images --forward--> logits --loss--> values
//!    ^                   |
//!    +----pullback---- cotangent
//! ```
//!
//! What a network computes is data: an [`Architecture`] is a list of [`Layer`]s, as a paper prints it in a table, and it
//! travels in the metadata of the weight file ([`to_bytes`], [`from_bytes`], [`load_network`]). Who computes it is a
//! value too: an [`Executor`], either candle's operations (the reference, on any device) or the engine (our CPU
//! kernels). [`Network`] joins the three; its callers cannot tell executors apart but by their speed, and tests hold one
//! against the other and both against PyTorch. Residual networks with batch normalisation run on candle alone
//! ([`Executor::check`]); their running statistics are weights that no optimiser moves ([`Architecture::statistics`]).
//!
//! Networks of others come as PyTorch's own files or under other names and in other layouts; a [`NameMap`] says which.
//!
//! Weights before training are pure functions of a seed ([`initialize`]).
//!
//! # What is deliberately absent
//!
//! Files, clocks, global random sources; second derivatives; losses averaged over a batch: everything is per example and
//! summed, so that row `i` never depends on its neighbours.

mod architecture;
mod architectures;
mod classifier;
mod error;
mod executor;
mod init;
mod layer;
mod loss;
mod name_map;
mod network;
mod torch_file;
mod weight_file;
mod weights;

pub use architecture::Architecture;
pub use classifier::{Classifier, Gradients, Mode, Pullback, Wanted};
pub use error::{Error, Result};
pub use executor::Executor;
pub use init::{Initialization, initialize};
pub use layer::{Layer, Parameter, Statistic};
pub use loss::{Aim, Evaluated, Loss, LossKind, predictions};
pub use name_map::{FlattenOrder, NameMap, TensorLayout};
pub use network::Network;
pub use weight_file::{
    Metadata, from_bytes, load_network, load_network_by, load_own_network, to_bytes,
};
pub use weights::Weights;
