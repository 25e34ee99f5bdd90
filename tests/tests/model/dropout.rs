//! Dropout: the masks are the draws, in training only, the same on every executor, in any batch and on any threads.

use candle_core::{DType, Device, Tensor};
use rayon::ThreadPoolBuilder;
use saddle_model::{
    Architecture, Classifier, Error, Executor, Layer, Mode, Network, Wanted, Weights,
};
use saddle_ops::{Draws, Kernels};
use saddle_tests::model::{
    Passed, executors, flat, hashed_images, hashed_network, hashed_tensor, hashed_weights, pass,
    pass_in, relative_difference, small_architectures, training,
};

fn everywhere() -> Architecture {
    small_architectures().remove(5)
}

/// Images of 2 x 3 x 5 whose logit 0 is the sum of the pixels that the dropout at layer 0 or 1 left.
fn sum_of_pixels(layers: [Layer; 2], rate: f64, executor: Executor) -> Network {
    assert!(layers.contains(&Layer::Dropout { rate }));
    let linear = Layer::Linear { name: "sum".to_owned(), inputs: 30, outputs: 2 };
    let architecture = Architecture {
        name: "sum".to_owned(),
        input: [2, 3, 5],
        classes: 2,
        layers: layers.into_iter().chain([linear]).collect(),
    };
    let weights = [vec![1.0; 30], vec![0.0; 30]].concat();
    let weights = Weights::from_slices(&architecture, &[&weights, &[0.0, 0.0f64]]).unwrap();
    Network::new(architecture, weights, executor).unwrap()
}

#[test]
fn a_mask_is_drawn_for_seed_step_pass_example_and_layer() {
    let (draws, step, pass) = (Draws::new(23), 9, 4);
    let examples = [5, 1 << 40, 0];
    let images = hashed_tensor(&[3, 2, 3, 5], 1, 0.0, 1.0, DType::F64);
    let cotangent = Tensor::new(&[[1.0, 0.0f64], [1.0, 0.0], [1.0, 0.0]], &Device::Cpu).unwrap();
    for rate in [0.0, 0.2, 0.5] {
        let dropout = Layer::Dropout { rate };
        for place in [0, 1] {
            let mut layers = [dropout.clone(), Layer::Flatten];
            layers.rotate_left(place);
            for executor in executors() {
                let network = sum_of_pixels(layers.clone(), rate, executor);
                let mode = Mode::Training { draws, step, pass, examples: &examples };
                let passed = pass_in(mode, &network, &images, &cotangent).unwrap();
                let factors: Vec<f64> = examples
                    .iter()
                    .flat_map(|example| {
                        let layer = place as u32;
                        draws.survivors_naive("dropout", *example, pass, step, layer, rate, 30)
                    })
                    .map(|survives| if survives { 1.0 / (1.0 - rate) } else { 0.0 })
                    .collect();
                assert_eq!(passed.input, factors, "{rate} at {place} on {}", executor.name());
                let products = flat(&images).into_iter().zip(factors).map(|(x, f)| x * f);
                let products: Vec<f64> = products.collect();
                for (row, products) in products.chunks_exact(30).enumerate() {
                    let error = passed.logits[2 * row] - products.iter().sum::<f64>();
                    assert!(error.abs() < 1e-12, "{error}");
                }
            }
        }
    }
}

#[test]
fn evaluation_is_the_network_without_dropout() {
    let mut plain = everywhere();
    plain.layers.retain(|layer| !matches!(layer, Layer::Dropout { .. }));
    let images = hashed_images(&plain, 4, 2, DType::F64);
    let cotangent = hashed_tensor(&[4, 3], 3, -1.0, 1.0, DType::F64);
    for executor in executors() {
        let [ours, theirs] = [everywhere(), plain.clone()].map(|architecture| {
            let network = hashed_network(&architecture, 1, DType::F64, executor);
            pass(&network, &images, &cotangent).unwrap()
        });
        assert!(relative_difference(&ours.logits, &theirs.logits) < 1e-14);
        assert!(relative_difference(&ours.input, &theirs.input) < 1e-14);
        for ((name, ours), (_, theirs)) in ours.weights.iter().zip(&theirs.weights) {
            assert!(relative_difference(ours, theirs) < 1e-14, "{name}");
        }
        // And training is evaluation where no layer draws.
        let network = hashed_network(&plain, 1, DType::F64, executor);
        let trained = pass_in(training(&[0, 1, 2, 3]), &network, &images, &cotangent).unwrap();
        assert_same(&trained, &theirs);
    }
}

#[track_caller]
fn assert_same(ours: &Passed, theirs: &Passed) {
    assert_eq!(ours.logits, theirs.logits);
    assert_eq!(ours.input, theirs.input);
    assert_eq!(ours.weights, theirs.weights);
}

#[test]
fn each_part_of_the_address_counts() {
    let images = hashed_images(&everywhere(), 9, 2, DType::F64);
    for executor in executors() {
        let network = hashed_network(&everywhere(), 1, DType::F64, executor);
        let logits = |seed, step, pass, first| {
            let examples: Vec<u64> = (first..first + 9).collect();
            let mode = Mode::Training { draws: Draws::new(seed), step, pass, examples: &examples };
            flat(&network.forward(&images, mode).unwrap().0)
        };
        let here = logits(1, 2, 3, 4);
        assert_eq!(here, logits(1, 2, 3, 4));
        for other in
            [logits(0, 2, 3, 4), logits(1, 0, 3, 4), logits(1, 2, 0, 4), logits(1, 2, 3, 0)]
        {
            assert_ne!(here, other);
        }
        assert_ne!(here, flat(&network.logits(&images).unwrap()));
    }
}

#[test]
fn units_keep_their_mean() {
    const ROWS: usize = 4000;
    let images = Tensor::ones((ROWS, 2, 3, 5), DType::F64, &Device::Cpu).unwrap();
    let examples: Vec<u64> = (0..ROWS as u64).collect();
    for executor in [Executor::Candle, Executor::Engine(Kernels::detect())] {
        for rate in [0.2, 0.5] {
            let layers = [Layer::Dropout { rate }, Layer::Flatten];
            let network = sum_of_pixels(layers, rate, executor);
            let (logits, _) = network.forward(&images, training(&examples)).unwrap();
            let sums: Vec<f64> = flat(&logits).into_iter().step_by(2).collect();
            let mean = sums.iter().sum::<f64>() / ROWS as f64;
            // A unit's variance is rate / (1 - rate).
            let variance = 30.0 * rate / (1.0 - rate);
            assert!((mean - 30.0).abs() < 5.0 * (variance / ROWS as f64).sqrt(), "{mean}");
            let square = sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / ROWS as f64;
            assert!((square / variance - 1.0).abs() < 0.15, "{square} against {variance}");
        }
    }
}

#[test]
fn a_training_row_knows_its_example_only() {
    let architectures = [everywhere(), Architecture::by_name("tramer_b").unwrap()];
    for architecture in architectures {
        let classes = architecture.classes;
        let pixels: usize = architecture.input.iter().product();
        let examples: Vec<u64> = (0..21).map(|row| row * row % 17).collect();
        let images = hashed_images(&architecture, 21, 4, DType::F32);
        let cotangent = hashed_tensor(&[21, classes], 5, -1.0, 1.0, DType::F32);
        for kernels in Kernels::available() {
            let network = hashed_network(&architecture, 3, DType::F32, Executor::Engine(kernels));
            let run = |threads: usize, start: usize, length: usize| {
                let part = |tensor: &Tensor| tensor.narrow(0, start, length).unwrap();
                let mode = training(&examples[start..][..length]);
                let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| pass_in(mode, &network, &part(&images), &part(&cotangent)).unwrap())
            };
            let whole = run(1, 0, 21);
            for (start, length) in [(0, 1), (20, 1), (3, 2), (1, 14)] {
                let part = run(2, start, length);
                assert_eq!(part.logits, whole.logits[start * classes..][..length * classes]);
                assert_eq!(part.input, whole.input[start * pixels..][..length * pixels]);
            }
            for threads in [2, 3] {
                assert_same(&run(threads, 0, 21), &whole);
            }
        }
    }
}

#[test]
fn a_pullback_goes_through_the_draws_of_its_own_pass() {
    let images = hashed_images(&everywhere(), 3, 2, DType::F64);
    let cotangent = hashed_tensor(&[3, 3], 3, -1.0, 1.0, DType::F64);
    for executor in executors() {
        let network = hashed_network(&everywhere(), 1, DType::F64, executor);
        let examples = [7, 8, 9];
        let modes = [0, 1, 2].map(|pass| Mode::Training {
            draws: Draws::new(2),
            step: 1,
            pass,
            examples: &examples,
        });
        let alone = modes.map(|mode| pass_in(mode, &network, &images, &cotangent).unwrap().input);
        // All open at once, and an evaluation between them, then back in another order.
        let open = modes.map(|mode| network.forward(&images, mode).unwrap().1);
        network.logits(&images).unwrap();
        for (pullback, alone) in open.into_iter().zip(alone).rev() {
            let gradient = pullback(&cotangent, Wanted::INPUT).unwrap().input.unwrap();
            assert_eq!(flat(&gradient), alone);
        }
    }
}

#[test]
fn a_unit_that_is_not_a_number_stays_visible() {
    let architecture = everywhere();
    for executor in executors() {
        let weights = hashed_weights(&architecture, 1, DType::F32);
        let bias = Tensor::full(f32::NAN, 6, &Device::Cpu).unwrap();
        let weights = weights
            .map(|name, tensor| Ok(if name == "c.bias" { bias.clone() } else { tensor.clone() }))
            .unwrap();
        let network = Network::new(architecture.clone(), weights, executor).unwrap();
        let images = hashed_images(&architecture, 2, 2, DType::F32);
        let (logits, _) = network.forward(&images, training(&[0, 1])).unwrap();
        assert!(flat(&logits).iter().all(|logit| logit.is_nan()), "{}", executor.name());
    }
}

#[test]
fn every_row_needs_its_example() {
    for executor in executors() {
        let network = hashed_network(&everywhere(), 1, DType::F32, executor);
        let images = hashed_images(&everywhere(), 3, 2, DType::F32);
        let Err(error) = network.forward(&images, training(&[1, 2])) else { panic!("accepted") };
        assert!(matches!(error, Error::Shape { .. }));
        let message = error.to_string();
        assert!(message.contains("each of 3 rows") && message.contains("2 ids"), "{message}");
    }
}
