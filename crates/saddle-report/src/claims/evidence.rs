//! What a test finds in the cells, before anything is decided.

use serde::{Deserialize, Serialize};

use super::claim::Test;
use super::curves;
use super::verdict::Outcome;
use crate::bounds::Bound;
use crate::curves::Chart;
use crate::figure::Figure;
use crate::paper::row_in_words;
use crate::statistics::{equivalence, mcnemar, paired_difference, wilson};

/// A cell with the fate of every digit, or the reason why it has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Name of the table; `rivals` for a contender of the comparison.
    pub table: String,
    /// Name of the network.
    pub network: String,
    /// Name of the row; `so at l2 2.0` and the like for a contender.
    pub row: String,
    /// Seed of the network's training.
    pub seed: u64,
    /// What became of the digits.
    pub fates: Result<Fates, Absent>,
}

/// Which digits stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fates {
    /// Index of each digit in its data set.
    pub ids: Vec<u64>,
    /// Whether it was right and stayed right, in the order of `ids`.
    pub robust: Vec<bool>,
}

/// Why a cell has no digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It was not measured.
    Missing,
    /// It was tried and broke.
    Failed,
}

/// Everything that tests may look at.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// Every planned cell.
    pub judged: &'a [Judged],
    /// Bounds for the digits of the cells.
    pub bounds: &'a [Bound],
    /// Figures.
    pub figures: &'a [Figure],
    /// Accuracies against what grows.
    pub charts: &'a [Chart],
}

/// A share of digits with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Digits that stood.
    pub correct: u64,
    /// Digits in all.
    pub total: u64,
    /// `correct / total`.
    pub accuracy: f64,
    /// 95 % Wilson interval.
    pub wilson95: [f64; 2],
}

/// One seed of one network (or one pair of curves), as a test saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The network, or the label of the curve.
    pub network: String,
    /// The cell in words.
    pub what: String,
    /// Seed of the training; for curves that of the attack.
    pub seed: u64,
    /// Its accuracy.
    #[serde(default)]
    pub share: Option<Share>,
    /// The other cell, curve or level in words.
    pub against: String,
    /// The other cell's accuracy.
    #[serde(default)]
    pub other: Option<Share>,
    /// First less second accuracy.
    #[serde(default)]
    pub difference: Option<f64>,
    /// Tango's 95 % interval of the difference.
    #[serde(default)]
    pub interval95: Option<[f64; 2]>,
    /// Exact two-sided McNemar test.
    #[serde(default)]
    pub mcnemar_p: Option<f64>,
    /// Two one-sided tests of equality within the margin.
    #[serde(default)]
    pub equivalence_p: Option<f64>,
    /// The p-value that decides, adjusted over all claims.
    #[serde(default)]
    pub holm_p: Option<f64>,
    /// What was seen of a curve or a bound, in words.
    #[serde(default)]
    pub seen: String,
    /// What it says of the test.
    pub outcome: Outcome,
}

/// What a test found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) evidence: Vec<Evidence>,
    /// Cells and curves that are not there, in words.
    pub(super) absent: Vec<String>,
    /// Planned comparisons that have no p-value.
    pub(super) untested: usize,
}

impl Share {
    /// The share of digits that stood; none without digits.
    pub fn of(fates: &Fates) -> Option<Self> {
        let correct = fates.robust.iter().filter(|robust| **robust).count() as u64;
        Self::new(correct, fates.robust.len() as u64)
    }

    pub(super) fn new(correct: u64, total: u64) -> Option<Self> {
        let wilson95 = wilson(correct, total)?;
        Some(Self { correct, total, accuracy: correct as f64 / total as f64, wilson95 })
    }
}

impl Judged {
    fn is(&self, [table, network, row]: [&str; 3]) -> bool {
        self.table == table && self.network == network && self.row == row
    }

    /// Its share, or why there is none.
    fn share(&self) -> Result<Share, String> {
        let fates = self.fates.as_ref().map_err(|absent| self.absent(*absent))?;
        Share::of(fates).ok_or_else(|| self.absent(Absent::Missing))
    }

    fn absent(&self, absent: Absent) -> String {
        let word = match absent {
            Absent::Missing => "is missing",
            Absent::Failed => "failed",
        };
        let place = in_words([&self.table, &self.network, &self.row]);
        format!("{place} (seed {}) {word}", self.seed)
    }
}

/// A cell in words: `PGD, l2 within 4.0, on madry_linf (table1)`.
pub(super) fn in_words([table, network, row]: [&str; 3]) -> String {
    format!("{}, on {network} ({table})", row_in_words(row))
}

/// Every seed of a cell, in the order given.
pub(super) fn seeds<'a>(judged: &'a [Judged], place: [&str; 3]) -> Vec<&'a Judged> {
    judged.iter().filter(|cell| cell.is(place)).collect()
}

impl Evidence {
    pub(super) fn of(network: &str, what: String, seed: u64, against: String) -> Self {
        Self {
            network: network.to_owned(),
            what,
            seed,
            share: None,
            against,
            other: None,
            difference: None,
            interval95: None,
            mcnemar_p: None,
            equivalence_p: None,
            holm_p: None,
            seen: String::new(),
            outcome: Outcome::Undecided,
        }
    }
}

/// Looks up everything that one test needs; `margin` is a fraction.
pub(super) fn gather(test: &Test, material: &Material<'_>, margin: f64) -> Found {
    let mut found = Found::default();
    match test {
        Test::AtLeast { percent, .. } | Test::AtMost { percent, .. } => {
            let least = matches!(test, Test::AtLeast { .. });
            let level = format!("at {} {percent} %", if least { "least" } else { "most" });
            for place in test.places() {
                found.size(material.judged, place, &level);
            }
        }
        Test::Below { .. } | Test::Equal { .. } => {
            for pair in test.places().chunks_exact(2) {
                found.pairs(material.judged, pair[0], pair[1], margin);
            }
        }
        Test::WithinBound { .. } => {
            for place in test.places() {
                found.bounds(material, place);
            }
        }
        Test::CurveAbove { figure, curve, other, factor, share } => {
            curves::above(&mut found, material.figures, figure, [curve, other], *factor, *share);
        }
        Test::Crosses { curve, networks, percent } => {
            for network in networks {
                curves::crosses(&mut found, material.charts, curve, network, *percent);
            }
        }
    }
    found
}

impl Found {
    /// All seeds of a cell; a cell that nobody planned is absent too.
    fn cells<'a>(&mut self, judged: &'a [Judged], place: [&str; 3]) -> Vec<(&'a Judged, Share)> {
        let cells = seeds(judged, place);
        if cells.is_empty() {
            self.absent.push(format!("{} is missing", in_words(place)));
        }
        let measured = cells.into_iter().filter_map(|cell| match cell.share() {
            Ok(share) => Some((cell, share)),
            Err(reason) => {
                self.absent.push(reason);
                None
            }
        });
        measured.collect()
    }

    fn size(&mut self, judged: &[Judged], place: [&str; 3], level: &str) {
        for (cell, share) in self.cells(judged, place) {
            let mut evidence = Evidence::of(place[1], in_words(place), cell.seed, level.to_owned());
            evidence.share = Some(share);
            self.evidence.push(evidence);
        }
    }

    fn bounds(&mut self, material: &Material<'_>, place: [&str; 3]) {
        let [table, network, row] = place;
        for (cell, share) in self.cells(material.judged, place) {
            let bound = material.bounds.iter().find(|bound| {
                let rows = &bound.rows;
                bound.digits == share.total
                    && rows.iter().any(|known| known.table == table && known.row == row)
            });
            let Some(bound) = bound else {
                let place = in_words(place);
                self.absent.push(format!("a bound for the digits of {place} is missing"));
                continue;
            };
            let against = "what no classifier can pass".to_owned();
            let mut evidence = Evidence::of(network, in_words(place), cell.seed, against);
            evidence.share = Some(share);
            evidence.seen = format!("at most {:.2} % can be robust", 100.0 * bound.upper_bound);
            let above = share.correct as f64 > bound.robust_at_most;
            evidence.outcome = if above { Outcome::Contradicts } else { Outcome::Holds };
            self.evidence.push(evidence);
        }
    }

    /// The seeds that both cells have.
    fn pairs(&mut self, judged: &[Judged], first: [&str; 3], second: [&str; 3], margin: f64) {
        let others = seeds(judged, second);
        let mut paired = 0;
        for cell in seeds(judged, first) {
            let Some(other) = others.iter().find(|other| other.seed == cell.seed) else { continue };
            paired += 1;
            match pair(cell, other, margin) {
                Ok(mut evidence) => {
                    evidence.what = in_words(first);
                    evidence.against = in_words(second);
                    self.evidence.push(evidence);
                }
                Err(reasons) => {
                    self.untested += 1;
                    self.absent.extend(reasons);
                }
            }
        }
        if paired == 0 {
            self.untested += 1;
            let gone: Vec<String> = [first, second]
                .into_iter()
                .filter(|place| seeds(judged, *place).is_empty())
                .map(|place| format!("{} is missing", in_words(place)))
                .collect();
            if gone.is_empty() {
                let (first, second) = (in_words(first), in_words(second));
                self.absent.push(format!("a seed that both {first} and {second} have is missing"));
            }
            self.absent.extend(gone);
        }
    }
}

/// Two cells of one seed on the same digits.
fn pair(cell: &Judged, other: &Judged, margin: f64) -> Result<Evidence, Vec<String>> {
    let (Ok(first), Ok(second)) = (&cell.fates, &other.fates) else {
        return Err([cell, other].iter().filter_map(|cell| cell.share().err()).collect());
    };
    let Some([only_first, only_second, total]) = discordant(first, second) else {
        let [a, b] = [cell, other].map(|cell| in_words([&cell.table, &cell.network, &cell.row]));
        return Err(vec![format!(
            "{a} and {b} are not on the same digits: a comparison is missing"
        )]);
    };
    let mut evidence = Evidence::of(&cell.network, String::new(), cell.seed, String::new());
    (evidence.share, evidence.other) = (Share::of(first), Share::of(second));
    if let Some(difference) = paired_difference(only_first, only_second, total) {
        evidence.difference = Some(difference.difference);
        evidence.interval95 = Some(difference.interval95);
    }
    evidence.mcnemar_p = Some(mcnemar(only_first, only_second));
    evidence.equivalence_p = equivalence(only_first, only_second, total, margin);
    Ok(evidence)
}

/// Digits that stood only in the first, only in the second, and all; none for other digits or for none.
pub(super) fn discordant(first: &Fates, second: &Fates) -> Option<[u64; 3]> {
    let lengths = [first.ids.len(), first.robust.len(), second.robust.len()];
    if first.ids != second.ids || lengths.iter().any(|&n| n != lengths[0]) || lengths[0] == 0 {
        return None;
    }
    let only = |these: &[bool], those: &[bool]| {
        these.iter().zip(those).filter(|(this, that)| **this && !**that).count() as u64
    };
    let (a, b) = (&first.robust, &second.robust);
    Some([only(a, b), only(b, a), a.len() as u64])
}
