//! What a search for the smallest perturbation says: a distance for each example, and with it the accuracy at every radius.
//!
//! A robust accuracy at one radius hides how close the examples were. An attack whose goal is
//! [`Goal::Smallest`](crate::Goal) gives each example the least distance at which it was found misread: 0 if it was misread from the
//! start, infinity if nothing fooled. Like every robust accuracy these are upper bounds: a better attack may come closer.

use saddle_ops::TOLERANCE;

use crate::verdict::Verdict;

/// The smallest distance found for each example, in their order; infinity where nothing fooled.
#[derive(Clone, Debug, PartialEq)]
pub struct SmallestDistances(Vec<f64>);

impl SmallestDistances {
    /// Reads the verdicts of a run whose goal was the smallest distance.
    pub fn of(verdicts: &[Verdict]) -> Self {
        Self(verdicts.iter().map(smallest).collect())
    }

    /// One distance for each example.
    pub fn distances(&self) -> &[f64] {
        &self.0
    }

    /// The median: the middle one of the sorted distances, the mean of the middle two of an even number; NaN for none.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            length if length % 2 == 1 => sorted[middle],
            // Halved first, so that two huge distances stay finite.
            _ => sorted[middle - 1] / 2.0 + sorted[middle] / 2.0,
        }
    }

    /// How many examples are robust within `radius`: right on the natural image, with nothing found that the judge would
    /// accept at this radius.
    pub fn robust_at(&self, radius: f64) -> usize {
        self.0.iter().filter(|&&distance| !within(distance, radius)).count()
    }
}

impl Verdict {
    /// This verdict of a search for the smallest distance, as one within a threat model of that radius.
    ///
    /// An image beyond the radius fools nobody. Steps and passes of the first image that fools are dropped: it may
    /// have been further away.
    #[must_use]
    pub fn within(self, radius: f64) -> Self {
        Self {
            fooled_final: self.fooled_final && within(self.final_distance, radius),
            fooled_any: self.fooled_any && within(self.distance, radius),
            first_fooled_step: None,
            first_fooled_passes: None,
            ..self
        }
    }
}

fn smallest(verdict: &Verdict) -> f64 {
    match (verdict.natural_correct, verdict.fooled_any) {
        (false, _) => 0.0,
        (true, true) => verdict.distance,
        (true, false) => f64::INFINITY,
    }
}

/// Whether the judge accepts this distance at that radius.
fn within(distance: f64, radius: f64) -> bool {
    distance <= radius * (1.0 + TOLERANCE)
}
