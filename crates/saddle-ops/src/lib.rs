//! Tensor maths that the rest of Saddle stands on.

mod ascent;
mod ball;
mod conv2d;
mod draws;
mod error;
mod kernels;
mod linear;
mod matmul;
mod max_pool2d;
mod norm;
mod relu;

pub use error::{Error, Result};
