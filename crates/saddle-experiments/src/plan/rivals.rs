//! The comparison of an attack with its parts and its rivals.

use serde::{Deserialize, Serialize};

use saddle_ops::{Norm, Radius};

/// One attack against its parts and its rivals, all with one budget per digit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rivals {
    /// Sample of digits.
    pub digits: String,
    /// Networks of this plan.
    pub networks: Vec<String>,
    /// Only the first so many seeds of each network; all when left out.
    #[serde(default)]
    pub seeds: Option<u32>,
    /// Norm of the threat model.
    pub norm: Norm,
    /// Radii, each a comparison of its own.
    #[serde(rename = "threat")]
    pub threats: Vec<RivalThreat>,
    /// Most forward and backward passes per digit, judging included.
    pub cap: u64,
    /// The attack in question.
    pub subject: String,
    /// Its own parts.
    #[serde(default)]
    pub parts: Vec<String>,
    /// The attacks that it has to beat.
    pub rivals: Vec<String>,
    /// Run only when `--only` names it.
    #[serde(default)]
    pub on_request: bool,
}

/// One radius of the comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RivalThreat {
    /// Radius of the threat model.
    pub epsilon: Radius,
    /// The best rival, as chosen on held-out digits. When left out the others are held against
    /// whichever rival does best on the very digits of the comparison, which favours that rival.
    #[serde(default)]
    pub best: Option<String>,
}
