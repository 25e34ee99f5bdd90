//! What a loss refuses, and that it says so in words.

use candle_core::{DType, Device, Tensor};
use saddle_model::{Aim, Error, Loss, LossKind, Result, predictions};

fn zeros(rows: usize, classes: usize) -> Tensor {
    Tensor::zeros((rows, classes), DType::F32, &Device::Cpu).unwrap()
}

#[track_caller]
fn assert_refused<T>(result: Result<T>, words: &[&str]) {
    let message = match result {
        Ok(_) => panic!("accepted"),
        Err(error @ (Error::Loss { .. } | Error::Shape { .. } | Error::NonFinite { .. })) => {
            error.to_string()
        }
        Err(other) => panic!("another error: {other}"),
    };
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}

fn untargeted(labels: Vec<u32>) -> Loss {
    Loss::new(LossKind::CrossEntropy, labels, &Aim::Untargeted).unwrap()
}

#[test]
fn labels_targets_and_rows_must_exist() {
    let new = |labels, aim| Loss::new(LossKind::Margin, labels, &aim);
    assert_refused(new(vec![], Aim::Untargeted), &["no labels"]);
    assert_refused(new(vec![1, 2], Aim::Targeted(vec![3])), &["1 targets", "2 labels"]);
    assert_refused(
        untargeted(vec![3, 10]).evaluate(&zeros(1, 10), &[1]),
        &["label 10", "example 1", "10 classes"],
    );
    let targeted = new(vec![0], Aim::Targeted(vec![11])).unwrap();
    assert_refused(targeted.evaluate(&zeros(1, 10), &[0]), &["target 11"]);
    assert_refused(untargeted(vec![0]).evaluate(&zeros(1, 10), &[1]), &["row 1", "1 examples"]);
}

#[test]
fn shapes_must_agree() {
    assert_refused(untargeted(vec![0]).evaluate(&zeros(2, 10), &[0]), &["1 rows", "[2, 10]"]);
    assert_refused(untargeted(vec![0]).evaluate(&zeros(0, 10), &[]), &["(n, classes)"]);
    let images = Tensor::zeros((1, 1, 2, 2), DType::F32, &Device::Cpu).unwrap();
    assert_refused(untargeted(vec![0]).evaluate(&images, &[0]), &["[1, 1, 2, 2]"]);
    assert_refused(Loss::kl(&images), &["reference"]);
    let kl = Loss::kl(&zeros(1, 4)).unwrap();
    assert_refused(kl.evaluate(&zeros(1, 5), &[0]), &["5 classes", "reference of 4"]);
}

#[test]
fn dlr_needs_enough_classes() {
    let dlr = |aim| Loss::new(LossKind::Dlr, vec![0], &aim).unwrap();
    assert_refused(dlr(Aim::Untargeted).evaluate(&zeros(1, 2), &[0]), &["dlr", "at least 3"]);
    assert_refused(dlr(Aim::Targeted(vec![1])).evaluate(&zeros(1, 3), &[0]), &["at least 4"]);
}

#[test]
fn only_kl_has_a_reference_branch() {
    assert_refused(untargeted(vec![0]).evaluate_reference(&zeros(1, 3), &[0]), &["reference"]);
}

#[test]
fn a_prediction_of_nan_is_refused() {
    let logits = Tensor::from_slice(&[0f32, 1.0, f32::NAN, 2.0], (2, 2), &Device::Cpu).unwrap();
    assert_refused(predictions(&logits), &["predictions", "element 2"]);
}

#[test]
fn names_of_losses_round_trip() {
    for kind in [LossKind::CrossEntropy, LossKind::Margin, LossKind::Dlr] {
        assert_eq!(kind.to_string().parse::<LossKind>().unwrap(), kind);
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.to_string());
    }
    let refusal = "hinge".parse::<LossKind>().unwrap_err().to_string();
    assert!(refusal.contains("hinge") && refusal.contains("margin"), "{refusal}");
}
