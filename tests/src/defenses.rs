//! Small trainings: real digits at 12 x 12, a network of a few thousand weights, plans of a few steps.

use candle_core::{DType, Tensor};
use saddle_attacks::Examples;
use saddle_defenses::{DefensePlan, Sources, TrainingPlan};
use saddle_model::{
    Architecture, Classifier, Executor, Initialization, Layer, Network, Weights, initialize,
};
use saddle_ops::Draws;

use crate::data::digits;
use crate::model::flat;

/// A network of 2,200 weights for 12 x 12 digits: one convolution, one pool, two linear layers.
pub fn small_architecture() -> Architecture {
    let convolution = Layer::Conv2d {
        name: "conv1".to_owned(),
        in_channels: 1,
        out_channels: 4,
        kernel: 3,
        stride: 1,
        padding: 1,
        bias: true,
    };
    let linear =
        |name: &str, inputs, outputs| Layer::Linear { name: name.to_owned(), inputs, outputs };
    Architecture {
        name: "small".to_owned(),
        input: [1, 12, 12],
        classes: 10,
        layers: vec![
            convolution,
            Layer::Relu,
            Layer::MaxPool2d { window: 2 },
            Layer::Flatten,
            linear("fc1", 144, 16),
            Layer::Relu,
            linear("fc2", 16, 10),
        ],
    }
}

/// [`small_architecture`] with dropout before both linear layers.
pub fn small_architecture_with_dropout() -> Architecture {
    let mut architecture = small_architecture();
    architecture.name = "small with dropout".to_owned();
    architecture.layers.insert(6, Layer::Dropout { rate: 0.5 });
    architecture.layers.insert(3, Layer::Dropout { rate: 0.25 });
    architecture
}

/// The first `count` of the test digits, cut to their middle 24 x 24 pixels and halved.
///
/// # Panics
///
/// When `count` is zero or above 200.
pub fn small_digits(count: usize, dtype: DType) -> Examples {
    let digits = digits(count);
    let middle = |images: &Tensor| -> candle_core::Result<Tensor> {
        images.narrow(2, 2, 24)?.narrow(3, 2, 24)?.contiguous()?.avg_pool2d(2)?.to_dtype(dtype)
    };
    let images = middle(&digits.images).expect("28 x 28 digits have a middle");
    Examples::new(images, digits.labels, digits.ids).expect("digits are examples")
}

/// A network whose logits are linear in 12 x 12 images.
pub fn linear_architecture() -> Architecture {
    let layer = Layer::Linear { name: "fc1".to_owned(), inputs: 144, outputs: 10 };
    Architecture {
        name: "linear".to_owned(),
        input: [1, 12, 12],
        classes: 10,
        layers: vec![Layer::Flatten, layer],
    }
}

/// An untrained network; other seeds give other networks.
///
/// # Panics
///
/// When the architecture is none, or the executor cannot run it.
pub fn untrained(
    architecture: Architecture,
    seed: u64,
    dtype: DType,
    executor: Executor,
) -> Network {
    let weights = initialize(&architecture, Initialization::Default, Draws::new(seed))
        .and_then(|weights| weights.to_dtype(dtype))
        .expect("small networks have weights");
    Network::new(architecture, weights, executor).expect("small networks run anywhere")
}

/// Two untrained networks, a convolutional one with dropout as `one` and a linear one as `two`.
///
/// # Panics
///
/// As [`untrained`].
pub fn small_sources(dtype: DType, executor: Executor) -> Sources {
    let mut sources = Sources::new();
    let given =
        [("one", small_architecture_with_dropout(), 101), ("two", linear_architecture(), 102)];
    for (name, architecture, seed) in given {
        let network = untrained(architecture, seed, dtype, executor);
        sources.insert(name, &network).expect("the names differ");
    }
    sources
}

/// A plan of `iterations` steps on batches of 16.
pub fn small_plan(defense: DefensePlan, iterations: u32) -> TrainingPlan {
    TrainingPlan { batch: 16, learning_rate: 0.01, ..TrainingPlan::new(defense, iterations, 7) }
}

/// Draws for steps that are taken outside a trainer.
pub fn draws() -> Draws {
    Draws::new(7)
}

/// Share of the examples that a classifier gets right.
///
/// # Panics
///
/// When the images do not fit the classifier.
pub fn accuracy(classifier: &dyn Classifier, images: &Tensor, labels: &[u32]) -> f64 {
    let logits = classifier.logits(images).expect("images fit");
    let found = saddle_model::predictions(&logits).expect("logits are finite");
    let right = found.iter().zip(labels).filter(|(found, label)| found == label).count();
    right as f64 / labels.len() as f64
}

/// Half the width of the differences in [`assert_weight_gradient`].
const STEP: f64 = 1e-6;

/// Holds weight gradients against central differences of `loss`, on every `stride`-th of the `f64` weights.
///
/// # Panics
///
/// When one differs by more than 1e-8, or all are so small that nothing was tested.
pub fn assert_weight_gradient(
    gradients: &Weights,
    weights: &Weights,
    stride: usize,
    loss: impl Fn(Weights) -> f64,
) {
    let mut largest = 0.0f64;
    for (name, gradient) in gradients.iter() {
        for (index, found) in flat(gradient).into_iter().enumerate().step_by(stride) {
            let at = |change| loss(moved(weights, name, index, change));
            let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            assert!((found - expected).abs() < 1e-8, "{name}[{index}]: {found} is not {expected}");
            largest = largest.max(found.abs());
        }
    }
    assert!(largest > 1e-3, "all gradients are small: nothing was tested");
}

/// The same weights with `change` added to one number.
fn moved(weights: &Weights, name: &str, index: usize, change: f64) -> Weights {
    let moved = weights.map(|own, tensor| {
        if own != name {
            return Ok(tensor.clone());
        }
        let mut numbers = flat(tensor);
        numbers[index] += change;
        Ok(Tensor::from_vec(numbers, tensor.shape(), tensor.device())?)
    });
    moved.expect("a number was changed, nothing else")
}

/// The logarithm of the softmax of one row, as it is written on paper: for logits of moderate size.
pub fn log_softmax(row: &[f64]) -> Vec<f64> {
    let log_sum = row.iter().map(|z| z.exp()).sum::<f64>().ln();
    row.iter().map(|z| z - log_sum).collect()
}
