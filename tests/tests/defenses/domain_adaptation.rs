//! ATDA's terms between two batches, and its class centres: values by hand, ties, difference quotients, a naive twin.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_defenses::Result;
use saddle_defenses::domain_adaptation::{Discrepancy, coral, mmd, move_centres};
use saddle_tests::model::{difference_quotients, flat, hashed_tensor, relative_difference};

type Term = fn(&Tensor, &Tensor) -> Result<Discrepancy>;

const TERMS: [(&str, Term); 2] = [("MMD", mmd), ("CORAL", coral)];

fn matrix(rows: &[&[f64]]) -> Tensor {
    Tensor::from_vec(rows.concat(), (rows.len(), rows[0].len()), &Device::Cpu).unwrap()
}

fn natural() -> Tensor {
    matrix(&[&[1.0, 2.0], &[3.0, 0.0]])
}

fn adversarial() -> Tensor {
    matrix(&[&[0.0, 1.0], &[2.0, 3.0]])
}

#[test]
fn mmd_by_hand() {
    // Means (2, 1) and (1, 2): gaps (1, -1), their mean size 1. Each of two rows is half of a mean, and each gap half of
    // the value: slopes of 1/4 in size.
    let found = mmd(&natural(), &adversarial()).unwrap();
    assert_eq!(found.value, 1.0);
    assert_eq!(flat(&found.natural), [0.25, -0.25, 0.25, -0.25]);
    assert_eq!(flat(&found.adversarial), [-0.25, 0.25, -0.25, 0.25]);
}

#[test]
fn coral_by_hand() {
    // Less their means: N = (-1, 1), (1, -1), so N^T N = (2, -2), (-2, 2); A = (-1, -1), (1, 1), A^T A = (2, 2), (2, 2).
    // The gap (0, -4), (-4, 0) has a mean size of 8 / 4 = 2; its signs over 4, S = (0, -1/4), (-1/4, 0).
    let found = coral(&natural(), &adversarial()).unwrap();
    assert_eq!(found.value, 2.0);
    // 2 N S and -2 A S.
    assert_eq!(flat(&found.natural), [-0.5, 0.5, 0.5, -0.5]);
    assert_eq!(flat(&found.adversarial), [-0.5, -0.5, 0.5, 0.5]);
}

#[test]
fn equal_batches_have_no_discrepancy_and_no_slope() {
    let logits = hashed_tensor(&[5, 4], 1, -4.0, 4.0, DType::F64);
    for (name, term) in TERMS {
        let found = term(&logits, &logits).unwrap();
        assert_eq!(found.value, 0.0, "{name}");
        for slopes in [found.natural, found.adversarial] {
            assert!(
                flat(&slopes).iter().all(|&slope| slope == 0.0),
                "{name}: the middle of a kink"
            );
        }
    }
}

#[test]
fn coral_does_not_see_a_shift_and_mmd_sees_nothing_else() {
    let logits = hashed_tensor(&[6, 3], 2, -4.0, 4.0, DType::F64);
    let shifted = (&logits + 0.75).unwrap();
    assert!(coral(&logits, &shifted).unwrap().value < 1e-14);
    assert!((mmd(&logits, &shifted).unwrap().value - 0.75).abs() < 1e-14);
    let order = Tensor::from_slice(&[3u32, 0, 5, 1, 2, 4], 6, &Device::Cpu).unwrap();
    let permuted = logits.index_select(&order, 0).unwrap();
    assert!(mmd(&logits, &permuted).unwrap().value < 1e-15);
}

#[test]
fn slopes_are_difference_quotients() {
    const SHAPE: [usize; 2] = [5, 4];
    let at = |numbers: &[f64]| Tensor::from_slice(numbers, &SHAPE, &Device::Cpu).unwrap();
    for salt in 0..20 {
        let one = flat(&hashed_tensor(&SHAPE, salt, -4.0, 4.0, DType::F64));
        let other = flat(&hashed_tensor(&SHAPE, 100 + salt, -4.0, 4.0, DType::F64));
        for (name, term) in TERMS {
            let found = term(&at(&one), &at(&other)).unwrap();
            let natural = difference_quotients(&one, 1e-6, |moved| {
                term(&at(moved), &at(&other)).unwrap().value
            });
            let adversarial = difference_quotients(&other, 1e-6, |moved| {
                term(&at(&one), &at(moved)).unwrap().value
            });
            for (found, quotients) in [(found.natural, natural), (found.adversarial, adversarial)] {
                let difference = relative_difference(&flat(&found), &quotients);
                assert!(difference < 1e-7, "{name} {salt}: {difference:e}");
            }
        }
    }
}

#[test]
fn centres_follow_their_rows_by_hand() {
    let centres = matrix(&[&[0.0, 0.0, 0.0], &[0.0, 0.0, 0.0], &[6.0, 6.0, 6.0]]);
    let logits = matrix(&[&[1.0, 0.0, 0.0], &[3.0, 0.0, -6.0], &[0.0, 2.0, 0.0]]);
    let moved = move_centres(&centres, &logits, &[0, 0, 1], 0.1).unwrap();
    // Class 0: 0.1 / (1 + 2) times the sum (4, 0, -6) of what its rows are away; class 1: 0.1 / (1 + 1) times (0, 2, 0).
    let expected = [0.4 / 3.0, 0.0, -0.2, 0.0, 0.1, 0.0, 6.0, 6.0, 6.0];
    assert!(relative_difference(&flat(&moved), &expected) < 1e-15, "{moved}");
    let moved = move_centres(&moved, &logits, &[2, 2, 1], 0.5).unwrap();
    // Class 2: 6 - 0.5 / 3 * ((6 - 1) + (6 - 3)), 6 - 0.5 / 3 * 12, 6 - 0.5 / 3 * (6 + 12).
    // Class 1: 0.1 + 0.5 / 2 * (2 - 0.1) in its middle.
    let expected = [0.4 / 3.0, 0.0, -0.2, 0.0, 0.575, 0.0, 6.0 - 4.0 / 3.0, 4.0, 3.0];
    assert!(relative_difference(&flat(&moved), &expected) < 1e-15, "{moved}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let zeros = |rows, columns| Tensor::zeros((rows, columns), DType::F64, &Device::Cpu).unwrap();
    for (name, term) in TERMS {
        let error = term(&zeros(2, 3), &zeros(3, 3)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("[2, 3] against [3, 3]"), "{error}");
        let error = term(&zeros(0, 3), &zeros(0, 3)).unwrap_err().to_string();
        assert!(error.contains("(n, classes)"), "{error}");
    }
    let refused = |centres, logits, labels: &[u32]| {
        let error = move_centres(&centres, &logits, labels, 0.1).unwrap_err().to_string();
        assert!(error.contains("class centres"), "{error}");
    };
    refused(zeros(3, 3), zeros(2, 3), &[0]);
    refused(zeros(3, 3), zeros(2, 4), &[0, 1]);
    refused(zeros(3, 3), zeros(2, 3), &[0, 3]);
    refused(zeros(0, 0), zeros(2, 3), &[0, 1]);
}

proptest! {
    /// One row after another, each taking its share off its centre as that stood before the batch.
    #[test]
    fn centres_agree_with_the_rule_row_by_row(
        labels in prop::collection::vec(0u32..4, 1..12), rate in 0.01f64..=1.0, salt in 0u64..1000
    ) {
        let centres = hashed_tensor(&[4, 4], salt, -3.0, 3.0, DType::F64);
        let logits = hashed_tensor(&[labels.len(), 4], salt + 1, -9.0, 9.0, DType::F64);
        let old: Vec<Vec<f64>> = centres.to_vec2().unwrap();
        let mut expected = old.clone();
        for (z, &label) in logits.to_vec2::<f64>().unwrap().iter().zip(&labels) {
            let count = labels.iter().filter(|&&other| other == label).count() as f64;
            for (k, z) in z.iter().enumerate() {
                expected[label as usize][k] -= rate * (old[label as usize][k] - z) / (1.0 + count);
            }
        }
        let found = move_centres(&centres, &logits, &labels, rate).unwrap();
        prop_assert!(relative_difference(&flat(&found), &expected.concat()) < 1e-14);
    }
}
