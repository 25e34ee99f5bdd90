//! Saddle in the browser: bindings, nothing else.
//!
//! The demo runs the very crates that the native program runs: ops and model, compiled for `wasm32-unknown-unknown`,
//! with no feature and no other path through the code. What lives here is the translation between JavaScript's values
//! and ours.
//!
//! # Conventions
//!
//! Images cross the border as `Float32Array`s of pixels in `[0, 1]`, row by row; every failure becomes a JavaScript
//! `Error` with our words in it.
//!
//! # What is deliberately absent
//!
//! No attack, page or worker yet: this crate holds the door open by classifying digits.

mod classifier;

pub use classifier::DigitClassifier;
