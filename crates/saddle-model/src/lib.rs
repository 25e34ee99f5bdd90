//! What a network is, what its losses are and how its weights are kept.

mod architecture;
mod architectures;
mod classifier;
mod error;
mod executor;
mod init;
mod layer;
mod loss;
mod network;
mod weight_file;
mod weights;

pub use architecture::Architecture;
pub use classifier::{Classifier, Gradients, Mode, Pullback, Wanted};
pub use error::{Error, Result};
pub use executor::Executor;
pub use init::{Initialization, initialize};
pub use layer::{Layer, Parameter};
pub use loss::{Aim, Evaluated, Loss, LossKind, predictions};
pub use network::Network;
pub use weight_file::{Metadata, from_bytes, load_network, to_bytes};
pub use weights::Weights;
