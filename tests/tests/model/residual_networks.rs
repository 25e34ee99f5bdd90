//! Residual networks: the published shapes, gradients against difference quotients, weight files, and who runs them.

use candle_core::{DType, Device, Tensor};
use saddle_model::{
    Architecture, Classifier, Error, Executor, Initialization, Layer, Metadata, Mode, Network,
    Weights, from_bytes, initialize, load_network, to_bytes,
};
use saddle_ops::{Draws, Kernels};
use saddle_tests::model::{
    difference_quotients, flat, hashed_images, hashed_residual_weights, hashed_tensor, pass_in,
    relative_difference, residual_architecture, training,
};

/// Small enough that no kink lies within it of the hashed points; large enough for gradients that are small beside the logits, since
/// it divides what rounding leaves of a difference.
const STEP: f64 = 1e-5;

fn count(architecture: &Architecture) -> usize {
    let parameters = architecture.parameters();
    parameters.iter().map(|one| one.shape.iter().product::<usize>()).sum()
}

/// Counted by hand from `model.py` of the CIFAR-10 challenge; running statistics come to the weights.
#[test]
fn the_networks_of_the_challenge_have_the_published_shapes() {
    let expected = [
        ("madry_cifar10", 45_901_914, 11_216, [160, 320, 640]),
        ("madry_cifar10_narrow", 464_154, 1_136, [16, 32, 64]),
        ("madry_cifar10_tiny", 19_218, 120, [8, 16, 32]),
    ];
    assert_eq!(Architecture::for_cifar10().len(), expected.len());
    for (name, weights, normalised, stages) in expected {
        let architecture = Architecture::by_name(name).unwrap();
        architecture.validate().unwrap();
        assert_eq!(count(&architecture), weights + 2 * normalised, "{name}");
        let shapes = architecture.activation_shapes().unwrap();
        for (side, channels) in [32, 16, 8].into_iter().zip(stages) {
            assert!(shapes.contains(&vec![channels, side, side]), "{name}: {shapes:?}");
        }
        assert_eq!(shapes[shapes.len() - 2..], [vec![stages[2]], vec![10]]);
        assert_eq!(Architecture::infer(&architecture.parameters()).unwrap(), architecture);
    }
    let narrow = Architecture::by_name("madry_cifar10_narrow").unwrap();
    let leaves: Vec<&Layer> = narrow.layers.iter().flat_map(Layer::leaves).collect();
    let convolutions = leaves.iter().filter(|layer| matches!(layer, Layer::Conv2d { .. }));
    assert_eq!(convolutions.count(), 31);
    let names: Vec<String> = narrow.parameters().into_iter().map(|one| one.name).collect();
    for name in ["init_conv.weight", "unit_1_0.init_bn.weight", "unit_3_4.conv2.weight"] {
        assert!(names.iter().any(|own| own == name), "{name}");
    }
}

#[test]
fn an_architecture_reads_back_from_its_json_and_a_plain_one_looks_as_it_always_did() {
    for architecture in [residual_architecture(), Architecture::for_cifar10().remove(0)] {
        let json = serde_json::to_string(&architecture).unwrap();
        assert_eq!(serde_json::from_str::<Architecture>(&json).unwrap(), architecture);
    }
    let madry = serde_json::to_string(&Architecture::madry()).unwrap();
    assert!(!madry.contains("\"bias\""), "{madry}");
}

#[test]
fn unsound_units_are_refused_in_words() {
    let norm = |channels, decay, stabilizer| {
        let name = "a.bn1".to_owned();
        Layer::BatchNorm2d { name, channels, decay, stabilizer }
    };
    let unit = |main: Vec<Layer>, shortcut: Vec<Layer>| Layer::Residual { main, shortcut };
    let deep = unit(vec![Layer::ZeroPad2d { before: 1 << 20, after: 1 << 20 }], Vec::new());
    for (layer, words) in [
        (norm(4, 0.9, 1e-3), "batch normalisation of 4 channels on 3"),
        (norm(3, 1.0, 1e-3), "decay 1"),
        (norm(3, 0.9, 0.0), "stabilizer 0"),
        (Layer::LeakyRelu { slope: f64::NAN }, "slope NaN"),
        (Layer::ZeroPad2d { before: usize::MAX, after: 1 }, "zeros around"),
        (unit(vec![Layer::ZeroPadChannels { before: 0, after: 1 }], vec![]), "have no sum"),
        (unit(vec![Layer::AvgPool2d { window: 5 }], vec![]), "layer 0 of a branch: 12 x 12"),
        (deep, "is larger than"),
    ] {
        let mut architecture = residual_architecture();
        architecture.layers.insert(2, layer);
        match architecture.validate() {
            Err(Error::InvalidArchitecture { message, .. }) => {
                assert!(message.starts_with("layer 2") && message.contains(words), "{message}");
            }
            other => panic!("expected a refusal with `{words}`, found {other:?}"),
        }
    }
}

#[test]
fn the_engine_refuses_what_it_does_not_run_and_names_it() {
    let engine = Executor::Engine(Kernels::detect());
    for architecture in Architecture::for_cifar10() {
        let words = engine.check(&architecture).unwrap_err().to_string();
        assert!(words.contains(&architecture.name) && words.contains("standardisation"), "{words}");
        assert!(words.contains("candle"), "{words}");
        Executor::Candle.check(&architecture).unwrap();
    }
    Architecture::all().iter().for_each(|architecture| engine.check(architecture).unwrap());
    let weights = hashed_residual_weights(&residual_architecture(), 1, DType::F32);
    for executor in [engine, Executor::EngineBf16(Kernels::detect())] {
        let refused = Network::new(residual_architecture(), weights.clone(), executor);
        assert!(matches!(refused, Err(Error::UnsupportedLayer { .. })));
    }
    let mut plain = Architecture::madry();
    if let Layer::Conv2d { bias, .. } = &mut plain.layers[0] {
        *bias = false;
    }
    let words = engine.check(&plain).unwrap_err().to_string();
    assert!(words.contains("a convolution without bias"), "{words}");
}

fn inner(logits: &Tensor, cotangent: &[f64]) -> f64 {
    flat(logits).iter().zip(cotangent).map(|(z, c)| z * c).sum()
}

/// Every pixel, and every third number of every weight that is descended.
#[test]
fn gradients_are_those_of_difference_quotients_in_both_modes() {
    let architecture = residual_architecture();
    let weights = hashed_residual_weights(&architecture, 1, DType::F64);
    let statistics = architecture.statistics();
    let network =
        |weights: Weights| Network::new(architecture.clone(), weights, Executor::Candle).unwrap();
    let images = hashed_images(&architecture, 2, 2, DType::F64);
    let cotangent = hashed_tensor(&[2, 10], 3, -1.0, 1.0, DType::F64);
    for mode in [Mode::Evaluation, training(&[3, 70])] {
        let own = network(weights.clone());
        let passed = pass_in(mode, &own, &images, &cotangent).unwrap();
        let cotangent = flat(&cotangent);
        let quotients = difference_quotients(&flat(&images), STEP, |pixels| {
            let moved = Tensor::from_slice(pixels, images.shape(), &Device::Cpu).unwrap();
            inner(&own.forward(&moved, mode).unwrap().0, &cotangent)
        });
        let difference = relative_difference(&passed.input, &quotients);
        assert!(difference < 1e-6, "images: {difference:e}");

        let descended = passed
            .weights
            .iter()
            .filter(|(name, _)| statistics.iter().all(|statistic| statistic.name != *name));
        for (name, gradient) in descended {
            let tensor = weights.get(name).unwrap();
            let numbers = flat(tensor);
            let places: Vec<usize> = (0..numbers.len()).step_by(3).collect();
            let some: Vec<f64> = places.iter().map(|&place| numbers[place]).collect();
            let quotients = difference_quotients(&some, STEP, |values| {
                let mut numbers = numbers.clone();
                places.iter().zip(values).for_each(|(&place, value)| numbers[place] = *value);
                let moved = Tensor::from_vec(numbers, tensor.shape(), &Device::Cpu).unwrap();
                let moved = weights
                    .map(|own, old| Ok(if own == name { moved.clone() } else { old.clone() }));
                inner(&network(moved.unwrap()).forward(&images, mode).unwrap().0, &cotangent)
            });
            let found: Vec<f64> = places.iter().map(|&place| gradient[place]).collect();
            let difference = relative_difference(&found, &quotients);
            assert!(difference < 1e-6, "{name}: {difference:e}");
        }
    }
}

#[test]
fn rows_meet_in_training_only() {
    let architecture = residual_architecture();
    let weights = hashed_residual_weights(&architecture, 1, DType::F64);
    let network = Network::new(architecture.clone(), weights, Executor::Candle).unwrap();
    let images = hashed_images(&architecture, 3, 2, DType::F64);
    let alone = images.narrow(0, 1, 1).unwrap();
    let logits = |images: &Tensor, mode| flat(&network.forward(images, mode).unwrap().0);
    let together = logits(&images, Mode::Evaluation);
    assert!(relative_difference(&together[10..20], &logits(&alone, Mode::Evaluation)) < 1e-12);
    assert_eq!(together, flat(&network.logits(&images).unwrap()));
    let trained = logits(&images, training(&[1, 2, 3]));
    assert!(relative_difference(&trained[10..20], &logits(&alone, training(&[2]))) > 1e-3);
}

#[test]
fn initial_weights_follow_the_challenge() {
    let architecture = Architecture::by_name("madry_cifar10_tiny").unwrap();
    let weights = initialize(&architecture, Initialization::MadryCifar10, Draws::new(5)).unwrap();
    let numbers = |name: &str| flat(weights.get(name).unwrap());
    for (what, value) in
        [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)]
    {
        assert!(numbers(&format!("unit_2_0.bn2.{what}")).iter().all(|x| *x == value), "{what}");
    }
    // 32 * 32 * 9 normals of variance 2 / (9 * 32): their mean square is within 5 % of it.
    let kernel = numbers("unit_3_0.conv2.weight");
    let square = kernel.iter().map(|x| x * x).sum::<f64>() / kernel.len() as f64;
    assert!((square * 144.0 - 1.0).abs() < 0.05, "{square}");
    let bound = (3.0f64 / 32.0).sqrt();
    let last = numbers("logit.weight");
    assert!(last.iter().all(|x| x.abs() <= bound + 1e-6));
    assert!(last.iter().any(|x| x.abs() > 0.9 * bound));
    assert_eq!(numbers("logit.bias"), [0.0; 10]);
    // Other rules leave normalisations alone, too.
    let other = initialize(&architecture, Initialization::Default, Draws::new(5)).unwrap();
    assert_eq!(flat(other.get("final_bn.running_var").unwrap()), [1.0; 32]);
}

#[test]
fn a_weight_file_keeps_running_statistics_and_says_which_network_it_is() {
    let architecture = Architecture::by_name("madry_cifar10_tiny").unwrap();
    let weights = hashed_residual_weights(&architecture, 4, DType::F32);
    let metadata = Metadata { architecture: Some(architecture.clone()), ..Metadata::default() };
    for metadata in [metadata, Metadata::default()] {
        let bytes = to_bytes(&weights, &metadata).unwrap();
        let (network, _) = load_network(&bytes, None, Executor::Candle).unwrap();
        assert_eq!(network.architecture(), &architecture);
        for ((name, own), (_, read)) in weights.iter().zip(network.weights().iter()) {
            assert_eq!(flat(own), flat(read), "{name}");
        }
        let engine = Executor::Engine(Kernels::detect());
        let refused = load_network(&bytes, None, engine).err().unwrap().to_string();
        assert!(refused.contains("does not run"), "{refused}");
        assert_eq!(from_bytes(&bytes).unwrap().0.len(), weights.len());
    }
}
