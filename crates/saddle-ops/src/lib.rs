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
mod rows;

pub use ascent::{GradientHealth, RowHealth, StepRule, ascent_direction, steepest};
pub use ball::{LpBall, PixelBox, TOLERANCE};
pub use draws::{Draws, Stream};
pub use error::{Error, Result};
pub use norm::{Norm, Radius};
pub use conv2d::{
    Conv2d, ConvGradient, ConvShape, InputGradientScratch, SparseCotangent, conv2d_gradients_naive, conv2d_naive,
};
pub use kernels::{Buffer, Kernels, Real};
pub use linear::{Linear, linear_gradients_naive, linear_naive};
pub use matmul::{PackedMatrix, Rows, matmul, matmul_by_columns, matmul_by_rows, matmul_naive};
pub use max_pool2d::{
    DEAD, Pool, max_pool2d, max_pool2d_composed, max_pool2d_gradient_naive, max_pool2d_naive,
};
pub use relu::{relu, relu_composed};
