//! The weight gradient of a training step against finite differences, in `f64`, the adversarial
//! examples held fixed.

use candle_core::{DType, Tensor};
use saddle_attacks::Examples;
use saddle_defenses::{Defense, Madry, Natural, Reduction, StepContext};
use saddle_model::{
    Aim, Classifier, Executor, Initialization, Loss, LossKind, Network, Weights, initialize,
};
use saddle_ops::Kernels;
use saddle_tests::defenses::{
    draws, small_architecture, small_architecture_with_dropout, small_digits,
};
use saddle_tests::model::relative_difference;

const STEP: f64 = 1e-6;

fn weights() -> Weights {
    let drawn = initialize(&small_architecture(), Initialization::Default, draws()).unwrap();
    drawn.to_dtype(DType::F64).unwrap()
}

fn network(weights: Weights, executor: Executor) -> Network {
    Network::new(small_architecture(), weights, executor).unwrap()
}

fn at(reduction: Reduction) -> StepContext {
    StepContext { step: 5, iterations: 10, draws: draws(), reduction }
}

/// Mean cross-entropy, worked out from the logits alone.
fn mean_loss(weights: Weights, images: &Tensor, labels: &[u32]) -> f64 {
    let logits = network(weights, Executor::Candle).logits(images).unwrap();
    let loss = Loss::new(LossKind::CrossEntropy, labels.to_vec(), &Aim::Untargeted).unwrap();
    let rows: Vec<usize> = (0..labels.len()).collect();
    loss.evaluate(&logits, &rows).unwrap().values.iter().sum::<f64>() / labels.len() as f64
}

/// The same weights with `change` added to one number.
fn moved(weights: &Weights, name: &str, index: usize, change: f64) -> Weights {
    let moved = weights.map(|own, tensor| {
        if own != name {
            return Ok(tensor.clone());
        }
        let mut numbers = tensor.flatten_all()?.to_vec1::<f64>()?;
        numbers[index] += change;
        Ok(Tensor::from_vec(numbers, tensor.shape(), tensor.device())?)
    });
    moved.unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Holds `gradients` against central differences on every seventh weight.
fn assert_gradient(gradients: &Weights, images: &Tensor, labels: &[u32]) {
    let weights = weights();
    let mut largest = 0.0f64;
    for (name, gradient) in gradients.iter() {
        for (index, found) in flat(gradient).into_iter().enumerate().step_by(7) {
            let loss = |change| mean_loss(moved(&weights, name, index, change), images, labels);
            let expected = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
            assert!((found - expected).abs() < 1e-8, "{name}[{index}]: {found} is not {expected}");
            largest = largest.max(found.abs());
        }
    }
    assert!(largest > 1e-3, "all gradients are small: nothing was tested");
}

fn check(
    step: impl Fn(&Network, &Examples, &StepContext) -> Weights,
    images: &Tensor,
    examples: &Examples,
) {
    for executor in [Executor::Candle, Executor::Engine(Kernels::detect())] {
        let network = network(weights(), executor);
        let mean = step(&network, examples, &at(Reduction::Mean));
        assert_gradient(&mean, images, examples.labels());
        let sum = step(&network, examples, &at(Reduction::Sum));
        for ((_, mean), (name, sum)) in mean.iter().zip(sum.iter()) {
            for (mean, sum) in flat(mean).into_iter().zip(flat(sum)) {
                let expected = mean * examples.len() as f64;
                assert!((sum - expected).abs() < 1e-12, "{name}: {sum} is not {expected}");
            }
        }
    }
}

#[test]
fn natural_step_descends_the_mean_cross_entropy() {
    let examples = small_digits(5, DType::F64);
    let step = |network: &Network, examples: &Examples, at: &StepContext| {
        Natural {}.step(network, examples, at).unwrap().gradients
    };
    check(step, examples.images(), &examples);
}

#[test]
fn madry_step_descends_on_its_adversarial_examples() {
    let examples = small_digits(5, DType::F64);
    let madry = Madry::linf().unwrap();
    let fixed = network(weights(), Executor::Candle);
    let adversarial = madry.attack(&fixed, &examples, &at(Reduction::Mean)).unwrap();
    let step = |network: &Network, examples: &Examples, at: &StepContext| {
        let mut madry = madry;
        madry.step(network, examples, at).unwrap().gradients
    };
    check(step, &adversarial.images, &examples);
}

#[test]
fn the_report_says_loss_and_hits_of_the_batch() {
    let examples = small_digits(20, DType::F64);
    let network = network(weights(), Executor::Candle);
    let report = Natural {}.step(&network, &examples, &at(Reduction::Sum)).unwrap();
    let expected = mean_loss(weights(), examples.images(), examples.labels());
    assert!((report.loss - expected).abs() < 1e-12, "the mean, whatever the reduction");
    let logits: Vec<Vec<f64>> = network.logits(examples.images()).unwrap().to_vec2().unwrap();
    let right = logits
        .iter()
        .zip(examples.labels())
        .filter(|(row, label)| row.iter().all(|other| *other <= row[**label as usize]));
    assert_eq!(report.correct, right.count());
    assert_eq!((report.rows, report.passes), (20, 40));
}

/// Units are dropped by example, not by place in the batch; and not the same ones at every step.
#[test]
fn the_order_of_a_batch_does_not_change_who_is_dropped() {
    let examples = small_digits(16, DType::F64);
    let reversed = examples.select(&(0..16).rev().collect::<Vec<_>>()).unwrap();
    let architecture = small_architecture_with_dropout();
    for executor in [Executor::Candle, Executor::Engine(Kernels::detect())] {
        let network = Network::new(architecture.clone(), weights(), executor).unwrap();
        let gradient = |examples: &Examples, step: u32| -> Vec<f64> {
            let at = StepContext { step, ..at(Reduction::Mean) };
            let report = Natural {}.step(&network, examples, &at).unwrap();
            report.gradients.iter().flat_map(|(_, tensor)| flat(tensor)).collect()
        };
        let first = gradient(&examples, 5);
        let difference = relative_difference(&gradient(&reversed, 5), &first);
        assert!(difference < 1e-12, "{difference:e}");
        assert!(relative_difference(&gradient(&examples, 6), &first) > 1e-3);
    }
}
