//! APGD: projected ascent that chooses its own step size.
//!
//! Croce and Hein (ICML 2020), Algorithm 1. From a random start on the surface of the ball, with a step size η of twice
//! the radius, each step is
//!
//! ```text
//! z(k+1) = P(x(k) + η d(k))
//! x(k+1) = P(x(k) + 0.75 (z(k+1) - x(k)) + 0.25 (x(k) - x(k-1)))        x(1) = z(1)
//! ```
//!
//! `d` being the sign of the gradient for l-infinity and the unit gradient for l2, `P` the way back into ball and box. At
//! checkpoints ([`Apgd::checkpoints`]) a row's η is halved, and the row goes back to the best point that it has seen, if
//! either fewer than three quarters of the steps since the last checkpoint raised the loss, or η was not halved at the
//! last checkpoint and the best loss has not changed since. The best point is the result.
//!
//! # Members of the family
//!
//! - APGD-CE climbs cross-entropy, which vanishes where a network is sure of itself.
//! - APGD-DLR climbs the difference-of-logits ratio, which no rescaling of the logits changes.
//! - APGD-T climbs the targeted form of that ratio toward one class after another, the likeliest wrong classes of the
//!   natural image first, each from a start of its own ([`Apgd::targets`]).
//!
//! # Conventions
//!
//! Every question shows the iterate, so verdicts on the way are free. A run of n steps costs n gradients and one loss
//! (that of the last point); APGD-T one loss more, at the natural image, to rank the classes. `P` projects, then clips, as
//! the authors' program does, and a checkpoint is looked at before the step from it, where the paper's listing takes that
//! step first. Otherwise the paper counts where the two differ: checkpoints are `ceil(p N)`, Condition 1 asks for strictly
//! fewer steps and compares each with the point that it was taken from, and Condition 2 may hold at the first checkpoint.
//!
//! # What is deliberately absent
//!
//! The l1 form, which is another algorithm (Croce and Hein, 2021).

mod climb;
mod rounds;
mod schedule;

use saddle_model::{Aim, Loss, LossKind};
use saddle_ops::{Draws, Norm};
use serde::{Deserialize, Serialize};

use crate::{
    attack::{Attack, Run},
    error::{Error, Result},
    examples::Examples,
    threat_model::{Objective, ThreatModel},
};

use climb::Climb;
use rounds::Rounds;

/// The description of APGD, as plans and the command line hold it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apgd {
    /// The loss to climb.
    pub loss: LossKind,
    /// Number of steps; of each target with [`Apgd::targets`].
    #[serde(default = "steps")]
    pub steps: u32,
    /// How many wrong classes to go for, one after the other in the order of the natural image's logits; for any wrong
    /// class, or for the objective's own targets, when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<u32>,
}

fn steps() -> u32 {
    100
}

impl Apgd {
    /// APGD-CE with the paper's 100 steps.
    pub fn cross_entropy() -> Self {
        Self { loss: LossKind::CrossEntropy, steps: steps(), targets: None }
    }

    /// APGD-DLR with the paper's 100 steps.
    pub fn dlr() -> Self {
        Self { loss: LossKind::Dlr, ..Self::cross_entropy() }
    }

    /// APGD-T with the paper's 100 steps for each of 9 classes.
    pub fn targeted() -> Self {
        Self { targets: Some(9), ..Self::dlr() }
    }

    /// Steps after which step sizes are reconsidered: `ceil(p_j N)` for `p_1 = 0.22` and `p_{j+1} = p_j +
    /// max(p_j - p_{j-1} - 0.03, 0.06)` with `p_0 = 0`, as long as `p_j <= 1`. Ascending, without repetitions.
    pub fn checkpoints(&self) -> Vec<u32> {
        schedule::checkpoints(self.steps)
    }

    /// Forward and backward passes of one run that nobody leaves.
    pub fn passes(&self) -> u64 {
        let climb = 2 * u64::from(self.steps) + 1;
        self.targets.map_or(climb, |targets| 1 + u64::from(targets).saturating_mul(climb))
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        if self.steps == 0 {
            return Err(Error::setting("steps", "0 steps find nothing; take at least one"));
        }
        if self.targets == Some(0) {
            let message = "0 classes to go for; take at least one, or leave it out";
            return Err(Error::setting("targets", message));
        }
        Ok(())
    }

    /// Ball and box of an objective that this attack can pursue.
    fn threat_model(&self, objective: &Objective) -> Result<ThreatModel> {
        let threat_model = objective.threat_model(&self.name())?;
        if threat_model.norm == Norm::L1 {
            return Err(Error::UnsupportedGoal {
                attack: self.name(),
                message: "it is made for l2 and linf; within l1 take a projected ascent".into(),
            });
        }
        Ok(threat_model)
    }
}

impl Attack for Apgd {
    fn name(&self) -> String {
        let family = match (self.targets, self.loss) {
            (None, LossKind::CrossEntropy) => "APGD-CE".to_owned(),
            (None, LossKind::Dlr) => "APGD-DLR".to_owned(),
            (None, loss) => format!("APGD ({loss})"),
            (Some(targets), LossKind::Dlr) => format!("APGD-T ({targets} targets)"),
            (Some(targets), loss) => format!("APGD-T ({targets} targets, {loss})"),
        };
        format!("{family} {} steps", self.steps)
    }

    fn begin(
        &self,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
        restart: u32,
    ) -> Result<Box<dyn Run>> {
        self.check()?;
        let threat_model = self.threat_model(objective)?;
        let Some(targets) = self.targets else {
            let loss = Loss::new(self.loss, examples.labels().to_vec(), &objective.aim)?;
            return Ok(Box::new(Climb::new(*self, loss, examples, threat_model, draws, restart)?));
        };
        if objective.aim != Aim::Untargeted {
            let message = "it goes for one class after another; leave the aim open, or the targets";
            return Err(Error::setting("targets", message));
        }
        Ok(Box::new(Rounds::new(*self, targets, examples, threat_model, draws, restart)?))
    }
}
