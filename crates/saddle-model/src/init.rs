//! Weights before training, as pure functions of a seed.
//!
//! Several, because several are in play: those that the published networks were trained from and the ones that PyTorch's
//! and Keras' programs use without naming them. They lead to different trainings, so a plan names its own.
//!
//! # Invariants
//!
//! A parameter's values depend on the seed, its name and its shape, never on the other parameters or on threads; after
//! Trades also on whether its layer is the last one with parameters.
//!
//! # Sources
//!
//! - Madry: `model.py` of the MNIST challenge, `tf.truncated_normal(stddev=0.1)` and `tf.constant(0.1)`; TensorFlow draws
//!   again whatever falls beyond two standard deviations.
//! - Default: `torch.nn.Conv2d` and `torch.nn.Linear`, `kaiming_uniform_(a=sqrt(5))`, which is
//!   `U(-1/sqrt(fan_in), 1/sqrt(fan_in))`, for the weight, and the same bound for the bias.
//! - Trades: `models/small_cnn.py` of TRADES; `kaiming_normal_` is `N(0, 2 / fan_in)`. With logits that are all zero the
//!   gradients of its first attack are, too.
//! - Glorot: `glorot_uniform` of Keras, `U(-b, b)` with `b = sqrt(6 / (fan_in + fan_out))`; Glorot and Bengio (AISTATS
//!   2010), equation 16.
//! - Madry for CIFAR-10: `model.py` of the CIFAR-10 challenge, `tf.random_normal_initializer(stddev=sqrt(2 / n))` with
//!   `n = k k out`, and `tf.uniform_unit_scaling_initializer()`, which is `U(-sqrt(3 / fan_in), sqrt(3 / fan_in))`.
//!
//! Batch normalisations begin as the identity on standardised channels whatever the rule: weight 1, bias 0, running mean
//! 0, running variance 1.

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
    /// Convolutions: weights normal with variance 2 / fan in, biases 0. The last layer: all 0. Other layers as
    /// [`Initialization::Default`].
    Trades,
    /// Weights uniform within sqrt(6 / (fan in + fan out)), biases 0: Keras' default.
    Glorot,
    /// Convolutions: weights normal with variance 2 / fan out, counting places of the kernel. Linear layers: weights
    /// uniform within sqrt(3 / fan in). Biases 0: the residual networks of Madry et al.
    MadryCifar10,
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
    let layers: Vec<_> = architecture.layers.iter().flat_map(Layer::leaves).collect();
    let last = layers.iter().rposition(|layer| !layer.parameters().is_empty());
    for (index, layer) in layers.into_iter().enumerate() {
        let parameters = layer.parameters();
        if let Layer::BatchNorm2d { .. } = layer {
            let identity = [1f32, 0.0, 0.0, 1.0];
            for (parameter, value) in parameters.into_iter().zip(identity) {
                entries.push((parameter.name, Tensor::full(value, parameter.shape, &Device::Cpu)?));
            }
            continue;
        }
        let Some(weight) = parameters.first() else { continue };
        let layer = Fan::of(&weight.shape, Some(index) == last);
        for parameter in parameters {
            let is_bias = parameter.shape.len() == 1;
            let mut stream = draws.stream(&format!("initialize {}", parameter.name), 0, 0, 0, 0);
            let count: usize = parameter.shape.iter().product();
            let values: Vec<f32> = (0..count)
                .map(|_| initialization.draw(&layer, is_bias, &mut stream) as f32)
                .collect();
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

/// What a rule may know of the layer that a number belongs to.
struct Fan {
    /// Numbers that one output is made of.
    fan_in: f64,
    /// Numbers that one input goes into.
    fan_out: f64,
    is_convolution: bool,
    is_last: bool,
}

impl Fan {
    fn of(weight: &[usize], is_last: bool) -> Self {
        let product = |sides: &[usize]| sides.iter().product::<usize>() as f64;
        Self {
            fan_in: product(&weight[1..]),
            fan_out: product(&weight[..1]) * product(&weight[2..]),
            is_convolution: weight.len() == 4,
            is_last,
        }
    }
}

impl Initialization {
    fn draw(self, layer: &Fan, is_bias: bool, stream: &mut Stream) -> f64 {
        let mut uniform = |bound: f64| bound * (2.0 * stream.uniform() - 1.0);
        match self {
            Self::Madry if is_bias => MADRY_BIAS,
            Self::Madry => truncated_normal(stream),
            Self::Default => uniform(1.0 / layer.fan_in.sqrt()),
            Self::Trades if layer.is_last || layer.is_convolution && is_bias => 0.0,
            Self::Trades if layer.is_convolution => (2.0 / layer.fan_in).sqrt() * stream.normal(),
            Self::Trades => uniform(1.0 / layer.fan_in.sqrt()),
            Self::Glorot if is_bias => 0.0,
            Self::Glorot => uniform((6.0 / (layer.fan_in + layer.fan_out)).sqrt()),
            Self::MadryCifar10 if is_bias => 0.0,
            Self::MadryCifar10 if layer.is_convolution => {
                (2.0 / layer.fan_out).sqrt() * stream.normal()
            }
            Self::MadryCifar10 => uniform((3.0 / layer.fan_in).sqrt()),
        }
    }
}

fn truncated_normal(stream: &mut Stream) -> f64 {
    loop {
        let normal = stream.normal();
        if normal.abs() <= MADRY_CUT {
            return MADRY_DEVIATION * normal;
        }
    }
}
