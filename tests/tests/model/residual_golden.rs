//! A residual network against numbers of an independent PyTorch program, `tests/golden/make_residual_golden.py`, in both
//! modes: logits, gradients and running statistics.

use std::collections::BTreeMap;

use candle_core::DType;
use saddle_model::{Architecture, Executor, Mode, Network};
use saddle_tests::model::{
    flat, hashed_images, hashed_residual_weights, hashed_tensor, pass_in, relative_difference,
    signed, training,
};
use serde::Deserialize;

const WEIGHT_SALT: u64 = 1;
const IMAGE_SALT: u64 = 2;
const COTANGENT_SALT: u64 = 3;
const PROBE_SALT: u64 = 300;
const IMAGE_PROBE_SALT: u64 = 400;

#[derive(Deserialize)]
struct Goldens {
    evaluation: Golden,
    training: Golden,
}

/// Of each tensor the sum, the sum of squares and the inner product with hashed numbers.
#[derive(Deserialize)]
struct Golden {
    logits: Vec<f64>,
    input_gradients: Vec<[f64; 3]>,
    weight_gradients: BTreeMap<String, [f64; 3]>,
    statistics: BTreeMap<String, [f64; 3]>,
}

/// Holds the three numbers of `values` against `expected`, relative to the length of `values`.
#[track_caller]
fn compare(what: &str, values: &[f64], salt: u64, expected: [f64; 3], tolerance: f64) {
    let probe = signed(values.len(), salt, 24);
    let square = values.iter().map(|x| x * x).sum::<f64>();
    let inner = values.iter().zip(probe).map(|(x, p)| x * p).sum::<f64>();
    let length = expected[1].sqrt();
    let scales = [length * (values.len() as f64).sqrt(), expected[1], length];
    for ((found, expected), scale) in
        [values.iter().sum(), square, inner].into_iter().zip(expected).zip(scales)
    {
        let difference = (found - expected).abs() / scale.max(1e-30);
        assert!(difference < tolerance, "{what}: {found} is not {expected} ({difference:e})");
    }
}

fn check(mode: Mode<'_>, golden: &Golden, dtype: DType, tolerance: f64) {
    let architecture = Architecture::by_name("madry_cifar10_tiny").unwrap();
    let weights = hashed_residual_weights(&architecture, WEIGHT_SALT, dtype);
    let images = hashed_images(&architecture, 3, IMAGE_SALT, dtype);
    let cotangent = hashed_tensor(&[3, 10], COTANGENT_SALT, -1.0, 1.0, dtype);
    let statistics = architecture.statistics();
    let network = Network::new(architecture, weights.clone(), Executor::Candle).unwrap();
    let passed = pass_in(mode, &network, &images, &cotangent).unwrap();
    assert!(relative_difference(&passed.logits, &golden.logits) < tolerance);
    for (image, expected) in passed.input.chunks_exact(3072).zip(&golden.input_gradients) {
        compare("an image's gradient", image, IMAGE_PROBE_SALT, *expected, tolerance);
    }
    for (index, (name, gradient)) in passed.weights.iter().enumerate() {
        let salt = PROBE_SALT + index as u64;
        let Some(statistic) = statistics.iter().find(|statistic| statistic.name == *name) else {
            compare(name, gradient, salt, golden.weight_gradients[name], tolerance);
            continue;
        };
        let old = flat(weights.get(name).unwrap()).into_iter();
        let moved = old.zip(gradient).map(|(old, beyond)| old - (1.0 - statistic.decay) * beyond);
        compare(name, &moved.collect::<Vec<_>>(), salt, golden.statistics[name], tolerance);
    }
    let known = golden.weight_gradients.len() + golden.statistics.len();
    assert_eq!(passed.weights.len(), known);
}

#[test]
fn a_residual_network_computes_what_pytorch_does() {
    let goldens: Goldens =
        serde_json::from_str(include_str!("../../golden/residual.json")).unwrap();
    for (dtype, tolerance) in [(DType::F64, 1e-10), (DType::F32, 2e-3)] {
        check(Mode::Evaluation, &goldens.evaluation, dtype, tolerance);
        check(training(&[5, 6, 7]), &goldens.training, dtype, tolerance);
    }
}
