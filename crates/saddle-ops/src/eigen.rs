//! Eigenvalues and eigenvectors of a small symmetric matrix.
//!
//! The Hessian of a cross-entropy has at most as many directions as there are classes, so that its largest eigenvalue
//! is found in a matrix of 10 x 10, whatever the size of the image. For such a matrix the oldest method will do:
//! Jacobi's rotations are a dozen lines and lose no digits.
//!
//! # Source
//!
//! Golub and Van Loan, Matrix Computations, section 8.5: cyclic by rows, each rotation annihilating one entry.

use crate::{Error, Result};

/// Sweeps after which a matrix counts as diagonal, come what may; ten are more than a matrix of 10 x 10 was ever seen
/// to need.
const MOST_SWEEPS: usize = 60;

/// Eigenvalues in descending order, and as many unit eigenvectors, one after the other.
///
/// `matrix` holds `n x n` numbers, row by row; only its upper triangle is read. An eigenvector's sign is arbitrary, and
/// where eigenvalues are equal so is the choice of their vectors.
///
/// # Errors
///
/// [`Error::InvalidShape`] for a matrix that is empty or not square, [`Error::NonFinite`] (with its row) for NaN or
/// infinity.
pub fn symmetric_eigen(matrix: &[f64], n: usize) -> Result<(Vec<f64>, Vec<Vec<f64>>)> {
    let operation = "symmetric eigenproblem";
    if n == 0 || matrix.len() != n * n {
        let message = format!("{} numbers are no matrix of {n} x {n}", matrix.len());
        return Err(Error::InvalidShape { operation, message });
    }
    if let Some(place) = matrix.iter().position(|value| !value.is_finite()) {
        return Err(Error::NonFinite { operation, row: place / n });
    }
    let mut a: Vec<f64> = (0..n * n)
        .map(|place| (place / n, place % n))
        .map(|(row, column)| matrix[row.min(column) * n + row.max(column)])
        .collect();
    // Scaled, so that no square leaves the range of f64.
    let largest = a.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    let scale = if largest > 0.0 { largest } else { 1.0 };
    a.iter_mut().for_each(|entry| *entry /= scale);
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|k| vectors[k * n + k] = 1.0);
    for _ in 0..MOST_SWEEPS {
        if off_diagonal(&a, n) == 0.0 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut a, &mut vectors, n, p, q);
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[j * n + j].total_cmp(&a[i * n + i]));
    let values = order.iter().map(|&k| a[k * n + k] * scale).collect();
    let columns = order.iter().map(|&k| (0..n).map(|row| vectors[row * n + k]).collect());
    Ok((values, columns.collect()))
}

/// Largest entry beside the diagonal.
fn off_diagonal(a: &[f64], n: usize) -> f64 {
    let beside = (0..n * n).filter(|place| place / n != place % n);
    beside.fold(0.0, |largest: f64, place| largest.max(a[place].abs()))
}

/// Turns the plane of coordinates `p` and `q` so that their common entry becomes 0.
fn rotate(a: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let (app, aqq, apq) = (a[p * n + p], a[q * n + q], a[p * n + q]);
    // What no longer changes the diagonal is 0.
    if apq.abs() <= f64::EPSILON * f64::EPSILON.max((app * aqq).abs().sqrt()) {
        a[p * n + q] = 0.0;
        a[q * n + p] = 0.0;
        return;
    }
    let half = (aqq - app) / (2.0 * apq);
    // The smaller root of t^2 + 2 half t - 1: a turn of at most 45 degrees.
    let t = 1.0f64.copysign(half) / (half.abs() + (half * half + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for k in 0..n {
        let (akp, akq) = (a[k * n + p], a[k * n + q]);
        a[k * n + p] = c * akp - s * akq;
        a[k * n + q] = s * akp + c * akq;
    }
    for k in 0..n {
        let (apk, aqk) = (a[p * n + k], a[q * n + k]);
        a[p * n + k] = c * apk - s * aqk;
        a[q * n + k] = s * apk + c * aqk;
    }
    for k in 0..n {
        let (vkp, vkq) = (vectors[k * n + p], vectors[k * n + q]);
        vectors[k * n + p] = c * vkp - s * vkq;
        vectors[k * n + q] = s * vkp + c * vkq;
    }
    a[p * n + q] = 0.0;
    a[q * n + p] = 0.0;
}
