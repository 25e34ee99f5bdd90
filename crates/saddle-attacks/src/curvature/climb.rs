//! An ascent along the curvature under way: what it asks in the middle of a step, and what it makes of the answers.

use std::sync::Arc;

use candle_core::Tensor;
use saddle_model::Loss;
use saddle_ops::{Draws, GradientHealth, RowHealth, StepRule, ascent_direction};

use super::{Curvature, CurvatureAscent, Sign, eigenvector::top_eigenvector};
use crate::{
    attack::{Answer, Attack as _, Query, Run},
    error::{Error, Result},
    examples::{Examples, select_rows},
    per_row::{check_kept, choose, column, narrow, wide},
    threat_model::ThreatModel,
};

/// Purpose of the probe from which power iteration starts.
const PROBE: &str = "probe of the curvature";

/// What is known in the middle of a step.
enum Stage {
    /// Nothing yet.
    Look,
    /// The gradient at the iterate, and the direction after so many iterations.
    Iterate { gradient: Tensor, direction: Tensor, done: u32 },
    /// Where both signs of a direction lead to.
    Try { direction: Tensor, up: Tensor, down: Tensor },
}

/// An ascent along the curvature under way.
pub(super) struct Climb {
    settings: CurvatureAscent,
    threat_model: ThreatModel,
    draws: Draws,
    restart: u32,
    step: u32,
    natural: Tensor,
    iterate: Tensor,
    ids: Vec<u64>,
    labels: Vec<u32>,
    loss: Arc<Loss>,
    health: Vec<GradientHealth>,
    stage: Stage,
    followed: Option<Tensor>,
}

impl Climb {
    pub(super) fn new(
        settings: CurvatureAscent,
        threat_model: ThreatModel,
        examples: &Examples,
        loss: Loss,
        draws: Draws,
        restart: u32,
    ) -> Self {
        Self {
            settings,
            threat_model,
            draws,
            restart,
            step: 0,
            natural: examples.images().clone(),
            iterate: examples.images().clone(),
            ids: examples.ids().to_vec(),
            labels: examples.labels().to_vec(),
            loss: Arc::new(loss),
            health: vec![GradientHealth::default(); examples.len()],
            stage: Stage::Look,
            followed: None,
        }
    }

    /// A random unit vector for each row.
    fn probe(&self) -> Result<Tensor> {
        let (ids, restart, step) = (&self.ids, self.restart, self.step);
        let noise = self.draws.gaussian(PROBE, ids, restart, step, 0, 1.0, &self.iterate)?;
        Ok(ascent_direction(StepRule::Unit, &noise)?.0)
    }

    /// The iterate moved along a direction, before the way back.
    fn moved(&self, direction: &Tensor, length: f64) -> Result<Tensor> {
        Ok((&self.iterate + (direction * length)?)?)
    }

    /// Where a step along a direction leads to, and what its rows look like.
    fn stepped(&self, direction: &Tensor) -> Result<(Tensor, Vec<RowHealth>)> {
        let CurvatureAscent { rule, step_size, .. } = self.settings;
        let (ball, pixels) = (self.threat_model.ball(), self.threat_model.pixels);
        let step = (rule, step_size);
        Ok(ball.ascend(&self.natural, &self.iterate, direction, step, pixels)?)
    }

    /// Goes on to the next step.
    fn arrive(&mut self, iterate: Tensor, followed: Tensor) {
        self.iterate = iterate;
        self.followed = Some(followed);
        self.step += 1;
        self.stage = Stage::Look;
    }

    fn record(&mut self, health: Vec<RowHealth>) {
        for (total, row) in self.health.iter_mut().zip(health) {
            total.record(row);
        }
    }

    /// Takes the step along a direction whose sign is chosen.
    fn climb(&mut self, direction: Tensor) -> Result<()> {
        let (iterate, health) = self.stepped(&direction)?;
        self.record(health);
        self.arrive(iterate, direction);
        Ok(())
    }

    fn told_of_logits(&mut self, answer: &Answer, sign: Sign) -> Result<()> {
        let classes = answer.logits.dim(1)?;
        let logits = wide(&answer.logits)?;
        let jacobians = wide(answer.gradient()?)?;
        let mut found = Vec::with_capacity(self.ids.len());
        for ((logits, jacobian), &label) in logits.iter().zip(&jacobians).zip(&self.labels) {
            if label as usize >= classes {
                let message = format!("label {label} among {classes} classes");
                return Err(Error::attack(&self.settings.name(), message));
            }
            let top = top_eigenvector(logits, jacobian, label as usize)?;
            let factor = if sign == Sign::Gradient && top.falls { -1.0 } else { 1.0 };
            found.push(top.direction.into_iter().map(|entry| factor * entry).collect());
        }
        let direction = narrow(found, &self.natural)?;
        match sign {
            Sign::Gradient => self.climb(direction),
            Sign::Both => {
                let (up, health) = self.stepped(&direction)?;
                let (down, _) = self.stepped(&direction.neg()?)?;
                self.record(health);
                self.stage = Stage::Try { direction, up, down };
                Ok(())
            }
        }
    }

    /// One more iteration is known; with the last of them the step is taken.
    fn told_of_probe(
        &mut self,
        seen: &Tensor,
        gradient: Tensor,
        done: u32,
        iterations: u32,
    ) -> Result<()> {
        let (direction, health) = ascent_direction(StepRule::Unit, &(seen - &gradient)?)?;
        if done + 1 < iterations {
            self.record(health);
            self.stage = Stage::Iterate { gradient, direction, done: done + 1 };
            return Ok(());
        }
        let slopes = dots(&direction, &gradient)?;
        let signs = slopes.iter().map(|&slope| if slope < 0.0 { -1.0 } else { 1.0 }).collect();
        self.climb(direction.broadcast_mul(&column(signs, &direction)?)?)
    }

    /// The gradient of an answer, if it has the shape of the iterate.
    fn shaped(&self, answer: &Answer) -> Result<Tensor> {
        let gradient = answer.gradient()?;
        if gradient.dims() == self.iterate.dims() {
            return Ok(gradient.clone());
        }
        let message = format!("needs a gradient of shape {:?}", self.iterate.dims());
        Err(Error::attack(&self.settings.name(), message))
    }
}

impl Run for Climb {
    fn ask(&mut self) -> Result<Query> {
        if self.step == self.settings.steps {
            return Ok(Query::Done);
        }
        let rows: Vec<usize> = (0..self.ids.len()).collect();
        let (loss, here) = (Arc::clone(&self.loss), self.iterate.clone());
        let elsewhere = |points: Tensor| Query::Gradient {
            points,
            rows: rows.clone(),
            loss: Arc::clone(&loss),
            at_iterate: false,
        };
        Ok(match (&self.stage, self.settings.direction) {
            (Stage::Try { up, down, .. }, _) => Query::Loss {
                points: Tensor::cat(&[up, down], 0)?,
                rows: rows.iter().chain(&rows).copied().collect(),
                loss,
                at_iterate: false,
            },
            (Stage::Look, Curvature::Eigenvector { .. }) => {
                Query::LogitGradients { points: here, rows, loss, at_iterate: true }
            }
            (Stage::Look, Curvature::AsPrinted { length }) => {
                elsewhere(self.moved(&self.probe()?, length)?)
            }
            (Stage::Iterate { direction, .. }, Curvature::Power { length, .. }) => {
                elsewhere(self.moved(direction, length)?)
            }
            (Stage::Look | Stage::Iterate { .. }, _) => Query::gradient_at(&here, loss)?,
        })
    }

    fn tell(&mut self, answer: Answer) -> Result<()> {
        self.followed = None;
        let stage = std::mem::replace(&mut self.stage, Stage::Look);
        match (stage, self.settings.direction) {
            (Stage::Try { direction, up, down }, _) => {
                let count = self.ids.len();
                let [above, below] = [0, count].map(|from| answer.losses.get(from..from + count));
                let (Some(above), Some(below)) = (above, below) else {
                    let message = format!("needs the losses of {} points", 2 * count);
                    return Err(Error::attack(&self.settings.name(), message));
                };
                // A loss that is no number is never the larger one.
                let falls: Vec<bool> = above.iter().zip(below).map(|(a, b)| b > a).collect();
                let iterate = choose(&falls, &down, &up)?;
                let signs = falls.iter().map(|&falls| if falls { -1.0 } else { 1.0 });
                let direction = direction.broadcast_mul(&column(signs.collect(), &direction)?)?;
                self.arrive(iterate, direction);
                Ok(())
            }
            (Stage::Look, Curvature::Eigenvector { sign }) => self.told_of_logits(&answer, sign),
            (Stage::Look, Curvature::AsPrinted { .. }) => {
                let gradient = self.shaped(&answer)?;
                self.climb(gradient)
            }
            (Stage::Look, Curvature::Power { .. }) => {
                let (gradient, direction) = (self.shaped(&answer)?, self.probe()?);
                self.stage = Stage::Iterate { gradient, direction, done: 0 };
                Ok(())
            }
            (Stage::Iterate { gradient, done, .. }, direction) => {
                let iterations = match direction {
                    Curvature::Power { iterations, .. } => iterations,
                    _ => 1,
                };
                let seen = self.shaped(&answer)?;
                self.told_of_probe(&seen, gradient, done, iterations)
            }
        }
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        check_kept(&self.settings.name(), rows, self.ids.len())?;
        self.natural = select_rows(&self.natural, rows)?;
        self.iterate = select_rows(&self.iterate, rows)?;
        self.followed = self.followed.take().map(|old| select_rows(&old, rows)).transpose()?;
        match &mut self.stage {
            Stage::Look => {}
            Stage::Iterate { gradient, direction, .. } => {
                *gradient = select_rows(gradient, rows)?;
                *direction = select_rows(direction, rows)?;
            }
            Stage::Try { direction, up, down } => {
                for kept in [direction, up, down] {
                    *kept = select_rows(kept, rows)?;
                }
            }
        }
        self.health = rows.iter().map(|&row| self.health[row]).collect();
        self.ids = rows.iter().map(|&row| self.ids[row]).collect();
        self.labels = rows.iter().map(|&row| self.labels[row]).collect();
        self.loss = Arc::new(self.loss.select(rows)?);
        Ok(())
    }

    fn iterate(&self) -> &Tensor {
        &self.iterate
    }

    fn moved(&self) -> bool {
        matches!(self.stage, Stage::Look)
    }

    fn health(&self) -> &[GradientHealth] {
        &self.health
    }

    fn followed(&self) -> Result<Option<Tensor>> {
        let made = |seen: &Tensor| Ok(ascent_direction(self.settings.rule, seen)?.0);
        self.followed.as_ref().map(made).transpose()
    }
}

/// Inner products of the rows of two tensors.
fn dots(a: &Tensor, b: &Tensor) -> Result<Vec<f64>> {
    let pairs = wide(a)?.into_iter().zip(wide(b)?);
    Ok(pairs.map(|(a, b)| a.iter().zip(&b).map(|(x, y)| x * y).sum()).collect())
}
