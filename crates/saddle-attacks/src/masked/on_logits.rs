//! A network whose logits are sent through a map of their own, row by row, in `f64`.

use candle_core::{DType, Device, Tensor};

use saddle_model::{Classifier, Gradients, Mode, Pullback, Result, Wanted};

/// What becomes of a row of logits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LogitMap {
    /// `factor * z`.
    Times(f64),
    /// `softmax(z / temperature)`.
    Softmax(f64),
    /// `relu(m + width) - relu(m - width)`, where `m` is a logit less the largest of the others.
    Lead(f64),
}

/// A classifier behind whose logits a map stands.
pub(super) struct OnLogits<'a> {
    pub(super) inner: &'a dyn Classifier,
    pub(super) map: LogitMap,
}

impl Classifier for OnLogits<'_> {
    fn classes(&self) -> usize {
        self.inner.classes()
    }

    fn judges(&self) -> bool {
        self.inner.judges()
    }

    fn forward<'a>(&'a self, images: &Tensor, mode: Mode<'_>) -> Result<(Tensor, Pullback<'a>)> {
        let (logits, inner) = self.inner.forward(images, mode)?;
        let rows = host(&logits)?;
        let scores: Vec<f64> = rows.iter().flat_map(|row| self.map.forward(row)).collect();
        let scores = like(scores, &logits)?;
        let pullback = move |cotangent: &Tensor, wanted: Wanted| -> Result<Gradients> {
            let cotangents = host(cotangent)?;
            let pairs = rows.iter().zip(&cotangents);
            let back: Vec<f64> =
                pairs.flat_map(|(row, cotangent)| self.map.pullback(row, cotangent)).collect();
            inner(&like(back, &logits)?, wanted)
        };
        Ok((scores, Box::new(pullback)))
    }

    fn logits(&self, images: &Tensor) -> Result<Tensor> {
        let logits = self.inner.logits(images)?;
        let rows = host(&logits)?;
        like(rows.iter().flat_map(|row| self.map.forward(row)).collect(), &logits)
    }
}

impl LogitMap {
    fn forward(self, logits: &[f64]) -> Vec<f64> {
        match self {
            Self::Times(factor) => logits.iter().map(|z| factor * z).collect(),
            Self::Softmax(temperature) => softmax(logits, temperature),
            Self::Lead(width) => {
                let leads = (0..logits.len()).map(|class| lead(logits, class));
                leads.map(|lead| relu(lead + width) - relu(lead - width)).collect()
            }
        }
    }

    fn pullback(self, logits: &[f64], cotangent: &[f64]) -> Vec<f64> {
        match self {
            Self::Times(factor) => cotangent.iter().map(|c| factor * c).collect(),
            Self::Softmax(temperature) => {
                let shares = softmax(logits, temperature);
                let mean: f64 = shares.iter().zip(cotangent).map(|(p, c)| p * c).sum();
                shares.iter().zip(cotangent).map(|(p, c)| p * (c - mean) / temperature).collect()
            }
            Self::Lead(width) => {
                let mut back = vec![0.0; logits.len()];
                for (class, &cotangent) in cotangent.iter().enumerate() {
                    let lead = lead(logits, class);
                    // The slope of a ReLU at 0 is 0: dead at its bias, saturated just before the other one's.
                    let alive = f64::from(lead + width > 0.0) - f64::from(lead - width > 0.0);
                    back[class] += alive * cotangent;
                    back[best_other(logits, class)] -= alive * cotangent;
                }
                back
            }
        }
    }
}

/// Not `max`, which takes NaN for 0: a broken network must not look sound.
fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = logits.iter().map(|z| ((z - largest) / temperature).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// A logit less the largest of the others.
fn lead(logits: &[f64], class: usize) -> f64 {
    logits[class] - logits[best_other(logits, class)]
}

/// The class of the largest logit but this one's; of several the lowest.
fn best_other(logits: &[f64], class: usize) -> usize {
    let others = (0..logits.len()).filter(|&other| other != class);
    // There are at least two classes.
    others.reduce(|best, next| if logits[next] > logits[best] { next } else { best }).unwrap_or(0)
}

fn host(logits: &Tensor) -> Result<Vec<Vec<f64>>> {
    Ok(logits.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec2()?)
}

fn like(values: Vec<f64>, logits: &Tensor) -> Result<Tensor> {
    let tensor = Tensor::from_vec(values, logits.shape(), &Device::Cpu)?;
    Ok(tensor.to_dtype(logits.dtype())?.to_device(logits.device())?)
}
