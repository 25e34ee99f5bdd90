//! The residual networks of Madry et al. for CIFAR-10, "Towards Deep Learning Models Resistant to Adversarial Attacks"
//! (ICLR 2018): called `w32-10 wide` in the authors' program, its narrow form, and one that is small enough for tests.
//!
//! | layer                                  | output             | parameters                                        |
//! |----------------------------------------|--------------------|---------------------------------------------------|
//! | image                                  | 3 x 32 x 32        |                                                   |
//! | standardisation of each image          |                    |                                                   |
//! | convolution 3 x 3, padding 1           | f0 x 32 x 32       | `init_conv.weight` (f0, 3, 3, 3)                    |
//! | `n` residual units                     | f1 x 32 x 32       | `unit_1_0.*` ... `unit_1_{n-1}.*`                   |
//! | `n` residual units, the first halving  | f2 x 16 x 16       | `unit_2_0.*` ...                                   |
//! | `n` residual units, the first halving  | f3 x 8 x 8         | `unit_3_0.*` ...                                   |
//! | batch normalisation, leaky ReLU 0.1    |                    | `final_bn.*`                                      |
//! | mean of each channel                   | f3                 |                                                   |
//! | linear                                 | 10                 | `logit.weight` (10, f3), `logit.bias`               |
//!
//! A unit is batch normalisation (`init_bn`), leaky ReLU, convolution 3 x 3 (`conv1`), batch normalisation (`bn2`), leaky
//! ReLU, convolution 3 x 3 (`conv2`), added to what came in. The very first unit adds to what came out of its first leaky
//! ReLU. Where channels change, what is added is averaged over windows of the stride and gets channels of zeros, half of
//! them on either side. Convolutions have no bias.
//!
//! | name                   | f0, f1, f2, f3    | n |
//! |------------------------|-------------------|---|
//! | `madry_cifar10`        | 16, 160, 320, 640 | 5 |
//! | `madry_cifar10_narrow` | 16, 16, 32, 64    | 5 |
//! | `madry_cifar10_tiny`   | 8, 8, 16, 32      | 1 |
//!
//! # Where TensorFlow differs
//!
//! Its `SAME` puts the zeros of a 3 x 3 kernel at stride 2 below and to the right only: a padding of its own here, before a
//! convolution without. Its pixels go from 0 to 255, which matters to the floor of the standardisation alone
//! ([`Layer::Standardize`]). Its batch normalisation adds 0.001 to variances and keeps 0.9 of running statistics.
//!
//! # Source
//!
//! `model.py` of the authors' CIFAR-10 challenge (github.com/MadryLab/cifar10_challenge); the tiny network is ours.

use super::linear;
use crate::{Architecture, Layer};

/// Part of the running statistics that a step keeps, and what is added to variances.
const DECAY: f64 = 0.9;
const STABILIZER: f64 = 1e-3;
/// Slope of the leaky ReLUs below 0.
const SLOPE: f64 = 0.1;
/// What a white pixel is in the authors' program.
const WHITE: f64 = 255.0;

/// The wide network.
pub(crate) fn madry_cifar10() -> Architecture {
    network("madry_cifar10", [16, 160, 320, 640], 5)
}

/// The network of a tenth of its width.
pub(crate) fn madry_cifar10_narrow() -> Architecture {
    network("madry_cifar10_narrow", [16, 16, 32, 64], 5)
}

/// One unit a stage.
pub(crate) fn madry_cifar10_tiny() -> Architecture {
    network("madry_cifar10_tiny", [8, 8, 16, 32], 1)
}

fn network(name: &str, filters: [usize; 4], units: usize) -> Architecture {
    let mut layers =
        vec![Layer::Standardize { scale: WHITE }, convolution("init_conv", [3, filters[0]], 1, 1)];
    for (stage, channels) in filters.windows(2).enumerate() {
        for unit in 0..units {
            let name = format!("unit_{}_{unit}", stage + 1);
            let from = if unit == 0 { channels[0] } else { channels[1] };
            let stride = if unit == 0 && stage > 0 { 2 } else { 1 };
            layers.extend(residual_unit(&name, [from, channels[1]], stride, stage + unit == 0));
        }
    }
    layers.extend(normalized("final_bn", filters[3]));
    layers.extend([Layer::GlobalAvgPool2d, linear("logit", filters[3], 10)]);
    Architecture { name: name.to_owned(), input: [3, 32, 32], classes: 10, layers }
}

/// The layers of a unit; what it adds to is `activated` first where the authors' program calls the activation shared.
fn residual_unit(name: &str, [from, to]: [usize; 2], stride: usize, activated: bool) -> Vec<Layer> {
    let named = |part: &str| format!("{name}.{part}");
    let mut layers = normalized(&named("init_bn"), from);
    let mut main = if activated { Vec::new() } else { std::mem::take(&mut layers) };
    if stride == 1 {
        main.push(convolution(&named("conv1"), [from, to], 1, 1));
    } else {
        main.push(Layer::ZeroPad2d { before: 0, after: 1 });
        main.push(convolution(&named("conv1"), [from, to], stride, 0));
    }
    main.extend(normalized(&named("bn2"), to));
    main.push(convolution(&named("conv2"), [to, to], 1, 1));
    let mut shortcut = Vec::new();
    if from != to {
        if stride > 1 {
            shortcut.push(Layer::AvgPool2d { window: stride });
        }
        let half = (to - from) / 2;
        shortcut.push(Layer::ZeroPadChannels { before: half, after: half });
    }
    layers.push(Layer::Residual { main, shortcut });
    layers
}

/// Batch normalisation and the leaky ReLU behind it.
fn normalized(name: &str, channels: usize) -> Vec<Layer> {
    let (name, decay, stabilizer) = (name.to_owned(), DECAY, STABILIZER);
    vec![
        Layer::BatchNorm2d { name, channels, decay, stabilizer },
        Layer::LeakyRelu { slope: SLOPE },
    ]
}

fn convolution(name: &str, channels: [usize; 2], stride: usize, padding: usize) -> Layer {
    let [in_channels, out_channels] = channels;
    let (name, kernel, bias) = (name.to_owned(), 3, false);
    Layer::Conv2d { name, in_channels, out_channels, kernel, stride, padding, bias }
}
