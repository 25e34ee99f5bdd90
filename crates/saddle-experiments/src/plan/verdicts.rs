//! Verdicts on gradient masking, as a plan asks for them: which networks, by which attacks, by which thresholds, and the cases
//! of which the answer is known.

use serde::{Deserialize, Serialize};

use saddle_attacks::{Disguise, Purpose};
use saddle_ops::{Norm, Radius};
use saddle_report::masking::Thresholds;

/// Verdicts, all on the same digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictPlan {
    /// Sample of digits.
    pub digits: String,
    /// Networks of this plan.
    pub networks: Vec<String>,
    /// Only the first so many seeds of each network; all when left out.
    #[serde(default)]
    pub seeds: Option<u32>,
    /// Networks of this plan on which images are looked for that may fool another one: for each network the first of these that is
    /// another one, in its first seed.
    pub sources: Vec<String>,
    /// Most forward and backward passes per digit of the attack that follows gradients and of the smoothed one, judging and
    /// restarts included. Twice the steps have twice as many.
    pub cap: u64,
    /// Random directions beside each digit.
    #[serde(default = "directions")]
    pub directions: u32,
    /// Run only when `--only` names it.
    #[serde(default)]
    pub on_request: bool,
    /// By what is judged; what is left out is as stated by the program.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Threat models, each with a verdict of its own.
    #[serde(rename = "threat")]
    pub threats: Vec<VerdictThreat>,
    /// Cases of which the answer is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationPlan>,
}

/// One threat model and the attacks within it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictThreat {
    /// Norm of the threat model.
    pub norm: Norm,
    /// Radius of the threat model.
    pub epsilon: Radius,
    /// The attack that follows gradients and whose word is doubted, an ascent of this plan. With twice its steps and passes
    /// it is an indicator, and so it is at other radii and, one run of it, from other networks.
    pub gradient: String,
    /// Smoothed gradients, an ascent of this plan.
    pub smoothed: String,
    /// An attack of this plan that asks for no gradient: Square.
    pub black_box: String,
    /// Growing radii, the last of which no classifier can bear.
    pub radii: Vec<Radius>,
}

/// Cases of which the answer is known: disguises put on networks of this plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationPlan {
    /// Networks of this plan, sound under the threat.
    pub networks: Vec<String>,
    /// Only the first so many seeds of each network; all when left out.
    #[serde(default)]
    pub seeds: Option<u32>,
    /// Norm of the threat, one of those with verdicts.
    pub norm: Norm,
    /// Its radius.
    pub epsilon: Radius,
    /// The cases, each on every network.
    #[serde(rename = "case")]
    pub cases: Vec<KnownCasePlan>,
}

/// One case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownCasePlan {
    /// What it is called in tables.
    pub name: String,
    /// How gradients are hidden, or not.
    pub disguise: Disguise,
    /// Whether it hides them.
    pub masked: bool,
    /// Whether thresholds may be set on it.
    pub purpose: Purpose,
}

impl CalibrationPlan {
    /// Whether it is about this threat.
    pub fn is_within(&self, threat: &VerdictThreat) -> bool {
        (self.norm, self.epsilon) == (threat.norm, threat.epsilon)
    }
}

fn directions() -> u32 {
    20
}
