//! The MNIST network of Zhang et al., "Theoretically Principled Trade-off between Robustness and Accuracy" (ICML 2019),
//! called `SmallCNN` in the authors' program.
//!
//! | layer               | output       | parameters                                                                  |
//! |---------------------|--------------|-----------------------------------------------------------------------------|
//! | image               | 1 x 28 x 28  |                                                                             |
//! | convolution 3 x 3   | 32 x 26 x 26 | `feature_extractor.conv1.weight` (32, 1, 3, 3), `feature_extractor.conv1.bias`  |
//! | ReLU                |              |                                                                             |
//! | convolution 3 x 3   | 32 x 24 x 24 | `feature_extractor.conv2.weight` (32, 32, 3, 3), `feature_extractor.conv2.bias` |
//! | ReLU                |              |                                                                             |
//! | max pool 2 x 2      | 32 x 12 x 12 |                                                                             |
//! | convolution 3 x 3   | 64 x 10 x 10 | `feature_extractor.conv3.weight` (64, 32, 3, 3), `feature_extractor.conv3.bias` |
//! | ReLU                |              |                                                                             |
//! | convolution 3 x 3   | 64 x 8 x 8   | `feature_extractor.conv4.weight` (64, 64, 3, 3), `feature_extractor.conv4.bias` |
//! | ReLU                |              |                                                                             |
//! | max pool 2 x 2      | 64 x 4 x 4   |                                                                             |
//! | flatten             | 1024         |                                                                             |
//! | linear              | 200          | `classifier.fc1.weight` (200, 1024), `classifier.fc1.bias`                      |
//! | ReLU, dropout 0.5   |              |                                                                             |
//! | linear              | 200          | `classifier.fc2.weight` (200, 200), `classifier.fc2.bias`                       |
//! | ReLU                |              |                                                                             |
//! | linear              | 10           | `classifier.fc3.weight` (10, 200), `classifier.fc3.bias`                        |
//!
//! 312,202 parameters. Convolutions are not padded. Names are those of the released weights. Its initialisation is
//! [`crate::Initialization::Trades`].
//!
//! # Source
//!
//! `models/small_cnn.py` of the authors' program (github.com/yaodongyu/TRADES).

use super::{convolution, linear};
use crate::{Architecture, Layer};

/// The table above.
pub(crate) fn trades() -> Architecture {
    let convolution = |name: &str, from, to| {
        convolution(&format!("feature_extractor.{name}"), [from, to], 3, 1, 0)
    };
    let linear = |name: &str, from, to| linear(&format!("classifier.{name}"), from, to);
    Architecture {
        name: "trades".to_owned(),
        input: [1, 28, 28],
        classes: 10,
        layers: vec![
            convolution("conv1", 1, 32),
            Layer::Relu,
            convolution("conv2", 32, 32),
            Layer::Relu,
            Layer::MaxPool2d { window: 2 },
            convolution("conv3", 32, 64),
            Layer::Relu,
            convolution("conv4", 64, 64),
            Layer::Relu,
            Layer::MaxPool2d { window: 2 },
            Layer::Flatten,
            linear("fc1", 1024, 200),
            Layer::Relu,
            Layer::Dropout { rate: 0.5 },
            linear("fc2", 200, 200),
            Layer::Relu,
            linear("fc3", 200, 10),
        ],
    }
}
