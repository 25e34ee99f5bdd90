//! The top eigenvector of the Hessian of the cross-entropy, exactly, from the gradients of the logits.
//!
//! # Why it is exact
//!
//! A network of convolutions, linear layers, ReLUs and max pools is linear around almost every image, so its logits
//! `z` have no second derivative there. All curvature of the cross-entropy comes from the softmax: with `J` the
//! Jacobian of the logits (`classes x pixels`), `p` the softmax and `S = diag(p) - p pᵀ`, the Hessian in the image is
//! `H = Jᵀ S J`. It is positive semi-definite, of rank at most `classes - 1`, and does not depend on the label.
//!
//! # How
//!
//! `S = C Cᵀ` with `C = (I - p 1ᵀ) diag(√p)`, so `H = (Jᵀ C)(Jᵀ C)ᵀ` shares its eigenvalues other than 0 with the
//! small matrix `Cᵀ J Jᵀ C` (`classes x classes`). With `u` the top eigenvector of that, `Jᵀ C u` is the top
//! eigenvector of `H`.
//!
//! # Saturation
//!
//! Where the network is sure, `S` is tiny and most of it vanishes in `f64`. Nothing is lost: `C` is built from
//! logarithms of probabilities, relative to the largest that is not the leading class's, and an eigenvector does not
//! depend on a factor. In that limit one other class `j` is left, and the eigenvector is the direction of the
//! gradient of the margin `z_j - z_y`, which is also the direction of the gradient of the cross-entropy.

use saddle_ops::symmetric_eigen;

use crate::error::Result;

/// What the gradients of the logits say of one image.
pub(super) struct Top {
    /// The eigenvector of the largest eigenvalue, of l2 norm 1; all zeros where the Hessian is, NaN where a logit or
    /// a gradient is not finite.
    pub(super) direction: Vec<f64>,
    /// Whether the loss falls along it.
    pub(super) falls: bool,
}

/// The top eigenvector of `Jᵀ S J` at these logits; `jacobian` holds the gradient of each logit, one after the other.
pub(super) fn top_eigenvector(logits: &[f64], jacobian: &[f64], label: usize) -> Result<Top> {
    let classes = logits.len();
    let width = jacobian.len() / classes.max(1);
    if logits.iter().chain(jacobian).any(|number| !number.is_finite()) {
        return Ok(Top { direction: vec![f64::NAN; width], falls: false });
    }
    let gradient = |class: usize| &jacobian[class * width..][..width];
    let mut gram = vec![0.0; classes * classes];
    for a in 0..classes {
        for b in a..classes {
            gram[a * classes + b] = dot(gradient(a), gradient(b));
            gram[b * classes + a] = gram[a * classes + b];
        }
    }
    let root = root(logits);
    let half = product(&gram, &root, classes);
    let small = product(&transposed(&root, classes), &half, classes);
    let (_, vectors) = symmetric_eigen(&small, classes)?;
    let factors: Vec<f64> = root.chunks_exact(classes).map(|row| dot(row, &vectors[0])).collect();
    let mut direction = vec![0.0; width];
    for (class, factor) in factors.iter().enumerate() {
        direction.iter_mut().zip(gradient(class)).for_each(|(d, g)| *d += factor * g);
    }
    let largest = direction.iter().fold(0.0f64, |largest, d| largest.max(d.abs()));
    if largest > 0.0 {
        direction.iter_mut().for_each(|d| *d /= largest);
        let length = dot(&direction, &direction).sqrt();
        direction.iter_mut().for_each(|d| *d /= length);
    }
    let slopes = slopes(logits, label);
    let along = (0..classes).map(|class| slopes[class] * dot(gradient(class), &direction));
    Ok(Top { falls: along.sum::<f64>() < 0.0, direction })
}

/// A positive multiple of `C = (I - p 1ᵀ) diag(√p)`, row by row.
fn root(logits: &[f64]) -> Vec<f64> {
    let classes = logits.len();
    let log_p = log_softmax(logits);
    let p: Vec<f64> = log_p.iter().map(|&log_p| libm::exp(log_p)).collect();
    let first = first_largest(&log_p, None);
    let second = log_p[first_largest(&log_p, Some(first))];
    let rest: f64 = (0..classes).filter(|&j| j != first).map(|j| p[j]).sum();
    let mut root = vec![0.0; classes * classes];
    for i in 0..classes {
        for j in 0..classes {
            let entry = match (i == j, j == first) {
                // 1 - p of the leading class is the sum of the others: a subtraction would lose it.
                (true, true) => rest,
                (true, false) => 1.0 - p[j],
                (false, _) => -p[i],
            };
            // Nothing times an infinity, where the second probability is no number of f64.
            if entry != 0.0 {
                root[i * classes + j] = entry * libm::exp(0.5 * (log_p[j] - second));
            }
        }
    }
    root
}

/// `a b`, both `n x n`.
fn product(a: &[f64], b: &[f64], n: usize) -> Vec<f64> {
    let entry =
        |row: usize, column: usize| (0..n).map(|k| a[row * n + k] * b[k * n + column]).sum();
    (0..n * n).map(|place| entry(place / n, place % n)).collect()
}

fn transposed(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|place| a[place % n * n + place / n]).collect()
}

/// A positive multiple of the slopes of the cross-entropy in the logits, `p - e_y`.
fn slopes(logits: &[f64], label: usize) -> Vec<f64> {
    let log_p = log_softmax(logits);
    let most = log_p[first_largest(&log_p, Some(label))];
    let mut slopes: Vec<f64> = log_p.iter().map(|&log_p| libm::exp(log_p - most)).collect();
    let others = (0..logits.len()).filter(|&j| j != label);
    slopes[label] = -others.map(|j| slopes[j]).sum::<f64>();
    slopes
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|z| libm::exp(z - largest)).sum();
    logits.iter().map(|z| z - largest - libm::log(sum)).collect()
}

/// Index of the first largest entry, one left out.
fn first_largest(values: &[f64], without: Option<usize>) -> usize {
    let mut best = None;
    for (index, value) in values.iter().enumerate().filter(|(index, _)| Some(*index) != without) {
        if best.is_none_or(|best: usize| *value > values[best]) {
            best = Some(index);
        }
    }
    best.unwrap_or(0)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
