//! Which digits a measurement is made on: drawn by a stated seed, never "the first so many".
//!
//! The first 5,000 test digits of MNIST come from another group of writers than the last 5,000 and
//! are easier, so a sample is stratified: by label and by the half of the range that a digit lies
//! in. The last digits of the *training* set are held out: no network sees them, settings of attacks
//! are chosen on them, and the test digits stay unseen until the settings are frozen.

use serde::{Deserialize, Serialize};

use saddle_ops::Draws;

use crate::{Error, Result};

/// A named sample of digits, as a plan describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digits {
    /// The part of the data that they come from.
    pub part: Part,
    /// First position of the range that they are drawn from, counted within the part.
    #[serde(default)]
    pub from: usize,
    /// End of that range, not included; the end of the part when left out.
    #[serde(default)]
    pub to: Option<usize>,
    /// How many; all of the range when left out.
    #[serde(default)]
    pub count: Option<usize>,
    /// Seed of the drawing.
    #[serde(default)]
    pub seed: u64,
}

/// The parts of the data that a measurement can be made on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The test digits: what the report is about.
    Test,
    /// The last training digits, which no network was trained on: for choosing settings.
    HeldOut,
}

impl Digits {
    /// Positions within the part, ascending.
    ///
    /// `labels` are the labels of the whole part. Each half of the range gives half of the digits
    /// (the first one more when the number is odd) and within it each label its share.
    ///
    /// # Errors
    ///
    /// [`Error::Plan`] when the range is empty, leaves the part or holds fewer digits than asked for.
    pub fn select(&self, name: &str, labels: &[u8]) -> Result<Vec<usize>> {
        let to = self.to.unwrap_or(labels.len());
        if self.from >= to || to > labels.len() {
            return Err(Error::Plan(format!(
                "digits `{name}`: the range {}..{to} does not lie within the {} digits of its part",
                self.from,
                labels.len()
            )));
        }
        let available = to - self.from;
        let count = self.count.unwrap_or(available);
        if count == 0 || count > available {
            return Err(Error::Plan(format!(
                "digits `{name}`: {count} asked for, the range holds {available}; ask for 1 to {available}"
            )));
        }
        let middle = self.from + available.div_ceil(2);
        let halves = [(0, self.from..middle, count.div_ceil(2)), (1, middle..to, count / 2)];
        let draws = Draws::new(self.seed);
        let mut chosen = Vec::with_capacity(count);
        for (half, range, share) in halves {
            if share == 0 {
                continue;
            }
            let order = draws.permutation("choice of digits", half, range.len());
            let order: Vec<u32> = order.iter().map(|place| place + range.start as u32).collect();
            let part = saddle_data::stratified(labels, &order, share)
                .map_err(|error| Error::Plan(format!("digits `{name}`: {error}")))?;
            chosen.extend(part);
        }
        Ok(chosen)
    }
}
