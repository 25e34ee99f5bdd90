//! The closed forms, one row of finite logits at a time, in `f64`.
//!
//! Each function returns the value and writes the gradient into `cotangent`, which comes in filled with zeros.
//! Exponentials and logarithms are `libm`'s, so a browser computes the same bits.
//!
//! Legend: `z` logits, `y` label, `t` target, `p` and `q` probabilities, `m` the largest logit.

use std::cmp::Ordering;

/// Smallest denominator of DLR: three tied leading logits would make it 0.
const SMALLEST_SPREAD: f64 = 1e-12;

/// Index of the largest entry but `except`; the first one wins a tie.
pub(super) fn first_largest(z: &[f64], except: Option<usize>) -> usize {
    let mut best: Option<usize> = None;
    for (j, &value) in z.iter().enumerate() {
        if Some(j) != except && best.is_none_or(|best| value > z[best]) {
            best = Some(j);
        }
    }
    best.unwrap_or(0)
}

/// `log p`: each logit less the logarithm of the sum of exponentials.
fn log_softmax(z: &[f64]) -> Vec<f64> {
    let top = first_largest(z, None);
    // The largest term is exactly 1 and left to `log1p`, which keeps what tiny others add to it.
    let others: f64 = (0..z.len()).filter(|&j| j != top).map(|j| libm::exp(z[j] - z[top])).sum();
    let log_sum = libm::log1p(others);
    z.iter().map(|value| (value - z[top]) - log_sum).collect()
}

/// `-log p_y`, or `log p_t`.
pub(super) fn cross_entropy(
    z: &[f64],
    y: usize,
    target: Option<usize>,
    cotangent: &mut [f64],
) -> f64 {
    let class = target.unwrap_or(y);
    let log_p = log_softmax(z);
    // d(-log p_c)/dz_j = p_j for j != c, and -(1 - p_c) for c, taken as the sum of the other probabilities.
    let mut rest = 0.0;
    for (j, slope) in cotangent.iter_mut().enumerate() {
        if j != class {
            *slope = libm::exp(log_p[j]);
            rest += *slope;
        }
    }
    cotangent[class] = -rest;
    if target.is_none() {
        return -log_p[class];
    }
    cotangent.iter_mut().for_each(|slope| *slope = -*slope);
    log_p[class]
}

/// `max_{j != y} z_j - z_y`, or `z_t - max_{j != t} z_j`; flat beyond `confidence`.
pub(super) fn margin(
    z: &[f64],
    y: usize,
    target: Option<usize>,
    confidence: f64,
    cotangent: &mut [f64],
) -> f64 {
    let (up, down) = match target {
        None => (first_largest(z, Some(y)), y),
        Some(t) => (t, first_largest(z, Some(t))),
    };
    let value = z[up] - z[down];
    if value >= confidence {
        return confidence;
    }
    cotangent[up] = 1.0;
    cotangent[down] = -1.0;
    value
}

/// `(max_{j != y} z_j - z_y) / (z_(1) - z_(3))`, or `(z_t - z_y) / (z_(1) - (z_(3) + z_(4)) / 2)`.
///
/// A denominator below [`SMALLEST_SPREAD`] is held there and no gradient flows through it.
pub(super) fn dlr(z: &[f64], y: usize, target: Option<usize>, cotangent: &mut [f64]) -> f64 {
    let mut order: Vec<usize> = (0..z.len()).collect();
    // A stable sort: the lower index goes first among equals.
    order.sort_by(|&a, &b| z[b].partial_cmp(&z[a]).unwrap_or(Ordering::Equal));
    let (up, spread_terms): (usize, &[(usize, f64)]) = match target {
        None => (first_largest(z, Some(y)), &[(0, 1.0), (2, -1.0)]),
        Some(t) => (t, &[(0, 1.0), (2, -0.5), (3, -0.5)]),
    };
    let numerator = z[up] - z[y];
    let spread: f64 = spread_terms.iter().map(|&(place, factor)| factor * z[order[place]]).sum();
    let floored = spread < SMALLEST_SPREAD;
    let denominator = if floored { SMALLEST_SPREAD } else { spread };
    let value = numerator / denominator;
    // d(u / v) = du / v - (u / v) dv / v. A target equal to the label adds and takes the same.
    cotangent[up] += 1.0 / denominator;
    cotangent[y] -= 1.0 / denominator;
    if !floored {
        for &(place, factor) in spread_terms {
            cotangent[order[place]] -= factor * value / denominator;
        }
    }
    value
}

/// `sum_j p_j (log p_j - log q_j)` with `p` from the reference and `q` from `z`; slope `q - p`.
pub(super) fn kl(z: &[f64], reference: &[f64], cotangent: &mut [f64]) -> f64 {
    let (log_p, log_q) = (log_softmax(reference), log_softmax(z));
    // Slopes add to 0. Where `p` and `q` are both all but 1 their difference is lost to rounding; that of the others is not.
    let top = first_largest(reference, None);
    let (mut value, mut rest) = (0.0, 0.0);
    for (j, slope) in cotangent.iter_mut().enumerate() {
        let p = libm::exp(log_p[j]);
        value += p * (log_p[j] - log_q[j]);
        if j != top {
            *slope = libm::exp(log_q[j]) - p;
            rest += *slope;
        }
    }
    cotangent[top] = -rest;
    value
}

/// The value of [`kl`] and its slope in the reference logits, `p_j (log p_j - log q_j - value)`.
pub(super) fn kl_reference(z: &[f64], reference: &[f64], cotangent: &mut [f64]) -> f64 {
    let (log_p, log_q) = (log_softmax(reference), log_softmax(z));
    let p: Vec<f64> = log_p.iter().map(|&log_p| libm::exp(log_p)).collect();
    let value: f64 = (0..z.len()).map(|j| p[j] * (log_p[j] - log_q[j])).sum();
    for (j, slope) in cotangent.iter_mut().enumerate() {
        *slope = p[j] * (log_p[j] - log_q[j] - value);
    }
    value
}

/// `sum_{j != y} softplus(u_j)` with `u_j = |z - c_y|_1 - |z - c_j|_1`; slope
/// `sum_j sigmoid(u_j) (sign(z - c_y) - sign(z - c_j))`, the sign of 0 being 0.
pub(super) fn class_centres(z: &[f64], y: usize, centres: &[f64], cotangent: &mut [f64]) -> f64 {
    let centre = |j: usize| &centres[j * z.len()..][..z.len()];
    let distance = |j: usize| -> f64 { z.iter().zip(centre(j)).map(|(z, c)| (z - c).abs()).sum() };
    let sign = |x: f64| f64::from(i8::from(x > 0.0) - i8::from(x < 0.0));
    let own = distance(y);
    let mut value = 0.0;
    for j in (0..z.len()).filter(|&j| j != y) {
        let u = own - distance(j);
        let tail = libm::exp(-u.abs());
        value += u.max(0.0) + libm::log1p(tail);
        let sigmoid = if u > 0.0 { 1.0 / (1.0 + tail) } else { tail / (1.0 + tail) };
        for (k, slope) in cotangent.iter_mut().enumerate() {
            *slope += sigmoid * (sign(z[k] - centre(y)[k]) - sign(z[k] - centre(j)[k]));
        }
    }
    value
}
