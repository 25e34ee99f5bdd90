//! Saddle in the browser: bindings, nothing else.
//!
//! The demo runs the very crates that the native program runs: ops, model and attacks, compiled for
//! `wasm32-unknown-unknown`, with no feature and no other path through the code. What lives here is the translation
//! between JavaScript's values and ours.
//!
//! Two kinds of workers load this module. One holds attacks under way ([`AttackRun`], [`Landscape`]); it knows no network
//! and says at which points it wants gradients. The others hold networks ([`DigitNetwork`]) and answer, each for a part
//! of the points. Since no row of a batch ever meets another, and since noise is a pure function of seed, example, step
//! and sample, no bit depends on how many they are.
//!
//! # Conventions
//!
//! - Images cross the border as `Float32Array`s, row by row and image after image, losses and distances as
//!   `Float64Array`s, classes as `Uint8Array`s. They are copied; whoever holds an object of ours frees it.
//! - Every failure becomes a JavaScript `Error` with our words in it. Nothing panics on any value from JavaScript, since
//!   a panic would leave the whole instance unusable: lengths, labels and numbers are checked, and so is how much one
//!   question may ask for ([`MOST_POINTS`]).
//! - wasm32 has one thread here; the loops that are parallel elsewhere run on it in order.

mod attack_run;
mod images;
mod landscape;
mod network;

pub use attack_run::{AttackRun, Question, StepReport};
pub use images::MOST_POINTS;
pub use landscape::{Landscape, Surfaces};
pub use network::{Answers, DigitNetwork, kernels};
