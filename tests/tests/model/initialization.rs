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
        assert_uniform(name, &flat(tensor), 1.0 / fan_in.sqrt());
    }
}

/// Values of a layer's bias or weight lie within a bound and have the moments of a uniform.
fn assert_uniform(name: &str, values: &[f64], bound: f64) {
    assert!(values.iter().all(|x| x.abs() <= bound * (1.0 + 1e-6)), "{name}");
    let (mean, spread) = mean_and_deviation(values);
    let error = 4.0 / (values.len() as f64).sqrt();
    assert!(mean.abs() < bound * error, "{name}: mean {mean}");
    assert!((spread * 3f64.sqrt() / bound - 1.0).abs() < error, "{name}: deviation {spread}");
}

#[test]
fn the_rule_of_trades() {
    let trades = Architecture::by_name("trades").unwrap();
    let weights = initialize(&trades, Initialization::Trades, Draws::new(7)).unwrap();
    for (name, tensor) in weights.iter() {
        let values = flat(tensor);
        let zero = values.iter().all(|&x| x == 0.0);
        let convolution = name.starts_with("feature_extractor");
        let last = name.starts_with("classifier.fc3");
        assert_eq!(zero, last || convolution && name.ends_with("bias"), "{name}");
        if zero {
            continue;
        }
        if !convolution {
            let fan_in = if name.starts_with("classifier.fc1") { 1024.0 } else { 200.0f64 };
            assert_uniform(name, &values, 1.0 / fan_in.sqrt());
            continue;
        }
        let deviation = (2.0 / tensor.dims()[1..].iter().product::<usize>() as f64).sqrt();
        let (mean, spread) = mean_and_deviation(&values);
        let error = 4.0 / (values.len() as f64).sqrt();
        assert!(mean.abs() < deviation * error, "{name}: mean {mean}");
        assert!((spread / deviation - 1.0).abs() < error, "{name}: deviation {spread}");
        // Not cut: a large layer has weights beyond three deviations.
        let beyond = values.iter().filter(|x| x.abs() > 3.0 * deviation).count();
        assert!(values.len() < 5000 || beyond > 0, "{name}");
    }
    // The draws of a linear layer are those of the default rule.
    let default = initialize(&trades, Initialization::Default, Draws::new(7)).unwrap();
    let fc1 = "classifier.fc1.weight";
    assert_eq!(flat(weights.get(fc1).unwrap()), flat(default.get(fc1).unwrap()));
}

#[test]
fn the_rule_of_glorot() {
    let atda = Architecture::by_name("atda").unwrap();
    let weights = initialize(&atda, Initialization::Glorot, Draws::new(7)).unwrap();
    let fans = [16.0 + 256.0, 256.0 + 512.0, 1568.0 + 100.0, 100.0 + 10.0f64];
    for (pair, fan) in weights.iter().collect::<Vec<_>>().chunks_exact(2).zip(fans) {
        assert_uniform(pair[0].0, &flat(pair[0].1), (6.0 / fan).sqrt());
        assert!(flat(pair[1].1).iter().all(|&x| x == 0.0), "{}", pair[1].0);
    }
}

#[test]
fn weights_are_functions_of_seed_and_parameter() {
    for rule in [Initialization::Madry, Initialization::Default, Initialization::Glorot] {
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
            bias: true,
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
    assert_eq!(serde_json::to_value(Initialization::Trades).unwrap(), "trades");
    assert_eq!(serde_json::to_value(Initialization::Glorot).unwrap(), "glorot");
}
