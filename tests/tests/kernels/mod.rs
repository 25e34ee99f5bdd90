//! The CPU kernels against their naive twins and their difference quotients, and the engine against itself.

mod bf16;
mod conv2d;
mod engine;
mod first_layer;
mod linear;
mod lists;
mod max_pool2d;
mod paths;
mod relu;
mod taps;
mod winograd;
