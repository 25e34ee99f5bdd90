//! What makes two batches of logits one domain: the unsupervised terms of ATDA (Song et al., ICLR 2019), in closed form,
//! and the class centres of its supervised one.
//!
//! | term | value, for `d` classes                                       |
//! |------|--------------------------------------------------------------|
//! | MMD  | mean over `d` of abs(mean natural - mean adversarial)        |
//! | CORAL| mean over `d x d` of abs(N^T N - A^T A), N and A the logits less their means |
//!
//! These are the forms of the authors' program, not those of the sources that it names: absolute values where those have
//! squares, and CORAL's products are summed over the batch, not averaged, so that the term grows with its size.
//!
//! The supervised term is a loss of single rows: [`saddle_model::Loss::class_centres`].
//!
//! # Conventions
//!
//! Everything is computed in `f64` on the host, whatever dtype and device the logits have; sums run in the order of the
//! rows. Where a difference is exactly 0 the slope of its absolute value is 0. NaN goes through to the value.
//!
//! # Source
//!
//! `loss.py` of the authors' program (github.com/JHL-HUST/ATDA).

use crate::{Error, Result};
use candle_core::{DType, Device, Tensor};

/// How far two batches of logits are apart in one respect.
#[derive(Clone, Debug)]
pub struct Discrepancy {
    /// The value of the term.
    pub value: f64,
    /// Its gradient with respect to the natural logits, `(n, classes)`, `f64`, on the host.
    pub natural: Tensor,
    /// Its gradient with respect to the adversarial logits, likewise.
    pub adversarial: Tensor,
}

/// MMD: how far apart the mean logits of the two batches lie.
///
/// # Errors
///
/// [`Error::Mismatch`] unless both are non-empty matrices of one shape.
pub fn mmd(natural: &Tensor, adversarial: &Tensor) -> Result<Discrepancy> {
    let [natural, adversarial] = pair("MMD", natural, adversarial)?;
    let (count, classes) = (natural.len(), natural[0].len());
    let gaps: Vec<f64> =
        mean(&natural).iter().zip(mean(&adversarial)).map(|(one, other)| one - other).collect();
    let share = 1.0 / (classes * count) as f64;
    let slopes: Vec<f64> = gaps.iter().map(|&gap| sign(gap) * share).collect();
    let value = gaps.iter().map(|gap| gap.abs()).sum::<f64>() / classes as f64;
    let natural = tensor((0..count).map(|_| slopes.clone()).collect())?;
    Ok(Discrepancy { value, adversarial: natural.neg()?, natural })
}

/// CORAL: how far apart the second moments of the two batches are.
///
/// # Errors
///
/// As [`mmd`].
pub fn coral(natural: &Tensor, adversarial: &Tensor) -> Result<Discrepancy> {
    let [natural, adversarial] = pair("CORAL", natural, adversarial)?;
    let classes = natural[0].len();
    let share = 1.0 / (classes * classes) as f64;
    let (natural, adversarial) = (centred(natural), centred(adversarial));
    let moments = |rows: &[Vec<f64>], k: usize, l: usize| -> f64 {
        rows.iter().map(|row| row[k] * row[l]).sum()
    };
    let gap = |k: usize, l: usize| moments(&natural, k, l) - moments(&adversarial, k, l);
    let gaps: Vec<Vec<f64>> =
        (0..classes).map(|k| (0..classes).map(|l| gap(k, l)).collect()).collect();
    let value = gaps.iter().flatten().map(|gap| gap.abs() * share).sum();
    // d(N^T N)_kl = dN_k N_l + N_k dN_l, and the signs are symmetric. Rows of N add to 0, so do those of N S: the mean
    // that was taken off adds nothing.
    let slopes = |rows: &[Vec<f64>], side: f64| {
        let entry = |row: &[f64], k: usize| -> f64 {
            2.0 * side
                * share
                * row.iter().zip(&gaps[k]).map(|(x, &gap)| x * sign(gap)).sum::<f64>()
        };
        tensor(rows.iter().map(|row| (0..classes).map(|k| entry(row, k)).collect()).collect())
    };
    Ok(Discrepancy {
        value,
        natural: slopes(&natural, 1.0)?,
        adversarial: slopes(&adversarial, -1.0)?,
    })
}

/// Class centres after one batch: each moves towards its rows,
/// `c_y -= rate * sum_i (c_y - z_i) / (1 + count_y)`; centres without a row stay.
///
/// `centres` is `(classes, classes)`, `logits` `(n, classes)` with one label each; the result is `f64` on the host.
///
/// # Errors
///
/// [`Error::Mismatch`] when shapes or labels do not fit each other.
pub fn move_centres(
    centres: &Tensor,
    logits: &Tensor,
    labels: &[u32],
    rate: f64,
) -> Result<Tensor> {
    let (old, logits) = (rows("class centres", centres)?, rows("class centres", logits)?);
    let width = logits[0].len();
    let known = labels.iter().all(|&label| (label as usize) < old.len());
    if labels.len() != logits.len() || old[0].len() != width || !known {
        return Err(mismatch(
            "class centres",
            format!(
                "{:?} centres, {} labels up to {:?}, logits {} x {width}: give each row the label of \
                 a centre, in the space of logits",
                centres.dims(),
                labels.len(),
                labels.iter().max(),
                logits.len()
            ),
        ));
    }
    let mut moved = old.clone();
    for (class, centre) in old.iter().enumerate() {
        let own = || logits.iter().zip(labels).filter(|(_, label)| **label as usize == class);
        let part = rate / (1 + own().count()) as f64;
        for (k, place) in moved[class].iter_mut().enumerate() {
            *place -= part * own().map(|(z, _)| centre[k] - z[k]).sum::<f64>();
        }
    }
    tensor(moved)
}

/// Two batches of one shape, row by row.
fn pair(operation: &'static str, one: &Tensor, other: &Tensor) -> Result<[Vec<Vec<f64>>; 2]> {
    if one.dims() != other.dims() {
        let (one, other) = (one.dims(), other.dims());
        return Err(mismatch(operation, format!("logits {one:?} against {other:?}; pair them up")));
    }
    Ok([rows(operation, one)?, rows(operation, other)?])
}

fn rows(operation: &'static str, matrix: &Tensor) -> Result<Vec<Vec<f64>>> {
    match matrix.dims() {
        &[rows, columns] if rows > 0 && columns > 0 => {
            Ok(matrix.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec2()?)
        }
        dims => Err(mismatch(operation, format!("found {dims:?}, expected (n, classes), n >= 1"))),
    }
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    let count = rows.len() as f64;
    (0..rows[0].len()).map(|k| rows.iter().map(|row| row[k]).sum::<f64>() / count).collect()
}

fn centred(mut rows: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let mean = mean(&rows);
    rows.iter_mut().for_each(|row| row.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean));
    rows
}

/// -1, 0 or 1; 0 for 0 and for NaN, whose value says it all.
fn sign(x: f64) -> f64 {
    f64::from(i8::from(x > 0.0) - i8::from(x < 0.0))
}

fn tensor(rows: Vec<Vec<f64>>) -> Result<Tensor> {
    let shape = (rows.len(), rows[0].len());
    Ok(Tensor::from_vec(rows.concat(), shape, &Device::Cpu)?)
}

fn mismatch(operation: &'static str, message: String) -> Error {
    Error::Mismatch { operation, message }
}
