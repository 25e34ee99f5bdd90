//! Table 1 of "On Norm-Agnostic Robustness of Adversarial Training" (Li, Chen, Wang, Carin, 2019),
//! as printed: accuracy in percent on MNIST, l2 within 4.0 and l-infinity within 0.3.
//!
//! It is here to stand beside what was measured. No code may put one of these figures where a
//! measurement is missing.

use serde::{Deserialize, Serialize};

/// The norm of the perturbations that a network was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingNorm {
    /// Euclidean.
    L2,
    /// Largest pixel.
    Linf,
    /// Both, in turn.
    Mix,
}

impl TrainingNorm {
    /// The name in `report.json`: `l2`, `linf` or `mix`.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::Linf => "linf",
            Self::Mix => "mix",
        }
    }
}

/// Defences in the order of the paper's columns.
pub const DEFENSES: [&str; 4] = ["madry", "trades", "ensemble", "atda"];

/// Rows in the paper's order.
pub const ROWS: [&str; 5] = ["natural", "pgd_l2", "pgd_linf", "so_l2", "so_linf"];

/// Rows of [`ROWS`]; columns: every defence of [`DEFENSES`] trained with l2, l-infinity and mix.
#[rustfmt::skip]
pub const TABLE1: [[f64; 12]; 5] = [
    // madry             trades              ensemble            atda
    [98.2, 98.8, 98.7,   99.4, 99.5, 99.4,   99.4, 99.0, 98.7,   99.2, 98.8, 99.0],
    [97.0, 92.8, 73.2,   91.7, 91.7, 90.4,   99.0, 65.3, 58.2,   98.8, 63.6, 57.9],
    [ 0.4, 92.5, 82.2,   19.7, 95.6, 15.3,    0.0, 90.2, 81.4,    0.0, 62.6, 81.3],
    [96.6,  0.0, 18.3,   81.7,  3.2, 84.2,   98.9, 65.8, 58.4,   97.2, 64.0, 56.8],
    [ 0.0, 91.3, 84.2,   16.9, 94.7, 14.5,    0.0, 88.9, 82.1,    0.0, 61.3, 83.4],
];

/// Half a unit of the last printed digit, as a fraction.
pub const ROUNDING: f64 = 0.000_5;

/// The paper's figure as a fraction, or none where the paper has no such cell.
pub fn accuracy(defense: &str, norm: Option<TrainingNorm>, row: &str) -> Option<f64> {
    let defense = DEFENSES.iter().position(|known| *known == defense)?;
    let norm = match norm? {
        TrainingNorm::L2 => 0,
        TrainingNorm::Linf => 1,
        TrainingNorm::Mix => 2,
    };
    let row = ROWS.iter().position(|known| *known == row)?;
    // Tenths of a percent are whole: dividing them gives the fraction that the digits say.
    Some((10.0 * TABLE1[row][3 * defense + norm]).round() / 1000.0)
}

/// A row's name in words, with its threat model.
pub fn row_in_words(row: &str) -> &str {
    match row {
        "natural" => "natural digits",
        "pgd_l2" => "PGD, l2 within 4.0",
        "pgd_linf" => "PGD, l-infinity within 0.3",
        "so_l2" => "S-O, l2 within 4.0",
        "so_linf" => "S-O, l-infinity within 0.3",
        other => other,
    }
}
