//! The engine against itself: same bits in any batch and on any number of threads; against candle, see `model`.

use candle_core::{DType, Tensor};
use rayon::{ThreadPool, ThreadPoolBuilder};
use saddle_model::{Architecture, Classifier, Executor, Gradients, Mode, Network, Wanted, Weights};
use saddle_ops::Kernels;
use saddle_tests::model::{
    flat, hashed_images, hashed_network, hashed_tensor, hashed_weights, small_architectures,
};

const COUNT: usize = 100;

fn threads(count: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(count).build().expect("threads")
}

fn run(
    network: &Network,
    images: &Tensor,
    cotangent: &Tensor,
    wanted: Wanted,
) -> (Tensor, Gradients) {
    let (logits, pullback) = network.forward(images, Mode::Evaluation).expect("images fit");
    (logits, pullback(cotangent, wanted).expect("a cotangent of the logits"))
}

fn numbers(weights: &Weights) -> Vec<Vec<f64>> {
    weights.iter().map(|(_, tensor)| flat(tensor)).collect()
}

/// A network, images and a cotangent for each path that this machine has.
fn cases(architecture: &Architecture, count: usize) -> Vec<(Network, Tensor, Tensor)> {
    let case = |kernels| {
        let network = hashed_network(architecture, 3, DType::F32, Executor::Engine(kernels));
        let images = hashed_images(architecture, count, 4, DType::F32);
        let cotangent = hashed_tensor(&[count, architecture.classes], 5, -1.0, 1.0, DType::F32);
        (network, images, cotangent)
    };
    Kernels::available().into_iter().map(case).collect()
}

#[test]
fn a_row_has_the_same_bits_in_any_batch_on_any_number_of_threads() {
    let pools = [threads(1), threads(2)];
    for (network, images, cotangent) in cases(&Architecture::madry(), COUNT) {
        let name = network.executor_name();
        let (logits, gradients) =
            pools[0].install(|| run(&network, &images, &cotangent, Wanted::INPUT));
        let whole = [flat(&logits), flat(&gradients.input.expect("wanted"))];
        for batch in [1, 2, 7, 64, 65, COUNT] {
            let mut parts = [Vec::new(), Vec::new()];
            for from in (0..COUNT).step_by(batch) {
                let length = batch.min(COUNT - from);
                let part = |tensor: &Tensor| tensor.narrow(0, from, length).expect("inside");
                let (logits, gradients) = pools[1]
                    .install(|| run(&network, &part(&images), &part(&cotangent), Wanted::INPUT));
                parts[0].extend(flat(&logits));
                parts[1].extend(flat(&gradients.input.expect("wanted")));
            }
            assert!(parts == whole, "batches of {batch} on {name}");
        }
    }
}

#[test]
fn weight_gradients_have_the_same_bits_on_any_number_of_threads() {
    for (network, images, cotangent) in cases(&Architecture::madry(), 37) {
        let results = [1, 2, 3].map(|count| {
            threads(count).install(|| run(&network, &images, &cotangent, Wanted::BOTH)).1
        });
        let sums = results.map(|gradients| numbers(&gradients.weights.expect("wanted")));
        assert!(sums[0] == sums[1] && sums[0] == sums[2], "{}", network.executor_name());
    }
}

#[test]
fn what_is_wanted_changes_no_bit_of_it() {
    for architecture in small_architectures() {
        for (network, images, cotangent) in cases(&architecture, 19) {
            let [input, weights, both] = [Wanted::INPUT, Wanted::WEIGHTS, Wanted::BOTH]
                .map(|wanted| run(&network, &images, &cotangent, wanted).1);
            assert!(input.weights.is_none() && weights.input.is_none());
            let pixels = |gradients: Gradients| flat(&gradients.input.expect("wanted"));
            let both_weights = numbers(&both.weights.clone().expect("wanted"));
            assert!(numbers(&weights.weights.expect("wanted")) == both_weights);
            assert!(pixels(input) == pixels(both));
        }
    }
}

#[test]
fn memory_that_comes_back_carries_nothing_over() {
    for architecture in small_architectures() {
        for (network, images, cotangent) in cases(&architecture, 9) {
            let first = run(&network, &images, &cotangent, Wanted::BOTH).1;
            // Other images, another batch, a pass without a way back, two passes open at once.
            let other = (&images * 0.5).expect("numbers");
            let (_, open) = network.forward(&other, Mode::Evaluation).expect("fits");
            network.logits(&images.narrow(0, 0, 4).expect("inside")).expect("fits");
            let again = run(&network, &images, &cotangent, Wanted::BOTH).1;
            drop(open);
            let last = run(&network, &images, &cotangent, Wanted::BOTH).1;
            for gradients in [again, last] {
                assert!(
                    numbers(&gradients.weights.expect("wanted"))
                        == numbers(first.weights.as_ref().expect("wanted"))
                );
                assert!(
                    flat(&gradients.input.expect("wanted"))
                        == flat(first.input.as_ref().expect("wanted"))
                );
            }
        }
    }
}

#[test]
fn other_weights_are_the_same_as_a_new_network() {
    for architecture in small_architectures() {
        for (mut network, images, cotangent) in cases(&architecture, 5) {
            let weights = hashed_weights(&architecture, 77, DType::F32);
            let executor = network.executor();
            network.set_weights(weights.clone()).expect("they fit");
            let new = Network::new(architecture.clone(), weights, executor).expect("they fit");
            let [changed, made] = [&network, &new].map(|network| {
                let (logits, gradients) = run(network, &images, &cotangent, Wanted::BOTH);
                let weights = numbers(&gradients.weights.expect("wanted"));
                (flat(&logits), flat(&gradients.input.expect("wanted")), weights)
            });
            assert!(changed == made);
        }
    }
}

#[test]
fn nan_in_an_image_stays_in_its_row() {
    let architecture = Architecture::madry();
    for (network, images, cotangent) in cases(&architecture, 3) {
        let mut pixels = flat(&images);
        pixels[784 + 300] = f64::NAN;
        let broken = Tensor::from_vec(pixels, images.shape(), images.device())
            .and_then(|tensor| tensor.to_dtype(DType::F32))
            .expect("numbers");
        let (sound, sound_gradients) = run(&network, &images, &cotangent, Wanted::INPUT);
        let (logits, gradients) = run(&network, &broken, &cotangent, Wanted::INPUT);
        let (sound, logits) = (flat(&sound), flat(&logits));
        assert!(logits[10..20].iter().all(|logit| logit.is_nan()), "{logits:?}");
        assert!(logits[..10] == sound[..10] && logits[20..] == sound[20..]);
        let sound = flat(&sound_gradients.input.expect("wanted"));
        let gradient = flat(&gradients.input.expect("wanted"));
        assert!(gradient[..784] == sound[..784] && gradient[2 * 784..] == sound[2 * 784..]);
    }
}
