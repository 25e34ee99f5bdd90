//! The network for 28 x 28 images of Song et al., "Improving the Generalization of Adversarial Training with Domain
//! Adaptation" (ICLR 2019), called `modelZ` in the authors' program.
//!
//! | layer                                    | output       | parameters                                 |
//! |------------------------------------------|--------------|--------------------------------------------|
//! | image                                    | 1 x 28 x 28  |                                            |
//! | convolution 4 x 4, stride 2, padding 1   | 16 x 14 x 14 | `conv1.weight` (16, 1, 4, 4), `conv1.bias`   |
//! | ReLU                                     |              |                                            |
//! | convolution 4 x 4, stride 2, padding 1   | 32 x 7 x 7   | `conv2.weight` (32, 16, 4, 4), `conv2.bias`  |
//! | ReLU                                     |              |                                            |
//! | flatten                                  | 1568         |                                            |
//! | linear                                   | 100          | `fc1.weight` (100, 1568), `fc1.bias`         |
//! | ReLU                                     |              |                                            |
//! | linear                                   | 10           | `fc2.weight` (10, 100), `fc2.bias`           |
//!
//! 166,406 parameters. The program has no script for MNIST; this is its network for Fashion-MNIST, whose images have the
//! same size.
//!
//! # Source
//!
//! `fashion_mnist.py` and `models/fashion_mnist/modelZ_ours.json` of the authors' program (github.com/JHL-HUST/ATDA).
//! Its images and activations are channel-major, as here. It initialises by Keras' defaults, uniform after Glorot with
//! biases 0.

use super::{convolution, linear};
use crate::{Architecture, Layer};

/// The table above.
pub(crate) fn atda() -> Architecture {
    Architecture {
        name: "atda".to_owned(),
        input: [1, 28, 28],
        classes: 10,
        layers: vec![
            convolution("conv1", [1, 16], 4, 2, 1),
            Layer::Relu,
            convolution("conv2", [16, 32], 4, 2, 1),
            Layer::Relu,
            Layer::Flatten,
            linear("fc1", 1568, 100),
            Layer::Relu,
            linear("fc2", 100, 10),
        ],
    }
}
