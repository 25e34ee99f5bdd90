//! The ladder of attacks, as a plan asks for it: rows that differ in one thing each, and what each of them asks.

use serde::{Deserialize, Serialize};

use saddle_attacks::{CurvatureAscent, ProjectedAscent};
use saddle_ops::{Norm, Radius};
use saddle_report::ladder::Kind;

use super::one;

/// Attacks held against each other, all with one budget per digit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderPlan {
    /// Sample of digits; one that no setting was chosen on.
    pub digits: String,
    /// Networks of this plan.
    pub networks: Vec<String>,
    /// Only the first so many seeds of each network; all when left out.
    #[serde(default)]
    pub seeds: Option<u32>,
    /// Most forward and backward passes per digit and row, judging and restarts included.
    pub cap: u64,
    /// Level of each family of tests.
    pub alpha: f64,
    /// Points within which two accuracies count as equal.
    pub margin: f64,
    /// Cosines of the rows' directions with that of S-O; none when left out.
    #[serde(default)]
    pub compass: Option<CompassPlan>,
    /// Run only when `--only` names it.
    #[serde(default)]
    pub on_request: bool,
    /// Threat models, each a ladder of its own.
    #[serde(rename = "threat")]
    pub threats: Vec<LadderThreat>,
    /// From the lowest to the highest.
    #[serde(rename = "row")]
    pub rows: Vec<RungPlan>,
}

/// How directions are held against that of S-O.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompassPlan {
    /// Sample of digits.
    pub digits: String,
    /// Only the first so many seeds of each network; all when left out.
    #[serde(default)]
    pub seeds: Option<u32>,
    /// First steps of each row that are looked at.
    pub steps: u32,
    /// Draws of noise behind the direction of S-O at each point; its sigma is that of its row.
    pub samples: u32,
}

/// One threat model of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LadderThreat {
    /// Norm of the threat model.
    pub norm: Norm,
    /// Radius of the threat model.
    pub epsilon: Radius,
    /// The best first-order row, as chosen on held-out digits. When left out the others are held against whichever
    /// does best on the very digits of the comparison, which favours first order.
    #[serde(default)]
    pub best: Option<String>,
}

/// One row: an attack for each norm, and why it is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RungPlan {
    /// Short name.
    pub name: String,
    /// The question that it answers.
    pub question: String,
    /// What it looks at; `second_order` for the one row that is S-O itself.
    pub kind: Kind,
    /// The row from which it differs in one thing.
    #[serde(default)]
    pub against: Option<String>,
    /// The attack under threats in l2; none where the row makes no sense.
    #[serde(default)]
    pub l2: Option<RungAttack>,
    /// The attack under threats in l-infinity.
    #[serde(default)]
    pub linf: Option<RungAttack>,
}

impl RungPlan {
    /// The attack under threats of this norm.
    pub fn attack(&self, norm: Norm) -> Option<&RungAttack> {
        match norm {
            Norm::L2 => self.l2.as_ref(),
            Norm::Linf => self.linf.as_ref(),
            Norm::L1 => None,
        }
    }
}

/// One attack of the ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "RungText")]
pub struct RungAttack {
    /// Independent runs of which the worst counts; 1 when left out.
    pub restarts: u32,
    /// Step size as a share of the radius of the threat model; with it `step_size` may be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_per_radius: Option<f64>,
    /// Number format of network, images and steps.
    pub precision: Precision,
    /// Everything else.
    #[serde(flatten)]
    pub climb: Climb,
}

/// Number formats of an attack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// `f32`, as networks are trained and judged everywhere else.
    #[default]
    Single,
    /// `f64`: the same weights and images, widened; what attacks that subtract gradients need.
    Double,
}

/// What climbs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Climb {
    /// Along gradients.
    Ascent(ProjectedAscent),
    /// Along the curvature.
    Curvature(CurvatureAscent),
}

/// [`RungAttack`] as it is written, possibly without a step size.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RungText {
    #[serde(default = "one")]
    restarts: u32,
    #[serde(default)]
    step_per_radius: Option<f64>,
    #[serde(default)]
    precision: Precision,
    #[serde(default)]
    ascent: Option<toml::Table>,
    #[serde(default)]
    curvature: Option<toml::Table>,
}

impl TryFrom<RungText> for RungAttack {
    type Error = toml::de::Error;

    fn try_from(text: RungText) -> Result<Self, Self::Error> {
        let RungText { restarts, step_per_radius, precision, ascent, curvature } = text;
        let sized = |mut table: toml::Table| {
            if step_per_radius.is_some() {
                table.entry("step_size").or_insert(toml::Value::Float(1.0));
            }
            table
        };
        let climb = match (ascent, curvature) {
            (Some(ascent), None) => Climb::Ascent(ProjectedAscent::deserialize(sized(ascent))?),
            (None, Some(curvature)) => {
                Climb::Curvature(CurvatureAscent::deserialize(sized(curvature))?)
            }
            _ => {
                let message = "give either `ascent` or `curvature`";
                return Err(serde::de::Error::custom(message));
            }
        };
        Ok(Self { restarts, step_per_radius, precision, climb })
    }
}

impl RungAttack {
    /// What climbs, with its step size at this radius.
    pub fn at(&self, epsilon: Radius) -> Climb {
        let mut climb = self.climb;
        if let Some(share) = self.step_per_radius {
            let size = share * epsilon.get();
            match &mut climb {
                Climb::Ascent(ascent) => ascent.step_size = size,
                Climb::Curvature(curvature) => curvature.step_size = size,
            }
        }
        climb
    }
}
