//! Checkpoints that must not be resumed from, and what is said about them.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_attacks::Examples;
use saddle_defenses::{DefensePlan, Error, Madry, Natural, Trainer, TrainingPlan};
use saddle_model::{Architecture, Executor, Metadata, to_bytes};
use saddle_ops::Kernels;
use saddle_tests::defenses::{small_architecture, small_digits, small_plan};
use std::sync::OnceLock;

fn plan() -> TrainingPlan {
    small_plan(DefensePlan::Natural(Natural {}), 4)
}

fn trainer() -> Trainer {
    let examples = small_digits(16, DType::F32);
    let mut trainer =
        Trainer::new(plan(), small_architecture(), Executor::Candle, examples, None).unwrap();
    trainer.step().unwrap();
    trainer
}

fn checkpoint() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| trainer().checkpoint().unwrap())
}

fn refusal(bytes: &[u8]) -> Error {
    resume(bytes, plan(), small_architecture(), Executor::Candle, small_digits(16, DType::F32))
}

fn resume(
    bytes: &[u8],
    plan: TrainingPlan,
    architecture: Architecture,
    executor: Executor,
    examples: Examples,
) -> Error {
    Trainer::resume(bytes, plan, architecture, executor, examples).err().expect("must be refused")
}

#[test]
fn a_checkpoint_cut_short_is_refused_wherever_it_is_cut() {
    let bytes = checkpoint();
    for length in [0, 1, 7, 8, 9, 100, bytes.len() / 2, bytes.len() - 1] {
        let error = refusal(&bytes[..length]);
        assert!(matches!(error, Error::BadCheckpoint { .. }), "{length}: {error}");
        assert!(error.to_string().contains("damaged or cut short"), "{error}");
    }
}

#[test]
fn a_weight_file_is_no_checkpoint() {
    let bytes = to_bytes(trainer().weights(), &Metadata::default()).unwrap();
    let error = refusal(&bytes).to_string();
    assert!(error.contains("no checkpoint of a training"), "{error}");
}

#[test]
fn a_checkpoint_of_another_training_is_refused_with_the_difference() {
    let digits = || small_digits(16, DType::F32);
    let refuse = |plan, executor, examples| {
        let error = resume(checkpoint(), plan, small_architecture(), executor, examples);
        assert!(matches!(error, Error::ForeignCheckpoint { .. }), "{error}");
        error.to_string()
    };
    let longer = TrainingPlan { iterations: 5, ..plan() };
    let error = refuse(longer, Executor::Candle, digits());
    assert!(error.contains("plan differs") && error.contains("\"iterations\":5"), "{error}");
    let madry = TrainingPlan { defense: DefensePlan::Madry(Madry::linf().unwrap()), ..plan() };
    let error = refuse(madry, Executor::Candle, digits());
    assert!(error.contains("\"natural\"") && error.contains("\"madry\""), "{error}");
    let error = refuse(plan(), Executor::Candle, small_digits(17, DType::F32));
    assert!(error.contains("training data differs"), "{error}");
    let mut labels = digits().labels().to_vec();
    labels[3] = (labels[3] + 1) % 10;
    let relabelled =
        Examples::new(digits().images().clone(), labels, digits().ids().to_vec()).unwrap();
    let error = refuse(plan(), Executor::Candle, relabelled);
    assert!(error.contains("training data differs"), "{error}");
    let error = refuse(plan(), Executor::Engine(Kernels::detect()), digits());
    assert!(error.contains("executor differs (candle there"), "{error}");
}

#[test]
fn a_checkpoint_of_another_network_is_refused() {
    let mut renamed = small_architecture();
    renamed.name = "other".to_owned();
    let digits = || small_digits(16, DType::F32);
    let error = resume(checkpoint(), plan(), renamed, Executor::Candle, digits()).to_string();
    assert!(error.contains("network differs"), "{error}");
}

/// The checkpoint with one tensor or the header changed.
fn forged(
    header: impl Fn(String) -> String,
    change: impl Fn(&str, Tensor) -> Option<Tensor>,
) -> Vec<u8> {
    let tensors = safetensors::SafeTensors::deserialize(checkpoint()).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(checkpoint()).unwrap();
    let mut metadata = metadata.metadata().clone().unwrap();
    let own = metadata.remove("saddle").unwrap();
    metadata.insert("saddle".to_owned(), header(own));
    let entries: Vec<(String, Tensor)> = tensors
        .tensors()
        .into_iter()
        .filter_map(|(name, view)| {
            let tensor =
                Tensor::from_raw_buffer(view.data(), DType::F32, view.shape(), &Device::Cpu);
            let tensor = change(&name, tensor.unwrap())?;
            Some((name, tensor))
        })
        .collect();
    safetensors::serialize(entries, Some(metadata)).unwrap()
}

#[test]
fn forged_checkpoints_are_refused_by_what_is_wrong_with_them() {
    let keep = |header: String| header;
    let same = |_: &str, tensor| Some(tensor);
    assert!(
        Trainer::resume(
            &forged(keep, same),
            plan(),
            small_architecture(),
            Executor::Candle,
            small_digits(16, DType::F32)
        )
        .is_ok(),
        "an unchanged forgery is good, else this test shows nothing"
    );
    let without = |gone: &'static str| move |name: &str, tensor| (name != gone).then_some(tensor);
    let error = refusal(&forged(keep, without("weights/fc1.bias"))).to_string();
    assert!(error.contains("`fc1.bias` are missing"), "{error}");
    let error = refusal(&forged(keep, without("optimizer/second/fc1.bias"))).to_string();
    assert!(error.contains("moments given"), "{error}");
    let poisoned = |name: &str, tensor: Tensor| {
        if name != "weights/conv1.bias" {
            return Some(tensor);
        }
        Some((tensor * f64::NAN).unwrap())
    };
    let error = refusal(&forged(keep, poisoned)).to_string();
    assert!(error.contains("`conv1.bias` hold NaN"), "{error}");
    let later = |header: String| header.replace("\"version\":1", "\"version\":2");
    let error = refusal(&forged(later, same)).to_string();
    assert!(error.contains("version 2 found"), "{error}");
    let beyond = |header: String| header.replace("\"step\":1", "\"step\":9");
    let error = refusal(&forged(beyond, same)).to_string();
    assert!(error.contains("step 9 of 4"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let refused = matches!(refusal(&bytes), Error::BadCheckpoint { .. });
        prop_assert!(refused);
    }

    #[test]
    fn damage_to_the_header_never_panics(place in 0usize..400, value in any::<u8>()) {
        let mut bytes = checkpoint().to_vec();
        bytes[place] = value;
        // Damage may hit a blank or a comma's like; what counts is that nothing panics and that a
        // training that comes back stands within its plan.
        let resumed = Trainer::resume(
            &bytes, plan(), small_architecture(), Executor::Candle, small_digits(16, DType::F32),
        );
        if let Ok(trainer) = resumed {
            prop_assert!(trainer.done() <= trainer.plan().iterations);
        }
    }
}
