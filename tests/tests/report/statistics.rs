//! Statistics against published tables and against exact rationals.

use proptest::prelude::*;
use saddle_report::statistics::{holm, mcnemar, mean, quantile, wilson};

#[test]
fn wilson_agrees_with_newcombes_table() {
    // Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine
    // 17 (1998), Table I, method 3 (score interval without continuity correction).
    for (correct, total, low, high) in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ] {
        let [found_low, found_high] = wilson(correct, total).unwrap();
        assert!((found_low - low).abs() < 5.1e-5, "{correct} of {total}: {found_low}");
        assert!((found_high - high).abs() < 5.1e-5, "{correct} of {total}: {found_high}");
    }
}

#[test]
fn wilson_has_no_answer_without_a_measurement() {
    assert_eq!(wilson(0, 0), None);
    assert_eq!(wilson(3, 2), None);
}

#[test]
fn mcnemar_agrees_with_fractions_computed_by_hand() {
    for (first, second, exact) in [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (0, 5, 2.0 / 32.0),
        (1, 9, 22.0 / 1024.0),
        (2, 8, 112.0 / 1024.0),
        // One discordant pair says nothing.
        (1, 0, 1.0),
        (0, 1000, 2f64.powi(-999)),
    ] {
        let p = mcnemar(first, second);
        assert!((p - exact).abs() <= 1e-11 * exact, "{first}, {second}: {p} is not {exact}");
    }
}

#[test]
fn holm_agrees_with_hand_computed_steps() {
    for (p, adjusted) in [
        (vec![], vec![]),
        (vec![0.25], vec![0.25]),
        // 4 * 1/64, 3 * 1/32, 2 * 1/16, 1 * 1/2, in the order of the argument.
        (vec![0.5, 0.015625, 0.0625, 0.03125], vec![0.5, 0.0625, 0.125, 0.09375]),
        // 3 * 1/16 = 3/16; 2 * 1/16 would be less, so it is lifted; the largest stays.
        (vec![0.0625, 0.0625, 0.125], vec![0.1875, 0.1875, 0.1875]),
        // At most one.
        (vec![0.75, 0.5], vec![1.0, 1.0]),
    ] {
        assert_eq!(holm(&p), adjusted, "{p:?}");
    }
    let odd = holm(&[f64::NAN, 0.25]);
    assert!(odd[0].is_nan());
    assert_eq!(odd[1], 0.5, "a test without an answer is still a test");
}

#[test]
fn quantiles_agree_with_the_definition() {
    let values = [40.0, 10.0, 30.0, 20.0];
    // numpy.quantile([40, 10, 30, 20], [0, .05, .5, .9, 1])
    for (share, expected) in [(0.0, 10.0), (0.05, 11.5), (0.5, 25.0), (0.9, 37.0), (1.0, 40.0)] {
        let found = quantile(&values, share).unwrap();
        assert!((found - expected).abs() < 1e-12, "{share}: {found}");
    }
    assert_eq!(quantile(&[7.0], 0.3), Some(7.0));
    assert_eq!(quantile(&[], 0.5), None);
    assert_eq!(quantile(&values, 1.5), None);
    assert_eq!(quantile(&values, f64::NAN), None);
    // What is not finite does not count.
    assert_eq!(quantile(&[f64::NAN, 1.0, f64::INFINITY, 3.0], 0.5), Some(2.0));
    assert_eq!(mean(&[f64::NAN, 1.0, 3.0]), Some(2.0));
    assert_eq!(mean(&[f64::NAN]), None);
}

proptest! {
    #[test]
    fn wilson_holds_the_share_and_mirrors(total in 1u64..20_000, part in 0.0..=1.0f64) {
        let correct = (part * total as f64) as u64;
        let [low, high] = wilson(correct, total).unwrap();
        let share = correct as f64 / total as f64;
        prop_assert!(0.0 <= low && low <= share && share <= high && high <= 1.0);
        prop_assert!(low < high);
        let [mirror_low, mirror_high] = wilson(total - correct, total).unwrap();
        prop_assert!((low + mirror_high - 1.0).abs() < 1e-12);
        prop_assert!((high + mirror_low - 1.0).abs() < 1e-12);
        // The ends solve the score equation (share - end)^2 = z^2 end (1 - end) / n.
        for end in [low, high] {
            let z2 = 1.959_963_984_540_054f64.powi(2);
            let difference = (share - end).powi(2) - z2 * end * (1.0 - end) / total as f64;
            prop_assert!(difference.abs() < 1e-12, "{}", difference);
        }
    }

    #[test]
    fn mcnemar_is_the_exact_sum(first in 0u64..60, second in 0u64..60) {
        // Binomial coefficients in whole numbers: exact up to 2^120.
        let n = u128::from(first + second);
        let mut coefficient = 1u128;
        let mut tail = 0u128;
        for k in 0..=u128::from(first.min(second)) {
            tail += coefficient;
            coefficient = coefficient * (n - k) / (k + 1);
        }
        let exact = (2.0 * tail as f64 / 2f64.powi(n as i32)).min(1.0);
        let p = mcnemar(first, second);
        prop_assert!((p - exact).abs() <= 1e-11 * exact, "{} is not {}", p, exact);
        prop_assert_eq!(p, mcnemar(second, first));
    }

    #[test]
    fn a_more_lopsided_comparison_is_more_surprising(shared in 1u64..3_000, more in 1u64..500) {
        prop_assert!(mcnemar(shared - 1, shared + more) <= mcnemar(shared, shared + more) + 1e-12);
        prop_assert!((0.0..=1.0).contains(&mcnemar(shared, shared + more)));
    }

    #[test]
    fn a_quantile_lies_between_the_ends_and_grows(
        values in prop::collection::vec(-1e6..1e6f64, 1..50),
        a in 0.0..=1.0f64,
        b in 0.0..=1.0f64,
    ) {
        let (low, high) = (quantile(&values, 0.0).unwrap(), quantile(&values, 1.0).unwrap());
        let at = |share| quantile(&values, share).unwrap();
        prop_assert!(low <= at(a) && at(a) <= high);
        prop_assert!(at(a.min(b)) <= at(a.max(b)) + 1e-9);
    }
}
