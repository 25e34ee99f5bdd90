//! What an attack's path looked like, step by step.

use serde::{Deserialize, Serialize};

/// One step of one restart, before it was taken; entry `i` of each list belongs to `ids[i]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepTrace {
    /// Which restart.
    pub restart: u32,
    /// Answers told before, which for an ascent are its steps: 0 at the start.
    pub step: u32,
    /// Ids of the examples still under attack, in the order of the examples.
    pub ids: Vec<u64>,
    /// Loss at the iterate.
    pub losses: Vec<f64>,
    /// Euclidean norm of the loss's gradient at the iterate (not of what the attack made of it).
    pub gradient_norms: Vec<f64>,
    /// Distance of the iterate from the natural image, in the norm of the goal.
    pub distances: Vec<f64>,
}

impl StepTrace {
    /// Adds the rows of another batch at the same step.
    fn extend(&mut self, other: Self) {
        self.ids.extend(other.ids);
        self.losses.extend(other.losses);
        self.gradient_norms.extend(other.gradient_norms);
        self.distances.extend(other.distances);
    }
}

/// Merges the traces of a further batch into those of the batches before it.
///
/// Batches arrive in the order of the examples, so the merged trace does not show how the examples
/// were cut into batches.
pub(crate) fn merge(all: &mut Vec<StepTrace>, batch: Vec<StepTrace>) {
    for entry in batch {
        let key = (entry.restart, entry.step);
        match all.binary_search_by_key(&key, |known| (known.restart, known.step)) {
            Ok(place) => all[place].extend(entry),
            Err(place) => all.insert(place, entry),
        }
    }
}
