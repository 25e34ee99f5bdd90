//! Curves of accuracy and Figure 2, as a plan asks for them.

use serde::{Deserialize, Serialize};

use saddle_ops::{Norm, Radius};
use saddle_report::Setting;

/// Accuracy against the radius of the threat model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpsilonCurve {
    /// Short name; what `--only` takes, and part of a file's name.
    pub name: String,
    /// Sample of digits.
    pub digits: String,
    /// Networks of this plan, one panel each.
    pub networks: Vec<String>,
    /// Only the first so many seeds of each network; all when left out.
    #[serde(default)]
    pub seeds: Option<u32>,
    /// Norm of the threat model.
    pub norm: Norm,
    /// Radii, ascending; 0 is natural accuracy.
    pub epsilons: Vec<f64>,
    /// Attacks of this plan, one curve each; with `step_per_radius` their steps grow with the radius.
    pub attacks: Vec<String>,
    /// How a digit is judged, as in a table.
    pub setting: Setting,
    /// Most forward and backward passes per digit, radius and attack; no limit when left out.
    #[serde(default)]
    pub cap: Option<u64>,
}

/// Accuracy against passes per digit: any iterate counts, a fooled digit leaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetCurve {
    /// Short name; what `--only` takes, and part of a file's name.
    pub name: String,
    /// Sample of digits.
    pub digits: String,
    /// Networks of this plan, one panel each.
    pub networks: Vec<String>,
    /// Only the first so many seeds of each network; all when left out.
    #[serde(default)]
    pub seeds: Option<u32>,
    /// Norm of the threat model.
    pub norm: Norm,
    /// Radius of the threat model.
    pub epsilon: Radius,
    /// Attacks of this plan, one curve each; their steps and restarts should fill the budget.
    pub attacks: Vec<String>,
    /// The budget: most forward and backward passes per digit, judging and restarts included.
    pub cap: u64,
}

/// Accuracy against the number of steps of one attack, by any and by the final iterate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepCurve {
    /// Short name; what `--only` takes, and part of a file's name.
    pub name: String,
    /// Sample of digits.
    pub digits: String,
    /// Networks of this plan, one panel each.
    pub networks: Vec<String>,
    /// Only the first so many seeds of each network; all when left out.
    #[serde(default)]
    pub seeds: Option<u32>,
    /// Norm of the threat model.
    pub norm: Norm,
    /// Radius of the threat model.
    pub epsilon: Radius,
    /// Attack of this plan, without restarts; its steps are the length of the curve.
    pub attack: String,
}

/// Natural digits above, what an attack made of them below: of each class the first digit of the sample that falls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure2 {
    /// Sample of digits to choose from.
    pub digits: String,
    /// Network of this plan (its first seed).
    pub network: String,
    /// Norm of the threat model.
    pub norm: Norm,
    /// Radius of the threat model.
    pub epsilon: Radius,
    /// Attack of this plan.
    pub attack: String,
}
