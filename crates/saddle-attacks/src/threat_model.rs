//! What an adversary may do to an image and what they want.
//!
//! A robust accuracy without its threat model means nothing, so the three parts of one (norm,
//! radius, pixel box) travel together and reach the judge as they reached the attack.

use saddle_model::Aim;
use saddle_ops::{LpBall, Norm, PixelBox, Radius};
use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    examples::Examples,
};

/// The images an adversary may hand in for a natural image: a ball around it, cut by the box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThreatModel {
    /// How a perturbation is measured, on the flattened image.
    pub norm: Norm,
    /// Largest allowed size of a perturbation, in pixel units.
    pub epsilon: Radius,
    /// Allowed values of a pixel; `[0, 1]` when a plan does not say.
    #[serde(default = "unit_box")]
    pub pixels: PixelBox,
}

fn unit_box() -> PixelBox {
    PixelBox::UNIT
}

impl ThreatModel {
    /// A ball of radius `epsilon` (pixel units) inside the unit box `[0, 1]`.
    ///
    /// # Errors
    ///
    /// [`saddle_ops::Error::InvalidRadius`] unless `epsilon` is finite and greater than 0.
    pub fn new(norm: Norm, epsilon: f64) -> Result<Self> {
        Ok(Self { norm, epsilon: Radius::new(epsilon)?, pixels: PixelBox::UNIT })
    }

    /// The ball without the box.
    pub fn ball(&self) -> LpBall {
        LpBall::new(self.norm, self.epsilon)
    }
}

/// What an attack is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Any adversarial image within the threat model.
    Within(ThreatModel),
    /// The adversarial image closest in this norm, inside the unit box.
    Smallest(Norm),
}

impl Goal {
    /// The norm in which distances are measured.
    pub fn norm(&self) -> Norm {
        match self {
            Self::Within(threat_model) => threat_model.norm,
            Self::Smallest(norm) => *norm,
        }
    }

    /// The pixel box that every image must respect.
    pub fn pixels(&self) -> PixelBox {
        match self {
            Self::Within(threat_model) => threat_model.pixels,
            Self::Smallest(_) => PixelBox::UNIT,
        }
    }

    /// The largest allowed distance; none when the smallest is asked for.
    pub fn epsilon(&self) -> Option<f64> {
        match self {
            Self::Within(threat_model) => Some(threat_model.epsilon.get()),
            Self::Smallest(_) => None,
        }
    }
}

/// A goal and whether a particular wrong class is wanted.
#[derive(Clone, Debug)]
pub struct Objective {
    /// What the adversary may do.
    pub goal: Goal,
    /// Any wrong class, or one target per example.
    pub aim: Aim,
}

impl Objective {
    /// Any wrong class within the threat model.
    pub fn untargeted(threat_model: ThreatModel) -> Self {
        Self { goal: Goal::Within(threat_model), aim: Aim::Untargeted }
    }

    /// The class `targets[i]` for example `i`, within the threat model.
    pub fn targeted(threat_model: ThreatModel, targets: Vec<u32>) -> Self {
        Self { goal: Goal::Within(threat_model), aim: Aim::Targeted(targets) }
    }

    /// The threat model, for an `attack` that works inside a ball of fixed radius.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedGoal`] when the smallest perturbation is asked for.
    pub fn threat_model(&self, attack: &str) -> Result<ThreatModel> {
        match self.goal {
            Goal::Within(threat_model) => Ok(threat_model),
            Goal::Smallest(_) => Err(Error::UnsupportedGoal {
                attack: attack.to_owned(),
                message: "it climbs inside a fixed ball; give it a threat model with an epsilon"
                    .into(),
            }),
        }
    }

    /// The objective of some of the examples, in the order of `rows`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidExamples`] when a row has no target.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self { goal: self.goal, aim: select_aim(&self.aim, rows)? })
    }

    /// Whether `prediction` on an image with this `label` is what the adversary wanted.
    pub(crate) fn fooled(&self, row: usize, label: u32, prediction: u32) -> bool {
        match &self.aim {
            Aim::Untargeted => prediction != label,
            Aim::Targeted(targets) => targets.get(row) == Some(&prediction),
        }
    }

    /// Refuses labels and targets that the classifier does not know, and natural images that are
    /// themselves outside the box.
    pub(crate) fn check(&self, examples: &Examples, classes: usize) -> Result<()> {
        let (labels, ids) = (examples.labels(), examples.ids());
        let pixels = self.goal.pixels();
        for (inside, id) in pixels.contains(examples.images())?.into_iter().zip(ids) {
            if !inside {
                return Err(Error::examples(format!(
                    "example {id} has pixels outside {pixels:?}, the box of the threat model"
                )));
            }
        }
        for (label, id) in labels.iter().zip(ids) {
            if *label as usize >= classes {
                return Err(Error::examples(format!(
                    "example {id} has label {label}, but the classifier knows the classes 0 to {}",
                    classes.saturating_sub(1)
                )));
            }
        }
        let Aim::Targeted(targets) = &self.aim else { return Ok(()) };
        if targets.len() != labels.len() {
            return Err(Error::examples(format!(
                "{} targets for {} examples; pass one target per example",
                targets.len(),
                labels.len()
            )));
        }
        for ((target, label), id) in targets.iter().zip(labels).zip(ids) {
            if *target as usize >= classes {
                return Err(Error::examples(format!(
                    "example {id} has target {target}, but the classifier knows the classes 0 to {}",
                    classes.saturating_sub(1)
                )));
            }
            if target == label {
                return Err(Error::examples(format!(
                    "example {id} has its own label {label} as target; choose another class"
                )));
            }
        }
        Ok(())
    }
}

/// The aim of some of the examples, in the order of `rows`.
pub(crate) fn select_aim(aim: &Aim, rows: &[usize]) -> Result<Aim> {
    let Aim::Targeted(targets) = aim else { return Ok(Aim::Untargeted) };
    let chosen = rows.iter().map(|&row| {
        targets.get(row).copied().ok_or_else(|| {
            Error::examples(format!("no target for row {row}; there are {} targets", targets.len()))
        })
    });
    Ok(Aim::Targeted(chosen.collect::<Result<_>>()?))
}
