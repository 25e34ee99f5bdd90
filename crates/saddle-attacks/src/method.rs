//! Every attack that a plan or the command line can name, as one value.
//!
//! The attacks differ in what they pursue: most look for any image within a threat model, DDN for the nearest image, and
//! the suite is several attacks in turn. [`Method::run`] asks each for the same thing, whether an example falls within a
//! threat model, so that their results can stand side by side.

use candle_core::Tensor;
use saddle_model::{Aim, Classifier};
use saddle_ops::{Draws, GradientHealth, Norm, PixelBox};
use serde::{Deserialize, Serialize};

use crate::{
    apgd::Apgd,
    attack::Attack,
    ddn::Ddn,
    driver::Driver,
    error::{Error, Result},
    examples::Examples,
    projected_ascent::ProjectedAscent,
    square::Square,
    suite::{MemberOutcome, Standard},
    threat_model::{Goal, Objective, ThreatModel},
    trace::StepTrace,
    verdict::Verdict,
};

/// An attack by its settings; written as a table with one entry, `{ apgd = { loss = "dlr" } }`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// FGSM, PGD, S-O and their relatives.
    Ascent(ProjectedAscent),
    /// APGD-CE, APGD-DLR, APGD-T.
    Apgd(Apgd),
    /// The Square Attack.
    Square(Square),
    /// DDN.
    Ddn(Ddn),
    /// APGD-CE, APGD-T, APGD-DLR, Square and S-O in turn.
    Standard(Standard),
}

/// What an attack found within a threat model.
#[derive(Clone, Debug)]
pub struct Found {
    /// One verdict per example.
    pub verdicts: Vec<Verdict>,
    /// For each example the image that fooled, else the last one, `(n, c, h, w)`. DDN's may lie beyond the radius, which its verdict then says does not
    /// count.
    pub images: Tensor,
    /// The final iterates; those of [`Found::images`] where an attack has no others.
    pub final_images: Tensor,
    /// The path, when the driver was asked for it.
    pub trace: Vec<StepTrace>,
    /// Zero, tiny and non-finite gradients that the attack met.
    pub health: GradientHealth,
    /// The attacks of a suite; empty for a single one.
    pub members: Vec<MemberOutcome>,
    /// Verdicts of a search for the smallest distance before the radius was looked at; empty for other attacks.
    pub unbounded: Vec<Verdict>,
}

impl Method {
    /// The attack, but for the suite, which is several.
    pub fn attack(&self) -> Option<&dyn Attack> {
        match self {
            Self::Ascent(ascent) => Some(ascent),
            Self::Apgd(apgd) => Some(apgd),
            Self::Square(square) => Some(square),
            Self::Ddn(ddn) => Some(ddn),
            Self::Standard(_) => None,
        }
    }

    /// A short name for reports and error messages.
    pub fn name(&self) -> String {
        self.attack().map_or_else(|| "standard suite".to_owned(), Attack::name)
    }

    /// Whether a second restart would find the same images again. A suite has no restarts.
    pub fn repeats_itself(&self) -> bool {
        self.attack().is_none_or(Attack::repeats_itself)
    }

    /// Whether the attack is made for this norm.
    pub fn works_in(&self, norm: Norm) -> bool {
        match self {
            Self::Ascent(_) => true,
            Self::Ddn(_) => norm == Norm::L2,
            Self::Apgd(_) | Self::Square(_) | Self::Standard(_) => norm != Norm::L1,
        }
    }

    /// Whether verdicts tell after how many passes an example fell, so that one run holds a curve against the budget.
    pub fn knows_when(&self) -> bool {
        !matches!(self, Self::Ddn(_) | Self::Standard(_))
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Ascent(ascent) => ascent.check(),
            Self::Apgd(apgd) => apgd.check(),
            Self::Square(square) => square.check(),
            Self::Ddn(ddn) => ddn.check(),
            Self::Standard(standard) => standard.check(),
        }
    }

    /// Runs the attack under the driver's rules, untargeted within `threat_model`; a `guide` answers for gradients if there is one.
    ///
    /// DDN never lets an example leave early, and a suite lets every fooled one leave, whatever the driver says.
    ///
    /// # Errors
    ///
    /// As [`Driver::run`], and [`Error::InvalidSetting`] for restarts of a suite.
    pub fn run(
        &self,
        driver: &Driver,
        classifier: &dyn Classifier,
        guide: Option<&dyn Classifier>,
        examples: &Examples,
        threat_model: ThreatModel,
        draws: Draws,
    ) -> Result<Found> {
        let objective = Objective::untargeted(threat_model);
        let outcome = match self {
            Self::Standard(standard) => {
                if driver.restarts > 1 {
                    let message = "a suite is run once; leave them out";
                    return Err(Error::setting("restarts", message));
                }
                standard.check()?;
                let suite = standard.suite(threat_model);
                let found = suite.run(driver, classifier, guide, examples, &objective, draws)?;
                return Ok(Found {
                    verdicts: found.verdicts,
                    final_images: found.images.clone(),
                    images: found.images,
                    trace: Vec::new(),
                    health: found.health,
                    members: found.members,
                    unbounded: Vec::new(),
                });
            }
            Self::Ddn(ddn) => {
                if threat_model.pixels != PixelBox::UNIT {
                    let message =
                        "the smallest distance is looked for in the unit box; scale the images";
                    return Err(Error::setting("pixels", message));
                }
                let driver = Driver { stop_fooled: false, ..driver.clone() };
                let goal = Goal::Smallest(threat_model.norm);
                let objective = Objective { goal, aim: Aim::Untargeted };
                driver.attack(classifier, guide, ddn, examples, &objective, draws)?
            }
            Self::Ascent(ascent) => {
                driver.attack(classifier, guide, ascent, examples, &objective, draws)?
            }
            Self::Apgd(apgd) => {
                driver.attack(classifier, guide, apgd, examples, &objective, draws)?
            }
            Self::Square(square) => {
                driver.attack(classifier, guide, square, examples, &objective, draws)?
            }
        };
        let radius = threat_model.epsilon.get();
        let (verdicts, unbounded) = if matches!(self, Self::Ddn(_)) {
            let all = outcome.verdicts;
            (all.iter().cloned().map(|verdict| verdict.within(radius)).collect(), all)
        } else {
            (outcome.verdicts, Vec::new())
        };
        Ok(Found {
            verdicts,
            images: outcome.images,
            final_images: outcome.final_images,
            trace: outcome.trace,
            health: outcome.health,
            members: Vec::new(),
            unbounded,
        })
    }
}
