//! APGD on one loss.

use std::sync::Arc;

use candle_core::Tensor;
use saddle_model::Loss;
use saddle_ops::{Draws, GradientHealth, ascent_direction, steepest};

use super::{Apgd, schedule::Progress};
use crate::{
    attack::{Answer, Attack as _, Query, Run},
    error::{Error, Result},
    examples::{Examples, select_rows},
    per_row::{check_kept, choose, column},
    threat_model::ThreatModel,
};

/// Purpose of the draws behind a start.
const START: &str = "apgd start";

/// Share of a step that follows the gradient; the rest goes on as before.
const ALONG_GRADIENT: f64 = 0.75;

/// APGD under way.
pub(super) struct Climb {
    attack: Apgd,
    threat_model: ThreatModel,
    checkpoints: Vec<u32>,
    last_checkpoint: u32,
    /// Steps taken; one more once the last point's loss is known.
    step: u32,
    natural: Tensor,
    /// `x(k)`; in the end the best point.
    here: Tensor,
    /// `x(k-1)`.
    before: Option<Tensor>,
    best: Tensor,
    best_gradient: Option<Tensor>,
    progress: Vec<Progress>,
    health: Vec<GradientHealth>,
    loss: Arc<Loss>,
    asked: bool,
}

impl Climb {
    /// Begins at a random point; `loss` was made for these examples.
    pub(super) fn new(
        attack: Apgd,
        loss: Loss,
        examples: &Examples,
        threat_model: ThreatModel,
        draws: Draws,
        restart: u32,
    ) -> Result<Self> {
        let natural = examples.images().clone();
        let here = start(&natural, examples.ids(), threat_model, draws, restart)?;
        let step_size = 2.0 * threat_model.epsilon.get();
        Ok(Self {
            attack,
            threat_model,
            checkpoints: attack.checkpoints(),
            last_checkpoint: 0,
            step: 0,
            natural,
            best: here.clone(),
            here,
            before: None,
            best_gradient: None,
            progress: vec![Progress::new(step_size); examples.len()],
            health: vec![GradientHealth::default(); examples.len()],
            loss: Arc::new(loss),
            asked: false,
        })
    }

    /// Whether nothing will be asked any more.
    pub(super) fn is_over(&self) -> bool {
        self.step > self.attack.steps
    }

    fn back(&self, candidate: &Tensor) -> Result<Tensor> {
        let ThreatModel { pixels, .. } = self.threat_model;
        Ok(self.threat_model.ball().project_then_clip(&self.natural, candidate, pixels)?)
    }

    /// At a checkpoint: halves step sizes, and where it does goes back to the best point and to the gradient there.
    fn reconsider(&mut self, gradient: Tensor) -> Result<Tensor> {
        if !self.checkpoints.contains(&self.step) {
            return Ok(gradient);
        }
        let since = self.step - self.last_checkpoint;
        self.last_checkpoint = self.step;
        let halved: Vec<bool> = self.progress.iter_mut().map(|row| row.reconsider(since)).collect();
        self.here = choose(&halved, &self.best, &self.here)?;
        match &self.best_gradient {
            Some(best) => choose(&halved, best, &gradient),
            None => Ok(gradient),
        }
    }

    fn advance(&mut self, gradient: &Tensor) -> Result<()> {
        let (direction, health) = ascent_direction(steepest(self.threat_model.norm), gradient)?;
        self.health.iter_mut().zip(health).for_each(|(all, row)| all.record(row));
        let sizes = self.progress.iter().map(|row| row.step_size).collect();
        let step = direction.broadcast_mul(&column(sizes, gradient)?)?;
        let target = self.back(&(&self.here + step)?)?;
        let next = match &self.before {
            None => target,
            Some(before) => {
                let along = ((target - &self.here)? * ALONG_GRADIENT)?;
                let onward = ((&self.here - before)? * (1.0 - ALONG_GRADIENT))?;
                self.back(&((&self.here + along)? + onward)?)?
            }
        };
        self.before = Some(std::mem::replace(&mut self.here, next));
        Ok(())
    }
}

/// A random point on the surface of the ball, moved into the box: a point of the ball drawn by volume and stretched. For
/// l-infinity that is a uniform vector over its largest entry, for l2 a uniform direction, as in the authors' program.
fn start(
    natural: &Tensor,
    ids: &[u64],
    threat_model: ThreatModel,
    draws: Draws,
    restart: u32,
) -> Result<Tensor> {
    let ball = threat_model.ball();
    let drawn = draws.uniform_in_ball(START, ids, restart, &ball, natural)?;
    let epsilon = threat_model.epsilon.get();
    let stretch = |size: f64| if size > 0.0 { epsilon / size } else { 0.0 };
    let factors = ball.norm().sizes(&drawn)?.into_iter().map(stretch).collect();
    let candidate = (natural + drawn.broadcast_mul(&column(factors, natural)?)?)?;
    Ok(ball.project_then_clip(natural, &candidate, threat_model.pixels)?)
}

impl Run for Climb {
    fn ask(&mut self) -> Result<Query> {
        if self.is_over() {
            return Ok(Query::Done);
        }
        self.asked = true;
        let loss = Arc::clone(&self.loss);
        if self.step < self.attack.steps {
            return Query::gradient_at(&self.here, loss);
        }
        let rows = (0..self.progress.len()).collect();
        Ok(Query::Loss { points: self.here.clone(), rows, loss, at_iterate: true })
    }

    fn tell(&mut self, answer: Answer) -> Result<()> {
        if !std::mem::take(&mut self.asked) {
            let message = "told an answer without having asked";
            return Err(Error::attack(&self.attack.name(), message));
        }
        let (found, present) = (answer.losses.len(), self.progress.len());
        if found != present {
            let message = format!("{found} losses for {present} rows");
            return Err(Error::attack(&self.attack.name(), message));
        }
        let losses = self.progress.iter_mut().zip(&answer.losses);
        let better: Vec<bool> = losses.map(|(row, &loss)| row.arrive(loss)).collect();
        self.best = choose(&better, &self.here, &self.best)?;
        if self.step < self.attack.steps {
            let gradient = answer.gradient()?.clone();
            if gradient.dims() != self.here.dims() {
                let message = format!("needs a gradient of shape {:?}", self.here.dims());
                return Err(Error::attack(&self.attack.name(), message));
            }
            self.best_gradient = Some(match &self.best_gradient {
                Some(best) => choose(&better, &gradient, best)?,
                None => gradient.clone(),
            });
            let gradient = self.reconsider(gradient)?;
            self.advance(&gradient)?;
        } else {
            self.here = self.best.clone();
        }
        self.step += 1;
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        check_kept(&self.attack.name(), rows, self.progress.len())?;
        self.natural = select_rows(&self.natural, rows)?;
        self.here = select_rows(&self.here, rows)?;
        self.best = select_rows(&self.best, rows)?;
        for tensor in [&mut self.before, &mut self.best_gradient].into_iter().flatten() {
            *tensor = select_rows(tensor, rows)?;
        }
        self.progress = rows.iter().map(|&row| self.progress[row]).collect();
        self.health = rows.iter().map(|&row| self.health[row]).collect();
        self.loss = Arc::new(self.loss.select(rows)?);
        Ok(())
    }

    fn iterate(&self) -> &Tensor {
        &self.here
    }

    fn health(&self) -> &[GradientHealth] {
        &self.health
    }
}
