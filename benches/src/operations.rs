//! How many operations a unit of work has when nothing is skipped: a multiplication and an addition are 2.
//!
//! Convolutions and linear layers only; all else is small beside them. The dense count stays the same whatever a kernel
//! saves, so it may be held against the processor's peak.

use anyhow::Result;
use saddle_model::{Architecture, Layer};

/// Operations of each layer's forward product on one image; its two gradients have as many each.
fn products(architecture: &Architecture) -> Result<Vec<u64>> {
    let shapes = architecture.activation_shapes()?;
    let layers = architecture.layers.iter().zip(&shapes[1..]);
    let products = layers.map(|(layer, after)| match layer {
        Layer::Conv2d { in_channels, kernel, .. } => {
            2 * in_channels * kernel * kernel * after.iter().product::<usize>()
        }
        Layer::Linear { inputs, outputs, .. } => 2 * inputs * outputs,
        _ => 0,
    });
    Ok(products.map(|product| product as u64).collect())
}

/// Forward pass and gradient by the image, for one image.
///
/// # Errors
///
/// An architecture whose layers do not fit each other.
pub fn input_gradient_flop(architecture: &Architecture) -> Result<u64> {
    Ok(2 * products(architecture)?.iter().sum::<u64>())
}

/// Forward pass and gradient by the weights, for one image: the first layer needs no gradient by its input.
///
/// # Errors
///
/// As [`input_gradient_flop`].
pub fn training_step_flop(architecture: &Architecture) -> Result<u64> {
    let products = products(architecture)?;
    let first = products.iter().find(|&&product| product > 0);
    Ok(3 * products.iter().sum::<u64>() - first.copied().unwrap_or(0))
}
