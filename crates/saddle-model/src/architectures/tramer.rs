//! The four MNIST networks of Tramèr et al., "Ensemble Adversarial Training: Attacks and Defenses" (ICLR
//! 2018).
//!
//! | A                        | B                                    | C                         | D                   |
//! |--------------------------|--------------------------------------|---------------------------|---------------------|
//! | conv 64, 5 x 5: 24 x 24  | dropout 0.2                          | conv 128, 3 x 3: 26 x 26  | 4 times: linear 300 |
//! | conv 64, 5 x 5: 20 x 20  | conv 64, 8 x 8, stride 2: 14 x 14    | conv 64, 3 x 3: 24 x 24   | and dropout 0.5     |
//! | dropout 0.25             | conv 128, 6 x 6, stride 2: 5 x 5     | dropout 0.25              |                     |
//! | linear 128               | conv 128, 5 x 5: 1 x 1               | linear 128                |                     |
//! | dropout 0.5              | dropout 0.5                          | dropout 0.5               |                     |
//! | linear 10                | linear 10                            | linear 10                 | linear 10           |
//! | 3,382,346 parameters     | 710,218                              | 4,795,082                 | 509,410             |
//!
//! Images are 1 x 28 x 28. A ReLU follows every convolution and every linear layer but the last, before the dropout.
//! Layers are called `conv1`, `conv2`, ... and `fc1`, `fc2`, ... in their order.
//!
//! # Padding
//!
//! Only B's first convolution is padded, by TensorFlow's rule `SAME`: 28 places at stride 2 give `ceil(28 / 2) = 14`
//! windows, which reach over `13 * 2 + 8 = 34` places, so 6 zeros are added. TensorFlow puts half of them, rounded down,
//! before the image and the rest behind it; 6 is even, so here both sides get 3 and the padding is symmetric after all.
//!
//! # Source
//!
//! `mnist.py` of the authors' program (github.com/ftramer/ensemble-adv-training). It is written for Keras, which flattens in
//! the order row, column, channel: columns of the first linear layer of A, B and C must be permuted when its weights are
//! converted. It initialises by Keras' defaults, uniform after Glorot with biases 0, and D's hidden layers by a normal
//! after He.

use super::{convolution, linear};
use crate::{Architecture, Layer};

/// Column A.
pub(crate) fn tramer_a() -> Architecture {
    network("tramer_a", two_convolutions([64, 64], 5, 25_600))
}

/// Column B.
pub(crate) fn tramer_b() -> Architecture {
    network(
        "tramer_b",
        vec![
            Layer::Dropout { rate: 0.2 },
            convolution("conv1", [1, 64], 8, 2, 3),
            Layer::Relu,
            convolution("conv2", [64, 128], 6, 2, 0),
            Layer::Relu,
            convolution("conv3", [128, 128], 5, 1, 0),
            Layer::Relu,
            Layer::Dropout { rate: 0.5 },
            Layer::Flatten,
            linear("fc1", 128, 10),
        ],
    )
}

/// Column C.
pub(crate) fn tramer_c() -> Architecture {
    network("tramer_c", two_convolutions([128, 64], 3, 36_864))
}

/// Column D.
pub(crate) fn tramer_d() -> Architecture {
    let mut layers = vec![Layer::Flatten];
    for (index, inputs) in [784, 300, 300, 300].into_iter().enumerate() {
        layers.push(linear(&format!("fc{}", index + 1), inputs, 300));
        layers.extend([Layer::Relu, Layer::Dropout { rate: 0.5 }]);
    }
    layers.push(linear("fc5", 300, 10));
    network("tramer_d", layers)
}

/// A and C differ in channels and kernel only.
fn two_convolutions(channels: [usize; 2], kernel: usize, features: usize) -> Vec<Layer> {
    vec![
        convolution("conv1", [1, channels[0]], kernel, 1, 0),
        Layer::Relu,
        convolution("conv2", channels, kernel, 1, 0),
        Layer::Relu,
        Layer::Dropout { rate: 0.25 },
        Layer::Flatten,
        linear("fc1", features, 128),
        Layer::Relu,
        Layer::Dropout { rate: 0.5 },
        linear("fc2", 128, 10),
    ]
}

fn network(name: &str, layers: Vec<Layer>) -> Architecture {
    Architecture { name: name.to_owned(), input: [1, 28, 28], classes: 10, layers }
}
