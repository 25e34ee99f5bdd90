//! Curves over the steps of an attack, such as the paper's Figure 1.

use serde::{Deserialize, Serialize};

use crate::number;
use crate::statistics::{mean, quantile};

/// A figure: several series over the same steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Short name without spaces, such as `figure1`; names the file and the anchor.
    pub id: String,
    /// What is drawn, in one line.
    pub title: String,
    /// How to read it, what differs from the paper's figure and why.
    pub caption: String,
    /// What is on the vertical axis, with its unit; the axis is logarithmic.
    pub quantity: String,
    /// The curves.
    pub series: Vec<Series>,
}

/// One network under one attack: a quantity per step, summed up over the examples.
///
/// Position 0 is the start of the attack. A step without a finite value is NaN here and `null` in
/// JSON, and leaves a gap in the drawing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What the legend says.
    pub label: String,
    /// How many examples stand behind each point.
    pub examples: u64,
    /// Seed of the attack.
    pub seed: u64,
    /// Mean over the examples.
    #[serde(with = "number::list")]
    pub mean: Vec<f64>,
    /// Median over the examples.
    #[serde(with = "number::list")]
    pub median: Vec<f64>,
    /// 5 % quantile over the examples.
    #[serde(with = "number::list")]
    pub low: Vec<f64>,
    /// 95 % quantile over the examples.
    #[serde(with = "number::list")]
    pub high: Vec<f64>,
}

impl Series {
    /// Sums up `steps[t][i]`: the value of example `i` at step `t`.
    pub fn from_steps(label: impl Into<String>, seed: u64, steps: &[Vec<f64>]) -> Self {
        let each = |sum: &dyn Fn(&[f64]) -> Option<f64>| {
            steps.iter().map(|values| sum(values).unwrap_or(f64::NAN)).collect()
        };
        Self {
            label: label.into(),
            examples: steps.iter().map(Vec::len).max().unwrap_or(0) as u64,
            seed,
            mean: each(&mean),
            median: each(&|values| quantile(values, 0.5)),
            low: each(&|values| quantile(values, 0.05)),
            high: each(&|values| quantile(values, 0.95)),
        }
    }
}
