//! Weight files: round trips, foreign files, refusals in words, and no panic on any bytes.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use proptest::prelude::*;
use saddle_model::{
    Architecture, Classifier, Error, Executor, Metadata, Weights, from_bytes, load_network,
    load_own_network, to_bytes,
};
use saddle_ops::Kernels;
use saddle_tests::model::{flat, hashed_images, hashed_weights, small_architectures};

fn small() -> Architecture {
    small_architectures().remove(3)
}

fn metadata() -> Metadata {
    Metadata {
        architecture: Some(small()),
        plan: Some("defense = \"natural\"\n".to_owned()),
        seed: Some(u64::MAX),
        data: Some("ab".repeat(32)),
        version: Some("0.1.0".to_owned()),
        notes: BTreeMap::from([("remark".to_owned(), "a \"quoted\" \u{3b5}".to_owned())]),
    }
}

/// A file with this JSON header and this many zero bytes behind it.
fn raw(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

#[track_caller]
fn assert_refused(bytes: &[u8], words: &[&str]) {
    let message = from_bytes(bytes).expect_err("accepted").to_string();
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

#[test]
fn a_round_trip_keeps_everything() {
    let weights = hashed_weights(&small(), 1, DType::F32);
    let bytes = to_bytes(&weights, &metadata()).unwrap();
    let (read, found) = from_bytes(&bytes).unwrap();
    assert_eq!(found, metadata());
    assert!(read.names().eq(weights.names()));
    for ((_, ours), (_, theirs)) in read.iter().zip(weights.iter()) {
        assert_eq!(ours.shape(), theirs.shape());
        assert_eq!(flat(ours), flat(theirs));
    }
    assert_eq!(to_bytes(&read, &found).unwrap(), bytes, "equal weights give equal bytes");
}

#[test]
fn half_precision_is_half_the_size_and_exact_once_rounded() {
    let weights = hashed_weights(&Architecture::madry(), 1, DType::F32);
    let full = to_bytes(&weights, &Metadata::default()).unwrap();
    for dtype in [DType::F16, DType::BF16] {
        let rounded = weights.to_dtype(dtype).unwrap();
        let bytes = to_bytes(&rounded, &Metadata::default()).unwrap();
        assert!(bytes.len() < full.len() / 2 + 1024);
        let (read, _) = from_bytes(&bytes).unwrap();
        assert_eq!(read.dtype(), DType::F32);
        for ((name, ours), (_, theirs)) in read.iter().zip(rounded.iter()) {
            assert_eq!(flat(ours), flat(theirs), "{name}");
        }
    }
    let doubled = to_bytes(&weights.to_dtype(DType::F64).unwrap(), &Metadata::default()).unwrap();
    let (read, _) = from_bytes(&doubled).unwrap();
    assert_eq!(flat(read.get("fc2.weight").unwrap()), flat(weights.get("fc2.weight").unwrap()));
}

#[test]
fn another_reader_of_the_format_agrees() {
    let weights = hashed_weights(&small(), 1, DType::F32);
    let bytes = to_bytes(&weights, &metadata()).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor("b.weight").unwrap();
    assert_eq!(view.shape(), [2, 5]);
    let values: Vec<f64> = view
        .data()
        .chunks_exact(4)
        .map(|raw| f64::from(f32::from_le_bytes(raw.try_into().unwrap())))
        .collect();
    assert_eq!(values, flat(weights.get("b.weight").unwrap()));
    let (header, _) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header % 8, 0, "tensors begin at a multiple of 8");
}

#[test]
fn our_own_file_names_its_network() {
    let weights = hashed_weights(&small(), 1, DType::F32);
    let bytes = to_bytes(&weights, &metadata()).unwrap();
    let (network, found) = load_network(&bytes, None, Executor::Candle).unwrap();
    assert_eq!(network.architecture(), &small());
    assert_eq!(found.seed, Some(u64::MAX));
    let images = hashed_images(&small(), 2, 3, DType::F32);
    assert_eq!(network.logits(&images).unwrap().dims(), [2, 2]);
}

#[test]
fn a_file_of_ours_loads_without_knowing_foreign_ones() {
    let weights = hashed_weights(&small(), 1, DType::F32);
    let bytes = to_bytes(&weights, &metadata()).unwrap();
    let (network, found) = load_own_network(&bytes, Kernels::detect()).unwrap();
    let engine = Executor::Engine(Kernels::detect());
    let (twin, expected) = load_network(&bytes, None, engine).unwrap();
    assert_eq!((network.architecture(), &found), (twin.architecture(), &expected));
    let images = hashed_images(&small(), 2, 3, DType::F32);
    assert_eq!(flat(&network.logits(&images).unwrap()), flat(&twin.logits(&images).unwrap()));
    let (_, foreign) = foreign(&Architecture::madry(), "");
    let error = load_own_network(&foreign, Kernels::detect()).err().unwrap().to_string();
    assert!(error.contains("does not say which network"), "{error}");
    for broken in [&bytes[..100], &b"PK\x03\x04 and so on"[..], &[]] {
        assert!(load_own_network(broken, Kernels::detect()).is_err());
    }
}

/// A foreign file: no metadata, names under a prefix, in the order of the alphabet.
fn foreign(architecture: &Architecture, prefix: &str) -> (Weights, Vec<u8>) {
    let weights = hashed_weights(architecture, 1, DType::F32);
    let mut entries: Vec<_> =
        weights.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone())).collect();
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    let bytes = to_bytes(&Weights::new(entries).unwrap(), &Metadata::default()).unwrap();
    (weights, bytes)
}

#[test]
fn a_foreign_file_is_recognised_by_names_and_shapes() {
    for architecture in Architecture::all() {
        for prefix in ["", "module.", "model.net."] {
            let (weights, bytes) = foreign(&architecture, prefix);
            for name in [None, Some(architecture.name.as_str())] {
                let (network, metadata) = load_network(&bytes, name, Executor::Candle).unwrap();
                assert_eq!(network.architecture(), &architecture);
                assert_eq!(metadata, Metadata::default());
                assert!(network.weights().names().eq(weights.names()));
                let bias = weights.names().last().unwrap();
                let ours = flat(network.weights().get(bias).unwrap());
                assert_eq!(ours, flat(weights.get(bias).unwrap()));
            }
        }
    }
}

#[test]
fn a_foreign_file_that_fits_nothing_is_described() {
    let bytes = to_bytes(&hashed_weights(&small(), 1, DType::F32), &Metadata::default()).unwrap();
    let message = load_network(&bytes, None, Executor::Candle).err().unwrap().to_string();
    assert!(message.contains("a.weight [5, 12]") && message.contains("madry"), "{message}");
    let message = load_network(&bytes, Some("madry"), Executor::Candle).err().unwrap().to_string();
    assert!(message.contains("missing: `conv1.bias`"), "{message}");
    assert!(message.contains("unknown: `a.bias` [5]"), "{message}");
    let message = load_network(&bytes, Some("lenet"), Executor::Candle).err().unwrap().to_string();
    assert!(message.contains("lenet"), "{message}");
}

#[test]
fn an_extra_tensor_is_named_whatever_the_prefix() {
    let (weights, _) = foreign(&Architecture::madry(), "");
    let extra = ("running_mean".to_owned(), weights.get("fc2.bias").unwrap().clone());
    let entries = weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone()));
    let weights = Weights::new(entries.chain([extra]).collect()).unwrap();
    let bytes = to_bytes(&weights, &Metadata::default()).unwrap();
    let error = load_network(&bytes, Some("madry"), Executor::Candle).err().unwrap();
    assert!(error.to_string().contains("unknown: `running_mean` [10]"), "{error}");
}

#[test]
fn foreign_metadata_under_our_words_is_kept_as_notes() {
    let header = r#"{"__metadata__":{"architecture":"resnet18","seed":"one","format":"pt"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    let (_, metadata) = from_bytes(&raw(header, 4)).unwrap();
    assert_eq!(metadata.architecture, None);
    assert_eq!(metadata.seed, None);
    assert_eq!(metadata.notes["architecture"], "resnet18");
    assert_eq!(metadata.notes["seed"], "one");
}

#[test]
fn an_unsound_architecture_in_the_metadata_is_refused() {
    let mut unsound = small();
    unsound.input = [1, usize::MAX, 4];
    let metadata = Metadata { architecture: Some(unsound), ..Metadata::default() };
    let bytes = to_bytes(&hashed_weights(&small(), 1, DType::F32), &metadata).unwrap();
    let error = load_network(&bytes, None, Executor::Candle).err().unwrap();
    assert!(matches!(error, Error::InvalidArchitecture { .. }), "{error}");
}

#[test]
fn nan_and_infinity_are_refused_by_name() {
    let header = |dtype: &str, size: usize| {
        format!(
            r#"{{"bad.weight":{{"dtype":"{dtype}","shape":[3],"data_offsets":[0,{}]}}}}"#,
            3 * size
        )
    };
    let file = |dtype: &str, value: &[u8]| {
        let mut bytes = raw(&header(dtype, value.len()), 2 * value.len());
        bytes.extend_from_slice(value);
        bytes
    };
    for bytes in [
        file("F32", &f32::NAN.to_le_bytes()),
        file("F32", &f32::NEG_INFINITY.to_le_bytes()),
        file("F16", &f16::NAN.to_le_bytes()),
        file("BF16", &bf16::INFINITY.to_le_bytes()),
        file("F64", &f64::NAN.to_le_bytes()),
        file("F64", &1e300f64.to_le_bytes()),
    ] {
        assert_refused(&bytes, &["`bad.weight`", "element 2"]);
    }
    let tensor = Tensor::from_slice(&[0.0, 1e6f32], 2, &Device::Cpu).unwrap();
    let weights = Weights::new(vec![("w".to_owned(), tensor)]).unwrap();
    let halved = weights.to_dtype(DType::F16).unwrap();
    let message = to_bytes(&halved, &Metadata::default()).unwrap_err().to_string();
    assert!(message.contains("`w`") && message.contains("element 1"), "{message}");
}

#[test]
fn damaged_files_are_refused_in_words() {
    let whole = to_bytes(&hashed_weights(&small(), 1, DType::F32), &metadata()).unwrap();
    assert_refused(&[], &["0 bytes"]);
    assert_refused(&whole[..7], &["7 bytes"]);
    assert_refused(&whole[..100], &["header claims", "92 follow"]);
    assert_refused(&whole[..whole.len() - 1], &["not a safetensors file"]);
    assert_refused(&[whole.as_slice(), b"x"].concat(), &["not a safetensors file"]);
    // A header of 2^63 bytes: refused by its length, before anything of that size is asked for.
    let mut huge = whole.clone();
    huge[..8].copy_from_slice(&(1u64 << 63).to_le_bytes());
    assert_refused(&huge, &["header claims 9223372036854775808"]);
    assert_refused(&raw("{}", 0), &["no tensor"]);
    assert_refused(&raw("[]", 0), &["not a safetensors file"]);
    let integers = r#"{"steps":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
    assert_refused(&raw(integers, 8), &["`steps`", "I64"]);
    let empty = r#"{"w":{"dtype":"F32","shape":[0,4611686018427387904,4611686018427387904],"data_offsets":[0,0]}}"#;
    assert_refused(&raw(empty, 0), &["`w`", "empty"]);
    let large = r#"{"w":{"dtype":"F32","shape":[4611686018427387904,8],"data_offsets":[0,4]}}"#;
    assert_refused(&raw(large, 4), &["not a safetensors file"]);
}

#[test]
fn a_complaint_about_many_tensors_stays_short() {
    let tensor = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
    let entries = (0..2000).map(|index| (format!("tensor{index}"), tensor.clone()));
    let weights = Weights::new(entries.collect()).unwrap();
    let message = weights.check(&small()).unwrap_err().to_string();
    assert!(message.contains("and 1988 more") && message.len() < 2000, "{message}");
}

#[test]
fn a_foreign_file_with_one_tensor_too_many_or_too_few_has_that_one_named() {
    let all = hashed_weights(&Architecture::madry(), 1, DType::F32);
    let entries: Vec<(String, Tensor)> =
        all.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    let said = |entries: Vec<(String, Tensor)>| {
        let weights = Weights::new(entries).unwrap();
        let bytes = to_bytes(&weights, &Metadata::default()).unwrap();
        load_network(&bytes, None, Executor::Candle).err().unwrap().to_string()
    };
    let extra = Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap();
    let more = [entries.clone(), vec![("momentum.buffer".to_owned(), extra)]].concat();
    let message = said(more);
    assert!(message.contains("unknown: `momentum.buffer` [3]"), "{message}");
    assert!(!message.contains("conv1"), "{message}");
    let message = said(entries[1..].to_vec());
    assert!(message.contains("missing: `conv1.weight`"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any bytes, framed so that the header is looked at.
    #[test]
    fn any_bytes_give_weights_or_words(
        header in prop_oneof!["\\PC{0,80}", "[\\[\\]{}\":,a-z0-9_]{0,80}"],
        data in proptest::collection::vec(any::<u8>(), 0..32),
        frame in any::<bool>(),
    ) {
        let mut bytes = if frame { raw(&header, 0) } else { header.into_bytes() };
        bytes.extend(data);
        let _ = from_bytes(&bytes);
        let _ = load_network(&bytes, None, Executor::Candle);
    }

    /// A sound file with some bytes changed or cut: never a panic, and what is accepted is finite.
    #[test]
    fn damage_gives_weights_or_words(
        changes in proptest::collection::vec((0usize..4000, any::<u8>()), 1..8),
        cut in proptest::option::of(0usize..4000),
    ) {
        let mut bytes = to_bytes(&hashed_weights(&small(), 1, DType::F32), &metadata()).unwrap();
        for (place, byte) in changes {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut);
        }
        if let Ok((weights, _)) = from_bytes(&bytes) {
            prop_assert!(weights.iter().all(|(_, tensor)| flat(tensor).iter().all(|x| x.is_finite())));
        }
        if let Ok((network, _)) = load_network(&bytes, None, Executor::Candle) {
            prop_assert_eq!(network.weights().len(), network.architecture().parameters().len());
        }
    }

    /// Shapes and offsets that lie about the data.
    #[test]
    fn lying_shapes_are_refused(
        shape in proptest::collection::vec(prop_oneof![0u64..4, any::<u64>()], 0..4),
        offsets in (0u64..40, prop_oneof![0u64..40, any::<u64>()]),
        data in 0usize..40,
    ) {
        let header = format!(
            r#"{{"w":{{"dtype":"F32","shape":{shape:?},"data_offsets":[{},{}]}}}}"#,
            offsets.0, offsets.1
        );
        if let Ok((weights, _)) = from_bytes(&raw(&header, data)) {
            prop_assert_eq!(weights.get("w").unwrap().elem_count() * 4, data);
        }
    }
}
