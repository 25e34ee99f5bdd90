//! Whole networks against difference quotients in `f64`, on every executor, for images and weights.

use candle_core::{DType, Device, Tensor};
use saddle_model::{Architecture, Classifier, Executor, Mode, Network, Weights};
use saddle_tests::model::{
    difference_quotients, executors, executors_of, flat, hashed_images, hashed_network,
    hashed_tensor, pass_in, relative_difference, small_architectures, training,
};

/// Small enough that no kink lies within it of the hashed points, large enough for `f64`.
const STEP: f64 = 1e-6;
const TOLERANCE: f64 = 1e-7;

fn inner(logits: &Tensor, cotangent: &[f64]) -> f64 {
    flat(logits).iter().zip(cotangent).map(|(z, c)| z * c).sum()
}

/// Images' and weights' gradients, in evaluation or in training, where the draws stay those of the pass.
fn check(architecture: &Architecture, executor: Executor, mode: Mode<'_>) {
    let network = hashed_network(architecture, 1, DType::F64, executor);
    let images = hashed_images(architecture, 2, 2, DType::F64);
    let cotangent = hashed_tensor(&[2, architecture.classes], 3, -1.0, 1.0, DType::F64);
    let passed = pass_in(mode, &network, &images, &cotangent).unwrap();
    let logits = |network: &Network, images: &Tensor| network.forward(images, mode).unwrap().0;
    let cotangent = flat(&cotangent);
    let context = format!("{} on {}", architecture.name, executor.name());

    let quotients = difference_quotients(&flat(&images), STEP, |pixels| {
        let moved = Tensor::from_slice(pixels, images.shape(), &Device::Cpu).unwrap();
        inner(&logits(&network, &moved), &cotangent)
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
            inner(&logits(&network, &images), &cotangent)
        });
        let difference = relative_difference(gradient, &quotients);
        assert!(difference < TOLERANCE, "{name} of {context}: {difference:e}");
    }
}

#[test]
fn gradients_are_those_of_difference_quotients() {
    for architecture in small_architectures() {
        for executor in executors() {
            check(&architecture, executor, Mode::Evaluation);
            check(&architecture, executor, training(&[3, 70]));
        }
    }
}

/// The full networks along hashed directions of images and weights: too many to move one by one.
#[test]
fn gradients_of_the_papers_networks_along_directions() {
    for architecture in Architecture::all() {
        for executor in executors_of(DType::F64) {
            check_directions(&architecture, executor);
        }
    }
}

fn check_directions(architecture: &Architecture, executor: Executor) {
    let mode = training(&[42]);
    let network = hashed_network(architecture, 5, DType::F64, executor);
    let images = hashed_images(architecture, 1, 6, DType::F64);
    let cotangent = hashed_tensor(&[1, 10], 7, -1.0, 1.0, DType::F64);
    let passed = pass_in(mode, &network, &images, &cotangent).unwrap();
    let cotangent = flat(&cotangent);
    let value = |network: &Network, images: &Tensor| {
        inner(&network.forward(images, mode).unwrap().0, &cotangent)
    };
    let compare = |what: &str, gradient: &[f64], direction: &Tensor, quotient: &[f64]| {
        let pairs = gradient.iter().zip(flat(direction));
        let slope: f64 = pairs.map(|(g, d)| g * d).sum();
        let context = format!("{what} of {} on {}", architecture.name, executor.name());
        let difference = relative_difference(&[slope], quotient);
        assert!(difference < 1e-5, "{context}: {slope} against {quotient:?}");
    };
    for salt in 0..3 {
        let direction = hashed_tensor(&[1, 1, 28, 28], 50 + salt, -1.0, 1.0, DType::F64);
        let quotient = difference_quotients(&[0.0], 1e-7, |step| {
            value(&network, &(&images + (&direction * step[0]).unwrap()).unwrap())
        });
        compare("images", &passed.input, &direction, &quotient);
    }
    for (salt, (name, gradient)) in passed.weights.iter().enumerate() {
        let shape = network.weights().get(name).unwrap().dims();
        let direction = hashed_tensor(shape, 60 + salt as u64, -1.0, 1.0, DType::F64);
        let mut network = hashed_network(architecture, 5, DType::F64, executor);
        let start = network.weights().clone();
        let quotient = difference_quotients(&[0.0], 1e-7, |step| {
            let moved = start.map(|own, tensor| {
                let moved = own == name;
                Ok(if moved { (tensor + (&direction * step[0])?)? } else { tensor.clone() })
            });
            network.set_weights(moved.unwrap()).unwrap();
            value(&network, &images)
        });
        compare(name, gradient, &direction, &quotient);
    }
}
