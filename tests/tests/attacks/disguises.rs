//! Disguised networks decide as before, and their ways back are what the table of the module says: exact, zero or wrong.

use std::collections::BTreeSet;

use candle_core::{DType, Device, Tensor};
use saddle_attacks::{Disguise, KNOWN_CASES, Purpose};
use saddle_model::{
    Architecture, Classifier, Executor, Layer, Mode, Network, Wanted, Weights, predictions,
};
use saddle_tests::model::{
    difference_quotients, executors, flat, hashed_images, hashed_network, hashed_tensor,
    relative_difference, small_architectures,
};

const STEP: f64 = 1e-6;

/// All small networks in `f64`, on candle.
fn networks() -> impl Iterator<Item = Network> {
    let small = small_architectures().into_iter();
    small.map(|architecture| hashed_network(&architecture, 1, DType::F64, Executor::Candle))
}

fn images_for(network: &Network, count: usize) -> Tensor {
    hashed_images(network.architecture(), count, 2, network.dtype())
}

/// Gradient with respect to the images of the logits' product with a cotangent.
fn gradient(classifier: &dyn Classifier, images: &Tensor, cotangent: &Tensor) -> Vec<f64> {
    let (_, pullback) = classifier.forward(images, Mode::Evaluation).unwrap();
    let gradients = pullback(cotangent, Wanted::INPUT).unwrap();
    assert!(gradients.weights.is_none());
    flat(&gradients.input.unwrap())
}

fn quotients(classifier: &dyn Classifier, images: &Tensor, cotangent: &Tensor) -> Vec<f64> {
    let cotangent = flat(cotangent);
    difference_quotients(&flat(images), STEP, |pixels| {
        let moved = Tensor::from_slice(pixels, images.shape(), &Device::Cpu).unwrap();
        let logits = flat(&classifier.logits(&moved).unwrap());
        logits.iter().zip(&cotangent).map(|(z, c)| z * c).sum()
    })
}

fn cotangent_for(network: &Network, count: usize) -> Tensor {
    hashed_tensor(&[count, network.classes()], 3, -1.0, 1.0, network.dtype())
}

#[test]
fn where_the_way_back_is_called_exact_it_is() {
    let exact = [
        Disguise::Plain,
        Disguise::LogitsTimes { factor: 1000.0 },
        Disguise::LogitsTimes { factor: 0.5 },
        Disguise::Softmax { temperature: 1.0 },
        Disguise::Softmax { temperature: 0.1 },
        // Beyond all leads of these networks, and no further: the quotients lose the digits that a large width takes.
        Disguise::DeadRelu { width: 10.0 },
    ];
    for network in networks() {
        let (images, cotangent) = (images_for(&network, 2), cotangent_for(&network, 2));
        // Some ReLUs are dead, some saturated, some neither.
        let between = Disguise::DeadRelu { width: middle_lead(&network, &images) };
        for disguise in exact.into_iter().chain([between]) {
            let disguised = disguise.put_on(&network).unwrap();
            let ours = gradient(disguised.as_ref(), &images, &cotangent);
            let quotients = quotients(disguised.as_ref(), &images, &cotangent);
            let difference = relative_difference(&ours, &quotients);
            let name = &network.architecture().name;
            assert!(difference < 1e-5, "{disguise:?} of {name}: {difference:e}");
        }
    }
}

/// A number with about half of the leads below it, whatever their sign, and none close to it.
fn middle_lead(network: &Network, images: &Tensor) -> f64 {
    let logits = network.logits(images).unwrap().to_vec2::<f64>().unwrap();
    let largest_but = |row: &[f64], class: usize| {
        let others = row.iter().enumerate().filter(|(other, _)| *other != class);
        others.fold(f64::NEG_INFINITY, |largest, (_, logit)| largest.max(*logit))
    };
    let leads = logits.iter().flat_map(|row| {
        row.iter().enumerate().map(|(class, logit)| (logit - largest_but(row, class)).abs())
    });
    let mut leads: Vec<f64> = leads.collect();
    leads.sort_by(f64::total_cmp);
    let half = leads.len() / 2;
    // The gap that is the widest around the middle.
    let gaps = half / 2..half + half / 2;
    let widest =
        gaps.max_by(|&a, &b| (leads[a + 1] - leads[a]).total_cmp(&(leads[b + 1] - leads[b])));
    widest.map_or(f64::NAN, |at| (leads[at] + leads[at + 1]) / 2.0)
}

#[test]
fn decisions_stay_what_they_were() {
    let faithful = [
        Disguise::Plain,
        Disguise::LogitsTimes { factor: 1000.0 },
        Disguise::Softmax { temperature: 0.1 },
        Disguise::Softmax { temperature: 10.0 },
        Disguise::DeadRelu { width: 0.01 },
        Disguise::EvenPools,
    ];
    for network in networks() {
        let images = images_for(&network, 40);
        let own = predictions(&network.logits(&images).unwrap()).unwrap();
        for disguise in faithful {
            let disguised = disguise.put_on(&network).unwrap();
            assert_eq!(disguised.classes(), network.classes());
            let logits = disguised.logits(&images).unwrap();
            assert_eq!(predictions(&logits).unwrap(), own, "{disguise:?}");
            let (forward, _) = disguised.forward(&images, Mode::Evaluation).unwrap();
            assert_eq!(flat(&forward), flat(&logits), "{disguise:?}");
        }
    }
}

#[test]
fn a_dead_relu_gives_nothing_back_away_from_the_border() {
    let network = networks().next().unwrap();
    let (images, cotangent) = (images_for(&network, 4), cotangent_for(&network, 4));
    let logits = network.logits(&images).unwrap().to_vec2::<f64>().unwrap();
    let lead = |row: &Vec<f64>| {
        let mut sorted = row.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        sorted[0] - sorted[1]
    };
    let smallest = logits.iter().map(lead).fold(f64::INFINITY, f64::min);
    let dead = Disguise::DeadRelu { width: smallest / 2.0 }.put_on(&network).unwrap();
    assert!(gradient(dead.as_ref(), &images, &cotangent).iter().all(|g| *g == 0.0));
    let live = Disguise::DeadRelu { width: 1e3 }.put_on(&network).unwrap();
    assert!(gradient(live.as_ref(), &images, &cotangent).iter().any(|g| *g != 0.0));
}

#[test]
fn saturation_underflows_in_single_precision() {
    let architecture = &small_architectures()[0];
    for executor in executors() {
        let network = hashed_network(architecture, 1, DType::F32, executor);
        let (images, cotangent) = (images_for(&network, 3), cotangent_for(&network, 3));
        let saturated = Disguise::Softmax { temperature: 1e-5 }.put_on(&network).unwrap();
        assert!(gradient(saturated.as_ref(), &images, &cotangent).iter().all(|g| *g == 0.0));
        let mild = Disguise::Softmax { temperature: 10.0 }.put_on(&network).unwrap();
        assert!(gradient(mild.as_ref(), &images, &cotangent).iter().any(|g| *g != 0.0));
    }
}

#[test]
fn a_rounded_input_is_a_staircase() {
    for network in networks() {
        let (images, cotangent) = (images_for(&network, 2), cotangent_for(&network, 2));
        let stairs = Disguise::QuantisedInput { levels: 8 }.put_on(&network).unwrap();
        let back = gradient(stairs.as_ref(), &images, &cotangent);
        assert!(back.iter().all(|g| *g == 0.0));
        assert_eq!(back, quotients(stairs.as_ref(), &images, &cotangent));
        let rounded: Vec<f64> = flat(&images).iter().map(|x| (x * 7.0).round() / 7.0).collect();
        let rounded = Tensor::from_vec(rounded, images.shape(), &Device::Cpu).unwrap();
        let expected = flat(&network.logits(&rounded).unwrap());
        let difference = relative_difference(&flat(&stairs.logits(&images).unwrap()), &expected);
        assert!(difference < 1e-12, "{difference:e}");
    }
}

#[test]
fn at_256_levels_an_image_of_bytes_is_itself() {
    let linear = Layer::Linear { name: "a".to_owned(), inputs: 256, outputs: 2 };
    let architecture = Architecture {
        name: "every byte".to_owned(),
        input: [1, 16, 16],
        classes: 2,
        layers: vec![Layer::Flatten, linear],
    };
    let network = hashed_network(&architecture, 4, DType::F32, Executor::Candle);
    let bytes: Vec<f32> = (0..=255u8).map(|byte| f32::from(byte) / 255.0).collect();
    let images = Tensor::from_vec(bytes, (1, 1, 16, 16), &Device::Cpu).unwrap();
    let rounded = Disguise::QuantisedInput { levels: 256 }.put_on(&network).unwrap();
    let [own, other] = [&network as &dyn Classifier, rounded.as_ref()]
        .map(|classifier| flat(&classifier.logits(&images).unwrap()));
    assert_eq!(own, other);
}

/// One pixel-wise convolution, one pool over the whole of a 2 x 2 image, two logits.
fn one_window() -> Network {
    let conv = Layer::Conv2d {
        name: "conv".to_owned(),
        in_channels: 1,
        out_channels: 1,
        kernel: 1,
        stride: 1,
        padding: 0,
        bias: true,
    };
    let linear = Layer::Linear { name: "fc".to_owned(), inputs: 1, outputs: 2 };
    let architecture = Architecture {
        name: "one window".to_owned(),
        input: [1, 2, 2],
        classes: 2,
        layers: vec![conv, Layer::MaxPool2d { window: 2 }, Layer::Flatten, linear],
    };
    let slices: [&[f64]; 4] = [&[3.0], &[0.25], &[2.0, -1.0], &[0.0, 0.5]];
    let weights = Weights::from_slices(&architecture, &slices).unwrap();
    Network::new(architecture, weights, Executor::Candle).unwrap()
}

#[test]
fn even_pools_give_each_place_of_a_window_the_same() {
    let network = one_window();
    let images = Tensor::new(&[[[[0.1f64, 0.9], [0.4, 0.2]]]], &Device::Cpu).unwrap();
    let cotangent = Tensor::new(&[[1.0f64, 4.0]], &Device::Cpu).unwrap();
    let even = Disguise::EvenPools.put_on(&network).unwrap();
    // 3 * 0.9 + 0.25 is the largest, and the logits are 2 and -1 times that.
    let logits = flat(&even.logits(&images).unwrap());
    assert!(relative_difference(&logits, &[5.9, -2.45]) < 1e-12, "{logits:?}");
    // The cotangent of the pool is 1 * 2 + 4 * -1 = -2; the convolution multiplies by 3.
    assert_eq!(gradient(&network, &images, &cotangent), [0.0, -6.0, 0.0, 0.0]);
    assert_eq!(gradient(even.as_ref(), &images, &cotangent), [-1.5; 4]);

    let (_, pullback) = even.forward(&images, Mode::Evaluation).unwrap();
    let found = pullback(&cotangent, Wanted::WEIGHTS).unwrap();
    assert!(found.input.is_none());
    let weights: Vec<(String, Vec<f64>)> =
        found.weights.unwrap().iter().map(|(name, t)| (name.to_owned(), flat(t))).collect();
    let names: Vec<&str> = weights.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["conv.weight", "conv.bias", "fc.weight", "fc.bias"]);
    // A quarter of -2 at each of the pixels, whose sum is 1.6.
    assert!(relative_difference(&weights[0].1, &[-0.8]) < 1e-12);
    assert_eq!(weights[1].1, [-2.0]);
    assert!(relative_difference(&weights[2].1, &[2.95, 11.8]) < 1e-12);
    assert_eq!(weights[3].1, [1.0, 4.0]);
}

#[test]
fn even_pools_without_pools_are_the_network() {
    let mut pools = 0;
    for network in networks() {
        let layers = &network.architecture().layers;
        let pooled = layers.iter().any(|layer| matches!(layer, Layer::MaxPool2d { .. }));
        let (images, cotangent) = (images_for(&network, 2), cotangent_for(&network, 2));
        let even = Disguise::EvenPools.put_on(&network).unwrap();
        let difference = relative_difference(
            &gradient(even.as_ref(), &images, &cotangent),
            &gradient(&network, &images, &cotangent),
        );
        pools += u32::from(pooled);
        assert_eq!(difference > 1e-3, pooled, "{}: {difference:e}", network.architecture().name);
    }
    assert!(pools >= 3);
}

#[test]
fn noise_is_the_same_for_the_same_image_and_another_for_the_next() {
    // On the engine, where a row comes out the same in any company.
    let network = hashed_network(&small_architectures()[0], 1, DType::F64, executors()[0]);
    let noisy = |sigma, seed| Disguise::InputNoise { sigma, seed }.put_on(&network).unwrap();
    let images = images_for(&network, 5);
    let all = noisy(0.2, 7).logits(&images).unwrap().to_vec2::<f64>().unwrap();
    for (row, expected) in all.iter().enumerate() {
        let alone = noisy(0.2, 7).logits(&images.narrow(0, row, 1).unwrap()).unwrap();
        assert_eq!(flat(&alone), *expected, "row {row}");
    }
    let plain = network.logits(&images).unwrap().to_vec2::<f64>().unwrap();
    assert_eq!(noisy(0.0, 7).logits(&images).unwrap().to_vec2::<f64>().unwrap(), plain);
    let other = noisy(0.2, 8).logits(&images).unwrap().to_vec2::<f64>().unwrap();
    // A step that plain logits hardly notice meets other noise.
    let nudged = images.affine(1.0, 1e-12).unwrap();
    let next = noisy(0.2, 7).logits(&nudged).unwrap().to_vec2::<f64>().unwrap();
    for row in 0..5 {
        let far = |a: &[f64], b: &[f64]| relative_difference(a, b) > 1e-6;
        assert!(far(&all[row], &plain[row]) && far(&all[row], &other[row]));
        assert!(far(&all[row], &next[row]), "row {row}");
    }
    // Back through the noise as if it were not there: at sigma 0 that is the network's own way.
    let cotangent = cotangent_for(&network, 5);
    assert_eq!(
        gradient(noisy(0.0, 7).as_ref(), &images, &cotangent),
        gradient(&network, &images, &cotangent)
    );
}

#[test]
fn a_broken_network_does_not_look_sound() {
    for network in networks() {
        let images = images_for(&network, 2).affine(f64::NAN, 0.0).unwrap();
        for disguise in [
            Disguise::LogitsTimes { factor: 1000.0 },
            Disguise::Softmax { temperature: 0.1 },
            Disguise::DeadRelu { width: 0.1 },
            Disguise::EvenPools,
        ] {
            let logits = flat(&disguise.put_on(&network).unwrap().logits(&images).unwrap());
            assert!(logits.iter().all(|z| z.is_nan()), "{disguise:?}: {logits:?}");
        }
    }
}

#[test]
fn doses_that_make_no_sense_are_refused_in_words() {
    let network = networks().next().unwrap();
    let senseless = [
        (Disguise::LogitsTimes { factor: 0.0 }, "factor"),
        (Disguise::LogitsTimes { factor: f64::NAN }, "factor"),
        (Disguise::Softmax { temperature: -1.0 }, "temperature"),
        (Disguise::Softmax { temperature: f64::INFINITY }, "temperature"),
        (Disguise::DeadRelu { width: 0.0 }, "width"),
        (Disguise::QuantisedInput { levels: 1 }, "levels"),
        (Disguise::InputNoise { sigma: -0.1, seed: 0 }, "sigma"),
        (Disguise::InputNoise { sigma: f64::NAN, seed: 0 }, "sigma"),
    ];
    for (disguise, word) in senseless {
        let error = disguise.put_on(&network).err().expect("it is refused").to_string();
        assert!(error.contains(word), "{disguise:?}: {error}");
    }
}

#[test]
fn known_cases_are_even_and_no_way_of_hiding_is_on_both_sides() {
    for purpose in [Purpose::Thresholds, Purpose::HeldOut] {
        for masked in [true, false] {
            let own = KNOWN_CASES.iter().filter(|case| case.purpose == purpose);
            assert_eq!(own.filter(|case| case.masked == masked).count(), 3);
        }
    }
    let kinds = |purpose| -> BTreeSet<String> {
        let own = KNOWN_CASES.iter().filter(|case| case.masked && case.purpose == purpose);
        own.map(|case| serde_json::to_value(case.disguise).unwrap()["kind"].to_string()).collect()
    };
    assert!(kinds(Purpose::Thresholds).is_disjoint(&kinds(Purpose::HeldOut)));
    let names: BTreeSet<&str> = KNOWN_CASES.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), KNOWN_CASES.len());
    let network = networks().next().unwrap();
    for case in KNOWN_CASES {
        let text = serde_json::to_string(&case.disguise).unwrap();
        assert_eq!(serde_json::from_str::<Disguise>(&text).unwrap(), case.disguise);
        case.disguise.put_on(&network).unwrap();
    }
}
