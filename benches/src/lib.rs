//! What the benches share: networks with trained weights, digits, and the number of operations of a unit of work.
//!
//! Speed depends on the values: behind the ReLUs and pools of a robust network most gradients are exactly 0, which our
//! kernels use and others do not. So the Madry network comes from the zoo, the others are trained for a minute, and
//! side-by-side runs measure on real digits, perturbed as an attack perturbs them. The divan benches, which have to run
//! anywhere, make do with images of noise.

mod digits;
mod operations;
mod subjects;

pub use digits::{Digits, noise};
pub use operations::{input_gradient_flop, training_step_flop};
pub use subjects::{Built, built, path_name, robust};

/// Seed of everything that a bench draws.
pub const SEED: u64 = 7;
