//! The loss beside natural images: kept promises, broken ones, and random directions.

use candle_core::{DType, Device, Tensor};
use saddle_attacks::{Disguise, Examples, SlopeInspection, SlopeLook, ThreatModel, inspect_slopes};
use saddle_model::{Classifier, Executor, LossKind};
use saddle_ops::{Draws, Norm};
use saddle_tests::attacks::{ByRow, Linear};
use saddle_tests::model::{
    hashed_images, hashed_network, relative_difference, small_architectures,
};

fn look(
    classifier: &dyn Classifier,
    examples: &Examples,
    threat: ThreatModel,
    look: SlopeLook,
) -> SlopeInspection {
    inspect_slopes(classifier, examples, &threat, &look, Draws::new(5)).unwrap()
}

/// Two classes whose margin loss at label 0 is `3 x_1 + 4 x_2 - 10`, at two images of two pixels.
fn two_pixels() -> (ByRow<Linear>, Examples) {
    let images = Tensor::new(&[[[[0.5f64, 0.5]]], [[[0.25, 0.75]]]], &Device::Cpu).unwrap();
    let examples = Examples::new(images, vec![0, 0], vec![3, 8]).unwrap();
    (ByRow(Linear::two_classes(vec![3.0, 4.0], -10.0)), examples)
}

#[test]
fn a_linear_loss_keeps_every_promise() {
    let (classifier, examples) = two_pixels();
    let threat = ThreatModel::new(Norm::Linf, 0.25).unwrap();
    let found = look(&classifier, &examples, threat, SlopeLook::default());
    assert_eq!(found.ids, [3, 8]);
    assert_eq!(found.right, [true, true]);
    assert!(relative_difference(&found.losses, &[-6.5, -6.25]) < 1e-12);
    // The gradient is (3, 4), of length 5.
    assert!(relative_difference(&found.promised, &[0.05, 0.05]) < 1e-12);
    assert!(relative_difference(&found.gained, &[0.05, 0.05]) < 1e-9);
    assert!((0..2).all(|row| found.is_honest(row, 1e-6)));
    // Corners of the square: among twenty the best one, a quarter more in both pixels, is met.
    assert!(relative_difference(&found.sampled, &[-6.5 + 1.75, -6.25 + 1.75]) < 1e-5);
}

#[test]
fn random_directions_stay_within_ball_and_box() {
    let (classifier, examples) = two_pixels();
    for (norm, epsilon) in [(Norm::L2, 0.1), (Norm::L1, 0.1), (Norm::Linf, 0.9)] {
        let threat = ThreatModel::new(norm, epsilon).unwrap();
        let found = look(&classifier, &examples, threat, SlopeLook::default());
        // At most what the steepest direction of the norm gives, and in the box at most 3 + 4 - 10.
        let most = match norm {
            Norm::L2 => 0.5,
            Norm::L1 => 0.4,
            Norm::Linf => 6.3,
        };
        for (sampled, natural) in found.sampled.iter().zip(&found.losses) {
            assert!(*sampled <= (natural + most * (1.0 + 1e-9)).min(-3.0), "{norm}: {sampled}");
            assert!(sampled > natural, "{norm}: {sampled}");
        }
    }
}

#[test]
fn saturation_is_that_of_single_precision() {
    let (_, examples) = two_pixels();
    // e^-16 is 1.1e-7 and e^-17 is 4.1e-8; half of single precision's epsilon is 6.0e-8.
    for (offset, saturated) in [(-16.0, false), (-17.0, true)] {
        let classifier = ByRow(Linear::two_classes(vec![0.0, 0.0], offset));
        let threat = ThreatModel::new(Norm::L2, 1.0).unwrap();
        let found = look(&classifier, &examples, threat, SlopeLook::default());
        assert_eq!(found.saturated, [saturated; 2], "{offset}");
        // A flat loss promises nothing, and keeps nothing.
        assert_eq!(found.promised, [0.0; 2]);
        assert!(!found.is_honest(0, 0.5));
    }
}

#[test]
fn disguises_that_lie_break_their_promises_and_others_do_not() {
    let architecture = &small_architectures()[0];
    let network = hashed_network(architecture, 1, DType::F64, Executor::Candle);
    let images = hashed_images(architecture, 40, 2, DType::F64);
    let examples = Examples::new(images, vec![0; 40], (0..40).collect()).unwrap();
    let threat = ThreatModel::new(Norm::L2, 1.0).unwrap();
    let honest = |disguise: Disguise| {
        let disguised = disguise.put_on(&network).unwrap();
        let look_at = SlopeLook { step: 1e-3, directions: 1, ..SlopeLook::default() };
        let found = look(disguised.as_ref(), &examples, threat, look_at);
        (0..40).filter(|&row| found.is_honest(row, 0.5)).count()
    };
    assert_eq!(honest(Disguise::Plain), 40);
    assert_eq!(honest(Disguise::LogitsTimes { factor: 1000.0 }), 40);
    assert_eq!(honest(Disguise::QuantisedInput { levels: 8 }), 0);
    assert!(honest(Disguise::EvenPools) < 40);
    assert!(honest(Disguise::InputNoise { sigma: 0.2, seed: 1 }) < 10);
}

#[test]
fn nothing_depends_on_the_batch() {
    let (classifier, examples) = two_pixels();
    let threat = ThreatModel::new(Norm::L2, 0.5).unwrap();
    let whole = look(&classifier, &examples, threat, SlopeLook::default());
    let single = SlopeLook { batch: 1, ..SlopeLook::default() };
    assert_eq!(look(&classifier, &examples, threat, single), whole);
}

#[test]
fn senseless_settings_are_refused() {
    let (classifier, examples) = two_pixels();
    let threat = ThreatModel::new(Norm::L2, 0.5).unwrap();
    let good = SlopeLook { loss: LossKind::CrossEntropy, ..SlopeLook::default() };
    for (bad, word) in [
        (SlopeLook { batch: 0, ..good }, "batch"),
        (SlopeLook { step: 0.0, ..good }, "step"),
        (SlopeLook { step: f64::NAN, ..good }, "step"),
    ] {
        let error = inspect_slopes(&classifier, &examples, &threat, &bad, Draws::new(0));
        assert!(error.unwrap_err().to_string().contains(word));
    }
}
