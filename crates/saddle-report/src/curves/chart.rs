//! Accuracies against the radius, the budget or the number of steps.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::report::Fact;
use crate::statistics::wilson;

/// What grows along the horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// The radius of the threat model, in pixel units.
    Epsilon,
    /// Forward and backward passes per digit; logarithmic.
    Passes,
    /// Steps of the attack.
    Steps,
}

/// One drawing: a panel per network, a curve per attack and seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Short name without spaces; names the file and is what `--only` takes.
    pub id: String,
    /// What is drawn, in one line.
    pub title: String,
    /// Digits, seeds, attacks and budget in words.
    pub caption: String,
    /// What grows.
    pub axis: Axis,
    /// `l2`, `linf` or `l1`.
    pub norm: String,
    /// Radius of the threat model; none when it is what grows.
    pub epsilon: Option<f64>,
    /// What the legend calls each attack, and the attack in words.
    #[serde(default)]
    pub attacks: Vec<Fact>,
    /// The curves, network by network.
    pub curves: Vec<AccuracyCurve>,
    /// What no classifier can exceed on these digits, where it is known.
    #[serde(default)]
    pub bound: Vec<BoundPoint>,
    /// An accuracy of the paper's, to see where curves cross it.
    #[serde(default)]
    pub threshold: Option<Threshold>,
}

/// The digits left standing by one attack on one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccuracyCurve {
    /// Name of the network; one panel.
    pub network: String,
    /// What the legend says of the attack; equal in all panels.
    pub attack: String,
    /// Seed of the network's training.
    pub training_seed: u64,
    /// Digits behind every point.
    pub total: u64,
    /// Points, from left to right.
    pub points: Vec<CurvePoint>,
    /// Where the curve crosses the chart's threshold, if it has one.
    #[serde(default)]
    pub crossing: Option<Crossing>,
}

/// One accuracy.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Radius, passes or steps.
    pub at: f64,
    /// Digits that were right and stayed right.
    pub correct: u64,
    /// The same as a share.
    pub accuracy: f64,
    /// 95 % Wilson interval of the share.
    pub wilson95: [f64; 2],
}

/// No more than this share of the digits can be robust at this radius.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoundPoint {
    /// The radius.
    pub at: f64,
    /// The share.
    pub upper_bound: f64,
}

/// An accuracy of the paper's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Where it comes from, for the legend.
    pub label: String,
    /// As a fraction.
    pub accuracy: f64,
}

/// Where a curve first is at or below a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// The first such place; none when it never is.
    pub at: Option<f64>,
    /// How far the curve was followed.
    pub within: f64,
}

impl Chart {
    /// Name of the file of its drawing.
    pub fn file(&self) -> String {
        format!("{}{}.svg", FILE_PREFIX, self.id)
    }
}

/// What a curve against steps is called in which a digit falls with the first iterate that fools.
pub const ANY_ITERATE: &str = "any iterate";

/// How the names of all drawings of charts begin.
pub const FILE_PREFIX: &str = "curve-";

impl AccuracyCurve {
    /// A curve through `(place, digits that stand there)`, places ascending.
    ///
    /// # Errors
    ///
    /// [`Error::Count`] when no digit stands behind the curve or more stand than there are.
    pub fn new(
        network: impl Into<String>,
        attack: impl Into<String>,
        training_seed: u64,
        total: u64,
        counts: &[(f64, u64)],
    ) -> Result<Self> {
        let (network, attack) = (network.into(), attack.into());
        let point = |&(at, correct): &(f64, u64)| {
            let wilson95 = wilson(correct, total).ok_or_else(|| Error::Count {
                what: format!("{attack} on {network} at {at}"),
                correct,
                total,
            })?;
            Ok(CurvePoint { at, correct, accuracy: correct as f64 / total as f64, wilson95 })
        };
        let points = counts.iter().map(point).collect::<Result<_>>()?;
        Ok(Self { network, attack, training_seed, total, points, crossing: None })
    }

    /// The accuracy at a place: that of the last point at or before it.
    pub fn at(&self, place: f64) -> Option<&CurvePoint> {
        self.points.iter().take_while(|point| point.at <= place).last()
    }

    /// Where the curve first is at or below this accuracy.
    pub fn crossing(&self, accuracy: f64) -> Crossing {
        let below = self.points.iter().find(|point| point.accuracy <= accuracy);
        let within = self.points.last().map_or(0.0, |point| point.at);
        Crossing { at: below.map(|point| point.at), within }
    }
}

/// The staircase of digits that stand, from `first` to `last`, as points of
/// [`AccuracyCurve::new`]: at `first`, wherever the number changes, and at `last`.
///
/// `fallen` gives for each digit the stretches `[from, to)` in which it does not stand, ascending;
/// a digit that never stands has one stretch from `first` on.
pub fn staircase(first: u64, last: u64, fallen: &[Vec<[u64; 2]>]) -> Vec<(f64, u64)> {
    let mut changes = std::collections::BTreeMap::from([(first, 0i64), (last, 0)]);
    for &[from, to] in fallen.iter().flatten() {
        let (from, to) = (from.max(first), to.max(first));
        if from < to && from <= last {
            *changes.entry(from).or_default() -= 1;
            if to <= last {
                *changes.entry(to).or_default() += 1;
            }
        }
    }
    let mut standing = fallen.len() as i64;
    let mut points: Vec<(f64, u64)> = Vec::new();
    for (place, change) in changes {
        standing += change;
        if change != 0 || place == first || place == last {
            points.push((place as f64, standing.max(0) as u64));
        }
    }
    points
}
