//! How many times faster: measured ratios beside the least that was aimed at.

use serde::{Deserialize, Serialize};

/// A chart of ratios, rival time / our time, so that longer is better.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatioChart {
    /// What is drawn, in one line.
    pub title: String,
    /// Where and when it was measured, in one line.
    pub caption: String,
    /// One bar each, from top to bottom.
    pub rows: Vec<RatioRow>,
}

/// One comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatioRow {
    /// What was done, against whom.
    pub label: String,
    /// Rival time / our time; `None` where nobody measured.
    pub ratio: Option<f64>,
    /// The least that was aimed at; `None` where nothing was.
    pub bar: Option<f64>,
}
