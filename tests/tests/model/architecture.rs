//! An architecture is data: it survives serialisation, and an unsound one is refused in words.

use saddle_model::{Architecture, Error, Layer, Parameter};
use saddle_tests::model::small_architectures;

fn refusal(architecture: &Architecture) -> String {
    match architecture.validate() {
        Err(Error::InvalidArchitecture { message, .. }) => message,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

fn madry_with(change: impl FnOnce(&mut Architecture)) -> Architecture {
    let mut architecture = Architecture::madry();
    change(&mut architecture);
    architecture
}

#[test]
fn madry_has_the_published_shapes() {
    let madry = Architecture::madry();
    madry.validate().unwrap();
    let count: usize =
        madry.parameters().iter().map(|one| one.shape.iter().product::<usize>()).sum();
    assert_eq!(count, 3_274_634);
    let shapes = madry.activation_shapes().unwrap();
    assert_eq!(shapes[3], [32, 14, 14]);
    assert_eq!(shapes[6], [64, 7, 7]);
    assert_eq!(shapes[7], [3136]);
    assert_eq!(shapes.last().unwrap(), &[10]);
    let names: Vec<_> = madry.parameters().into_iter().map(|one| one.name).collect();
    assert_eq!(
        names,
        [
            "conv1.weight",
            "conv1.bias",
            "conv2.weight",
            "conv2.bias",
            "fc1.weight",
            "fc1.bias",
            "fc2.weight",
            "fc2.bias"
        ]
    );
}

/// Counted by hand: for each layer with parameters `out * in * k * k + out`.
#[test]
fn the_other_networks_have_the_published_shapes() {
    let parts: [(&str, &[usize], &[&[usize]]); 6] = [
        (
            "trades",
            &[320, 9_248, 18_496, 36_928, 205_000, 40_200, 2_010],
            &[&[32, 26, 26], &[32, 24, 24], &[32, 12, 12], &[64, 10, 10], &[64, 8, 8], &[64, 4, 4]],
        ),
        (
            "tramer_a",
            &[1_664, 102_464, 3_276_928, 1_290],
            &[&[64, 24, 24], &[64, 20, 20], &[25_600]],
        ),
        (
            "tramer_b",
            &[4_160, 295_040, 409_728, 1_290],
            &[&[1, 28, 28], &[64, 14, 14], &[128, 5, 5], &[128, 1, 1], &[128]],
        ),
        (
            "tramer_c",
            &[1_280, 73_792, 4_718_720, 1_290],
            &[&[128, 26, 26], &[64, 24, 24], &[36_864]],
        ),
        ("tramer_d", &[235_500, 90_300, 90_300, 90_300, 3_010], &[&[784], &[300]]),
        ("atda", &[272, 8_224, 156_900, 1_010], &[&[16, 14, 14], &[32, 7, 7], &[1_568], &[100]]),
    ];
    for (name, counts, shapes) in parts {
        let architecture = Architecture::by_name(name).unwrap();
        architecture.validate().unwrap();
        let parameters = architecture.parameters();
        let found: Vec<usize> = parameters
            .chunks_exact(2)
            .map(|pair| pair.iter().map(|one| one.shape.iter().product::<usize>()).sum())
            .collect();
        assert_eq!(found, counts, "{name}");
        let mut passed = architecture.activation_shapes().unwrap();
        passed.dedup();
        let mut rest = passed.iter();
        for shape in shapes {
            assert!(rest.any(|found| found == shape), "{name}: {shape:?} in {passed:?}");
        }
    }
    assert_eq!(Architecture::all().len(), 7);
}

/// Units that are dropped, in the order of the layers.
#[test]
fn the_other_networks_drop_what_is_published() {
    let rates = |name| -> Vec<f64> {
        let layers = Architecture::by_name(name).unwrap().layers.into_iter();
        let rate = |layer| if let Layer::Dropout { rate } = layer { Some(rate) } else { None };
        layers.filter_map(rate).collect()
    };
    assert!(rates("madry").is_empty() && rates("atda").is_empty());
    assert_eq!(rates("trades"), [0.5]);
    assert_eq!(rates("tramer_a"), [0.25, 0.5]);
    assert_eq!(rates("tramer_b"), [0.2, 0.5]);
    assert_eq!(rates("tramer_c"), [0.25, 0.5]);
    assert_eq!(rates("tramer_d"), [0.5; 4]);
}

#[test]
fn names_and_shapes_belong_to_one_network_only() {
    for architecture in Architecture::all() {
        let parameters = architecture.parameters();
        assert_eq!(Architecture::infer(&parameters).unwrap(), architecture);
        let same = |other: &Architecture| {
            let other = other.parameters();
            other.len() == parameters.len() && other.iter().all(|one| parameters.contains(one))
        };
        assert_eq!(Architecture::all().iter().filter(|other| same(other)).count(), 1);
        assert_eq!(Architecture::by_name(&architecture.name).unwrap(), architecture);
    }
}

#[test]
fn a_rate_that_is_no_probability_is_refused() {
    for rate in [-0.1, 1.0, 1.5, f64::NAN, f64::INFINITY] {
        let message = refusal(&madry_with(|madry| madry.layers.insert(3, Layer::Dropout { rate })));
        assert!(message.contains("layer 3: dropout at rate"), "{message}");
    }
    madry_with(|madry| madry.layers.insert(3, Layer::Dropout { rate: 0.0 })).validate().unwrap();
}

#[test]
fn serialisation_keeps_an_architecture() {
    for architecture in small_architectures().into_iter().chain(Architecture::all()) {
        let text = serde_json::to_string(&architecture).unwrap();
        assert_eq!(serde_json::from_str::<Architecture>(&text).unwrap(), architecture);
    }
}

#[test]
fn an_unknown_field_is_refused() {
    let text = r#"{"name":"x","input":[1,2,2],"classes":2,"layers":[{"kind":"max_pool2d","window":2,"stride":2}]}"#;
    assert!(serde_json::from_str::<Architecture>(text).unwrap_err().to_string().contains("stride"));
}

#[test]
fn names_are_known_or_refused_with_the_known_ones() {
    assert_eq!(Architecture::by_name("madry").unwrap(), Architecture::madry());
    let refusal = Architecture::by_name("lenet").unwrap_err().to_string();
    assert!(refusal.contains("lenet") && refusal.contains("madry"), "{refusal}");
}

#[test]
fn inference_needs_every_name_and_shape() {
    let mut parameters = Architecture::madry().parameters();
    parameters.reverse();
    assert_eq!(Architecture::infer(&parameters).unwrap(), Architecture::madry());
    let last = parameters.pop().unwrap();
    assert!(Architecture::infer(&parameters).is_err());
    parameters.push(Parameter { shape: vec![1], ..last });
    assert!(Architecture::infer(&parameters).is_err());
}

#[test]
fn layers_that_do_not_fit_are_named() {
    let wrong_input = madry_with(|madry| madry.input = [3, 28, 28]);
    assert!(refusal(&wrong_input).contains("layer 0: convolution of 1 channels on 3"));
    let odd = madry_with(|madry| madry.input = [1, 27, 28]);
    assert!(refusal(&odd).contains("layer 2: 27 x 28 does not divide into windows of 2"));
    let classes = madry_with(|madry| madry.classes = 9);
    assert!(refusal(&classes).contains("9 logits"));
    let twice = madry_with(|madry| {
        if let Layer::Linear { name, .. } = &mut madry.layers[9] {
            *name = "fc1".to_owned();
        }
    });
    assert!(refusal(&twice).contains("two parameters are called `fc1.weight`"));
    assert!(refusal(&madry_with(|madry| madry.input = [1, 0, 28])).contains("empty side"));
    assert!(refusal(&madry_with(|madry| madry.layers.clear())).contains("logits"));
}

#[test]
fn sizes_that_would_overflow_or_exhaust_memory_are_refused() {
    for huge in [1 << 20, usize::MAX / 2, usize::MAX] {
        refusal(&madry_with(|madry| madry.input = [1, huge, huge]));
        refusal(&madry_with(|madry| {
            if let Layer::Conv2d { out_channels, .. } = &mut madry.layers[0] {
                *out_channels = huge;
            }
        }));
        refusal(&madry_with(|madry| {
            if let Layer::Conv2d { kernel, padding, .. } = &mut madry.layers[0] {
                (*kernel, *padding) = (huge, huge - 1);
            }
        }));
        refusal(&madry_with(|madry| madry.layers.push(Layer::MaxPool2d { window: huge })));
        refusal(&madry_with(|madry| {
            if let Layer::Linear { inputs, outputs, .. } = &mut madry.layers[9] {
                (*inputs, *outputs) = (huge, huge);
            }
        }));
    }
    refusal(&madry_with(|madry| {
        if let Layer::Conv2d { stride, .. } = &mut madry.layers[0] {
            *stride = 0;
        }
    }));
}
