//! Attacks as a plan writes them.

use serde::{Deserialize, Serialize, de::Error as _};

use saddle_attacks::{Apgd, Ddn, Method, ProjectedAscent, Square, Standard};
use saddle_ops::Radius;

use super::one;
use crate::nearest::TowardNearest;

/// One attack with the number of its restarts; the attack stands under its own name, as in
/// `ascent = { rule = "unit", … }` or `apgd = { loss = "dlr", targets = 9 }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AttackText")]
pub struct AttackPlan {
    /// Independent runs of which the worst counts; 1 when left out.
    pub restarts: u32,
    /// Step size of an ascent as a share of the radius of the threat model; with it `ascent.step_size` counts
    /// for nothing and may be left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_per_radius: Option<f64>,
    /// Everything else.
    #[serde(flatten)]
    pub method: Method,
}

/// [`AttackPlan`] as it is written, an ascent possibly without a step size.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AttackText {
    #[serde(default = "one")]
    restarts: u32,
    #[serde(default)]
    step_per_radius: Option<f64>,
    #[serde(default)]
    ascent: Option<toml::Table>,
    #[serde(default)]
    apgd: Option<Apgd>,
    #[serde(default)]
    square: Option<Square>,
    #[serde(default)]
    ddn: Option<Ddn>,
    #[serde(default)]
    standard: Option<Standard>,
}

impl TryFrom<AttackText> for AttackPlan {
    type Error = toml::de::Error;

    fn try_from(text: AttackText) -> Result<Self, Self::Error> {
        let AttackText { restarts, step_per_radius, ascent, apgd, square, ddn, standard } = text;
        let ascent = ascent.map(|mut ascent| {
            if step_per_radius.is_some() {
                ascent.entry("step_size").or_insert(toml::Value::Float(1.0));
            }
            ProjectedAscent::deserialize(ascent)
        });
        let ascent = ascent.transpose()?.map(Method::Ascent);
        if step_per_radius.is_some() && ascent.is_none() {
            let message =
                "step_per_radius belongs to an ascent; this attack has no step size of its own";
            return Err(toml::de::Error::custom(message));
        }
        let others = [
            apgd.map(Method::Apgd),
            square.map(Method::Square),
            ddn.map(Method::Ddn),
            standard.map(Method::Standard),
        ];
        let mut named = ascent.into_iter().chain(others.into_iter().flatten());
        match (named.next(), named.next()) {
            (Some(method), None) => Ok(Self { restarts, step_per_radius, method }),
            _ => Err(toml::de::Error::custom(
                "an attack is exactly one of ascent, apgd, square, ddn and standard",
            )),
        }
    }
}

impl AttackPlan {
    /// The attack, an ascent with its step size at this radius.
    pub fn at(&self, epsilon: Radius) -> Method {
        self.ascent_at(epsilon).map_or(self.method, Method::Ascent)
    }

    /// The ascent with its step size at this radius; none for other attacks.
    pub fn ascent_at(&self, epsilon: Radius) -> Option<ProjectedAscent> {
        let mut ascent = *self.ascent()?;
        if let Some(share) = self.step_per_radius {
            ascent.step_size = share * epsilon.get();
        }
        Some(ascent)
    }

    /// The ascent as the plan has it; none for other attacks.
    pub fn ascent(&self) -> Option<&ProjectedAscent> {
        match &self.method {
            Method::Ascent(ascent) => Some(ascent),
            _ => None,
        }
    }
}

/// An attack that asks a network for nothing but its classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientFree {
    /// Straight toward the nearest digits of other classes.
    pub toward_nearest: TowardNearest,
}
