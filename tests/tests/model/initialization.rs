//! Initial weights have the moments of their rule and are pure functions of seed and parameter.

use saddle_model::{Architecture, Initialization, Layer, Weights, initialize};
use saddle_ops::Draws;
use saddle_tests::model::flat;

fn madry(initialization: Initialization, seed: u64) -> Weights {
    initialize(&Architecture::madry(), initialization, Draws::new(seed)).unwrap()
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

#[test]
fn the_published_rule() {
    // A standard normal cut at 2 has variance 1 - 4 phi(2) / (2 Phi(2) - 1) = 0.7737.
    let deviation = 0.1 * 0.773_741_3f64.sqrt();
    let weights = madry(Initialization::Madry, 7);
    for (name, tensor) in weights.iter() {
        let values = flat(tensor);
        if name.ends_with("bias") {
            assert!(values.iter().all(|&x| x == f64::from(0.1f32)), "{name}");
            continue;
        }
        assert!(values.iter().all(|x| x.abs() <= 0.2 + 1e-7), "{name}");
        let (mean, spread) = mean_and_deviation(&values);
        let error = 4.0 / (values.len() as f64).sqrt();
        assert!(mean.abs() < deviation * error, "{name}: mean {mean}");
        assert!((spread / deviation - 1.0).abs() < error, "{name}: deviation {spread}");
        let largest = values.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        assert!(values.len() < 5000 || largest > 0.198, "{name}: largest {largest}");
    }
}

#[test]
fn the_default_rule() {
    let fan_in = [25.0, 25.0, 800.0, 800.0, 3136.0, 3136.0, 1024.0, 1024.0f64];
    let weights = madry(Initialization::Default, 7);
    for ((name, tensor), fan_in) in weights.iter().zip(fan_in) {
        let values = flat(tensor);
        let bound = 1.0 / fan_in.sqrt();
        assert!(values.iter().all(|x| x.abs() <= bound * (1.0 + 1e-6)), "{name}");
        let (mean, spread) = mean_and_deviation(&values);
        let error = 4.0 / (values.len() as f64).sqrt();
        assert!(mean.abs() < bound * error, "{name}: mean {mean}");
        assert!((spread * 3f64.sqrt() / bound - 1.0).abs() < error, "{name}: deviation {spread}");
    }
}

#[test]
fn weights_are_functions_of_seed_and_parameter() {
    for rule in [Initialization::Madry, Initialization::Default] {
        let weights = madry(rule, 7);
        for (ours, again) in weights.iter().zip(madry(rule, 7).iter()) {
            assert_eq!(flat(ours.1), flat(again.1));
        }
        let other = madry(rule, 8);
        assert_ne!(
            flat(weights.get("fc2.weight").unwrap()),
            flat(other.get("fc2.weight").unwrap())
        );
        // Another first layer leaves the later ones as they were.
        let mut changed = Architecture::madry();
        changed.layers[0] = Layer::Conv2d {
            name: "entry".to_owned(),
            in_channels: 1,
            out_channels: 32,
            kernel: 3,
            stride: 1,
            padding: 1,
        };
        let changed = initialize(&changed, rule, Draws::new(7)).unwrap();
        for name in ["conv2.weight", "fc1.bias", "fc2.weight"] {
            assert_eq!(
                flat(weights.get(name).unwrap()),
                flat(changed.get(name).unwrap()),
                "{name}"
            );
        }
    }
}

#[test]
fn an_unsound_architecture_is_refused() {
    let mut architecture = Architecture::madry();
    architecture.classes = 7;
    assert!(initialize(&architecture, Initialization::Default, Draws::new(0)).is_err());
}

#[test]
fn rules_are_written_in_words() {
    assert_eq!(serde_json::to_value(Initialization::Madry).unwrap(), "madry");
    assert_eq!(serde_json::to_value(Initialization::Default).unwrap(), "default");
}
