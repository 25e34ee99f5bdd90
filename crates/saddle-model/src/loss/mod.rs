//! Per-example losses on logits, in closed form. An attack ascends a loss.
//!
//! A loss returns one value per row and the gradient of the *sum* of the values with respect to the logits, which a
//! [`crate::Pullback`] takes on to the images. No graph is needed, and row `i` depends on row `i` alone.
//!
//! | loss          | untargeted, label y                           | targeted, target t                                  |
//! |---------------|-----------------------------------------------|-----------------------------------------------------|
//! | cross-entropy | -log p_y                                      | log p_t                                             |
//! | margin        | max_{j != y} z_j - z_y                        | z_t - max_{j != t} z_j                              |
//! | DLR           | (max_{j != y} z_j - z_y) / (z_(1) - z_(3))    | (z_t - z_y) / (z_(1) - (z_(3) + z_(4)) / 2)         |
//! | KL            | sum_j p_j (log p_j - log q_j), p the reference, q the logits' softmax |                             |
//! | class centres | sum_{j != y} softplus(abs(z - c_y) - abs(z - c_j)) |                                                |
//!
//! z are the logits, p their softmax, z_(1) >= z_(2) >= ... the sorted logits, c_j the centre of class j in the space of
//! logits, abs(.) the l1 norm.
//!
//! # Conventions
//!
//! - Everything is computed in `f64`, whatever the dtype of the logits; the cotangent returns to that dtype.
//! - `rows[i]` is the index, among the examples that the loss was made for, of the example to which row `i` belongs. So
//!   one loss serves any selection of the examples, also with repetitions.
//! - Ties: where a maximum or a sort is tied the lowest class index wins and takes the whole gradient. Where a logit equals
//!   a centre's the slope of their distance is 0, the middle of what is possible there.
//! - Saturation: sums of exponentials are taken relative to the largest logit, and `1 - p_y` as the sum of the other
//!   probabilities, so a cotangent is exact to rounding however sure the network is. It may still be too small for `f32`:
//!   that is the vanishing gradient that margin and DLR avoid, and it is not hidden here.
//! - A row with a logit that is NaN or infinite has the value NaN and a cotangent of NaN: whoever ascends sees and counts
//!   it. Other rows are not touched.
//!
//! # Sources
//!
//! Margin: Carlini and Wagner (2017), with the clamp of the MNIST challenge as an option. DLR: Croce and Hein (ICML
//! 2020), Eq. 6 and 7. KL as TRADES uses it: Zhang et al. (ICML 2019). Class centres as ATDA uses them: Song et al. (ICLR
//! 2019), in the form of the authors' program.

mod closed;
mod kind;

pub use kind::{Aim, LossKind};

use candle_core::Tensor;
use saddle_ops::{numbers, tensor_like};

use crate::{Error, Result};

/// A loss bound to its examples: their labels, targets or reference logits.
#[derive(Clone, Debug)]
pub struct Loss {
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Labelled { kind: LossKind, labels: Vec<u32>, targets: Option<Vec<u32>>, confidence: f64 },
    Kl { reference: Vec<f64>, classes: usize },
    Centres { centres: Vec<f64>, classes: usize, labels: Vec<u32> },
}

/// Values of a loss and what to pull back.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// One value per row.
    pub values: Vec<f64>,
    /// Gradient of the sum of the values; shape, dtype and device of the logits.
    pub cotangent: Tensor,
}

impl Loss {
    /// A loss on labels, one for each example; with targets it is the targeted form.
    ///
    /// # Errors
    ///
    /// [`Error::Loss`] when there are no labels or not as many targets as labels. That classes exist is checked when the
    /// width of the logits is known.
    pub fn new(kind: LossKind, labels: Vec<u32>, aim: &Aim) -> Result<Self> {
        if labels.is_empty() {
            return refused("no labels; a loss needs one for each example".to_owned());
        }
        let targets = match aim {
            Aim::Untargeted => None,
            Aim::Targeted(targets) if targets.len() == labels.len() => Some(targets.clone()),
            Aim::Targeted(targets) => {
                let (targets, labels) = (targets.len(), labels.len());
                return refused(format!(
                    "{targets} targets for {labels} labels; pass one for each example"
                ));
            }
        };
        Ok(Self { form: Form::Labelled { kind, labels, targets, confidence: f64::INFINITY } })
    }

    /// `KL(softmax(reference) || softmax(logits))`; `reference` is `(n, classes)`, row `k` for example `k`.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the reference is not a non-empty matrix.
    pub fn kl(reference: &Tensor) -> Result<Self> {
        let (reference, classes) = rows_of(reference, "Kullback-Leibler reference")?;
        Ok(Self { form: Form::Kl { reference, classes } })
    }

    /// The margin to class centres of ATDA: how much nearer to other classes' centres than to its own a row lies.
    ///
    /// `centres` is `(classes, classes)`, row `j` the centre of class `j` in the space of logits; they are constants here,
    /// no gradient reaches them.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the centres are not a square matrix, [`Error::Loss`] without labels.
    pub fn class_centres(centres: &Tensor, labels: Vec<u32>) -> Result<Self> {
        if labels.is_empty() {
            return refused("no labels; a loss needs one for each example".to_owned());
        }
        let (flat, classes) = rows_of(centres, "class centres")?;
        if flat.len() != classes * classes {
            return Err(Error::Shape {
                operation: "class centres",
                expected: "a square matrix, one row of logits for each class".to_owned(),
                found: format!("{:?}", centres.dims()),
            });
        }
        Ok(Self { form: Form::Centres { centres: flat, classes, labels } })
    }

    /// The same loss of some of its examples, in the order of `rows`.
    ///
    /// # Errors
    ///
    /// [`Error::Loss`] for no row at all and for a row that does not exist.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        let examples = self.examples();
        if rows.is_empty() {
            return refused("no rows selected; select at least one".to_owned());
        }
        if let Some(row) = rows.iter().find(|&&row| row >= examples) {
            return refused(format!("row {row} of a loss on {examples} examples"));
        }
        let chosen = |all: &[u32]| rows.iter().map(|&row| all[row]).collect::<Vec<u32>>();
        let form = match &self.form {
            Form::Labelled { kind, labels, targets, confidence } => Form::Labelled {
                kind: *kind,
                labels: chosen(labels),
                targets: targets.as_ref().map(|targets| chosen(targets)),
                confidence: *confidence,
            },
            Form::Kl { reference, classes } => {
                let row = |&row: &usize| &reference[row * classes..][..*classes];
                Form::Kl {
                    reference: rows.iter().flat_map(row).copied().collect(),
                    classes: *classes,
                }
            }
            Form::Centres { centres, classes, labels } => Form::Centres {
                centres: centres.clone(),
                classes: *classes,
                labels: chosen(labels),
            },
        };
        Ok(Self { form })
    }

    /// A margin loss that stops rising once the margin exceeds `confidence`, as the MNIST challenge's does at 50.
    ///
    /// The value is `min(margin, confidence)`; beyond it the cotangent is zero. Other losses are returned unchanged.
    pub fn with_confidence(mut self, margin: f64) -> Self {
        if let Form::Labelled { confidence, .. } = &mut self.form {
            *confidence = margin;
        }
        self
    }

    /// Number of examples that the loss was made for.
    pub fn examples(&self) -> usize {
        match &self.form {
            Form::Labelled { labels, .. } | Form::Centres { labels, .. } => labels.len(),
            Form::Kl { reference, classes } => reference.len() / classes,
        }
    }

    /// Values and cotangent at these logits.
    ///
    /// # Shapes
    ///
    /// | name        | shape          | meaning                                         |
    /// |-------------|----------------|-------------------------------------------------|
    /// | `logits`    | `(n, classes)` | any float dtype, any device                     |
    /// | `rows`      | `n`            | example of each row, below [`Loss::examples`]   |
    /// | `values`    | `n`            | `f64`                                           |
    /// | `cotangent` | `(n, classes)` | as the logits                                   |
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when logits and rows disagree; [`Error::Loss`] for a row, label or target that does not exist and
    /// for too few classes (DLR needs 3, targeted 4).
    pub fn evaluate(&self, logits: &Tensor, rows: &[usize]) -> Result<Evaluated> {
        self.by_row(logits, rows, |form, example, logits, cotangent| match form {
            Form::Labelled { kind, labels, targets, confidence } => {
                let label = labels[example] as usize;
                let target = targets.as_ref().map(|targets| targets[example] as usize);
                match kind {
                    LossKind::CrossEntropy => {
                        closed::cross_entropy(logits, label, target, cotangent)
                    }
                    LossKind::Margin => {
                        closed::margin(logits, label, target, *confidence, cotangent)
                    }
                    LossKind::Dlr => closed::dlr(logits, label, target, cotangent),
                }
            }
            Form::Kl { reference, classes } => {
                closed::kl(logits, &reference[example * classes..][..*classes], cotangent)
            }
            Form::Centres { centres, labels, .. } => {
                closed::class_centres(logits, labels[example] as usize, centres, cotangent)
            }
        })
    }

    /// As [`Loss::evaluate`] for a KL loss, with the cotangent of the *reference* logits: the other branch of TRADES.
    ///
    /// Row `i` belongs to the reference logits of example `rows[i]`.
    ///
    /// # Errors
    ///
    /// As [`Loss::evaluate`], and [`Error::Loss`] when this is not a KL loss.
    pub fn evaluate_reference(&self, logits: &Tensor, rows: &[usize]) -> Result<Evaluated> {
        if !matches!(self.form, Form::Kl { .. }) {
            return refused("only a Kullback-Leibler loss has a reference branch".to_owned());
        }
        self.by_row(logits, rows, |form, example, logits, cotangent| match form {
            Form::Kl { reference, classes } => {
                closed::kl_reference(logits, &reference[example * classes..][..*classes], cotangent)
            }
            Form::Labelled { .. } | Form::Centres { .. } => f64::NAN,
        })
    }

    fn by_row(
        &self,
        logits: &Tensor,
        rows: &[usize],
        row_loss: impl Fn(&Form, usize, &[f64], &mut [f64]) -> f64,
    ) -> Result<Evaluated> {
        let (flat, classes) = rows_of(logits, "loss")?;
        if flat.len() / classes != rows.len() {
            return Err(Error::Shape {
                operation: "loss",
                expected: format!("logits of {} rows, one for each entry of `rows`", rows.len()),
                found: format!("{:?}", logits.dims()),
            });
        }
        self.check(classes, rows)?;
        let mut cotangent = vec![0.0; flat.len()];
        let mut values = Vec::with_capacity(rows.len());
        let by_row = flat.chunks_exact(classes).zip(cotangent.chunks_exact_mut(classes));
        for (&example, (logits, cotangent)) in rows.iter().zip(by_row) {
            let value = if logits.iter().all(|logit| logit.is_finite()) {
                row_loss(&self.form, example, logits, cotangent)
            } else {
                cotangent.fill(f64::NAN);
                f64::NAN
            };
            values.push(value);
        }
        Ok(Evaluated { values, cotangent: tensor_like(logits, cotangent)? })
    }

    fn check(&self, classes: usize, rows: &[usize]) -> Result<()> {
        let examples = self.examples();
        if let Some(row) = rows.iter().find(|&&row| row >= examples) {
            return refused(format!("row {row} of a loss on {examples} examples"));
        }
        match &self.form {
            Form::Kl { classes: own, .. } if *own != classes => {
                refused(format!("logits of {classes} classes against a reference of {own}"))
            }
            Form::Kl { .. } => Ok(()),
            Form::Centres { classes: own, .. } if *own != classes => {
                refused(format!("logits of {classes} classes against the centres of {own}"))
            }
            Form::Centres { labels, .. } => {
                let unknown = rows.iter().find(|&&row| labels[row] as usize >= classes);
                unknown.map_or(Ok(()), |&row| {
                    let label = labels[row];
                    refused(format!("label {label} of example {row}: there are {classes} classes"))
                })
            }
            Form::Labelled { kind, labels, targets, .. } => {
                let needed = match (kind, targets) {
                    (LossKind::Dlr, None) => 3,
                    (LossKind::Dlr, Some(_)) => 4,
                    _ => 2,
                };
                if classes < needed {
                    return refused(format!(
                        "{kind} needs at least {needed} classes, found {classes}"
                    ));
                }
                for &row in rows {
                    let target = targets.as_ref().map(|targets| targets[row]);
                    for (what, class) in [("label", Some(labels[row])), ("target", target)] {
                        if let Some(class) = class.filter(|&class| class as usize >= classes) {
                            return refused(format!(
                                "{what} {class} of example {row}: there are {classes} classes"
                            ));
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

/// The class of the largest logit of each row; the lowest index wins a tie.
///
/// # Errors
///
/// [`Error::Shape`] when the logits are not a non-empty matrix, [`Error::NonFinite`] when one is NaN.
pub fn predictions(logits: &Tensor) -> Result<Vec<u32>> {
    let (flat, classes) = rows_of(logits, "predictions")?;
    if let Some(index) = flat.iter().position(|logit| logit.is_nan()) {
        return Err(Error::NonFinite {
            operation: "predictions",
            tensor: "logits".to_owned(),
            index,
        });
    }
    Ok(flat.chunks_exact(classes).map(|row| closed::first_largest(row, None) as u32).collect())
}

/// The entries of a non-empty matrix as `f64` in row-major order, and its width.
fn rows_of(matrix: &Tensor, operation: &'static str) -> Result<(Vec<f64>, usize)> {
    match matrix.dims() {
        &[rows, classes] if rows > 0 && classes > 0 => Ok((numbers(matrix)?, classes)),
        dims => Err(Error::Shape {
            operation,
            expected: "a matrix (n, classes) with at least one row".to_owned(),
            found: format!("{dims:?}"),
        }),
    }
}

fn refused<T>(message: String) -> Result<T> {
    Err(Error::Loss { message })
}
