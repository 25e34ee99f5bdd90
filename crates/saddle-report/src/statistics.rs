//! The few statistics that the report needs, exact where that is cheap.
//!
//! None of these functions panics; where an argument makes no sense the answer is absent.

mod paired;

pub use paired::{PairedDifference, common_sign, equivalence, paired_difference};

/// The 97.5 % quantile of the standard normal distribution.
pub const Z95: f64 = 1.959_963_984_540_054;

/// 95 % Wilson score interval of a share, or none when `total` is zero or below `correct`.
///
/// Unlike the textbook interval it never leaves `[0, 1]` and does not shrink to a point at 0 % and
/// 100 %, which is where robust accuracies like to be.
///
/// # Source
///
/// Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
pub fn wilson(correct: u64, total: u64) -> Option<[f64; 2]> {
    if total == 0 || correct > total {
        return None;
    }
    let n = total as f64;
    let share = correct as f64 / n;
    let z2 = Z95 * Z95;
    let center = share + z2 / (2.0 * n);
    let spread = Z95 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z2 / n;
    // The ends are exact at 0 % and 100 %; rounding must not move them.
    let low = if correct == 0 { 0.0 } else { ((center - spread) / scale).max(0.0) };
    let high = if correct == total { 1.0 } else { ((center + spread) / scale).min(1.0) };
    Some([low, high])
}

/// Exact two-sided McNemar test: the p-value of "both are equally likely to be the only one".
///
/// `only_first` and `only_second` count the examples on which exactly one of two methods succeeded;
/// examples on which both agree carry no information. The p-value is twice the smaller tail of a
/// fair coin, at most one.
///
/// # Source
///
/// McNemar, Psychometrika 12 (1947); the exact form is the sign test of the discordant pairs.
pub fn mcnemar(only_first: u64, only_second: u64) -> f64 {
    let discordant = only_first.saturating_add(only_second);
    let smaller = only_first.min(only_second);
    if only_first == only_second {
        return 1.0;
    }
    // ln of C(n, k) / 2^n, from k = 0 upwards; logarithms, as 2^-n underflows early.
    let n = discordant as f64;
    let mut log_term = -n * std::f64::consts::LN_2;
    let mut tail = log_term.exp();
    let mut largest = log_term;
    let mut scaled = 1.0;
    for k in 1..=smaller {
        log_term += ((n - k as f64 + 1.0) / k as f64).ln();
        // Terms grow up to the middle, so the newest is the largest.
        scaled = scaled * (largest - log_term).exp() + 1.0;
        largest = log_term;
        tail = scaled * largest.exp();
    }
    (2.0 * tail).min(1.0)
}

/// Holm's step-down adjustment: p-values that may each be held against one level for the whole family.
///
/// The k-th smallest of m is multiplied by m - k + 1, is at least as large as those before it and at
/// most one. The answer has the order of the argument; NaN stays NaN and counts as a member.
///
/// # Source
///
/// Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scand. J. Statistics 6 (1979).
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = p.to_vec();
    let mut floor = 0.0f64;
    for (rank, &index) in order.iter().enumerate() {
        if p[index].is_nan() {
            continue;
        }
        floor = floor.max(p[index] * (p.len() - rank) as f64).min(1.0);
        adjusted[index] = floor;
    }
    adjusted
}

/// Mean of the finite values, or none if there is none.
pub fn mean(values: &[f64]) -> Option<f64> {
    let (sum, count) = values
        .iter()
        .filter(|value| value.is_finite())
        .fold((0.0, 0u64), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// The `share` quantile (0 to 1) of the finite values, or none if there is none.
///
/// Linear between the two nearest order statistics, at position `share * (n - 1)`: definition 7 of
/// Hyndman and Fan (1996), the default of NumPy and R.
pub fn quantile(values: &[f64], share: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&share) {
        return None;
    }
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let position = share * last as f64;
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let part = position - below as f64;
    Some(sorted[below] + part * (sorted[above] - sorted[below]))
}
