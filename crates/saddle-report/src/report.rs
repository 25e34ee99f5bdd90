//! The whole report as data, its JSON form, and where it differs from the paper.

use serde::{Deserialize, Serialize};

use crate::bounds::Bound;
use crate::cell::{Cell, Setting, Shown};
use crate::claims::{Decided, Difference};
use crate::curves::{Chart, DigitFigure};
use crate::error::Result;
use crate::figure::Figure;
use crate::ladder::Ladder;
use crate::paper;
use crate::rivals::RivalRow;
use crate::verdicts::Verdicts;

/// All that one run measured: the content of `report.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `smoke`, `quick`, `cpu`, `paper`, or the name of a plan of the user.
    pub profile: String,
    /// The data set, if it is not MNIST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetWords>,
    /// Seed of the run.
    pub seed: u64,
    /// Commit of the code, or a word that says why it is not known.
    pub commit: String,
    /// Every planned cell, measured or not.
    pub cells: Vec<Cell>,
    /// Curves.
    #[serde(default)]
    pub figures: Vec<Figure>,
    /// Accuracies against radius, budget and steps.
    #[serde(default)]
    pub curves: Vec<Chart>,
    /// Digits before and after an attack.
    #[serde(default)]
    pub figure2: Option<DigitFigure>,
    /// S-O against its rivals.
    #[serde(default)]
    pub rivals: Vec<RivalRow>,
    /// Where the power of S-O comes from, one change at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ladder: Option<Ladder>,
    /// Whether gradients are masked, and how that verdict does on known cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<Verdicts>,
    /// What no classifier can do on the digits of the cells.
    #[serde(default)]
    pub bounds: Vec<Bound>,
    /// The claims of the plan, decided.
    #[serde(default)]
    pub claims: Vec<Decided>,
    /// Cells that differ from the paper, and what explains them.
    #[serde(default)]
    pub differences: Vec<Difference>,
    /// Where the numbers come from.
    #[serde(default)]
    pub provenance: Provenance,
}

/// A data set as a reader has to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetWords {
    /// Its name.
    pub name: String,
    /// What its classes are called, by label.
    pub classes: Vec<String>,
}

/// Where the numbers come from, and what a reader must know to judge them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Provenance {
    /// Data, hashes, machine, versions, times: name and value, in the order to be shown.
    pub facts: Vec<Fact>,
    /// The attack behind each row.
    pub attacks: Vec<AttackNote>,
    /// What the paper leaves open, what was chosen, and on which evidence.
    pub choices: Vec<Choice>,
    /// Why cells failed.
    pub failures: Vec<Failure>,
    /// Anything else that a reader must know.
    pub notes: Vec<String>,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Such as `test digits`.
    pub name: String,
    /// Such as a hash.
    pub value: String,
}

/// The attack behind a row, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttackNote {
    /// Table that has the row; rows of other tables may share its name and mean another attack.
    #[serde(default)]
    pub table: String,
    /// How it was judged.
    pub setting: Setting,
    /// Row of the table.
    pub row: String,
    /// Steps, step size, sigma, samples, start, loss, restarts.
    pub words: String,
}

/// A choice that the paper leaves open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Such as `step size of PGD l2`.
    pub name: String,
    /// What was chosen.
    pub value: String,
    /// Why, and measured on which digits.
    pub evidence: String,
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The cell, figure or comparison.
    pub what: String,
    /// The reason in words.
    pub reason: String,
}

/// Which side of the paper's figure a cell lies on, and so what the difference can mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Under attack, below: this attack on this network leaves less than the paper reports.
    Below,
    /// Under attack, above: both are upper bounds, so nothing is contradicted.
    Above,
    /// Without an attack: another training recipe.
    Natural,
}

/// A cell that differs from the paper: the interval of ours excludes its figure.
///
/// The paper's own sampling error and the number of cells compared are not corrected for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finding<'a> {
    /// The cell.
    pub cell: &'a Cell,
    /// Our accuracy.
    pub ours: f64,
    /// Its 95 % Wilson interval.
    pub interval: [f64; 2],
    /// The paper's figure, as a fraction.
    pub paper: f64,
}

impl<'a> Finding<'a> {
    /// Looks at one cell. The paper prints one decimal, so half a unit of it counts as agreement.
    pub fn of(cell: &'a Cell) -> Option<Self> {
        let paper = cell.comparable()?;
        let Shown::Measured { accuracy: ours, interval, .. } = cell.shown() else { return None };
        let [low, high] = interval;
        let excluded = paper < low - paper::ROUNDING || paper > high + paper::ROUNDING;
        excluded.then_some(Self { cell, ours, interval, paper })
    }

    /// What kind of difference it is.
    pub fn side(&self) -> Side {
        match self.cell.row.as_str() {
            "natural" => Side::Natural,
            _ if self.ours < self.paper => Side::Below,
            _ => Side::Above,
        }
    }
}

impl Report {
    /// Reads `report.json`.
    ///
    /// # Errors
    ///
    /// [`Error::Json`](crate::Error::Json) when it is no JSON or lacks a field.
    pub fn from_json(text: &str) -> Result<Self> {
        Ok(serde_json::from_str(text)?)
    }

    /// The text of `report.json`, with a line end at its end.
    ///
    /// # Errors
    ///
    /// [`Error::Json`](crate::Error::Json), which a report built by this crate does not cause.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Every cell whose interval excludes the paper's figure, in the order of the cells.
    pub fn findings(&self) -> impl Iterator<Item = Finding<'_>> {
        self.cells.iter().filter_map(Finding::of)
    }
}
