//! Paired differences and equivalence: against published intervals, against the likelihood maximised by
//! search, and against every table that a small experiment can give.

use std::cmp::Ordering;

use proptest::prelude::*;
use saddle_report::statistics::{common_sign, equivalence, mcnemar, paired_difference};

#[test]
fn intervals_agree_with_published_ones() {
    // Fagerland, Lydersen and Laake, "Statistical Analysis of Contingency Tables" (2017), chapter 8:
    // complete response before and after consolidation therapy, table 59, 6, 16, 80; Tango's interval.
    let found = paired_difference(6, 16, 161).unwrap();
    assert_eq!(found.difference, -10.0 / 161.0);
    let [low, high] = found.interval95;
    assert!((low + 0.1240).abs() < 5.1e-5 && (high + 0.0054).abs() < 5.1e-5, "{low}, {high}");
    // The same table's exact conditional test.
    assert!((mcnemar(6, 16) - 0.052479).abs() < 5e-7);
}

#[test]
fn an_interval_without_any_difference_has_a_closed_form() {
    // b = c = 0: the likeliest q is 0, so n d^2 = z^2 d (1 - d) and d = z^2 / (n + z^2).
    let z2 = 1.959_963_984_540_054f64.powi(2);
    let [low, high] = paired_difference(0, 0, 1_000).unwrap().interval95;
    let end = z2 / (1_000.0 + z2);
    assert!((high - end).abs() < 1e-12 && (low + end).abs() < 1e-12, "{low}, {high}");
    // The two tests at a margin of 3 points: z = sqrt(1000 * 0.03 / 0.97), p = 1.35e-8.
    let p = equivalence(0, 0, 1_000, 0.03).unwrap();
    assert!((p / upper_tail((30.0f64 / 0.97).sqrt()) - 1.0).abs() < 1e-6, "{p}");
    // Everything differs one way.
    assert_eq!(paired_difference(7, 0, 7).unwrap().interval95[1], 1.0);
    assert_eq!(paired_difference(0, 7, 7).unwrap().interval95[0], -1.0);
}

#[test]
fn counts_and_margins_that_cannot_be_have_no_answer() {
    for (first, second, total) in [(0, 0, 0), (3, 2, 4), (u64::MAX, 1, u64::MAX)] {
        assert_eq!(paired_difference(first, second, total), None);
        assert_eq!(equivalence(first, second, total, 0.03), None);
    }
    for margin in [0.0, -0.03, 1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(equivalence(1, 1, 10, margin), None, "{margin}");
    }
}

#[test]
fn a_common_sign_needs_every_seed() {
    assert_eq!(common_sign(&[0.2, 1e-9, 3.0]), Some(Ordering::Greater));
    assert_eq!(common_sign(&[-0.2]), Some(Ordering::Less));
    for mixed in [&[][..], &[0.0], &[0.2, 0.0], &[0.2, -0.1], &[0.2, f64::NAN], &[f64::NAN]] {
        assert_eq!(common_sign(mixed), None, "{mixed:?}");
    }
}

/// Probability that a standard normal number is above `z`, by summing up its density.
fn upper_tail(z: f64) -> f64 {
    let width = 1e-4;
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    (0..200_000).map(|step| width * density(z + (f64::from(step) + 0.5) * width)).sum()
}

/// Tango's statistic with the likeliest `q` found by search instead of by formula.
fn score_by_search(first: u64, second: u64, total: u64, supposed: f64) -> f64 {
    let [b, c, n] = [first, second, total].map(|count| count as f64);
    let log = |count: f64, share: f64| if count == 0.0 { 0.0 } else { count * share.ln() };
    let likelihood =
        |q: f64| log(b, q + supposed) + log(c, q) + log(n - b - c, 1.0 - 2.0 * q - supposed);
    let (mut low, mut high) = ((-supposed).max(0.0), (1.0 - supposed) / 2.0);
    for _ in 0..200 {
        let (left, right) = (low + (high - low) / 3.0, high - (high - low) / 3.0);
        if likelihood(left) < likelihood(right) {
            low = left;
        } else {
            high = right;
        }
    }
    let q = f64::midpoint(low, high);
    (b - c - n * supposed) / (n * (2.0 * q + supposed * (1.0 - supposed))).sqrt()
}

/// Probability of each table of `total` examples.
fn tables(total: u64, shares: [f64; 2]) -> impl Iterator<Item = (u64, u64, f64)> {
    let log_factorial = |n: u64| (1..=n).map(|k| (k as f64).ln()).sum::<f64>();
    let counts = (0..=total).flat_map(move |b| (0..=total - b).map(move |c| (b, c)));
    counts.map(move |(b, c)| {
        let rest = total - b - c;
        let ways = log_factorial(total) - log_factorial(b) - log_factorial(c) - log_factorial(rest);
        let [first, second] = shares;
        let power = |share: f64, count: u64| share.powi(count as i32);
        let chance =
            ways.exp() * power(first, b) * power(second, c) * power(1.0 - first - second, rest);
        (b, c, chance)
    })
}

#[test]
fn intervals_cover_the_truth_as_often_as_they_say() {
    for shares in [[0.05, 0.05], [0.2, 0.1], [0.3, 0.0], [0.1, 0.4]] {
        let truth = shares[0] - shares[1];
        let covered = tables(40, shares).filter(|&(first, second, _)| {
            let [low, high] = paired_difference(first, second, 40).unwrap().interval95;
            low <= truth && truth <= high
        });
        let chance: f64 = covered.map(|(.., chance)| chance).sum();
        assert!((0.93..=0.985).contains(&chance), "{shares:?}: {chance}");
    }
}

#[test]
fn methods_that_differ_by_the_margin_are_rarely_called_equivalent() {
    let margin = 0.2;
    let mut largest: f64 = 0.0;
    for second in [0.0, 0.02, 0.05, 0.1, 0.2, 0.3] {
        let called = tables(60, [second + margin, second])
            .filter(|&(b, c, _)| equivalence(b, c, 60, margin).unwrap() < 0.05);
        let chance: f64 = called.map(|(.., chance)| chance).sum();
        largest = largest.max(chance);
    }
    // An asymptotic test of level 0.05; what it errs at 60 examples is the excess over that.
    assert!((0.02..=0.06).contains(&largest), "{largest}");
    // And equal methods are found out.
    let power: f64 = tables(60, [0.05, 0.05])
        .filter(|&(b, c, _)| equivalence(b, c, 60, margin).unwrap() < 0.05)
        .map(|(.., chance)| chance)
        .sum();
    assert!(power > 0.95, "{power}");
}

proptest! {
    #[test]
    fn the_ends_of_an_interval_are_where_the_score_is_critical(
        first in 0u64..60,
        second in 0u64..60,
        rest in 1u64..200,
    ) {
        let total = first + second + rest;
        let found = paired_difference(first, second, total).unwrap();
        let [low, high] = found.interval95;
        prop_assert!(-1.0 <= low && low <= found.difference);
        prop_assert!(found.difference <= high && high <= 1.0);
        for (end, critical) in [(low, 1.959_963_984_540_054), (high, -1.959_963_984_540_054)] {
            let score = score_by_search(first, second, total, end);
            prop_assert!((score - critical).abs() < 1e-4, "{}: {}", end, score);
        }
        let [mirror_low, mirror_high] = paired_difference(second, first, total).unwrap().interval95;
        prop_assert!((mirror_low + high).abs() < 1e-12 && (mirror_high + low).abs() < 1e-12);
    }

    #[test]
    fn equivalence_is_two_tests_by_search(
        first in 0u64..30,
        second in 0u64..30,
        rest in 1u64..300,
        margin in 0.01..0.3f64,
    ) {
        let total = first + second + rest;
        let p = equivalence(first, second, total, margin).unwrap();
        let below = score_by_search(first, second, total, -margin);
        let above = -score_by_search(first, second, total, margin);
        let expected = upper_tail(below.min(above).max(-8.0));
        prop_assert!((p - expected).abs() < 1e-4, "{} is not {}", p, expected);
        prop_assert!((p - equivalence(second, first, total, margin).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn an_interval_without_zero_goes_with_a_difference(first in 0u64..300, second in 0u64..300) {
        // Score interval and exact test part only near the threshold: z = 1.96 against p = 0.05.
        let [low, high] = paired_difference(first, second, 1_000).unwrap().interval95;
        let p = mcnemar(first, second);
        if p < 0.04 {
            prop_assert!(low > 0.0 || high < 0.0, "{} {} {}", p, low, high);
        }
        if p > 0.2 {
            prop_assert!(low <= 0.0 && 0.0 <= high, "{} {} {}", p, low, high);
        }
    }
}
