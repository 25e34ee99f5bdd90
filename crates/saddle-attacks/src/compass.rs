//! Whether an attack goes the way of another: the cosine between their directions along the path of the first.
//!
//! Two attacks that end alike need not work alike. A [`Compass`] runs an attack without judge or cap and, wherever it
//! stands before a step, also looks as its reference would look from there: one point, two directions, one cosine.
//! The reference never moves anything, so its path does not matter.
//!
//! # Conventions
//!
//! - A direction is what a step follows after the step rule, before its length and the way back into the threat model.
//! - A row whose direction is exactly zero or not finite has none, and no cosine.
//! - The noise of the reference is drawn apart from that of the attack. So S-O held against itself does not give 1
//!   but the agreement of two draws: the most that any other attack can be expected to reach with this reference.
//! - In `n` dimensions two directions that know nothing of each other have a cosine of about `1 / √n`: 0.036 for 784
//!   pixels.

use candle_core::Tensor;
use saddle_model::{Classifier, Loss, LossKind};
use saddle_ops::{Draws, StepRule, ascent_direction};
use serde::{Deserialize, Serialize};

use crate::{
    attack::{Attack, answer, evaluate},
    direction::Direction,
    error::{Error, Result},
    examples::Examples,
    per_row::wide,
    threat_model::Objective,
};

/// A direction to hold others against.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compass {
    /// Where the reference looks.
    pub direction: Direction,
    /// What it makes of the gradients there.
    pub rule: StepRule,
    /// The loss whose gradients they are.
    pub loss: LossKind,
    /// Steps of the attack that are looked at.
    pub steps: u32,
}

impl Compass {
    /// Cosines between what `attack` follows and what the reference would follow: a list for each step, an entry for
    /// each example. Fewer lists than steps when the attack ends earlier.
    ///
    /// All examples stay to the last step, fooled or not. The reference draws from `reference`, the attack from
    /// `draws`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] for a reference that makes no sense or for 0 steps, [`Error::Attack`] for an attack
    /// that does not say which direction it follows; whatever attack or classifier fail with.
    pub fn cosines(
        &self,
        classifier: &dyn Classifier,
        attack: &dyn Attack,
        examples: &Examples,
        objective: &Objective,
        [draws, reference]: [Draws; 2],
    ) -> Result<Vec<Vec<Option<f64>>>> {
        self.direction.check()?;
        if self.steps == 0 {
            return Err(Error::setting("steps", "0 steps show nothing; take at least one"));
        }
        let loss = Loss::new(self.loss, examples.labels().to_vec(), &objective.aim)?;
        let mut run = attack.begin(examples, objective, draws, 0)?;
        let mut cosines = Vec::new();
        for step in 0..self.steps {
            let here = run.iterate().clone();
            let followed = loop {
                let query = run.ask()?;
                let Some(answer) = answer(classifier, &query)? else { return Ok(cosines) };
                run.tell(answer)?;
                if let Some(followed) = run.followed()? {
                    break followed;
                }
                if run.iterate().id() != here.id() {
                    let message = "does not say which direction it follows";
                    return Err(Error::attack(&attack.name(), message));
                }
            };
            let other = self.look(classifier, &here, &loss, examples, reference, step)?;
            cosines.push(row_cosines(&followed, &other)?);
        }
        Ok(cosines)
    }

    /// The direction of the reference at some points, one for each example.
    fn look(
        &self,
        classifier: &dyn Classifier,
        here: &Tensor,
        loss: &Loss,
        examples: &Examples,
        draws: Draws,
        step: u32,
    ) -> Result<Tensor> {
        let count = examples.len();
        let points = self.direction.probes(here, examples.ids(), draws, 0, step)?;
        let rows: Vec<usize> =
            (0..self.direction.points_per_step()).flat_map(|_| 0..count).collect();
        let seen = evaluate(classifier, &points, &rows, loss, true)?;
        let combined = self.direction.combine(seen.gradient()?, count)?;
        Ok(ascent_direction(self.rule, &combined)?.0)
    }
}

/// Cosine of each row of `a` with that of `b`; none where one of them is zero or not finite.
fn row_cosines(a: &Tensor, b: &Tensor) -> Result<Vec<Option<f64>>> {
    let cosine = |a: &[f64], b: &[f64]| {
        let largest = |row: &[f64]| row.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
        let scales = [largest(a), largest(b)];
        let pairs = || a.iter().map(|x| x / scales[0]).zip(b.iter().map(|y| y / scales[1]));
        let (inner, aa, bb) = pairs().fold((0.0, 0.0, 0.0), |(inner, aa, bb), (x, y)| {
            (inner + x * y, aa + x * x, bb + y * y)
        });
        let cosine: f64 = inner / (aa * bb).sqrt();
        cosine.is_finite().then(|| cosine.clamp(-1.0, 1.0))
    };
    let pairs = wide(a)?.into_iter().zip(wide(b)?);
    Ok(pairs.map(|(a, b)| cosine(&a, &b)).collect())
}
