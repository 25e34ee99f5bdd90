//! The weight gradient of ensemble training against finite differences, in `f64`, the adversarial examples held fixed and
//! the units that each half drops, too.

use candle_core::{DType, Tensor};
use saddle_attacks::Examples;
use saddle_defenses::{Defense, Ensemble, Reduction, StepContext};
use saddle_model::{Aim, Classifier, Executor, Loss, LossKind, Mode, Network, Weights};
use saddle_ops::Kernels;
use saddle_tests::defenses::{
    draws, small_architecture_with_dropout, small_digits, small_sources, untrained,
};

use super::against;

const STEP: f64 = 1e-6;

fn at(step: u32, reduction: Reduction) -> StepContext {
    StepContext { step, iterations: 10, draws: draws(), reduction }
}

fn network(executor: Executor) -> Network {
    untrained(small_architecture_with_dropout(), 3, DType::F64, executor)
}

/// `(CE(natural) + CE(adversarial)) / 2`, each a mean over its half, worked out from the logits alone.
fn published_loss(weights: Weights, halves: [&Tensor; 2], examples: &Examples, step: u32) -> f64 {
    let network =
        Network::new(small_architecture_with_dropout(), weights, Executor::Candle).unwrap();
    let labels = examples.labels().to_vec();
    let loss = Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted).unwrap();
    let rows: Vec<usize> = (0..examples.len()).collect();
    let mean = |pass: u32| {
        let mode = Mode::Training { draws: draws(), step, pass, examples: examples.ids() };
        let (logits, _) = network.forward(halves[pass as usize], mode).unwrap();
        loss.evaluate(&logits, &rows).unwrap().values.iter().sum::<f64>() / rows.len() as f64
    };
    (mean(0) + mean(1)) / 2.0
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

fn gradients(
    ensemble: &Ensemble,
    executor: Executor,
    examples: &Examples,
    at: &StepContext,
) -> Weights {
    let mut training = ensemble.training();
    training.equip(&small_sources(DType::F64, executor)).unwrap();
    training.step(&network(executor), examples, at).unwrap().gradients
}

fn check(ensemble: &Ensemble, source: Option<&str>) {
    let examples = small_digits(5, DType::F64);
    let step = (0..).find(|&step| ensemble.source_at(draws(), step) == source).unwrap();
    let here = at(step, Reduction::Mean);
    let executors = [Executor::Candle, Executor::Engine(Kernels::detect())];
    let candle = network(Executor::Candle);
    let sources = small_sources(DType::F64, Executor::Candle);
    let crafted = ensemble.attack(&sources, &candle, &examples, &here).unwrap();
    let halves = [examples.images(), &crafted.images];
    let means = executors.map(|executor| gradients(ensemble, executor, &examples, &here));
    let mut largest = 0.0f64;
    for (name, gradient) in means[0].iter() {
        for index in (0..gradient.elem_count()).step_by(7) {
            let loss = |change| {
                let weights = moved(candle.weights(), name, index, change);
                published_loss(weights, halves, &examples, step)
            };
            let expected = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
            for (executor, means) in executors.iter().zip(&means) {
                let found = flat(means.get(name).unwrap())[index];
                let off = (found - expected).abs();
                let executor = executor.name();
                assert!(off < 1e-8, "{executor}, {name}[{index}]: {found} is not {expected}");
                largest = largest.max(found.abs());
            }
        }
    }
    assert!(largest > 1e-3, "all gradients are small: nothing was tested");
    let sum = gradients(ensemble, executors[0], &examples, &at(step, Reduction::Sum));
    for ((name, mean), (_, sum)) in means[0].iter().zip(sum.iter()) {
        for (mean, sum) in flat(mean).into_iter().zip(flat(sum)) {
            assert!((sum - 5.0 * mean).abs() < 1e-12, "{name}: {sum} is not five times {mean}");
        }
    }
}

#[test]
fn a_step_descends_half_the_natural_and_half_the_adversarial_loss_of_every_source() {
    let linf = against(&["one", "two"], Ensemble::linf().unwrap());
    for source in [Some("one"), Some("two"), None] {
        check(&linf, source);
    }
}

#[test]
fn so_it_does_in_l2_and_after_several_steps() {
    check(&against(&["one", "two"], Ensemble::l2().unwrap()), Some("two"));
    check(&against(&["one", "two"], Ensemble::l2().unwrap().multi_step().unwrap()), Some("one"));
}
