//! A network keeps its promises to callers: detached results, rows alone, errors in words.

use candle_core::{DType, Device, Tensor};
use saddle_model::{Architecture, Classifier, Error, Executor, Mode, Network, Wanted, Weights};
use saddle_ops::Kernels;
use saddle_tests::model::{
    executors, flat, hashed_images, hashed_network, hashed_tensor, hashed_weights, pass,
    small_architectures,
};

fn small() -> Architecture {
    small_architectures().remove(0)
}

#[test]
fn only_what_is_wanted_comes_back() {
    for executor in executors() {
        let network = hashed_network(&small(), 1, DType::F32, executor);
        let images = hashed_images(&small(), 3, 2, DType::F32);
        let cotangent = hashed_tensor(&[3, 4], 3, -1.0, 1.0, DType::F32);
        let both = pass(&network, &images, &cotangent).unwrap();
        for wanted in [Wanted::INPUT, Wanted::WEIGHTS] {
            let (_, pullback) = network.forward(&images, Mode::Evaluation).unwrap();
            let gradients = pullback(&cotangent, wanted).unwrap();
            assert_eq!(gradients.input.is_some(), wanted.input);
            assert_eq!(gradients.weights.is_some(), wanted.weights);
            if let Some(input) = gradients.input {
                assert_eq!(input.shape(), images.shape());
                assert_eq!(flat(&input), both.input);
            }
            for (gradient, (_, theirs)) in
                gradients.weights.iter().flat_map(Weights::iter).zip(&both.weights)
            {
                assert_eq!(&flat(gradient.1), theirs);
            }
        }
    }
}

#[test]
fn nothing_leaves_attached_to_a_graph() {
    for executor in executors() {
        let network = hashed_network(&small(), 1, DType::F64, executor);
        // Even images that somebody tracks.
        let leaf =
            candle_core::Var::from_tensor(&hashed_images(&small(), 2, 2, DType::F64)).unwrap();
        let images = (leaf.as_tensor() * 0.5).unwrap();
        let (logits, pullback) = network.forward(&images, Mode::Evaluation).unwrap();
        assert!(!logits.track_op());
        let gradients = pullback(&logits.ones_like().unwrap(), Wanted::BOTH).unwrap();
        assert!(!gradients.input.unwrap().track_op());
        assert!(gradients.weights.unwrap().iter().all(|(_, gradient)| !gradient.track_op()));
        assert!(!network.logits(&images).unwrap().track_op());
    }
}

#[test]
fn logits_alone_are_those_of_a_pass() {
    for executor in executors() {
        let network = hashed_network(&small(), 1, DType::F32, executor);
        let images = hashed_images(&small(), 3, 2, DType::F32);
        let (logits, _) = network.forward(&images, Mode::Evaluation).unwrap();
        assert_eq!(flat(&network.logits(&images).unwrap()), flat(&logits));
    }
}

/// The engine's rows do not know their batch: same bits alone, in pairs and in a batch across tile borders.
#[test]
fn rows_of_the_engine_are_alone() {
    let madry = Architecture::madry();
    for kernels in Kernels::available() {
        let network = hashed_network(&madry, 1, DType::F32, Executor::Engine(kernels));
        let images = hashed_images(&madry, 13, 2, DType::F32);
        let cotangent = hashed_tensor(&[13, 10], 3, -1.0, 1.0, DType::F32);
        let whole = pass(&network, &images, &cotangent).unwrap();
        for (start, length) in [(0, 1), (4, 1), (12, 1), (3, 2), (1, 12)] {
            let rows = |tensor: &Tensor| tensor.narrow(0, start, length).unwrap();
            let part = pass(&network, &rows(&images), &rows(&cotangent)).unwrap();
            assert_eq!(part.logits, whole.logits[start * 10..][..length * 10], "{kernels:?}");
            assert_eq!(part.input, whole.input[start * 784..][..length * 784], "{kernels:?}");
        }
    }
}

/// A slice of a larger tensor and a transposed one: storage with an offset and with strides.
#[test]
fn images_need_not_be_contiguous() {
    for executor in executors() {
        let network = hashed_network(&small(), 1, DType::F64, executor);
        let images = hashed_images(&small(), 4, 2, DType::F64);
        let cotangent = hashed_tensor(&[2, 4], 3, -1.0, 1.0, DType::F64);
        let turned = images.transpose(2, 3).unwrap().narrow(0, 1, 2).unwrap();
        let copied = turned.force_contiguous().unwrap();
        assert!(!turned.is_contiguous());
        let strided_cotangent = cotangent.t().unwrap().force_contiguous().unwrap().t().unwrap();
        let (ours, theirs) = (
            pass(&network, &turned, &strided_cotangent).unwrap(),
            pass(&network, &copied, &cotangent).unwrap(),
        );
        assert_eq!(ours.logits, theirs.logits);
        assert_eq!(ours.input, theirs.input);
        assert_eq!(ours.weights, theirs.weights);
    }
}

#[test]
fn a_pass_outlives_new_weights_and_new_weights_take_effect() {
    for executor in executors() {
        let mut network = hashed_network(&small(), 1, DType::F32, executor);
        let other = hashed_network(&small(), 2, DType::F32, executor);
        let images = hashed_images(&small(), 2, 3, DType::F32);
        let before = flat(&network.logits(&images).unwrap());
        network.set_weights(hashed_weights(&small(), 2, DType::F32)).unwrap();
        let after = flat(&network.logits(&images).unwrap());
        assert_ne!(before, after);
        assert_eq!(after, flat(&other.logits(&images).unwrap()));
        let misfit = hashed_weights(&small_architectures()[1], 2, DType::F32);
        assert!(matches!(network.set_weights(misfit), Err(Error::WeightsMismatch { .. })));
        assert_eq!(after, flat(&network.logits(&images).unwrap()));
    }
}

#[test]
fn a_copy_does_not_follow_its_original() {
    let weights = hashed_weights(&small(), 1, DType::F32);
    let var = candle_core::Var::from_tensor(weights.get("fc2.bias").unwrap()).unwrap();
    let name = |name: &str, tensor: &Tensor| {
        Ok(if name == "fc2.bias" { var.as_tensor().clone() } else { tensor.clone() })
    };
    let followed = weights.map(name).unwrap();
    let copied = followed.copy().unwrap();
    var.set(&var.zeros_like().unwrap()).unwrap();
    assert_eq!(flat(followed.get("fc2.bias").unwrap()), [0.0; 4]);
    assert_eq!(flat(copied.get("fc2.bias").unwrap()), flat(weights.get("fc2.bias").unwrap()));
}

#[test]
fn rows_beside_a_pass_change_no_bit_and_are_not_pulled_back() {
    for architecture in small_architectures() {
        for executor in executors() {
            let network = hashed_network(&architecture, 1, DType::F32, executor);
            let images = hashed_images(&architecture, 5, 2, DType::F32);
            for rows in 1..=5 {
                let first = images.narrow(0, 0, rows).unwrap();
                let (beside, pullback) = network.forward_first(&images, rows).unwrap();
                let (alone, expected) = network.forward(&first, Mode::Evaluation).unwrap();
                assert_eq!(flat(&beside.narrow(0, 0, rows).unwrap()), flat(&alone));
                if rows < 5 {
                    let others =
                        network.logits(&images.narrow(0, rows, 5 - rows).unwrap()).unwrap();
                    assert_eq!(flat(&beside.narrow(0, rows, 5 - rows).unwrap()), flat(&others));
                }
                let cotangent = hashed_tensor(alone.dims(), 3, -1.0, 1.0, DType::F32);
                let found = pullback(&cotangent, Wanted::BOTH).unwrap();
                let expected = expected(&cotangent, Wanted::BOTH).unwrap();
                let [found_input, input] = [found.input, expected.input].map(Option::unwrap);
                assert_eq!(found_input.dims(), first.dims());
                assert_eq!(flat(&found_input), flat(&input));
                let [found, expected] = [found.weights, expected.weights].map(Option::unwrap);
                for ((name, found), (_, expected)) in found.iter().zip(expected.iter()) {
                    assert_eq!(flat(found), flat(expected), "{name}");
                }
                let (_, pullback) = network.forward_first(&images, rows).unwrap();
                let longer = hashed_tensor(&[rows + 1, alone.dims()[1]], 3, -1.0, 1.0, DType::F32);
                let message = pullback(&longer, Wanted::INPUT).unwrap_err().to_string();
                assert!(message.contains(&format!("[{rows}, ")), "{message}");
            }
            for rows in [0, 6] {
                let error = network.forward_first(&images, rows).err().expect("no such rows");
                assert!(error.to_string().contains("5 rows"), "{error}");
            }
        }
    }
}

#[test]
fn a_network_made_for_the_engine_is_the_same_network() {
    let (architecture, kernels) = (small(), Kernels::detect());
    let weights = hashed_weights(&architecture, 1, DType::F32);
    let network = Network::on_engine(architecture.clone(), weights, kernels).unwrap();
    assert_eq!(network.executor(), Executor::Engine(kernels));
    let twin = hashed_network(&architecture, 1, DType::F32, Executor::Engine(kernels));
    let images = hashed_images(&architecture, 3, 2, DType::F32);
    assert_eq!(flat(&network.logits(&images).unwrap()), flat(&twin.logits(&images).unwrap()));
    let wide = hashed_weights(&architecture, 1, DType::F64);
    let error = Network::on_engine(architecture, wide, kernels).err().expect("f64 is refused");
    assert!(error.to_string().contains("F32"), "{error}");
}

#[test]
fn images_and_cotangents_that_do_not_fit_are_refused() {
    for executor in executors() {
        let network = hashed_network(&small(), 1, DType::F32, executor);
        for (shape, dtype) in [
            (vec![2, 1, 8, 9], DType::F32),
            (vec![2, 64], DType::F32),
            (vec![0, 1, 8, 8], DType::F32),
            (vec![2, 1, 8, 8], DType::F64),
            (vec![1, 8, 8], DType::F32),
        ] {
            let images = Tensor::zeros(shape.clone(), dtype, &Device::Cpu).unwrap();
            for refusal in
                [network.logits(&images).err(), network.forward(&images, Mode::Evaluation).err()]
            {
                let message = refusal.expect("refused").to_string();
                assert!(
                    message.contains("(n, 1, 8, 8)") && message.contains(&format!("{shape:?}")),
                    "{message}"
                );
            }
        }
        let images = hashed_images(&small(), 2, 2, DType::F32);
        for (shape, dtype) in [([2, 5], DType::F32), ([1, 4], DType::F32), ([2, 4], DType::F64)] {
            let (_, pullback) = network.forward(&images, Mode::Evaluation).unwrap();
            let cotangent = Tensor::zeros(&shape, dtype, &Device::Cpu).unwrap();
            let message = pullback(&cotangent, Wanted::BOTH).unwrap_err().to_string();
            assert!(message.contains("[2, 4]"), "{message}");
        }
    }
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let weights = hashed_weights(&small(), 1, DType::F32);
    let entries = || weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
    let refusal = |weights: Weights| match Network::new(small(), weights, Executor::Candle) {
        Err(error @ Error::WeightsMismatch { .. }) => error.to_string(),
        other => panic!("expected a refusal, found {:?}", other.err()),
    };
    let missing = Weights::new(entries().skip(1).collect()).unwrap();
    assert!(refusal(missing).contains("missing: `conv1.weight` [3, 1, 5, 5]"));
    let extra = entries().chain([("extra".to_owned(), weights.get("fc2.bias").unwrap().clone())]);
    assert!(refusal(Weights::new(extra.collect()).unwrap()).contains("unknown: `extra` [4]"));
    let transposed = weights.map(|name, tensor| {
        Ok(if name == "fc1.weight" { tensor.t()?.contiguous()? } else { tensor.clone() })
    });
    let message = refusal(transposed.unwrap());
    assert!(message.contains("`fc1.weight` [20, 7] instead of [7, 20]"), "{message}");
    let mut turned: Vec<_> = entries().collect();
    turned.reverse();
    assert!(refusal(Weights::new(turned).unwrap()).contains("order"));
    assert!(refusal(weights.to_dtype(DType::F16).unwrap()).contains("F16"));
}

#[test]
fn weights_are_of_one_kind() {
    let tensor = Tensor::zeros(2, DType::F32, &Device::Cpu).unwrap();
    let double = tensor.to_dtype(DType::F64).unwrap();
    let named = |entries: &[(&str, &Tensor)]| {
        let own = |&(name, tensor): &(&str, &Tensor)| (name.to_owned(), tensor.clone());
        Weights::new(entries.iter().map(own).collect())
    };
    assert!(named(&[]).is_err());
    assert!(named(&[("a", &tensor), ("a", &tensor)]).unwrap_err().to_string().contains("`a`"));
    assert!(named(&[("a", &tensor), ("b", &double)]).unwrap_err().to_string().contains("`b`"));
}

#[test]
fn slices_become_weights_in_order() {
    let architecture = &small_architectures()[3];
    let values: Vec<Vec<f32>> = architecture
        .parameters()
        .iter()
        .enumerate()
        .map(|(index, one)| vec![index as f32; one.shape.iter().product()])
        .collect();
    let slices: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
    let weights = Weights::from_slices(architecture, &slices).unwrap();
    weights.check(architecture).unwrap();
    assert_eq!(flat(weights.get("b.bias").unwrap()), [3.0, 3.0]);
    assert!(Weights::from_slices(architecture, &slices[1..]).is_err());
    let mut short = slices.clone();
    short[1] = &slices[1][1..];
    let message = Weights::from_slices(architecture, &short).unwrap_err().to_string();
    assert!(message.contains("`a.bias`") && message.contains("4 values"), "{message}");
}

#[test]
fn executors_have_names() {
    assert_eq!(Executor::Candle.name(), "candle");
    for kernels in Kernels::available() {
        let network = hashed_network(&small(), 1, DType::F32, Executor::Engine(kernels));
        assert_eq!(network.executor_name(), format!("engine-{}", kernels.name()));
    }
}
