//! Every loss against values computed by hand and against difference quotients, ties and saturation included.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use saddle_model::{Aim, Loss, LossKind, predictions};
use saddle_tests::model::{difference_quotients, flat, hashed_tensor, relative_difference};

const KINDS: [LossKind; 3] = [LossKind::CrossEntropy, LossKind::Margin, LossKind::Dlr];

fn matrix(rows: &[&[f64]]) -> Tensor {
    Tensor::from_vec(rows.concat(), (rows.len(), rows[0].len()), &Device::Cpu).unwrap()
}

fn loss(kind: LossKind, label: u32, target: Option<u32>) -> Loss {
    let aim = target.map_or(Aim::Untargeted, |target| Aim::Targeted(vec![target]));
    Loss::new(kind, vec![label], &aim).unwrap()
}

/// Value and cotangent of one row.
fn row(loss: &Loss, logits: &[f64]) -> (f64, Vec<f64>) {
    let evaluated = loss.evaluate(&matrix(&[logits]), &[0]).unwrap();
    (evaluated.values[0], flat(&evaluated.cotangent))
}

#[track_caller]
fn assert_row(loss: &Loss, logits: &[f64], value: f64, cotangent: &[f64]) {
    let (found, slope) = row(loss, logits);
    assert!((found - value).abs() <= 1e-14 * value.abs().max(1.0), "{found} against {value}");
    let difference = relative_difference(&slope, cotangent);
    assert!(difference < 1e-14, "{slope:?} against {cotangent:?}");
}

#[test]
fn cross_entropy_by_hand() {
    let ln = f64::ln;
    // exp gives 1, 2, 5: probabilities 1/8, 2/8, 5/8.
    let logits = [0.0, ln(2.0), ln(5.0)];
    assert_row(&loss(LossKind::CrossEntropy, 1, None), &logits, ln(4.0), &[0.125, -0.75, 0.625]);
    assert_row(
        &loss(LossKind::CrossEntropy, 1, Some(0)),
        &logits,
        -ln(8.0),
        &[0.875, -0.25, -0.625],
    );
}

#[test]
fn margin_by_hand() {
    let logits = [1.0, 4.0, 2.5];
    assert_row(&loss(LossKind::Margin, 1, None), &logits, -1.5, &[0.0, -1.0, 1.0]);
    assert_row(&loss(LossKind::Margin, 0, None), &logits, 3.0, &[-1.0, 1.0, 0.0]);
    assert_row(&loss(LossKind::Margin, 1, Some(0)), &logits, -3.0, &[1.0, -1.0, 0.0]);
    assert_row(&loss(LossKind::Margin, 0, Some(1)), &logits, 1.5, &[0.0, 1.0, -1.0]);
}

#[test]
fn margin_is_flat_beyond_its_confidence() {
    let clamped = loss(LossKind::Margin, 0, None).with_confidence(2.0);
    assert_row(&clamped, &[1.0, 2.5, 0.0], 1.5, &[-1.0, 1.0, 0.0]);
    assert_row(&clamped, &[1.0, 4.0, 0.0], 2.0, &[0.0, 0.0, 0.0]);
}

#[test]
fn dlr_by_hand() {
    // Sorted: 6, 4, 1, 0. Untargeted, label the largest: (4 - 6) / (6 - 1).
    let logits = [4.0, 6.0, 0.0, 1.0];
    let slope = [0.2, -0.2 + 0.08, 0.0, -0.08];
    assert_row(&loss(LossKind::Dlr, 1, None), &logits, -0.4, &slope);
    // Targeted at 0: (4 - 6) / (6 - (1 + 0) / 2) = -2 / 5.5.
    let (value, per) = (-2.0 / 5.5, 1.0 / 5.5);
    let slope = [per, -per - value * per, 0.5 * value * per, 0.5 * value * per];
    assert_row(&loss(LossKind::Dlr, 1, Some(0)), &logits, value, &slope);
}

#[test]
fn dlr_does_not_depend_on_scale_or_shift() {
    let logits = [4.0, 6.0, 0.0, 1.0];
    let changed = logits.map(|z| 32.0 * z - 7.0);
    for target in [None, Some(2)] {
        let loss = loss(LossKind::Dlr, 3, target);
        assert!((row(&loss, &logits).0 - row(&loss, &changed).0).abs() < 1e-14);
    }
}

#[test]
fn kl_by_hand() {
    let ln = f64::ln;
    // p = 1/4, 3/4 and q = 1/2, 1/2.
    let divergence = 0.25 * ln(0.5) + 0.75 * ln(1.5);
    let loss = Loss::kl(&matrix(&[&[0.0, ln(3.0)]])).unwrap();
    assert_row(&loss, &[5.0, 5.0], divergence, &[0.25, -0.25]);
    let reference = loss.evaluate_reference(&matrix(&[&[5.0, 5.0]]), &[0]).unwrap();
    let slope = 0.25 * (ln(0.5) - divergence);
    assert!(relative_difference(&flat(&reference.cotangent), &[slope, -slope]) < 1e-14);
    assert!((reference.values[0] - divergence).abs() < 1e-15);
}

/// Two networks that are all but sure of the same class: both give it 1 in `f64`, and its slope must not be lost.
#[test]
fn kl_between_sure_networks_keeps_its_slopes() {
    let (p, q) = ((-50f64).exp(), (-45f64).exp());
    let loss = Loss::kl(&matrix(&[&[25.0, -25.0, -25.0]])).unwrap();
    let (value, slope) = row(&loss, &[25.0, -20.0, -20.0]);
    let expected = [-2.0 * (q - p), q - p, q - p];
    assert!(relative_difference(&slope, &expected) < 1e-14, "{slope:?}");
    // sum p log p/q: 2 p (-5) for the others; the sure class adds log p/q = log(1 - 2p) - log(1 - 2q) = 2 (q - p).
    let expected = 2.0 * (q - p) - 10.0 * p;
    assert!((value / expected - 1.0).abs() < 1e-12, "{value:e} is not {expected:e}");
}

#[test]
fn kl_of_equal_logits_is_flat() {
    let logits = [3.0, -1.0, 0.5];
    let loss = Loss::kl(&matrix(&[&logits])).unwrap();
    assert_row(&loss, &logits, 0.0, &[0.0; 3]);
}

#[test]
fn ties_go_to_the_first_class() {
    let tied = [2.0, 2.0, 2.0, 2.0];
    assert_row(&loss(LossKind::Margin, 2, None), &tied, 0.0, &[1.0, 0.0, -1.0, 0.0]);
    assert_row(&loss(LossKind::Margin, 0, None), &tied, 0.0, &[-1.0, 1.0, 0.0, 0.0]);
    assert_row(&loss(LossKind::Margin, 0, Some(3)), &tied, 0.0, &[-1.0, 0.0, 0.0, 1.0]);
    let quarter = [0.25, 0.25, -0.75, 0.25];
    assert_row(&loss(LossKind::CrossEntropy, 2, None), &tied, 4f64.ln(), &quarter);
    assert_eq!(predictions(&matrix(&[&tied, &[0.0, 1.0, 1.0, 0.0]])).unwrap(), [0, 1]);
    // Second and third are tied: the lower index counts as second.
    let (_, slope) = row(&loss(LossKind::Dlr, 0, None), &[5.0, 1.0, 1.0]);
    assert!(relative_difference(&slope, &[0.0, 0.25, -0.25]) < 1e-14, "{slope:?}");
}

#[test]
fn dlr_stays_finite_when_all_leading_logits_are_tied() {
    for (label, target) in [(0, None), (3, None), (3, Some(0)), (0, Some(3))] {
        for logits in [[2.0, 2.0, 2.0, 2.0], [2.0, 2.0, 2.0, -1.0]] {
            let logits = matrix(&[&logits]).to_dtype(DType::F32).unwrap();
            let evaluated = loss(LossKind::Dlr, label, target).evaluate(&logits, &[0]).unwrap();
            assert!(evaluated.values[0].is_finite());
            assert!(flat(&evaluated.cotangent).iter().all(|slope| slope.is_finite()));
        }
    }
}

#[test]
fn saturation_keeps_the_small_numbers() {
    let small = (-400f64).exp();
    let logits = [200.0, -200.0, -200.0];
    assert_row(&loss(LossKind::CrossEntropy, 0, None), &logits, 0.0, &[-2.0 * small, small, small]);
    let (value, _) = row(&loss(LossKind::CrossEntropy, 0, None), &logits);
    assert!((value / (2.0 * small) - 1.0).abs() < 1e-12, "{value:e}");
    assert_row(&loss(LossKind::CrossEntropy, 1, None), &logits, 400.0, &[1.0, -1.0, small]);
    assert_row(&loss(LossKind::CrossEntropy, 0, Some(1)), &logits, -400.0, &[-1.0, 1.0, -small]);
    // KL of two networks that are sure of different classes: p log p / q = 400.
    let kl = Loss::kl(&matrix(&[&[-200.0, 200.0, -200.0]])).unwrap();
    assert_row(&kl, &logits, 400.0, &[1.0, -1.0, 0.0]);
    assert!((row(&loss(LossKind::Dlr, 0, None), &logits).0 + 1.0).abs() < 1e-15);
    let largest = f64::from(f32::MAX);
    for kind in KINDS {
        let (value, slope) = row(&loss(kind, 0, None), &[-largest, largest, 0.0, 1.0]);
        assert!(value.is_finite() && slope.iter().all(|slope| slope.is_finite()), "{kind}");
    }
}

#[test]
fn a_non_finite_row_is_marked_and_alone() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let logits = matrix(&[&[1.0, 2.0, 0.0, 4.0], &[1.0, bad, 0.0, 4.0], &[3.0, 2.0, 0.0, 4.0]]);
        for kind in KINDS {
            let loss = Loss::new(kind, vec![0, 1, 2], &Aim::Untargeted).unwrap();
            let evaluated = loss.evaluate(&logits, &[0, 1, 2]).unwrap();
            let nan: Vec<bool> = evaluated.values.iter().map(|value| value.is_nan()).collect();
            assert_eq!(nan, [false, true, false]);
            let nan: Vec<bool> = flat(&evaluated.cotangent).iter().map(|x| x.is_nan()).collect();
            assert_eq!(nan, [[false; 4], [true; 4], [false; 4]].concat());
        }
    }
}

#[test]
fn cotangents_are_difference_quotients() {
    for salt in 0..20 {
        let logits = flat(&hashed_tensor(&[1, 6], salt, -4.0, 4.0, DType::F64));
        let other = hashed_tensor(&[1, 6], 100 + salt, -4.0, 4.0, DType::F64);
        let label = salt as u32 % 6;
        let mut losses = vec![Loss::kl(&other).unwrap()];
        for kind in KINDS {
            losses.push(loss(kind, label, None));
            losses.push(loss(kind, label, Some((label + 2) % 6)));
        }
        for loss in losses {
            let quotients = difference_quotients(&logits, 1e-6, |moved| row(&loss, moved).0);
            let (_, slope) = row(&loss, &logits);
            let difference = relative_difference(&slope, &quotients);
            assert!(difference < 1e-7, "{loss:?} at {logits:?}: {difference:e}");
        }
        let evaluated = Loss::kl(&other).unwrap().evaluate_reference(&matrix(&[&logits]), &[0]);
        let quotients = difference_quotients(&flat(&other), 1e-6, |moved| {
            row(&Loss::kl(&matrix(&[moved])).unwrap(), &logits).0
        });
        assert!(relative_difference(&flat(&evaluated.unwrap().cotangent), &quotients) < 1e-7);
    }
}

#[test]
fn an_attack_that_ascends_reaches_its_aim() {
    // Plain ascent on the logits themselves: untargeted leaves the label, targeted arrives at the target.
    for kind in KINDS {
        for target in [None, Some(3)] {
            let loss = loss(kind, 1, target);
            let mut logits = vec![0.3, 3.0, -0.5, 0.1, 0.2];
            for _ in 0..400 {
                let slope = row(&loss, &logits).1;
                logits.iter_mut().zip(slope).for_each(|(z, slope)| *z += 0.1 * slope);
            }
            let reached = predictions(&matrix(&[&logits])).unwrap()[0];
            assert!(target.map_or(reached != 1, |target| reached == target), "{kind} {target:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A row's value and cotangent are the same bits alone, repeated, or among others in any order.
    #[test]
    fn rows_are_alone(
        rows in proptest::collection::vec(0usize..7, 1..12),
        kind in proptest::sample::select(KINDS.to_vec()),
        salt in 0u64..1000,
    ) {
        let all = hashed_tensor(&[7, 5], salt, -30.0, 30.0, DType::F32);
        let loss = Loss::new(kind, (0..7).map(|index| index % 5).collect(), &Aim::Untargeted).unwrap();
        let whole = loss.evaluate(&all, &[0, 1, 2, 3, 4, 5, 6]).unwrap();
        let picked: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        let index = Tensor::from_slice(&picked, picked.len(), &Device::Cpu).unwrap();
        let part = loss.evaluate(&all.index_select(&index, 0).unwrap(), &rows).unwrap();
        let cotangent = whole.cotangent.index_select(&index, 0).unwrap();
        prop_assert_eq!(flat(&part.cotangent), flat(&cotangent));
        for (&row, value) in rows.iter().zip(&part.values) {
            prop_assert_eq!(value.to_bits(), whole.values[row].to_bits());
        }
        prop_assert_eq!(part.cotangent.dtype(), DType::F32);
    }

    /// Softmax losses push no mass in or out: their cotangents sum to zero; so do those of margin and DLR.
    #[test]
    fn cotangents_sum_to_zero(
        logits in proptest::collection::vec(-300.0..300.0f64, 4..12),
        kind in proptest::sample::select(KINDS.to_vec()),
        targeted in any::<bool>(),
    ) {
        let (_, slope) = row(&loss(kind, 1, targeted.then_some(2)), &logits);
        let largest = slope.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        prop_assert!(slope.iter().sum::<f64>().abs() <= 1e-14 * largest.max(f64::MIN_POSITIVE) * 12.0);
    }
}
