//! Adversarial training: the examples that it makes, and what a step costs.

use candle_core::DType;
use saddle_attacks::{Examples, Start};
use saddle_defenses::{
    Adversarial, Defense, InnerAttack, Madry, NormSchedule, RadiusSchedule, Reduction, StepContext,
    StepSize,
};
use saddle_model::{
    Aim, Classifier, Executor, Initialization, Loss, LossKind, Mode, Network, Wanted, initialize,
};
use saddle_ops::{Kernels, LpBall, Norm, PixelBox, Radius, TOLERANCE};
use saddle_tests::defenses::{draws, small_architecture, small_digits};

fn network() -> Network {
    let architecture = small_architecture();
    let weights = initialize(&architecture, Initialization::Default, draws()).unwrap();
    Network::new(architecture, weights, Executor::Engine(Kernels::detect())).unwrap()
}

fn at(step: u32) -> StepContext {
    StepContext { step, iterations: 10, draws: draws(), reduction: Reduction::Mean }
}

fn attack(madry: &Madry, examples: &Examples, step: u32) -> Adversarial {
    madry.attack(&network(), examples, &at(step)).unwrap()
}

fn pixels(adversarial: &Adversarial) -> Vec<Vec<f32>> {
    adversarial.images.flatten_from(1).unwrap().to_vec2().unwrap()
}

fn losses(examples: &Examples, images: &candle_core::Tensor) -> Vec<f64> {
    let loss =
        Loss::new(LossKind::CrossEntropy, examples.labels().to_vec(), &Aim::Untargeted).unwrap();
    let rows: Vec<usize> = (0..examples.len()).collect();
    loss.evaluate(&network().logits(images).unwrap(), &rows).unwrap().values
}

#[test]
fn examples_lie_in_the_ball_of_the_moment_and_raise_the_loss() {
    let examples = small_digits(12, DType::F32);
    for madry in [Madry::linf().unwrap(), Madry::l2().unwrap(), Madry::mix().unwrap()] {
        for step in [0, 1, 2, 9] {
            let found = attack(&madry, &examples, step);
            let distances = found.norm.distances(examples.images(), &found.images).unwrap();
            let allowed = found.radius.get() * (1.0 + TOLERANCE);
            assert!(distances.iter().all(|&distance| distance <= allowed), "{distances:?}");
            assert!(distances.iter().any(|&distance| distance > 0.5 * allowed), "{distances:?}");
            assert!(
                PixelBox::UNIT.contains(&found.images).unwrap().into_iter().all(|inside| inside)
            );
            let natural: f64 = losses(&examples, examples.images()).iter().sum();
            let attacked: f64 = losses(&examples, &found.images).iter().sum();
            assert!(attacked > natural, "{attacked} is not above {natural}");
        }
    }
}

#[test]
fn mix_alternates_and_both_radii_ramp() {
    let examples = small_digits(2, DType::F32);
    let mix = Madry { radius: RadiusSchedule::Ramp { fraction: 0.4 }, ..Madry::mix().unwrap() };
    let found: Vec<_> = (0..6)
        .map(|step| {
            let found = attack(&mix, &examples, step);
            (found.norm, (found.radius.get() * 1e6).round() / 1e6)
        })
        .collect();
    let expected = [
        (Norm::L2, 1.0),
        (Norm::Linf, 0.15),
        (Norm::L2, 3.0),
        (Norm::Linf, 0.3),
        (Norm::L2, 4.0),
        (Norm::Linf, 0.3),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_raw_step_is_the_gradient_times_the_step_size() {
    let examples = small_digits(3, DType::F32);
    let inner = InnerAttack {
        steps: 1,
        step_size: StepSize::Absolute(2.0),
        ..InnerAttack::l2_raw().unwrap()
    };
    let madry = Madry { radius: RadiusSchedule::Constant, l2: Some(inner), ..Madry::l2().unwrap() };
    let network = network();
    let rows = [0, 1, 2];
    let labels = examples.labels().to_vec();
    let loss = Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted).unwrap();
    let (logits, pullback) = network.forward(examples.images(), Mode::Evaluation).unwrap();
    let cotangent = loss.evaluate(&logits, &rows).unwrap().cotangent;
    let gradient = pullback(&cotangent, Wanted::INPUT).unwrap().input.unwrap();
    let candidate = (examples.images() + (gradient * 2.0).unwrap()).unwrap();
    let ball = LpBall::new(Norm::L2, Radius::new(4.0).unwrap());
    let expected = ball.project_then_clip(examples.images(), &candidate, PixelBox::UNIT).unwrap();
    let found = attack(&madry, &examples, 0);
    let expected: Vec<Vec<f32>> = expected.flatten_from(1).unwrap().to_vec2().unwrap();
    assert_eq!(pixels(&found), expected);
}

#[test]
fn an_example_is_attacked_alike_in_any_company() {
    let examples = small_digits(9, DType::F32);
    let madry = Madry::mix().unwrap();
    for step in [2, 3] {
        let together = pixels(&attack(&madry, &examples, step));
        let order = [8, 3, 0];
        let some = pixels(&attack(&madry, &examples.select(&order).unwrap(), step));
        for (row, pixels) in order.iter().zip(some) {
            assert_eq!(together[*row], pixels, "example {row} depends on its batch");
        }
    }
}

#[test]
fn starts_change_with_the_step_and_the_example() {
    let examples = small_digits(1, DType::F32);
    let twice = Examples::new(
        candle_core::Tensor::cat(&[examples.images(), examples.images()], 0).unwrap(),
        vec![examples.labels()[0]; 2],
        vec![4, 5],
    )
    .unwrap();
    // Steps too short to matter: what is left is the start.
    let inner =
        InnerAttack { step_size: StepSize::Absolute(1e-12), ..InnerAttack::linf().unwrap() };
    let radius = RadiusSchedule::Constant;
    let madry = Madry { radius, linf: Some(inner), ..Madry::linf().unwrap() };
    let first = pixels(&attack(&madry, &twice, 0));
    let second = pixels(&attack(&madry, &twice, 1));
    assert_ne!(first[0], first[1], "two ids, one start");
    assert_ne!(first[0], second[0], "two steps, one start");
    assert_eq!(first, pixels(&attack(&madry, &twice, 0)));
    let natural = InnerAttack { start: Start::Natural, ..inner };
    let madry = Madry { linf: Some(natural), ..madry };
    let stayed = attack(&madry, &twice, 0);
    let distances = Norm::Linf.distances(twice.images(), &stayed.images).unwrap();
    assert!(distances.iter().all(|&distance| distance < 1e-6), "no start, no way: {distances:?}");
}

#[test]
fn the_inner_attack_takes_the_cheapest_path() {
    let examples = small_digits(4, DType::F32);
    let report = Madry::linf().unwrap().step(&network(), &examples, &at(3)).unwrap();
    // Five inner steps and the training pass, each forward and backward, for four examples.
    assert_eq!(report.passes, 4 * 2 * (5 + 1));
    assert_eq!(report.rows, 4);
    assert_eq!(report.ball, Some((Norm::Linf, 0.3)));
}

#[test]
fn a_step_without_an_attack_for_its_norm_is_refused() {
    let examples = small_digits(1, DType::F32);
    let madry = Madry { norms: NormSchedule::Fixed(Norm::L2), ..Madry::linf().unwrap() };
    let error = madry.attack(&network(), &examples, &at(0)).err().unwrap().to_string();
    assert!(error.contains("no inner attack"), "{error}");
}

#[test]
fn health_counts_gradients_that_vanish() {
    // A network of zeros has no gradient anywhere: five steps on two examples find nothing.
    let examples = small_digits(2, DType::F32);
    let architecture = small_architecture();
    let weights = initialize(&architecture, Initialization::Default, draws()).unwrap();
    let zeros = weights.zeros_like().unwrap();
    let network = Network::new(architecture, zeros, Executor::Candle).unwrap();
    let mut madry = Madry::l2().unwrap();
    let report = madry.step(&network, &examples, &at(9)).unwrap();
    assert_eq!(report.health.zero, 10);
}
