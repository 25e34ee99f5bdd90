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

#[test]
fn serialisation_keeps_an_architecture() {
    for architecture in small_architectures().into_iter().chain([Architecture::madry()]) {
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
