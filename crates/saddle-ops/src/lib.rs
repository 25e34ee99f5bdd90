//! Tensor maths that the rest of Saddle stands on: what candle lacks, gets wrong or does slowly.
//!
//! An attack on a network needs four things beside the network: a ruler ([`Norm`]), a set that it
//! may not leave ([`LpBall`], [`PixelBox`]), a direction ([`ascent_direction`]) and luck ([`Draws`]).
//! A network needs kernels ([`Conv2d`], [`Linear`], [`max_pool2d`], [`relu`]) whose gradients are
//! right. This crate owns both halves, the geometry and the kernels, and nothing that knows what a
//! label, a loss or a layer is.
//!
//! # Conventions
//!
//! - A batch is a tensor `(n, ...)`; row `i` is image `i`. **Rows never interact**: a row gives the
//!   same bits alone, in any batch, on any number of threads.
//! - `f32` and `f64` both work everywhere; `f64` is for checking gradients. Geometry computes in
//!   `f64` either way and rounds once, inward.
//! - Nothing is differentiated by accident: results are detached. The two kernels that take part in
//!   candle's graphs, [`max_pool2d`] and [`relu`], define their gradients at ties: the first maximum
//!   wins, and the slope at 0 is 0.
//! - Every fast form has a naive twin that a person can read, and a test that holds one against the
//!   other.
//!
//! # One step of an attack
//!
//! ```
//! use candle_core::{Device, Tensor};
//! use saddle_ops::{LpBall, Norm, PixelBox, Radius, ascent_direction, steepest};
//!
//! # fn main() -> saddle_ops::Result<()> {
//! let natural = Tensor::new(&[[0.0f32, 0.5, 1.0]], &Device::Cpu)?;
//! let gradient = Tensor::new(&[[2e-9f32, -1e-9, 2e-9]], &Device::Cpu)?;
//!
//! let (direction, health) = ascent_direction(steepest(Norm::L2), &gradient)?;
//! let candidate = (&natural + (direction * 3.0)?)?;
//! let ball = LpBall::new(Norm::L2, Radius::new(1.0)?);
//! let attacked = ball.project_into(&natural, &candidate, PixelBox::UNIT)?;
//!
//! assert!(Norm::L2.distances(&natural, &attacked)?[0] <= 1.0);
//! assert_eq!(PixelBox::UNIT.contains(&attacked)?, [true]);
//! # assert_eq!(health, [saddle_ops::RowHealth::Sound]);
//! # Ok(())
//! # }
//! ```
//!
//! # What is deliberately absent
//!
//! Files, clocks, environment variables, global random sources. Which kernels run is a value,
//! [`Kernels`], that the caller passes in.

mod adam;
mod arithmetic;
mod ascent;
mod ball;
mod conv2d;
mod draws;
mod eigen;
mod error;
mod kernels;
mod linear;
mod max_pool2d;
mod norm;
mod relu;
mod rows;

pub use adam::Adam;
pub use arithmetic::{
    difference, join_rows, mean_of_blocks, numbers, scale_rows, select_rows, sum, sum_scaled,
    tensor_like,
};
pub use ascent::{GradientHealth, RowHealth, StepRule, ascent_direction, steepest};
pub use ball::{LpBall, PixelBox, TOLERANCE, ascend_composed};
pub use conv2d::{
    Conv2d, ConvGradient, ConvShape, ForwardScratch, InputGradientScratch, SparseCotangent,
    conv2d_gradients_naive, conv2d_naive,
};
pub use draws::{Draws, Stream};
pub use eigen::symmetric_eigen;
pub use error::{Error, Result};
pub use kernels::{Buffer, Kernels, Real};
pub use linear::{
    Linear, LinearScratch, Precision, linear_gradients_naive, linear_naive, transpose,
};
pub use max_pool2d::{
    DEAD, Pool, max_pool2d, max_pool2d_composed, max_pool2d_gradient_naive, max_pool2d_naive,
};
pub use norm::{Norm, Radius};
pub use relu::{relu, relu_composed, relu_naive};
