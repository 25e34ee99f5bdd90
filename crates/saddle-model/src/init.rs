//! Weights before training, as pure functions of a seed.
//!
//! Two initialisations, because two are in play: the one that the published networks were trained from and the one that
//! most PyTorch programs use without naming it. They lead to different trainings, so a plan names its own.
//!
//! # Invariants
//!
//! A parameter's values depend on the seed, its name and its shape, never on the other parameters or on threads.
//!
//! # Sources
//!
//! - Madry: `model.py` of the MNIST challenge, `tf.truncated_normal(stddev=0.1)` and `tf.constant(0.1)`; TensorFlow draws
//!   again whatever falls beyond two standard deviations.
//! - Default: `torch.nn.Conv2d` and `torch.nn.Linear`, `kaiming_uniform_(a=sqrt(5))`, which is
//!   `U(-1/sqrt(fan_in), 1/sqrt(fan_in))`, for the weight, and the same bound for the bias.

use candle_core::{Device, Tensor};
use saddle_ops::{Draws, Stream};
use serde::{Deserialize, Serialize};

use crate::{Architecture, Error, Layer, Result, Weights};

/// Standard deviation of the normal that [`Initialization::Madry`] truncates, and where it is cut.
const MADRY_DEVIATION: f64 = 0.1;
const MADRY_CUT: f64 = 2.0;
/// Every bias of [`Initialization::Madry`].
const MADRY_BIAS: f64 = 0.1;

/// A rule for weights before training.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Initialization {
    /// Weights from a normal of deviation 0.1 cut at two deviations, every bias 0.1: the published networks.
    Madry,
    /// Weights and biases uniform within 1 / sqrt(fan in): PyTorch's default.
    #[default]
    Default,
}

/// Draws `f32` weights for an architecture, on the CPU.
///
/// # Errors
///
/// [`Error::InvalidArchitecture`] when the layers do not fit each other.
pub fn initialize(
    architecture: &Architecture,
    initialization: Initialization,
    draws: Draws,
) -> Result<Weights> {
    architecture.validate()?;
    let mut entries = Vec::new();
    for parameters in architecture.layers.iter().map(Layer::parameters) {
        // A bias shares the fan-in of its weight, which comes first.
        let fan_in = parameters.first().map_or(0, |weight| weight.shape[1..].iter().product());
        for parameter in parameters {
            let is_bias = parameter.shape.len() == 1;
            let mut stream = draws.stream(&format!("initialize {}", parameter.name), 0, 0, 0, 0);
            let count: usize = parameter.shape.iter().product();
            let values: Vec<f32> = match initialization {
                Initialization::Madry if is_bias => vec![MADRY_BIAS as f32; count],
                Initialization::Madry => {
                    (0..count).map(|_| truncated_normal(&mut stream) as f32).collect()
                }
                Initialization::Default => {
                    let bound = 1.0 / (fan_in as f64).sqrt();
                    (0..count).map(|_| (bound * (2.0 * stream.uniform() - 1.0)) as f32).collect()
                }
            };
            let tensor = Tensor::from_vec(values, parameter.shape, &Device::Cpu)?;
            entries.push((parameter.name, tensor));
        }
    }
    Weights::new(entries).map_err(|error| match error {
        Error::WeightFile { message } => {
            Error::InvalidArchitecture { architecture: architecture.name.clone(), message }
        }
        other => other,
    })
}

fn truncated_normal(stream: &mut Stream) -> f64 {
    loop {
        let normal = stream.normal();
        if normal.abs() <= MADRY_CUT {
            return MADRY_DEVIATION * normal;
        }
    }
}
