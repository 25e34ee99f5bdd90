//! The gradients of all logits: those of one pullback for each, by either way to get them.

use candle_core::{DType, Tensor};
use saddle_model::{Classifier, Mode, Network, Pullback, Wanted};
use saddle_tests::model::{
    executors, flat, hashed_images, hashed_network, relative_difference, small_architectures,
};

/// A network that does not keep its forward pass: the provided form of the trait.
struct Forgetful(Network);

impl Classifier for Forgetful {
    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn forward<'a>(
        &'a self,
        images: &Tensor,
        mode: Mode<'_>,
    ) -> saddle_model::Result<(Tensor, Pullback<'a>)> {
        self.0.forward(images, mode)
    }
}

#[test]
fn they_are_those_of_one_pullback_for_each_logit() {
    for architecture in small_architectures() {
        for executor in executors() {
            let network = hashed_network(&architecture, 1, DType::F32, executor);
            let images = hashed_images(&architecture, 3, 2, DType::F32);
            let (logits, gradients) = network.logit_gradients(&images).unwrap();
            let classes = architecture.classes;
            let [channels, rows, columns] = architecture.input;
            assert_eq!(gradients.dims(), [3, classes, channels, rows, columns]);
            let context = format!("{} on {}", architecture.name, executor.name());
            for class in 0..classes {
                let (own, pullback) = network.forward(&images, Mode::Evaluation).unwrap();
                assert_eq!(flat(&own), flat(&logits), "{context}");
                let one: Vec<f32> =
                    (0..3 * classes).map(|at| f32::from(u8::from(at % classes == class))).collect();
                let one = Tensor::from_vec(one, (3, classes), images.device()).unwrap();
                let single = pullback(&one, Wanted::INPUT).unwrap().input.unwrap();
                let of_class = gradients.narrow(1, class, 1).unwrap();
                assert_eq!(flat(&of_class), flat(&single), "logit {class} of {context}");
            }
            let forgetful = Forgetful(hashed_network(&architecture, 1, DType::F32, executor));
            let (again, provided) = forgetful.logit_gradients(&images).unwrap();
            assert_eq!(flat(&again), flat(&logits), "{context}");
            assert_eq!(flat(&provided), flat(&gradients), "{context}");
        }
    }
}

#[test]
fn they_add_up_to_the_gradient_of_any_cotangent() {
    let architecture = &small_architectures()[0];
    for executor in executors() {
        let network = hashed_network(architecture, 4, DType::F64, executor);
        let images = hashed_images(architecture, 2, 5, DType::F64);
        let (_, gradients) = network.logit_gradients(&images).unwrap();
        let factors = [0.3, -1.2, 0.5, 2.0];
        let (_, pullback) = network.forward(&images, Mode::Evaluation).unwrap();
        let cotangent = Tensor::from_vec([factors, factors].concat(), (2, 4), images.device());
        let whole = pullback(&cotangent.unwrap(), Wanted::INPUT).unwrap().input.unwrap();
        let all = flat(&gradients);
        let pixels = all.len() / 8;
        let sum: Vec<f64> = (0..2 * pixels)
            .map(|at| {
                let (row, pixel) = (at / pixels, at % pixels);
                (0..4).map(|class| factors[class] * all[(row * 4 + class) * pixels + pixel]).sum()
            })
            .collect();
        assert!(relative_difference(&sum, &flat(&whole)) < 1e-12);
    }
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let architecture = &small_architectures()[0];
    let network = hashed_network(architecture, 4, DType::F32, executors()[0]);
    let images = hashed_images(&small_architectures()[1], 2, 5, DType::F32);
    assert!(network.logit_gradients(&images).is_err());
}
