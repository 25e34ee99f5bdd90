//! The margin to class centres: values by hand, ties, difference quotients, refusals; and losses of chosen examples.

use candle_core::{DType, Device, Tensor};
use saddle_model::{Aim, Loss, LossKind};
use saddle_tests::model::{difference_quotients, flat, hashed_tensor, relative_difference};

fn matrix(rows: &[&[f64]]) -> Tensor {
    Tensor::from_vec(rows.concat(), (rows.len(), rows[0].len()), &Device::Cpu).unwrap()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Value and slope at one row of logits with this label.
fn row(centres: &Tensor, label: u32, logits: &[f64]) -> (f64, Vec<f64>) {
    let loss = Loss::class_centres(centres, vec![label]).unwrap();
    let evaluated = loss.evaluate(&matrix(&[logits]), &[0]).unwrap();
    (evaluated.values[0], flat(&evaluated.cotangent))
}

#[test]
fn by_hand() {
    let centres = matrix(&[&[0.0, 0.0, 0.0], &[4.0, 0.0, 0.0], &[0.0, 2.5, 0.0]]);
    // z = (1, 1, 1/2) of class 0: l1 distances 1 + 1 + 1/2, 3 + 1 + 1/2 and 1 + 3/2 + 1/2.
    // u_1 = 2.5 - 4.5 = -2, u_2 = 2.5 - 3 = -1/2.
    // Signs of z - c: (1, 1, 1), (-1, 1, 1), (1, -1, 1).
    let (value, slope) = row(&centres, 0, &[1.0, 1.0, 0.5]);
    let expected = (1.0 + f64::exp(-2.0)).ln() + (1.0 + f64::exp(-0.5)).ln();
    assert!((value - expected).abs() < 1e-15, "{value} is not {expected}");
    let expected = [2.0 * sigmoid(-2.0), 2.0 * sigmoid(-0.5), 0.0];
    assert!(relative_difference(&slope, &expected) < 1e-15, "{slope:?}");
    // The same row of class 1: u_0 = 4.5 - 2.5 = 2, u_2 = 4.5 - 3 = 3/2.
    let (value, slope) = row(&centres, 1, &[1.0, 1.0, 0.5]);
    let expected = (1.0 + f64::exp(2.0)).ln() + (1.0 + f64::exp(1.5)).ln();
    assert!((value - expected).abs() < 1e-14, "{value} is not {expected}");
    // Own signs less the others': (-2, 0, 0) and (-2, 2, 0).
    let expected = [-2.0 * (sigmoid(2.0) + sigmoid(1.5)), 2.0 * sigmoid(1.5), 0.0];
    assert!(relative_difference(&slope, &expected) < 1e-15, "{slope:?}");
}

#[test]
fn centres_in_one_place_leave_no_preference() {
    let centres = Tensor::zeros((3, 3), DType::F64, &Device::Cpu).unwrap();
    let (value, slope) = row(&centres, 2, &[0.3, -4.0, 1.0]);
    assert!((value - 2.0 * f64::ln(2.0)).abs() < 1e-15, "softplus(0) for each of two classes");
    assert_eq!(slope, [0.0; 3]);
}

/// Where a logit meets a centre's, the distance has a kink: slope -1 on one side, 1 on the other, 0 by definition at it.
#[test]
fn a_tie_has_the_slope_between_its_sides() {
    let centres = matrix(&[&[0.0, 0.0], &[2.0, 5.0]]);
    let at = |x: f64| row(&centres, 0, &[x, 1.0]);
    // u = |x| + 1 - |x - 2| - 4 in both kinks, x = 0 and x = 2.
    for (tie, below, above) in [(0.0, 0.0, 2.0), (2.0, 2.0, 0.0)] {
        let u = f64::abs(tie) + 1.0 - f64::abs(tie - 2.0) - 4.0;
        let found = at(tie).1[0];
        assert!((found - sigmoid(u) * (below + above) / 2.0).abs() < 1e-15, "{found}");
        for (step, side) in [(-1e-7, below), (1e-7, above)] {
            let quotient = (at(tie + step).0 - at(tie).0) / step;
            assert!((quotient - sigmoid(u) * side).abs() < 1e-6, "{quotient}");
        }
    }
}

#[test]
fn cotangents_are_difference_quotients() {
    for salt in 0..20 {
        let logits = flat(&hashed_tensor(&[1, 6], salt, -4.0, 4.0, DType::F64));
        let centres = hashed_tensor(&[6, 6], 200 + salt, -4.0, 4.0, DType::F64);
        let label = salt as u32 % 6;
        let quotients = difference_quotients(&logits, 1e-6, |moved| row(&centres, label, moved).0);
        let difference = relative_difference(&row(&centres, label, &logits).1, &quotients);
        assert!(difference < 1e-7, "{salt}: {difference:e}");
    }
}

#[test]
fn far_rows_neither_overflow_nor_vanish() {
    let centres = matrix(&[&[0.0, 0.0], &[1e4, 0.0]]);
    // u = 1e4 - 0 at the other centre, -1e4 at the own one.
    let (value, slope) = row(&centres, 0, &[1e4, 1.0]);
    assert_eq!((value, slope), (1e4, vec![1.0, 0.0]));
    let (value, slope) = row(&centres, 0, &[0.0, 1.0]);
    assert_eq!((value, slope), (0.0, vec![0.0, 0.0]));
    let (value, slope) = row(&centres, 0, &[4990.0, 0.0]);
    let tail = f64::exp(-20.0);
    assert!((value / tail - 1.0).abs() < 1e-8, "{value:e} keeps the small numbers");
    assert!((slope[0] / (2.0 * tail) - 1.0).abs() < 1e-8);
    let (value, slope) = row(&centres, 1, &[f64::NAN, 0.0]);
    assert!(value.is_nan() && slope.iter().all(|slope| slope.is_nan()));
}

#[test]
fn what_does_not_fit_is_refused() {
    let refusal = |result: saddle_model::Result<Loss>| result.unwrap_err().to_string();
    let wide = Tensor::zeros((2, 3), DType::F64, &Device::Cpu).unwrap();
    assert!(refusal(Loss::class_centres(&wide, vec![0])).contains("square matrix"));
    let square = Tensor::zeros((3, 3), DType::F64, &Device::Cpu).unwrap();
    assert!(refusal(Loss::class_centres(&square, vec![])).contains("no labels"));
    let loss = Loss::class_centres(&square, vec![3]).unwrap();
    let error = loss.evaluate(&matrix(&[&[0.0; 3]]), &[0]).unwrap_err().to_string();
    assert!(error.contains("label 3") && error.contains("3 classes"), "{error}");
    let error = loss.evaluate(&matrix(&[&[0.0; 4]]), &[0]).unwrap_err().to_string();
    assert!(error.contains("4 classes against the centres of 3"), "{error}");
    let error = loss.evaluate_reference(&matrix(&[&[0.0; 3]]), &[0]).unwrap_err().to_string();
    assert!(error.contains("reference branch"), "{error}");
}

/// A loss of chosen examples says of its rows what the whole loss says of those examples.
#[test]
fn a_selection_keeps_labels_targets_references_and_confidence() {
    let logits = hashed_tensor(&[3, 5], 1, -4.0, 4.0, DType::F64);
    let other = hashed_tensor(&[4, 5], 2, -4.0, 4.0, DType::F64);
    let centres = hashed_tensor(&[5, 5], 3, -4.0, 4.0, DType::F64);
    let labels = vec![4, 0, 3, 1];
    let targeted = Aim::Targeted(vec![0, 2, 1, 3]);
    let margin = Loss::new(LossKind::Margin, labels.clone(), &Aim::Untargeted).unwrap();
    let losses = [
        margin.with_confidence(0.5),
        Loss::new(LossKind::CrossEntropy, labels.clone(), &targeted).unwrap(),
        Loss::kl(&other).unwrap(),
        Loss::class_centres(&centres, labels).unwrap(),
    ];
    for loss in losses {
        let chosen = loss.select(&[3, 0, 3]).unwrap();
        assert_eq!(chosen.examples(), 3);
        let found = chosen.evaluate(&logits, &[0, 1, 2]).unwrap();
        let expected = loss.evaluate(&logits, &[3, 0, 3]).unwrap();
        assert_eq!(found.values, expected.values);
        assert_eq!(flat(&found.cotangent), flat(&expected.cotangent));
        assert!(loss.select(&[]).unwrap_err().to_string().contains("no rows"));
        assert!(loss.select(&[4]).unwrap_err().to_string().contains("row 4 of a loss on 4"));
    }
}
