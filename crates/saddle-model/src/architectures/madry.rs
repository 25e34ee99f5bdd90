//! The MNIST network of Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks" (ICLR 2018).
//!
//! | layer                         | output       | parameters                                |
//! |-------------------------------|--------------|-------------------------------------------|
//! | image                         | 1 x 28 x 28  |                                           |
//! | convolution 5 x 5, padding 2  | 32 x 28 x 28 | `conv1.weight` (32, 1, 5, 5), `conv1.bias`  |
//! | ReLU                          |              |                                           |
//! | max pool 2 x 2                | 32 x 14 x 14 |                                           |
//! | convolution 5 x 5, padding 2  | 64 x 14 x 14 | `conv2.weight` (64, 32, 5, 5), `conv2.bias` |
//! | ReLU                          |              |                                           |
//! | max pool 2 x 2                | 64 x 7 x 7   |                                           |
//! | flatten                       | 3136         |                                           |
//! | linear                        | 1024         | `fc1.weight` (1024, 3136), `fc1.bias`       |
//! | ReLU                          |              |                                           |
//! | linear                        | 10           | `fc2.weight` (10, 1024), `fc2.bias`         |
//!
//! 3,274,634 parameters. No dropout, no normalisation of the image.
//!
//! # Source
//!
//! `model.py` of the authors' MNIST challenge (github.com/MadryLab/mnist_challenge). That program flattens in the
//! order row, column, channel; here and in PyTorch it is channel, row, column, so the columns of its first fully
//! connected layer must be permuted when its weights are converted.

use super::{convolution, linear};
use crate::{Architecture, Layer};

/// The table above.
pub(crate) fn madry() -> Architecture {
    let convolution = |name: &str, from, to| convolution(name, [from, to], 5, 1, 2);
    Architecture {
        name: "madry".to_owned(),
        input: [1, 28, 28],
        classes: 10,
        layers: vec![
            convolution("conv1", 1, 32),
            Layer::Relu,
            Layer::MaxPool2d { window: 2 },
            convolution("conv2", 32, 64),
            Layer::Relu,
            Layer::MaxPool2d { window: 2 },
            Layer::Flatten,
            linear("fc1", 3136, 1024),
            Layer::Relu,
            linear("fc2", 1024, 10),
        ],
    }
}
