//! Projected ascent on a loss of the caller's making.
//!
//! A [`ProjectedAscent`] builds its loss from the labels of the examples. Some inner attacks climb something else: TRADES
//! the divergence from the outputs on the natural images, others the cross-entropy of labels that are not the true ones.
//! [`ProjectedAscent::on`] takes any [`Loss`] that was made for the examples, row by row; everything else about the ascent
//! stays.
//!
//! # Flat points
//!
//! The divergence from a network's own outputs is flat at the natural image, and flat everywhere while the last layer is
//! zero. [`WhenFlat`] says what becomes of a row whose gradient is exactly zero.

use saddle_model::Loss;
use saddle_ops::Draws;
use serde::{Deserialize, Serialize};

use crate::{
    attack::{Attack, Run},
    error::{Error, Result},
    examples::Examples,
    projected_ascent::ProjectedAscent,
    threat_model::Objective,
};

/// What becomes of a row whose gradient is exactly zero. It is counted as zero either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenFlat {
    /// It stays where it is.
    #[default]
    Stay,
    /// Standard normal noise takes the place of the gradient and goes through the step rule: with
    /// [`saddle_ops::StepRule::Unit`] a step of the usual length in a uniformly random direction.
    Random,
}

/// A projected ascent on a given loss; made by [`ProjectedAscent::on`].
#[derive(Clone, Debug)]
pub struct AscentOn {
    ascent: ProjectedAscent,
    loss: Loss,
    when_flat: WhenFlat,
}

impl ProjectedAscent {
    /// The same ascent on `loss`, which counts instead of [`ProjectedAscent::loss`] and of the objective's aim.
    ///
    /// The loss must have been made for the examples that the attack is begun on, in their order: for
    /// [`perturb`](crate::perturb) on one batch. A [`Driver`](crate::Driver) begins anew on fewer examples; use it with as
    /// many examples as go into one of its batches, and one restart.
    pub fn on(self, loss: Loss) -> AscentOn {
        AscentOn { ascent: self, loss, when_flat: WhenFlat::Stay }
    }
}

impl AscentOn {
    /// The same attack with this treatment of rows whose gradient is exactly zero.
    #[must_use]
    pub fn when_flat(self, when_flat: WhenFlat) -> Self {
        Self { when_flat, ..self }
    }
}

impl Attack for AscentOn {
    fn name(&self) -> String {
        self.ascent.name()
    }

    fn repeats_itself(&self) -> bool {
        self.ascent.repeats_itself() && self.when_flat == WhenFlat::Stay
    }

    fn begin(
        &self,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
        restart: u32,
    ) -> Result<Box<dyn Run>> {
        let (made_for, given) = (self.loss.examples(), examples.len());
        if made_for != given {
            return Err(Error::setting(
                "loss",
                format!("it was made for {made_for} examples, the attack is on {given}"),
            ));
        }
        let Self { ascent, loss, when_flat } = self;
        ascent.begin_on(loss.clone(), *when_flat, examples, objective, draws, restart)
    }
}
