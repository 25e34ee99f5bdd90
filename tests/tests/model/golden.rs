//! Against numbers of an independent PyTorch program, `tests/golden/make_golden.py`.
//!
//! Both settings run on every executor, in `f64` to rounding and in `f32` to its precision. The tied setting is exact in
//! any order of additions up to the last pool, in `f64` for every network and in `f32` for Madry's, so who wins a tied
//! window is part of what is compared.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use saddle_model::{Aim, Architecture, Classifier, Executor, Gradients, Loss, LossKind, Mode};
use saddle_model::{Network, Parameter, Wanted, Weights};
use saddle_tests::model::{executors, executors_of, flat, hashed, relative_difference, signed};
use serde::Deserialize;

const IMAGES: usize = 4;
const IMAGE_SALT: u64 = 100;
const LABEL_SALT: u64 = 200;
const PROBE_SALT: u64 = 300;
const IMAGE_PROBE_SALT: u64 = 400;

#[derive(Deserialize)]
struct Goldens {
    dense: Golden,
    tied: Golden,
    networks: BTreeMap<String, BTreeMap<String, Summary>>,
}

#[derive(Deserialize)]
struct Golden {
    labels: Vec<u32>,
    logits: Vec<f64>,
    input_gradient: Vec<f64>,
    weight_gradients: BTreeMap<String, [f64; 3]>,
}

/// Of each gradient the sum, the sum of squares and the inner product with hashed numbers.
#[derive(Deserialize)]
struct Summary {
    logits: Vec<f64>,
    input_gradients: Vec<[f64; 3]>,
    weight_gradients: BTreeMap<String, [f64; 3]>,
}

fn goldens() -> Goldens {
    serde_json::from_str(include_str!("../../golden/golden.json")).unwrap()
}

/// Log2 of the largest weight of each parameter in the dense setting.
fn exponents(architecture: &Architecture) -> Vec<i32> {
    if architecture.name == "madry" {
        return vec![-2, -2, -4, -4, -5, -5, -4, -4];
    }
    // The largest power of two up to sqrt(6 / fan in); a bias as its weight.
    let mut exponent = 0;
    let of = |Parameter { shape, .. }| {
        if shape.len() > 1 {
            let fan_in: usize = shape[1..].iter().product();
            exponent = (0..).find(|&e| 6 * 4usize.pow(e) >= fan_in).unwrap();
        }
        -(exponent as i32)
    };
    architecture.parameters().into_iter().map(of).collect()
}

fn weights(architecture: &Architecture, tied: bool, dtype: DType) -> Weights {
    let parameters = architecture.parameters();
    let entries = parameters.into_iter().zip(exponents(architecture)).enumerate();
    let entries = entries.map(|(salt, (parameter, exponent))| {
        let count = parameter.shape.iter().product();
        let (bits, scale) = if tied { (3, 0.0625) } else { (24, 2f64.powi(exponent)) };
        let values: Vec<f64> =
            signed(count, salt as u64, bits).into_iter().map(|x| x * scale).collect();
        let tensor = Tensor::from_vec(values, parameter.shape, &Device::Cpu).unwrap();
        (parameter.name, tensor.to_dtype(dtype).unwrap())
    });
    Weights::new(entries.collect()).unwrap()
}

fn images(tied: bool, dtype: DType) -> Tensor {
    let pixel = |index: usize| {
        if !tied {
            return f64::from(hashed(index as u64, IMAGE_SALT) >> 24) / 256.0;
        }
        let (image, row, column) = (index / 784, index / 28 % 28, index % 28);
        let block = image * 16 + row / 7 * 4 + column / 7;
        match image {
            0 => 0.0,
            1 => 0.5,
            _ => f64::from(hashed(block as u64, IMAGE_SALT) >> 30) / 4.0,
        }
    };
    let values: Vec<f64> = (0..IMAGES * 784).map(pixel).collect();
    let tensor = Tensor::from_vec(values, (IMAGES, 1, 28, 28), &Device::Cpu).unwrap();
    tensor.to_dtype(dtype).unwrap()
}

fn labels() -> Vec<u32> {
    (0..IMAGES as u64).map(|index| hashed(index, LABEL_SALT) % 10).collect()
}

/// Logits and the gradients of the summed cross-entropy.
fn run(
    architecture: &Architecture,
    tied: bool,
    dtype: DType,
    executor: Executor,
) -> (Vec<f64>, Gradients) {
    let weights = weights(architecture, tied, dtype);
    let network = Network::new(architecture.clone(), weights, executor).unwrap();
    let loss = Loss::new(LossKind::CrossEntropy, labels(), &Aim::Untargeted).unwrap();
    let (logits, pullback) = network.forward(&images(tied, dtype), Mode::Evaluation).unwrap();
    let cotangent = loss.evaluate(&logits, &[0, 1, 2, 3]).unwrap().cotangent;
    (flat(&logits), pullback(&cotangent, Wanted::BOTH).unwrap())
}

/// Holds numbers against others and says which differ.
struct Scale {
    context: String,
    tolerance: f64,
}

impl Scale {
    fn close(&self, what: &str, ours: &[f64], theirs: &[f64]) {
        let difference = relative_difference(ours, theirs);
        let Self { context, tolerance } = self;
        assert!(difference <= *tolerance, "{what} of {context}: {difference:e} > {tolerance:e}");
    }

    /// Sum, sum of squares and inner product with the numbers hashed under `salt`.
    fn close_sums(&self, what: &str, gradient: &[f64], theirs: [f64; 3], salt: u64) {
        let [sum, squares, probed] = theirs;
        let probe = signed(gradient.len(), salt, 24);
        let ours_probed: f64 = gradient.iter().zip(&probe).map(|(g, p)| g * p).sum();
        let ours_squares: f64 = gradient.iter().map(|g| g * g).sum();
        // A sum of n entries of size s is exact to about s * sqrt(n): the length of the gradient times sqrt(n).
        let length = squares.sqrt().max(1e-30);
        let scale = length * (gradient.len() as f64).sqrt();
        let ours_sum: f64 = gradient.iter().sum();
        self.close(what, &[1.0 + (ours_sum - sum) / scale], &[1.0]);
        self.close(what, &[ours_squares], &[squares]);
        self.close(what, &[1.0 + (ours_probed - probed) / length], &[1.0]);
    }

    fn close_weights(&self, gradients: &Weights, theirs: &BTreeMap<String, [f64; 3]>) {
        assert_eq!(gradients.len(), theirs.len());
        for (salt, (name, gradient)) in gradients.iter().enumerate() {
            self.close_sums(name, &flat(gradient), theirs[name], PROBE_SALT + salt as u64);
        }
    }
}

fn compare(golden: &Golden, tied: bool, dtype: DType, tolerance: f64) {
    assert_eq!(labels(), golden.labels);
    for executor in executors() {
        let (logits, gradients) = run(&Architecture::madry(), tied, dtype, executor);
        let scale = Scale { context: format!("madry on {}", executor.name()), tolerance };
        scale.close("logits", &logits, &golden.logits);
        scale.close("input gradient", &flat(&gradients.input.unwrap()), &golden.input_gradient);
        scale.close_weights(&gradients.weights.unwrap(), &golden.weight_gradients);
    }
}

#[test]
fn dense_in_f64() {
    compare(&goldens().dense, false, DType::F64, 1e-11);
}

#[test]
fn dense_in_f32() {
    compare(&goldens().dense, false, DType::F32, 2e-5);
}

#[test]
fn ties_in_f64() {
    compare(&goldens().tied, true, DType::F64, 1e-11);
}

#[test]
fn ties_in_f32() {
    compare(&goldens().tied, true, DType::F32, 2e-5);
}

fn compare_others(setting: &str, dtype: DType, logits_within: f64, gradients_within: f64) {
    let executors = executors_of(dtype);
    let mut compared = 0;
    for (name, settings) in goldens().networks {
        let Some(golden) = settings.get(setting) else { continue };
        let architecture = Architecture::by_name(&name).unwrap();
        for executor in &executors {
            let (logits, gradients) = run(&architecture, setting == "tied", dtype, *executor);
            let scale = |tolerance| Scale {
                context: format!("{name} in {dtype:?} on {}", executor.name()),
                tolerance,
            };
            scale(logits_within).close("logits", &logits, &golden.logits);
            let scale = scale(gradients_within);
            let input = flat(&gradients.input.unwrap());
            for (gradient, theirs) in input.chunks_exact(784).zip(&golden.input_gradients) {
                scale.close_sums("input gradient", gradient, *theirs, IMAGE_PROBE_SALT);
            }
            scale.close_weights(&gradients.weights.unwrap(), &golden.weight_gradients);
            compared += 1;
        }
    }
    assert!(compared >= 3 * executors.len());
}

#[test]
fn other_networks_dense_in_f64() {
    compare_others("dense", DType::F64, 1e-11, 1e-11);
}

/// A ReLU whose sum is 0 but for rounding may fall the other way: C has 500,000 of them in four images.
#[test]
fn other_networks_dense_in_f32() {
    compare_others("dense", DType::F32, 5e-5, 1e-2);
}

#[test]
fn other_networks_tied_in_f64() {
    compare_others("tied", DType::F64, 1e-11, 1e-11);
}
