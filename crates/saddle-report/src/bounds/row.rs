//! A bound as the report has it, and the cells that are held against it.

use serde::{Deserialize, Serialize};

use super::{Classifiers, Method, MethodBound};
use crate::cell::{Cell, Shown};
use crate::paper;
use crate::report::Report;

/// Radius of the paper's l2 rows.
const PAPER_L2: f64 = 4.0;

/// One bound of `report.json`: the lowest of all methods, for exactly these digits under one threat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bound {
    /// `l2`, `linf` or `l1`.
    pub norm: String,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// SHA-256 over pixels and labels of exactly these digits.
    pub digits_hash: String,
    /// How many they are.
    pub digits: u64,
    /// The method with the lowest bound; of equal ones the first, which holds for more classifiers.
    pub method: Method,
    /// Classifiers for which that bound holds.
    pub classifiers: Classifiers,
    /// No more than this share of the digits can be robust.
    pub upper_bound: f64,
    /// The same as a number of digits.
    pub robust_at_most: f64,
    /// Whether these are all test digits.
    #[serde(default)]
    pub all_test_digits: bool,
    /// How many pairs of these digits are in conflict.
    #[serde(default)]
    pub conflicts: u64,
    /// What each method proves.
    #[serde(default)]
    pub by_method: Vec<MethodBound>,
    /// Rows of tables that were measured on exactly these digits under this threat.
    #[serde(default)]
    pub rows: Vec<TableRow>,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRow {
    /// Name of the table.
    pub table: String,
    /// Name of the row.
    pub row: String,
}

/// What a bound is about.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// `l2`, `linf` or `l1`.
    pub norm: String,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// SHA-256 over pixels and labels of exactly these digits.
    pub digits_hash: String,
    /// How many they are.
    pub digits: u64,
    /// Whether these are all test digits.
    pub all_test_digits: bool,
    /// Rows of tables that are about the same.
    pub rows: Vec<TableRow>,
}

/// An accuracy held against the bound for the same digits.
#[derive(Debug, Clone, PartialEq)]
pub struct Held<'a> {
    /// The bound.
    pub bound: &'a Bound,
    /// Name of the network or of the paper's column.
    pub network: String,
    /// Table of the cell; `paper` for a figure that the paper prints.
    pub table: &'a str,
    /// Row of the table.
    pub row: &'a str,
    /// Seed of the cell; none for the paper's.
    pub seed: Option<u64>,
    /// The accuracy under attack, as a fraction.
    pub accuracy: f64,
    /// Whether it lies above the bound: some of the digits left standing are not robust.
    pub above: bool,
}

impl Bound {
    /// The lowest of what the methods prove.
    pub fn new(about: Subject, conflicts: u64, by_method: [MethodBound; 3]) -> Self {
        let [mut best, others @ ..] = by_method;
        for other in others {
            if other.robust_at_most < best.robust_at_most {
                best = other;
            }
        }
        let Subject { norm, epsilon, digits_hash, digits, all_test_digits, rows } = about;
        Self {
            norm,
            epsilon,
            digits_hash,
            digits,
            method: best.method,
            classifiers: best.classifiers,
            upper_bound: best.upper_bound,
            robust_at_most: best.robust_at_most,
            all_test_digits,
            conflicts,
            by_method: by_method.to_vec(),
            rows,
        }
    }

    fn is_of(&self, cell: &Cell) -> bool {
        self.rows.iter().any(|place| place.table == cell.table && place.row == cell.row)
    }

    fn hold<'a>(&'a self, cell: &'a Cell) -> Option<Held<'a>> {
        let Shown::Measured { correct, total, accuracy, .. } = cell.shown() else { return None };
        (self.is_of(cell) && total == self.digits).then(|| Held {
            bound: self,
            network: cell.network.clone(),
            table: &cell.table,
            row: &cell.row,
            seed: Some(cell.seed),
            accuracy,
            above: correct as f64 > self.robust_at_most,
        })
    }
}

impl Report {
    /// Every measured cell that has a bound for its own digits, in the order of the cells.
    pub fn held_against_bounds(&self) -> impl Iterator<Item = Held<'_>> {
        self.cells.iter().flat_map(|cell| self.bounds.iter().filter_map(|b| b.hold(cell)))
    }

    /// The l2 cells of the paper's Table 1 against the bound for all test digits, column by column; none
    /// without such a bound.
    ///
    /// The paper does not say which test digits it used; all of them are assumed.
    pub fn paper_against_bounds(&self) -> Vec<Held<'_>> {
        let is_papers = |bound: &&Bound| {
            bound.all_test_digits && bound.norm == "l2" && bound.epsilon == PAPER_L2
        };
        let Some(bound) = self.bounds.iter().find(is_papers) else { return Vec::new() };
        let columns = paper::columns();
        let cells = columns.flat_map(|(defense, norm)| {
            ["pgd_l2", "so_l2"].into_iter().filter_map(move |row| {
                let accuracy = paper::accuracy(defense, Some(norm), row)?;
                let network = format!("{defense}_{}", norm.name());
                let above = accuracy - paper::ROUNDING > bound.upper_bound;
                Some(Held { bound, network, table: "paper", row, seed: None, accuracy, above })
            })
        });
        cells.collect()
    }
}
