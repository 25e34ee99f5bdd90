//! Files that PyTorch wrote, whole, wrapped, strided, old and broken: PyTorch's logits or an error in words.
//!
//! `tests/golden/make_torch_files.py` made them all.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_model::{
    Architecture, Classifier, Error, Executor, FlattenOrder, Metadata, NameMap, Network,
    TensorLayout, Weights, from_bytes, load_network, load_network_by, to_bytes,
};
use saddle_tests::model::{flat, hashed_images, hashed_weights, small_architectures};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    images: Vec<f32>,
    logits: Vec<f64>,
}

fn file(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/torch");
    std::fs::read(folder.join(name)).unwrap()
}

fn small() -> Architecture {
    small_architectures().remove(0)
}

/// Logits of the small network with these weights, held against PyTorch's.
#[track_caller]
fn assert_golden(weights: Weights) {
    let golden: Golden = serde_json::from_slice(&file("golden.json")).unwrap();
    let network = Network::new(small(), weights, Executor::Candle).unwrap();
    let images = Tensor::from_vec(golden.images, (3, 1, 8, 8), &Device::Cpu).unwrap();
    let ours = flat(&network.logits(&images).unwrap());
    assert_eq!(ours.len(), golden.logits.len());
    for (ours, theirs) in ours.iter().zip(&golden.logits) {
        assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
    }
}

/// The map of the checkpoints: names behind `module.`.
fn prefixed() -> NameMap {
    let ours = small().parameters().into_iter().map(|parameter| parameter.name);
    let names = ours.map(|ours| (ours.clone(), format!("module.{ours}"))).collect();
    NameMap { names, ..NameMap::default() }
}

fn refusal(bytes: &[u8]) -> String {
    from_bytes(bytes).expect_err("accepted").to_string()
}

#[track_caller]
fn assert_refused(bytes: &[u8], words: &[&str]) {
    let message = refusal(bytes);
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

#[test]
fn every_form_gives_pytorchs_logits() {
    for name in ["plain.pt", "legacy.pt", "half.pt", "bfloat16.pt", "double.pt", "views.pt"] {
        let (weights, metadata) = from_bytes(&file(name)).unwrap();
        assert_eq!(metadata, Metadata::default(), "{name}");
        assert_eq!(weights.dtype(), DType::F32, "{name}");
        assert_golden(NameMap::default().apply(&weights, &small()).unwrap());
    }
    for name in ["checkpoint.pt", "checkpoint_legacy.pt"] {
        let (weights, _) = from_bytes(&file(name)).unwrap();
        assert_golden(prefixed().apply(&weights, &small()).unwrap());
    }
}

#[test]
fn tensorflows_layouts_and_names_are_translated() {
    let (weights, _) = from_bytes(&file("tensorflow.safetensors")).unwrap();
    let pairs = [("conv1", "c1"), ("conv2", "c2"), ("fc1", "d1"), ("fc2", "d2")];
    let names = pairs.iter().flat_map(|(ours, theirs)| {
        [("weight", "kernel"), ("bias", "bias")]
            .map(|(own, other)| (format!("{ours}.{own}"), format!("{theirs}/{other}")))
    });
    let map = NameMap {
        layout: TensorLayout::Tensorflow,
        flatten: FlattenOrder::Hwc,
        names: names.collect(),
        ..NameMap::default()
    };
    assert_golden(map.apply(&weights, &small()).unwrap());
    // The wrong layout is noticed by shapes; a wrong order of pixels has no shape and must be told.
    let wrong = NameMap { layout: TensorLayout::Pytorch, ..map.clone() };
    let message = wrong.apply(&weights, &small()).unwrap_err().to_string();
    assert!(
        message.contains("`c1/kernel` [5, 5, 1, 3] does not become `conv1.weight`"),
        "{message}"
    );
    let other = NameMap { flatten: FlattenOrder::Chw, ..map.clone() };
    let other = other.apply(&weights, &small()).unwrap();
    let right = map.apply(&weights, &small()).unwrap();
    assert_ne!(flat(other.get("fc1.weight").unwrap()), flat(right.get("fc1.weight").unwrap()));
    let mut unnamed = map;
    unnamed.names.remove("fc2.bias");
    let message = unnamed.apply(&weights, &small()).unwrap_err().to_string();
    for words in ["missing `fc2.bias`", "unknown `d2/bias`", "the file holds"] {
        assert!(message.contains(words), "{message}");
    }
    unnamed.names.insert("fc3.bias".to_owned(), "d2/bias".to_owned());
    let message = unnamed.apply(&weights, &small()).unwrap_err().to_string();
    assert!(message.contains("`fc3.bias` is no parameter"), "{message}");
}

/// Madry's network with hashed weights, its tensors changed as `change` says.
fn madry_as(change: impl Fn(&str, Tensor) -> (String, Tensor)) -> Vec<u8> {
    let weights = hashed_weights(&Architecture::madry(), 1, DType::F32);
    let entries = weights.iter().map(|(name, tensor)| change(name, tensor.clone())).collect();
    to_bytes(&Weights::new(entries).unwrap(), &Metadata::default()).unwrap()
}

#[test]
fn published_names_are_known_and_said() {
    let ours = hashed_weights(&Architecture::madry(), 1, DType::F32);
    let places = BTreeMap::from([("conv1", 0), ("conv2", 1), ("fc1", 2), ("fc2", 3)]);
    let sequence = |name: &str, tensor: Tensor| {
        let (layer, own) = name.split_once('.').unwrap();
        (format!("module.{}.{own}", [0, 3, 7, 9][places[layer]]), tensor)
    };
    let variables = |name: &str, tensor: Tensor| {
        let (layer, own) = name.split_once('.').unwrap();
        let tensor = match (tensor.rank(), layer) {
            (4, _) => tensor.permute((2, 3, 1, 0)).unwrap(),
            (2, "fc1") => {
                let image =
                    tensor.reshape((1024, 64, 7, 7)).unwrap().permute((2, 3, 1, 0)).unwrap();
                image.contiguous().unwrap().reshape((3136, 1024)).unwrap()
            }
            (2, _) => tensor.t().unwrap(),
            _ => tensor,
        };
        let number = 2 * places[layer] + usize::from(own == "bias");
        let name = if number == 0 { "Variable".to_owned() } else { format!("Variable_{number}") };
        (name, tensor.contiguous().unwrap())
    };
    let images = hashed_images(&Architecture::madry(), 1, 2, DType::F32);
    for (bytes, words) in
        [(madry_as(sequence), "robust_union"), (madry_as(variables), "TensorFlow")]
    {
        for named in [None, Some("madry")] {
            let (network, metadata) = load_network(&bytes, named, Executor::Candle).unwrap();
            assert_eq!(network.architecture(), &Architecture::madry());
            assert!(metadata.notes["names_read_by"].contains(words));
            for ((name, read), (_, own)) in network.weights().iter().zip(ours.iter()) {
                assert_eq!(flat(read), flat(own), "{name}");
            }
            network.logits(&images).unwrap();
        }
        assert!(load_network(&bytes, Some("trades"), Executor::Candle).is_err());
    }
}

#[test]
fn a_map_needs_an_architecture_and_may_name_it() {
    let bytes = madry_as(|name, tensor| (format!("net/{name}"), tensor));
    let ours = Architecture::madry().parameters().into_iter().map(|parameter| parameter.name);
    let names = ours.map(|ours| (ours.clone(), format!("net/{ours}"))).collect();
    let mut map = NameMap { names, ..NameMap::default() };
    let load = |map: &NameMap| load_network_by(&bytes, None, Some(map), Executor::Candle);
    let Err(Error::NameMap { message }) = load(&map) else { panic!("not refused") };
    assert!(message.contains("name the architecture"), "{message}");
    map.architecture = Some("madry".to_owned());
    let (network, _) = load(&map).unwrap();
    assert_eq!(network.architecture().name, "madry");
}

#[test]
fn what_holds_no_state_dict_is_refused_in_words() {
    assert_refused(
        &file("module.pt"),
        &["pickled `torch.nn.modules.activation.ReLU`", "state_dict()"],
    );
    assert_refused(&file("no_tensors.pt"), &["`accuracy`", "`note`", "under"]);
    assert_refused(&file("two.pt"), &["model, net", "under"]);
    assert_refused(&file("expanded.pt"), &["`fc2.bias`", "more numbers than the file"]);
    assert_refused(&file("integers.pt"), &["`fc2.bias`", "LongStorage"]);
    let map = NameMap { under: vec!["net".to_owned()], ..NameMap::default() };
    let found = load_network_by(&file("two.pt"), Some("madry"), Some(&map), Executor::Candle);
    let message = found.err().unwrap().to_string();
    assert!(message.contains("missing") && message.contains("`conv1.weight`"), "{message}");
    let map = NameMap { under: vec!["nothing".to_owned()], ..NameMap::default() };
    let found = load_network_by(&file("two.pt"), Some("madry"), Some(&map), Executor::Candle);
    let message = found.err().unwrap().to_string();
    assert!(message.contains("`nothing`") && message.contains("`net`"), "{message}");
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    for name in ["plain.pt", "legacy.pt"] {
        let bytes = file(name);
        for length in (0..bytes.len()).step_by(37).chain([bytes.len() - 1]) {
            let message = refusal(&bytes[..length]);
            assert!(message.starts_with("weight file refused"), "{name} {length}: {message}");
        }
    }
}

/// A file of the old form whose object is this pickle.
fn hostile(pickle: &[u8]) -> Vec<u8> {
    let head = file("legacy.pt");
    // Magic number, version 1001, an empty dictionary where the machine is described.
    let magic = &head[..15];
    [magic, b"\x80\x02M\xe9\x03.", b"\x80\x02}.", b"\x80\x02", pickle].concat()
}

#[test]
fn pickles_that_ask_for_too_much_are_refused() {
    // A text of 4 GB; an integer of 255 bytes; an instruction that does not exist; one that runs code.
    assert_refused(&hostile(b"X\xff\xff\xff\xff"), &["a text of 4294967295 bytes"]);
    assert_refused(&hostile(&[0x8a, 255, 1]), &["an integer of 255 bytes"]);
    assert_refused(&hostile(b"i"), &["state dict, byte 2"]);
    assert_refused(&hostile(b"cos\nsystem\n(X\x02\x00\x00\x00lstR.\x80\x02]."), &["`os.system`"]);
    // A list in a list in a list: freeing it would overflow the stack.
    let deep = [&b"N"[..], &[0x85].repeat(100_000), b"."].concat();
    assert_refused(&hostile(&deep), &["deeper"]);
    // Each line doubles what the last one holds.
    let laughs = [&b"Nq\x00"[..], &b"h\x00h\x00\x86q\x00".repeat(60), b"."].concat();
    let message = refusal(&hostile(&laughs));
    assert!(message.contains("more objects") || message.contains("deeper"), "{message}");
    // Many copies of one large object.
    let wide = [&b"("[..], &b"N".repeat(5000), b"tq\x00", &b"h\x00".repeat(5000), b"."];
    assert_refused(&hostile(&wide.concat()), &["more objects"]);
    // A tensor without strides, one without a storage, and shorter tuples than candle expects.
    for arguments in [&b")"[..], b"(K\x01t", b"(NK\x00)t", b"(N)))t"] {
        let pickle = [b"}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n", arguments, b"Rs."];
        assert_refused(
            &hostile(&[&pickle.concat()[..], b"\x80\x02]."].concat()),
            &["a tensor without"],
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_bytes_give_weights_or_words(
        which in prop::sample::select(vec!["plain.pt", "legacy.pt", "views.pt", "checkpoint.pt"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = file(which);
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Err(error) = from_bytes(&bytes) {
            prop_assert!(error.to_string().len() < 4000);
        }
    }
}
