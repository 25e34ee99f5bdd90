//! What a step reports: both halves, the passes of the source, and what is no number.

use candle_core::DType;
use saddle_attacks::{Examples, Start};
use saddle_defenses::{Defense, Ensemble, RadiusSchedule, Sources, StepReport};
use saddle_model::{Aim, Classifier, Loss, LossKind, Network, Weights, predictions};
use saddle_ops::Norm;
use saddle_tests::defenses::{small_architecture, small_digits, small_sources, untrained};

use super::{against, at, engine, forms, step_of};

fn step(ensemble: &Ensemble, network: &Network, examples: &Examples, step: u32) -> StepReport {
    let mut training = ensemble.training();
    training.equip(&small_sources(DType::F32, engine())).unwrap();
    training.step(network, examples, &at(step)).unwrap()
}

#[test]
fn a_step_counts_both_halves_and_the_passes_of_the_source() {
    let examples = small_digits(6, DType::F32);
    let network = untrained(small_architecture(), 1, DType::F32, engine());
    for (name, form) in forms() {
        let form = against(&["one", "two"], form);
        let mut most = 0;
        for number in 20..28 {
            let report = step(&form, &network, &examples, number);
            let norm = form.norms.at(number);
            let inner = if norm == Norm::L2 { form.l2 } else { form.linf }.unwrap();
            let crafting = u64::from(inner.steps) * 2 + u64::from(inner.start != Start::Natural);
            // Forward and back through the natural half, through the adversarial half, through the source.
            assert_eq!(report.passes, 6 * (2 + 2 + crafting), "{name}");
            assert_eq!(report.rows, 12, "{name}");
            assert_eq!(report.ball, Some((norm, inner.epsilon.get())), "{name}");
            most = most.max(report.passes);
        }
        assert_eq!(form.passes_per_example() * 6, most, "{name}");
    }
}

#[test]
fn a_step_reports_the_mean_loss_and_the_hits_of_both_halves() {
    let examples = small_digits(20, DType::F32);
    let network = untrained(small_architecture(), 1, DType::F32, engine());
    let form = against(&["one", "two"], Ensemble::linf().unwrap());
    let sources = small_sources(DType::F32, engine());
    let here = at(step_of(&form, Some("two")));
    let crafted = form.attack(&sources, &network, &examples, &here).unwrap();
    let loss =
        Loss::new(LossKind::CrossEntropy, examples.labels().to_vec(), &Aim::Untargeted).unwrap();
    let (mut mean, mut hits) = (0.0, 0);
    for images in [examples.images(), &crafted.images] {
        let logits = network.logits(images).unwrap();
        let rows: Vec<usize> = (0..20).collect();
        mean += loss.evaluate(&logits, &rows).unwrap().values.iter().sum::<f64>() / 40.0;
        let found = predictions(&logits).unwrap();
        hits += found.iter().zip(examples.labels()).filter(|(a, b)| a == b).count();
    }
    let report = step(&form, &network, &examples, here.step);
    assert!((report.loss - mean).abs() < 1e-9, "{} is not {mean}", report.loss);
    assert_eq!(report.correct, hits);
}

#[test]
fn mix_alternates_and_radii_ramp_as_they_do_for_madry() {
    let examples = small_digits(2, DType::F32);
    let network = untrained(small_architecture(), 1, DType::F32, engine());
    let mix = against(&["one", "two"], Ensemble::mix().unwrap());
    let mix = Ensemble { radius: RadiusSchedule::Ramp { fraction: 0.1 }, ..mix };
    let found: Vec<_> = (0..6)
        .map(|number| {
            let (norm, radius) = step(&mix, &network, &examples, number).ball.unwrap();
            (norm, (radius * 1e6).round() / 1e6)
        })
        .collect();
    let (l2, linf) = (Norm::L2, Norm::Linf);
    let expected = [(l2, 1.0), (linf, 0.15), (l2, 3.0), (linf, 0.3), (l2, 4.0), (linf, 0.3)];
    assert_eq!(found, expected);
}

fn scaled(network: &Network, factor: f64) -> Network {
    let weights: Weights = network.weights().map(|_, tensor| Ok((tensor * factor)?)).unwrap();
    Network::new(network.architecture().clone(), weights, network.executor()).unwrap()
}

#[test]
fn a_source_without_a_prediction_is_named_and_a_network_without_one_is_left_to_the_trainer() {
    let examples = small_digits(3, DType::F32);
    let good = untrained(small_architecture(), 1, DType::F32, engine());
    let broken = scaled(&good, f64::NAN);
    let form = against(&["sick"], Ensemble::linf().unwrap());
    let mut sources = Sources::new();
    sources.insert("sick", &broken).unwrap();
    let mut training = form.training();
    training.equip(&sources).unwrap();
    let error = training.step(&good, &examples, &at(step_of(&form, Some("sick"))));
    let error = error.err().unwrap().to_string();
    assert!(error.contains("source `sick` predicts nothing"), "{error}");
    let report = training.step(&broken, &examples, &at(step_of(&form, None))).unwrap();
    assert!(report.loss.is_nan());
    assert_eq!(report.health.non_finite, 3);
}
