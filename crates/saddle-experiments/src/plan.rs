//! Plans: what is to be trained, attacked and shown, as a text that a person can read and change.
//!
//! A plan is TOML. Digits, networks and attacks have names; tables, the comparison of rivals and the
//! figures refer to them by name, bounds follow from the tables. Nine plans are part of the program ([`PROFILES`]); any of them can
//! be written out, changed and passed back as a file. A field that no plan has is refused: a
//! misspelt setting must not become a silent default.
//!
//! Claims and causes name cells of the tables and curves of the figure, so thresholds are fixed before
//! anything is measured.
//!
//! Every number that decides an outcome is here and nowhere else: seeds, steps, radii, budgets.
//!
//! # What is deliberately absent
//!
//! Devices, threads, kernels, folders: they belong to the machine, not to the question.

mod attacks;
mod claims;
mod curves;
mod ladder;
mod rivals;
mod verdicts;

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use saddle_data::DatasetName;
use saddle_defenses::TrainingPlan;
use saddle_model::{Architecture, Executor};
use saddle_ops::{Norm, Radius};
use saddle_report::claims::{Cause, Claims};
use saddle_report::{Setting, TrainingNorm};

use crate::digits::Digits;
use crate::{Error, Result};

pub use attacks::{AttackPlan, GradientFree};
pub(crate) use claims::{BEST_RIVAL, RIVALS, check as check_claims, contender_row};
pub use curves::{BudgetCurve, EpsilonCurve, Figure2, StepCurve};
pub use ladder::{Climb, CompassPlan, LadderPlan, LadderThreat, Precision, RungAttack, RungPlan};
pub use rivals::{RivalThreat, Rivals};
pub use verdicts::{CalibrationPlan, KnownCasePlan, VerdictPlan, VerdictThreat};

/// The embedded plans: name and text.
pub const PROFILES: [(&str, &str); 9] = [
    ("smoke", include_str!("../plans/smoke.toml")),
    ("quick", include_str!("../plans/quick.toml")),
    ("cpu", include_str!("../plans/cpu.toml")),
    ("paper", include_str!("../plans/paper.toml")),
    ("ladder", include_str!("../plans/ladder.toml")),
    ("masking", include_str!("../plans/masking.toml")),
    ("fashion", include_str!("../plans/fashion.toml")),
    ("cifar-smoke", include_str!("../plans/cifar-smoke.toml")),
    ("cifar", include_str!("../plans/cifar.toml")),
];

/// A whole plan; see the module's page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Short name; the `profile` of the report.
    pub name: String,
    /// What it is for and how long it takes, for the person who chooses.
    pub about: String,
    /// Seed of the attacks; network number k of a recipe is trained with `seed + k`, modulo 2^64.
    pub seed: u64,
    /// How many of the last training digits no network may see.
    pub held_out: usize,
    /// The data set; what this program calls digits are its images. MNIST when left out.
    #[serde(default, skip_serializing_if = "DatasetName::is_mnist")]
    pub dataset: DatasetName,
    /// Samples of digits by name.
    pub digits: BTreeMap<String, Digits>,
    /// Networks by name.
    pub networks: BTreeMap<String, NetworkPlan>,
    /// Attacks by name.
    #[serde(default)]
    pub attacks: BTreeMap<String, AttackPlan>,
    /// Attacks without gradients by name; they share the names of `attacks`.
    #[serde(default)]
    pub gradient_free: BTreeMap<String, GradientFree>,
    /// Tables, in the order of the report.
    #[serde(default, rename = "table")]
    pub tables: Vec<Table>,
    /// The comparison of one attack with its rivals at one budget.
    #[serde(default)]
    pub rivals: Option<Rivals>,
    /// Attacks that differ in one thing each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ladder: Option<LadderPlan>,
    /// Whether gradients are masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdicts: Option<VerdictPlan>,
    /// What no classifier can do on the digits of the tables.
    #[serde(default)]
    pub bounds: Option<Bounds>,
    /// Gradient norms along attacks.
    #[serde(default)]
    pub figure1: Option<Figure1>,
    /// What the paper claims, and what decides it.
    #[serde(default)]
    pub claims: Option<Claims>,
    /// Choices that may be the cause of a difference from the paper.
    #[serde(default, rename = "cause")]
    pub causes: Vec<Cause>,
    /// Accuracy against the radius.
    #[serde(default, rename = "epsilon_curve")]
    pub epsilon_curves: Vec<EpsilonCurve>,
    /// Accuracy against passes per digit.
    #[serde(default, rename = "budget_curve")]
    pub budget_curves: Vec<BudgetCurve>,
    /// Accuracy against the number of steps.
    #[serde(default, rename = "step_curve")]
    pub step_curves: Vec<StepCurve>,
    /// Digits before and after an attack.
    #[serde(default)]
    pub figure2: Option<Figure2>,
    /// What the paper leaves open and was chosen here.
    #[serde(default, rename = "choice")]
    pub choices: Vec<Choice>,
    /// What a reader of the report has to know.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One network: how it comes to be, or why it does not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// Name of a known architecture.
    pub architecture: String,
    /// Name of the defence, as the columns of Table 1 name it; `natural` for none.
    pub defense: String,
    /// Norm that it was trained against; none for natural training.
    #[serde(default)]
    pub training_norm: Option<TrainingNorm>,
    /// Another network of this plan whose weights this one starts from.
    #[serde(default)]
    pub starts_from: Option<String>,
    /// How many networks of this recipe are trained, with seeds `seed`, `seed + 1`, …
    #[serde(default = "one")]
    pub seeds: u32,
    /// The recipe, without a `seed`: that is the plan's. Networks that its defence names as `sources` are networks of this
    /// plan; they are trained before it.
    #[serde(default, deserialize_with = "recipe")]
    pub training: Option<TrainingPlan>,
    /// Why there is no recipe yet; the cells of this network are shown as missing, with this reason.
    #[serde(default)]
    pub missing: Option<String>,
}

/// A table: networks across, threats down.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Short name; the `table` of its cells and what `--only` takes.
    pub name: String,
    /// Whose rules it follows.
    pub setting: Setting,
    /// Networks of this plan.
    pub networks: Vec<String>,
    /// Only the first so many seeds of each network; all when left out.
    #[serde(default)]
    pub seeds: Option<u32>,
    /// Sample of digits.
    pub digits: String,
    /// Most forward and backward passes per digit and attack, judging included; no limit when left out.
    #[serde(default)]
    pub cap: Option<u64>,
    /// Run only when `--only` names it: how settings are chosen.
    #[serde(default)]
    pub on_request: bool,
    /// Show every column of the paper's Table 1, those without a network as missing.
    #[serde(default)]
    pub all_columns: bool,
    /// Rows from top to bottom.
    #[serde(rename = "row")]
    pub rows: Vec<Row>,
}

/// One row of a table: a threat and the attacks that try it, or the worst of other rows, whatever their threats; natural
/// accuracy when it is neither.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Short name; the `row` of its cells.
    pub name: String,
    /// Norm of the threat model.
    #[serde(default)]
    pub norm: Option<Norm>,
    /// Radius of the threat model.
    #[serde(default)]
    pub epsilon: Option<Radius>,
    /// Attacks of this plan, with gradients or without; a digit survives if it survives all of them.
    #[serde(default)]
    pub attacks: Vec<String>,
    /// Rows of this table, each with attacks of its own; a digit survives if it survives all of them.
    #[serde(default)]
    pub worst_of: Vec<String>,
}

/// Upper bounds on the robust accuracy of any classifier: for the digits and threats of every table that
/// is shown, and for all test digits under the same threats and those named here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Rounds in which clique covers are improved; each reads every pair in conflict a few times.
    pub rounds: u32,
    /// More threats for all test digits.
    #[serde(default, rename = "threat")]
    pub threats: Vec<BoundThreat>,
}

/// A threat for all test digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoundThreat {
    /// Norm of the threat model.
    pub norm: Norm,
    /// Radius of the threat model.
    pub epsilon: Radius,
}

/// Something that the paper leaves open, what was chosen and why; printed in the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// What had to be chosen.
    pub name: String,
    /// What was.
    pub value: String,
    /// Why, and measured on which digits.
    pub evidence: String,
}

/// Curves of the gradient's l2 norm at the iterate against the step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure1 {
    /// Sample of digits.
    pub digits: String,
    /// What a reader has to know, for example which network stands in for another.
    #[serde(default)]
    pub note: String,
    /// Curves in the order of the legend.
    #[serde(rename = "curve")]
    pub curves: Vec<Curve>,
}

/// One curve of Figure 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Text of the legend.
    pub label: String,
    /// Network of this plan (its first seed).
    pub network: String,
    /// Norm of the threat model.
    pub norm: Norm,
    /// Radius of the threat model.
    pub epsilon: Radius,
    /// Attack of this plan.
    pub attack: String,
}

fn one() -> u32 {
    1
}

/// A recipe without a seed, which is the plan's; 0 stands in its place.
fn recipe<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TrainingPlan>, D::Error> {
    let Some(mut table) = Option::<toml::Table>::deserialize(from)? else { return Ok(None) };
    table.entry("seed").or_insert(toml::Value::Integer(0));
    TrainingPlan::deserialize(table).map(Some).map_err(serde::de::Error::custom)
}

impl Plan {
    /// Refuses an executor that does not run every network of the plan.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] naming the first network's layer that it does not run.
    pub fn check_executor(&self, executor: Executor) -> Result<()> {
        let trained = self.networks.values().filter(|network| network.missing.is_none());
        for network in trained {
            executor.check(&Architecture::by_name(&network.architecture)?)?;
        }
        Ok(())
    }

    /// The seed of the training of network number `number` of a recipe.
    pub(crate) fn training_seed(&self, number: u32) -> u64 {
        self.seed.wrapping_add(u64::from(number))
    }

    /// Everything that `--only` can name.
    pub fn parts(&self) -> Vec<&str> {
        let tables = self.tables.iter().map(|table| table.name.as_str());
        let figure = self.figure1.iter().map(|_| "figure1");
        let rivals = self.rivals.iter().map(|_| "rivals");
        let ladder = self.ladder.iter().map(|_| "ladder");
        let verdicts = self.verdicts.iter().map(|_| "verdicts");
        let bounds = self.bounds.iter().map(|_| "bounds");
        let curves = self.curve_names();
        tables
            .chain(bounds)
            .chain(figure)
            .chain(rivals)
            .chain(ladder)
            .chain(verdicts)
            .chain(curves)
            .collect()
    }

    /// The names of all curves of accuracy, and of Figure 2.
    pub(crate) fn curve_names(&self) -> impl Iterator<Item = &str> {
        let radii = self.epsilon_curves.iter().map(|curve| curve.name.as_str());
        let budgets = self.budget_curves.iter().map(|curve| curve.name.as_str());
        let steps = self.step_curves.iter().map(|curve| curve.name.as_str());
        radii.chain(budgets).chain(steps).chain(self.figure2.iter().map(|_| "figure2"))
    }

    /// Whether a part is to be run: it was asked for by name, or nothing was and it is not
    /// reserved for that.
    pub(crate) fn wants(&self, part: &str, only: &[String]) -> bool {
        if only.is_empty() {
            let reserved = self.tables.iter().any(|table| table.name == part && table.on_request)
                || part == "rivals" && self.rivals.as_ref().is_some_and(|rivals| rivals.on_request)
                || part == "ladder" && self.ladder.as_ref().is_some_and(|ladder| ladder.on_request)
                || part == "verdicts" && self.verdicts.as_ref().is_some_and(|all| all.on_request);
            return !reserved;
        }
        only.iter().any(|name| name == part)
    }

    /// Checks that a network can be trained by this plan.
    ///
    /// # Errors
    ///
    /// [`Error::Plan`] with the networks that can, or with the reason why this one cannot.
    pub fn check_trainable(&self, name: &str) -> Result<()> {
        let Some(network) = self.networks.get(name) else {
            let able = self.networks.iter().filter(|(_, network)| network.training.is_some());
            let able: Vec<&str> = able.map(|(name, _)| name.as_str()).collect();
            let known = able.join(", ");
            return Err(Error::Plan(format!("no network is called `{name}`; known: {known}")));
        };
        match &network.missing {
            Some(reason) => Err(Error::Plan(format!("network `{name}` is missing: {reason}"))),
            None => Ok(()),
        }
    }

    /// Checks the names given to `--only`.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPart`] for a name that this plan does not hold.
    pub fn check_only(&self, only: &[String]) -> Result<()> {
        for name in only {
            if !self.parts().contains(&name.as_str()) {
                return Err(Error::UnknownPart {
                    plan: self.name.clone(),
                    name: name.clone(),
                    known: self.parts().join(", "),
                });
            }
        }
        Ok(())
    }
}
