//! Whole networks against difference quotients in `f64`, on every executor, for images and weights.

use candle_core::{DType, Device, Tensor};
use saddle_model::{Architecture, Classifier, Executor, Network, Weights};
use saddle_tests::model::{
    difference_quotients, executors, flat, hashed_images, hashed_network, hashed_tensor, pass,
    relative_difference, small_architectures,
};

/// Small enough that no kink lies within it of the hashed points, large enough for `f64`.
const STEP: f64 = 1e-6;
const TOLERANCE: f64 = 1e-7;

fn inner(logits: &Tensor, cotangent: &[f64]) -> f64 {
    flat(logits).iter().zip(cotangent).map(|(z, c)| z * c).sum()
}

fn check(architecture: &Architecture, executor: Executor) {
    let network = hashed_network(architecture, 1, DType::F64, executor);
    let images = hashed_images(architecture, 2, 2, DType::F64);
    let cotangent = hashed_tensor(&[2, architecture.classes], 3, -1.0, 1.0, DType::F64);
    let passed = pass(&network, &images, &cotangent).unwrap();
    let cotangent = flat(&cotangent);
    let context = format!("{} on {}", architecture.name, executor.name());

    let quotients = difference_quotients(&flat(&images), STEP, |pixels| {
        let moved = Tensor::from_slice(pixels, images.shape(), &Device::Cpu).unwrap();
        inner(&network.logits(&moved).unwrap(), &cotangent)
    });
    let difference = relative_difference(&passed.input, &quotients);
    assert!(difference < TOLERANCE, "images of {context}: {difference:e}");

    for (name, gradient) in &passed.weights {
        let weights = network.weights();
        let tensor = weights.get(name).unwrap();
        let quotients = difference_quotients(&flat(tensor), STEP, |values| {
            let moved = Tensor::from_slice(values, tensor.shape(), &Device::Cpu).unwrap();
            let replaced =
                |own: &str, old: &Tensor| Ok(if own == name { moved.clone() } else { old.clone() });
            let weights: Weights = weights.map(replaced).unwrap();
            let network = Network::new(architecture.clone(), weights, executor).unwrap();
            inner(&network.logits(&images).unwrap(), &cotangent)
        });
        let difference = relative_difference(gradient, &quotients);
        assert!(difference < TOLERANCE, "{name} of {context}: {difference:e}");
    }
}

#[test]
fn gradients_are_those_of_difference_quotients() {
    for architecture in small_architectures() {
        for executor in executors() {
            check(&architecture, executor);
        }
    }
}

/// The input gradient of the full network along hashed directions: too many pixels to move one by one.
#[test]
fn madry_input_gradient_along_directions() {
    let madry = Architecture::madry();
    for executor in executors() {
        let network = hashed_network(&madry, 5, DType::F64, executor);
        let images = hashed_images(&madry, 1, 6, DType::F64);
        let cotangent = hashed_tensor(&[1, 10], 7, -1.0, 1.0, DType::F64);
        let gradient = pass(&network, &images, &cotangent).unwrap().input;
        let cotangent = flat(&cotangent);
        for salt in 0..4 {
            let direction = hashed_tensor(&[1, 1, 28, 28], 50 + salt, -1.0, 1.0, DType::F64);
            let quotient = difference_quotients(&[0.0], 1e-7, |step| {
                let moved = (&images + (&direction * step[0]).unwrap()).unwrap();
                inner(&network.logits(&moved).unwrap(), &cotangent)
            });
            let direction = flat(&direction);
            let slope: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
            let difference = relative_difference(&[slope], &quotient);
            assert!(difference < 1e-5, "{}: {slope} against {quotient:?}", executor.name());
        }
    }
}
