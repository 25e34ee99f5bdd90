//! Against numbers of an independent PyTorch program, `tests/golden/make_golden.py`.
//!
//! Both settings run on every executor, in `f64` to rounding and in `f32` to its precision. The tied setting is exact in
//! any order of additions up to the pools, so who wins a tied window is part of what is compared.

use candle_core::{DType, Device, Tensor};
use saddle_model::{Aim, Architecture, Classifier, Loss, LossKind, Mode, Network, Wanted, Weights};
use saddle_tests::model::{executors, flat, hashed, relative_difference, signed};
use serde::Deserialize;

const IMAGES: usize = 4;
const IMAGE_SALT: u64 = 100;
const LABEL_SALT: u64 = 200;
const PROBE_SALT: u64 = 300;

#[derive(Deserialize)]
struct Goldens {
    dense: Golden,
    tied: Golden,
}

#[derive(Deserialize)]
struct Golden {
    labels: Vec<u32>,
    logits: Vec<f64>,
    input_gradient: Vec<f64>,
    /// Sum, sum of squares and inner product with hashed numbers, by name.
    weight_gradients: std::collections::BTreeMap<String, [f64; 3]>,
}

fn goldens() -> Goldens {
    serde_json::from_str(include_str!("../../golden/golden.json")).unwrap()
}

fn weights(tied: bool, dtype: DType) -> Weights {
    let exponents = [-2, -2, -4, -4, -5, -5, -4, -4];
    let parameters = Architecture::madry().parameters();
    let entries = parameters.into_iter().zip(exponents).enumerate();
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

fn compare(golden: &Golden, tied: bool, dtype: DType, tolerance: f64) {
    let labels: Vec<u32> = (0..IMAGES as u64).map(|index| hashed(index, LABEL_SALT) % 10).collect();
    assert_eq!(labels, golden.labels);
    let loss = Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted).unwrap();
    for executor in executors() {
        let network = Network::new(Architecture::madry(), weights(tied, dtype), executor).unwrap();
        let (logits, pullback) = network.forward(&images(tied, dtype), Mode::Evaluation).unwrap();
        let cotangent = loss.evaluate(&logits, &[0, 1, 2, 3]).unwrap().cotangent;
        let gradients = pullback(&cotangent, Wanted::BOTH).unwrap();
        let close = |what: &str, ours: &[f64], theirs: &[f64]| {
            let difference = relative_difference(ours, theirs);
            assert!(
                difference <= tolerance,
                "{what} on {}: {difference:e} > {tolerance:e}",
                executor.name()
            );
        };
        close("logits", &flat(&logits), &golden.logits);
        close("input gradient", &flat(&gradients.input.unwrap()), &golden.input_gradient);
        for (salt, (name, gradient)) in gradients.weights.unwrap().iter().enumerate() {
            let gradient = flat(gradient);
            let [sum, squares, probed] = golden.weight_gradients[name];
            let probe = signed(gradient.len(), PROBE_SALT + salt as u64, 24);
            let ours_probed: f64 = gradient.iter().zip(&probe).map(|(g, p)| g * p).sum();
            let ours_squares: f64 = gradient.iter().map(|g| g * g).sum();
            // A sum of n entries of size s is exact to about s * sqrt(n): the length of the gradient times sqrt(n).
            let scale = squares.sqrt() * (gradient.len() as f64).sqrt();
            let ours_sum: f64 = gradient.iter().sum();
            close(name, &[1.0 + (ours_sum - sum) / scale], &[1.0]);
            close(name, &[ours_squares], &[squares]);
            close(name, &[1.0 + (ours_probed - probed) / squares.sqrt()], &[1.0]);
        }
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
