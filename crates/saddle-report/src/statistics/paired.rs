//! Two methods judged on the same examples: how far apart they are, and whether they are equivalent.
//!
//! Everything here rests on Tango's score statistic for a difference of paired proportions. It asks
//! how far the observed difference lies from a supposed one, in standard deviations of the likeliest
//! world in which the supposed one is true. The statistic of a difference of zero is McNemar's, and
//! interval and test of equivalence, being made of one statistic, never contradict each other.
//!
//! # Source
//!
//! Tango, "Equivalence test and confidence interval for the difference in proportions for the
//! paired-sample design", Statistics in Medicine 17 (1998).

use std::cmp::Ordering;

use super::Z95;

/// A difference of two shares of the same examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// Share of the first method less that of the second.
    pub difference: f64,
    /// Its 95 % score interval.
    pub interval95: [f64; 2],
}

/// Difference of two paired shares with Tango's 95 % score interval, or none for counts that cannot be.
///
/// `only_first` and `only_second` count the examples on which exactly one method succeeded, `total`
/// all examples. The interval exists for every count, stays within -1 and 1 and is no point when the
/// methods never differ.
pub fn paired_difference(
    only_first: u64,
    only_second: u64,
    total: u64,
) -> Option<PairedDifference> {
    let table = Table::new(only_first, only_second, total)?;
    let difference = (table.first - table.second) / table.total;
    let low = bisect(-1.0, difference, |supposed| table.score(supposed) > Z95);
    let high = bisect(difference, 1.0, |supposed| table.score(supposed) >= -Z95);
    Some(PairedDifference { difference, interval95: [low, high] })
}

/// Two one-sided tests of equivalence: the p-value of "the shares differ by `margin` or more".
///
/// The larger of the p-values of the two one-sided score tests of a difference of `-margin` and of
/// `margin`. It is below 0.05 exactly when the 90 % score interval lies within the margin. None for
/// counts that cannot be and for a margin outside `(0, 1)`.
///
/// # Sources
///
/// Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15 (1987), for the two tests; Tango (1998)
/// for their statistic.
pub fn equivalence(only_first: u64, only_second: u64, total: u64, margin: f64) -> Option<f64> {
    if !(margin > 0.0 && margin < 1.0) {
        return None;
    }
    let table = Table::new(only_first, only_second, total)?;
    let below = upper_tail(table.score(-margin));
    let above = upper_tail(-table.score(margin));
    Some(below.max(above))
}

/// The sign that all differences share; none if there are none, or one is zero, of the other sign or
/// not a number.
pub fn common_sign(differences: &[f64]) -> Option<Ordering> {
    let sign = |difference: &f64| match difference.partial_cmp(&0.0) {
        Some(Ordering::Equal) | None => None,
        sign => sign,
    };
    let first = sign(differences.first()?)?;
    differences.iter().all(|difference| sign(difference) == Some(first)).then_some(first)
}

/// The counts of a comparison.
struct Table {
    first: f64,
    second: f64,
    total: f64,
}

impl Table {
    fn new(only_first: u64, only_second: u64, total: u64) -> Option<Self> {
        let possible = only_first.checked_add(only_second)? <= total && total > 0;
        let [first, second, total] = [only_first, only_second, total].map(|count| count as f64);
        possible.then_some(Self { first, second, total })
    }

    /// Standard deviations that the observed difference lies above a supposed one; falls as that rises.
    fn score(&self, supposed: f64) -> f64 {
        let Self { first: b, second: c, total: n } = *self;
        let distance = b - c - n * supposed;
        // The likeliest share of examples that only the second gets right: the larger root of
        // 2n q^2 + linear q - constant.
        let linear = (2.0 * n - b + c) * supposed - b - c;
        let constant = c * supposed * (1.0 - supposed);
        let root = (linear * linear + 8.0 * n * constant).max(0.0).sqrt();
        // Of the two forms of the root the one that adds numbers of one sign.
        let share = if linear <= 0.0 {
            (root - linear) / (4.0 * n)
        } else {
            2.0 * constant / (root + linear)
        };
        let variance = n * (2.0 * share + supposed * (1.0 - supposed));
        if distance == 0.0 { 0.0 } else { distance / variance.max(0.0).sqrt() }
    }
}

/// Where a condition that holds up to some point of an interval ceases to hold.
fn bisect(from: f64, to: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (from, to);
    // 64 halvings of a width of at most two end below the spacing of numbers near one.
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// Probability that a standard normal number is above `z`.
fn upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}
