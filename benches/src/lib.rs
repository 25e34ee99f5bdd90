//! What the benches share: the Madry network with seeded weights, and images that no data set has to be fetched for.
//!
//! Speed depends a little on the values: an untrained network's ReLUs are open for about half of the inputs, a trained
//! one's for fewer. Side-by-side runs give both sides the same weights and images.

use candle_core::{Device, Tensor};
use saddle_model::{Architecture, Executor, Initialization, Network, Result, initialize};
use saddle_ops::{Draws, Kernels};

/// Seed of everything that a bench draws.
pub const SEED: u64 = 7;

/// The Madry network with PyTorch's default initialisation, on the engine.
///
/// # Errors
///
/// Whatever [`Network::new`] refuses.
pub fn madry(kernels: Kernels) -> Result<Network> {
    let architecture = Architecture::madry();
    let weights = initialize(&architecture, Initialization::Default, Draws::new(SEED))?;
    Network::new(architecture, weights, Executor::Engine(kernels))
}

/// `batch` images of 28 x 28 uniform pixels, and a label for each.
///
/// # Errors
///
/// [`saddle_model::Error::Tensor`] when the tensor library fails.
pub fn digits(batch: usize) -> Result<(Tensor, Vec<u32>)> {
    let draws = Draws::new(SEED);
    let mut pixels = Vec::with_capacity(batch * 784);
    let mut labels = Vec::with_capacity(batch);
    for example in 0..batch {
        let mut stream = draws.stream("bench image", example as u64, 0, 0, 0);
        pixels.extend((0..784).map(|_| stream.uniform() as f32));
        labels.push(stream.below(10) as u32);
    }
    Ok((Tensor::from_vec(pixels, (batch, 1, 28, 28), &Device::Cpu)?, labels))
}
