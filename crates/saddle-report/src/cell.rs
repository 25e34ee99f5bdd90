//! One number of a table: how many digits stayed correct under one attack on one network.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::number;
use crate::paper::{self, TrainingNorm};
use crate::statistics::wilson;

/// How an attack is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Setting {
    /// As the paper does: by the final iterate, without early stop.
    Paper,
    /// By any iterate: a digit counts as fooled if it was fooled once on the way.
    Strong,
}

/// What became of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It was measured to the end.
    Measured,
    /// It was planned and not (or not wholly) run.
    Missing,
    /// It was run and broke.
    Failed,
}

/// Where a cell belongs: all that is known before it is measured.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CellKey {
    /// `table1` in the paper's setting, `table1_strong` in the strong one.
    pub table: String,
    /// How it is judged.
    pub setting: Setting,
    /// Name of the network, such as `madry_linf`; one column.
    pub network: String,
    /// `natural`, `madry`, `trades`, `ensemble` or `atda`.
    pub defense: String,
    /// Norm of training; none for natural training.
    pub training_norm: Option<TrainingNorm>,
    /// What the inner attack of training made of a gradient: `raw`, `unit`, `sign`; of two norms in turn both, as in
    /// `raw+sign`. None for natural training.
    pub inner_steps: Option<String>,
    /// `natural`, `pgd_l2`, `so_linf`, `union_l2_2` and the like: who attacks, norm, radius if it is
    /// not the paper's.
    pub row: String,
    /// Seed of training and attack.
    pub seed: u64,
    /// Kernel path that computed it, such as `avx512`.
    pub kernels: String,
}

/// One cell of `report.json`.
///
/// Numbers of a cell that was not measured are absent (`null`). Accuracies are fractions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// As in [`CellKey`].
    pub table: String,
    /// As in [`CellKey`].
    pub setting: Setting,
    /// As in [`CellKey`].
    pub network: String,
    /// As in [`CellKey`].
    pub defense: String,
    /// As in [`CellKey`].
    pub training_norm: Option<TrainingNorm>,
    /// As in [`CellKey`].
    #[serde(default)]
    pub inner_steps: Option<String>,
    /// As in [`CellKey`].
    pub row: String,
    /// As in [`CellKey`].
    pub seed: u64,
    /// Digits that were right and stayed right.
    pub correct: Option<u64>,
    /// Digits in all.
    pub total: Option<u64>,
    /// `correct / total`.
    #[serde(serialize_with = "number::option")]
    pub accuracy: Option<f64>,
    /// 95 % Wilson interval of the accuracy.
    pub wilson95: Option<[f64; 2]>,
    /// Forward and backward passes spent per digit, judging included.
    #[serde(serialize_with = "number::option")]
    pub passes_per_example: Option<f64>,
    /// The paper's figure as a fraction, where it has one; none in the strong setting, which the
    /// paper did not measure.
    #[serde(serialize_with = "number::option")]
    pub paper: Option<f64>,
    /// As in [`CellKey`].
    pub kernels: String,
    /// Whether the numbers are there.
    pub status: Status,
    /// The row of an attack without gradients that leaves fewer of the same digits standing under the same threat: this
    /// attack is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weaker_than: Option<String>,
}

/// What a table shows for a cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shown {
    /// A sound measurement.
    Measured {
        /// Digits that stayed right.
        correct: u64,
        /// Digits in all.
        total: u64,
        /// `correct / total`.
        accuracy: f64,
        /// 95 % Wilson interval.
        interval: [f64; 2],
    },
    /// Not run.
    Missing,
    /// Broken, or with numbers that contradict each other.
    Failed,
}

impl Cell {
    /// A measured cell; accuracy, interval and the paper's figure follow from the arguments.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] when `total` is zero or below `correct`.
    pub fn measured(
        key: CellKey,
        correct: u64,
        total: u64,
        passes_per_example: f64,
    ) -> Result<Self> {
        let Some(interval) = wilson(correct, total) else {
            let what = format!("{} on {}", key.row, key.network);
            return Err(Error::Count { what, correct, total });
        };
        Ok(Self {
            correct: Some(correct),
            total: Some(total),
            accuracy: Some(correct as f64 / total as f64),
            wilson95: Some(interval),
            passes_per_example: Some(passes_per_example).filter(|passes| passes.is_finite()),
            status: Status::Measured,
            ..Self::missing(key)
        })
    }

    /// A cell that was planned and not run.
    pub fn missing(key: CellKey) -> Self {
        let paper = match key.setting {
            Setting::Paper => paper::accuracy(&key.defense, key.training_norm, &key.row),
            Setting::Strong => None,
        };
        let CellKey {
            table,
            setting,
            network,
            defense,
            training_norm,
            inner_steps,
            row,
            seed,
            kernels,
        } = key;
        Self {
            table,
            setting,
            network,
            defense,
            training_norm,
            inner_steps,
            row,
            seed,
            correct: None,
            total: None,
            accuracy: None,
            wilson95: None,
            passes_per_example: None,
            paper,
            kernels,
            status: Status::Missing,
            weaker_than: None,
        }
    }

    /// A cell that broke; the reason belongs into [`Provenance::failures`](crate::Provenance).
    pub fn failed(key: CellKey) -> Self {
        Self { status: Status::Failed, ..Self::missing(key) }
    }

    /// What a table may show. The counts decide: accuracy and interval are computed from them again,
    /// and a cell whose stored accuracy says something else counts as failed.
    pub fn shown(&self) -> Shown {
        match (self.status, self.correct, self.total) {
            (Status::Missing, ..) => Shown::Missing,
            (Status::Measured, Some(correct), Some(total)) => match wilson(correct, total) {
                Some(interval) if self.agrees(correct as f64 / total as f64) => {
                    let accuracy = correct as f64 / total as f64;
                    Shown::Measured { correct, total, accuracy, interval }
                }
                _ => Shown::Failed,
            },
            _ => Shown::Failed,
        }
    }

    /// The figure of the paper that this cell may be held against: only one of the same setting.
    pub fn comparable(&self) -> Option<f64> {
        self.paper.filter(|paper| paper.is_finite() && self.setting == Setting::Paper)
    }

    fn agrees(&self, accuracy: f64) -> bool {
        self.accuracy.is_none_or(|stored| (stored - accuracy).abs() <= 1e-9)
    }
}
