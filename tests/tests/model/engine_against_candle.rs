//! The engine against the reference: same logits, same gradients, ties included.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_model::{Architecture, Executor, Mode, Network, Weights};
use saddle_tests::model::{
    difference_to_scale, executors_of, hashed_images, hashed_tensor, hashed_weights, largest,
    pass_in, signed, small_architectures, training,
};

fn tolerance(dtype: DType) -> f64 {
    if dtype == DType::F64 { 1e-12 } else { 1e-5 }
}

/// Length of the difference relative to the length of the second.
fn difference_in_length(ours: &[f64], theirs: &[f64]) -> f64 {
    let length = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    assert_eq!(ours.len(), theirs.len());
    length(&mut ours.iter().zip(theirs).map(|(a, b)| a - b))
        / length(&mut theirs.iter().copied()).max(1e-30)
}

/// Holds logits, input gradient and weight gradients against each other, in evaluation and in training.
fn compare(architecture: &Architecture, weights: &Weights, images: &Tensor, salt: u64) {
    let examples: Vec<u64> = (0..images.dims()[0] as u64).map(|row| 1000 - 7 * row).collect();
    compare_in(Mode::Evaluation, architecture, weights, images, salt);
    compare_in(training(&examples), architecture, weights, images, salt);
}

fn compare_in(
    mode: Mode<'_>,
    architecture: &Architecture,
    weights: &Weights,
    images: &Tensor,
    salt: u64,
) {
    let dtype = weights.dtype();
    let shape = [images.dims()[0], architecture.classes];
    let cotangent = hashed_tensor(&shape, salt, -1.0, 1.0, dtype);
    let run = |executor| {
        let network = Network::new(architecture.clone(), weights.clone(), executor).unwrap();
        pass_in(mode, &network, images, &cotangent).unwrap()
    };
    let reference = run(Executor::Candle);
    // In f32 a ReLU whose sum is 0 but for rounding may fall the other way, in a network of a million of them.
    let is_large = dtype == DType::F32 && architecture.input == [1, 28, 28];
    for executor in executors_of(dtype).into_iter().filter(|one| *one != Executor::Candle) {
        let passed = run(executor);
        let close = |what: &str, ours: &[f64], theirs: &[f64], terms: f64| {
            let (difference, tolerance) = if is_large && what != "logits" {
                (difference_in_length(ours, theirs), 1e-2)
            } else {
                let scale = largest(theirs).max(terms);
                (difference_to_scale(ours, theirs, scale), tolerance(dtype))
            };
            assert!(
                difference <= tolerance,
                "{what} of {} with {} in {dtype:?}: {difference:e}",
                architecture.name,
                executor.name()
            );
        };
        // A sum that cancels keeps its terms' rounding: the biases here and one layer up tell their size.
        let terms = |from: usize| {
            let layers = reference.weights[from..].iter();
            let biases = layers.filter(|(name, _)| name.ends_with(".bias")).take(2);
            biases.fold(0.0, |terms: f64, (_, bias)| terms.max(largest(bias)))
        };
        close("logits", &passed.logits, &reference.logits, 0.0);
        close("input gradient", &passed.input, &reference.input, terms(0));
        let pairs = passed.weights.iter().zip(&reference.weights);
        for (index, ((name, ours), (own, theirs))) in pairs.enumerate() {
            assert_eq!(name, own);
            close(name, ours, theirs, terms(index));
        }
    }
}

#[test]
fn small_networks_agree() {
    for architecture in small_architectures() {
        for dtype in [DType::F32, DType::F64] {
            for count in [1, 2, 5, 17] {
                let weights = hashed_weights(&architecture, 1, dtype);
                compare(&architecture, &weights, &hashed_images(&architecture, count, 2, dtype), 3);
            }
        }
    }
}

#[test]
fn networks_of_the_papers_agree() {
    for architecture in Architecture::all() {
        for dtype in [DType::F32, DType::F64] {
            let weights = hashed_weights(&architecture, 4, dtype);
            compare(&architecture, &weights, &hashed_images(&architecture, 2, 5, dtype), 6);
        }
    }
}

/// Coarse fractions make every sum up to the last pool exact, so windows are tied on both sides or on none.
fn coarse(architecture: &Architecture, salt: u64, dtype: DType) -> Weights {
    let parameters = architecture.parameters().into_iter().enumerate();
    let entries = parameters.map(|(index, parameter)| {
        let values: Vec<f64> = signed(parameter.shape.iter().product(), salt + index as u64, 3)
            .into_iter()
            .map(|x| x / 16.0)
            .collect();
        let tensor = Tensor::from_vec(values, parameter.shape, &Device::Cpu).unwrap();
        (parameter.name, tensor.to_dtype(dtype).unwrap())
    });
    Weights::new(entries.collect()).unwrap()
}

#[test]
fn constant_images_agree() {
    let madry = Architecture::madry();
    for dtype in [DType::F32, DType::F64] {
        let weights = coarse(&madry, 10, dtype);
        for grey in [0.0, 0.5, 1.0] {
            let images = Tensor::full(grey, (2, 1, 28, 28), &Device::Cpu).unwrap();
            compare(&madry, &weights, &images.to_dtype(dtype).unwrap(), 7);
        }
    }
}

/// In `f64` coarse sums are exact through every convolution of every network.
#[test]
fn constant_images_agree_on_every_network() {
    for architecture in Architecture::all() {
        let weights = coarse(&architecture, 20, DType::F64);
        let images = Tensor::full(0.5, (2, 1, 28, 28), &Device::Cpu).unwrap();
        compare_in(Mode::Evaluation, &architecture, &weights, &images, 9);
    }
}

#[test]
fn all_zero_weights_agree() {
    // Every window is tied, every ReLU sits at 0; only the last bias has a gradient.
    let madry = Architecture::madry();
    let weights = hashed_weights(&madry, 1, DType::F32).zeros_like().unwrap();
    compare(&madry, &weights, &hashed_images(&madry, 2, 5, DType::F32), 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Blocks of constant grey under coarse weights: some windows tied, some not.
    #[test]
    fn tied_windows_agree(
        greys in proptest::collection::vec(0u8..4, 32),
        salt in 0u64..1000,
        double in any::<bool>(),
    ) {
        let dtype = if double { DType::F64 } else { DType::F32 };
        let architecture = &small_architectures()[0];
        let block = |index: usize| index / 64 * 16 + index / 16 % 4 * 4 + index / 2 % 4;
        let pixels: Vec<f64> =
            (0..128).map(|index| f64::from(greys[block(index)]) / 4.0).collect();
        let images = Tensor::from_vec(pixels, (2, 1, 8, 8), &Device::Cpu).unwrap();
        compare(architecture, &coarse(architecture, salt, dtype), &images.to_dtype(dtype).unwrap(), salt);
    }
}
