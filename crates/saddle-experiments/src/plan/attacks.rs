//! Attacks as a plan writes them.

use serde::{Deserialize, Serialize};

use saddle_attacks::ProjectedAscent;
use saddle_ops::Radius;

use super::one;
use crate::nearest::TowardNearest;

/// One attack with the number of its restarts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AttackText")]
pub struct AttackPlan {
    /// Independent runs of which the worst counts; 1 when left out.
    pub restarts: u32,
    /// Step size as a share of the radius of the threat model; with it `ascent.step_size` counts
    /// for nothing and may be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_per_radius: Option<f64>,
    /// Everything else.
    pub ascent: ProjectedAscent,
}

/// [`AttackPlan`] as it is written, possibly without a step size.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttackText {
    #[serde(default = "one")]
    restarts: u32,
    #[serde(default)]
    step_per_radius: Option<f64>,
    ascent: toml::Table,
}

impl TryFrom<AttackText> for AttackPlan {
    type Error = toml::de::Error;

    fn try_from(text: AttackText) -> Result<Self, Self::Error> {
        let AttackText { restarts, step_per_radius, mut ascent } = text;
        if step_per_radius.is_some() {
            ascent.entry("step_size").or_insert(toml::Value::Float(1.0));
        }
        Ok(Self { restarts, step_per_radius, ascent: ProjectedAscent::deserialize(ascent)? })
    }
}

impl AttackPlan {
    /// The attack with its step size at this radius.
    pub fn at(&self, epsilon: Radius) -> ProjectedAscent {
        let mut ascent = self.ascent;
        if let Some(share) = self.step_per_radius {
            ascent.step_size = share * epsilon.get();
        }
        ascent
    }
}

/// An attack that asks a network for nothing but its classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientFree {
    /// Straight toward the nearest digits of other classes.
    pub toward_nearest: TowardNearest,
}
