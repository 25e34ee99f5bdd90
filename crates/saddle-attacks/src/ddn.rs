//! DDN: the smallest l2 perturbation, direction and norm decoupled.
//!
//! Rony et al. (CVPR 2019), Algorithm 1. A perturbation δ takes a step along the gradient of cross-entropy, `δ + α g / |g|`,
//! and is then set to a norm of its own: a little smaller than before (by the factor `1 - γ`) if the image fooled the
//! classifier, else a little larger (`1 + γ`). So the iterate walks along the boundary, and the nearest image on the way that
//! fools is the result. α falls from 1 to 0.01 along half a cosine.
//!
//! # Conventions
//!
//! - The goal is [`Goal::Smallest`] in l2: nothing bounds the distance. What is found tells the accuracy at every radius
//!   ([`SmallestDistances`](crate::SmallestDistances)).
//! - Every question shows the iterate. A run of n steps costs n gradients and one loss, that of the last point.
//! - δ is what is left of the perturbation after clipping, its norm never more than that of the farthest corner of the box,
//!   and a point whose gradient is exactly zero takes its step in a random direction and is counted: as in the authors' program.
//!
//! # What is deliberately absent
//!
//! Restarts: the run begins at the natural image and, but for flat points, draws nothing.

use std::sync::Arc;

use candle_core::Tensor;
use saddle_model::{Loss, LossKind, predictions};
use saddle_ops::{Draws, GradientHealth, Norm, PixelBox, RowHealth, StepRule, ascent_direction};
use serde::{Deserialize, Serialize};

use crate::{
    attack::{Answer, Attack, Query, Run},
    error::{Error, Result},
    examples::{Examples, select_rows},
    per_row::{check_kept, choose, column, narrow, wide},
    threat_model::{Goal, Objective},
};

/// Purpose of the draws at flat points.
const FLAT: &str = "ddn direction of a flat point";

/// First and last length of a step.
const STEP: [f64; 2] = [1.0, 0.01];

/// The description of DDN, as plans and the command line hold it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ddn {
    /// Number of steps.
    #[serde(default = "steps")]
    pub steps: u32,
    /// γ: by what share the norm changes at each step, in (0, 1).
    #[serde(default = "gamma")]
    pub gamma: f64,
    /// The norm of the first step, in pixel units.
    #[serde(default = "initial_norm")]
    pub initial_norm: f64,
    /// Rounds pixels to so many levels, 256 for bytes; not at all when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub levels: Option<u32>,
}

fn steps() -> u32 {
    100
}

fn gamma() -> f64 {
    0.05
}

fn initial_norm() -> f64 {
    1.0
}

impl Default for Ddn {
    /// 100 steps, γ of 0.05, from a norm of 1, without rounding.
    fn default() -> Self {
        Self { steps: steps(), gamma: gamma(), initial_norm: initial_norm(), levels: None }
    }
}

impl Ddn {
    /// Length of step number `step`, 0 being the first.
    pub fn step_size(&self, step: u32) -> f64 {
        let [first, last] = STEP;
        let angle = std::f64::consts::PI * f64::from(step) / f64::from(self.steps);
        last + (first - last) * (1.0 + libm::cos(angle)) / 2.0
    }

    /// Forward and backward passes of one run.
    pub fn passes(&self) -> u64 {
        2 * u64::from(self.steps) + 1
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        let Self { steps, gamma, initial_norm, levels } = *self;
        if steps == 0 {
            return Err(Error::setting("steps", "0 steps find nothing; take at least one"));
        }
        if !(gamma > 0.0 && gamma < 1.0) {
            let message = format!("{gamma} is not usable; it must lie between 0 and 1");
            return Err(Error::setting("gamma", message));
        }
        if !(initial_norm.is_finite() && initial_norm > 0.0) {
            let message = format!("{initial_norm} is not usable; it must be finite and above 0");
            return Err(Error::setting("initial_norm", message));
        }
        if levels.is_some_and(|levels| levels < 2) {
            let message = "fewer than 2 levels are no image; leave it out for no rounding";
            return Err(Error::setting("levels", message));
        }
        Ok(())
    }
}

impl Attack for Ddn {
    fn name(&self) -> String {
        format!("DDN {} steps", self.steps)
    }

    fn repeats_itself(&self) -> bool {
        true
    }

    fn begin(
        &self,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
        restart: u32,
    ) -> Result<Box<dyn Run>> {
        self.check()?;
        if objective.goal != Goal::Smallest(Norm::L2) {
            return Err(Error::UnsupportedGoal {
                attack: self.name(),
                message:
                    "it looks for the smallest perturbation in l2; ask for that, and read the \
                          accuracy at any radius off the distances"
                        .into(),
            });
        }
        let pixels = objective.goal.pixels();
        let natural = examples.images().clone();
        let loss = Loss::new(LossKind::CrossEntropy, examples.labels().to_vec(), &objective.aim)?;
        Ok(Box::new(Walk {
            attack: *self,
            pixels,
            draws,
            restart,
            step: 0,
            farthest: farthest(&natural, pixels)?,
            radii: vec![self.initial_norm; examples.len()],
            nearest: natural.clone(),
            nearest_distances: vec![f64::INFINITY; examples.len()],
            here: natural,
            health: vec![GradientHealth::default(); examples.len()],
            loss: Arc::new(loss),
            examples: examples.clone(),
            objective: objective.clone(),
            asked: false,
        }))
    }
}

/// Distance of each image from the farthest corner of the box.
fn farthest(natural: &Tensor, pixels: PixelBox) -> Result<Vec<f64>> {
    let room = |pixel: &f64| (pixel - pixels.low()).max(pixels.high() - pixel);
    let square = |row: &Vec<f64>| row.iter().map(|pixel| room(pixel) * room(pixel)).sum::<f64>();
    Ok(wide(natural)?.iter().map(|row| square(row).sqrt()).collect())
}

/// DDN under way.
struct Walk {
    attack: Ddn,
    pixels: PixelBox,
    draws: Draws,
    restart: u32,
    /// Steps taken; one more once the last point has been seen.
    step: u32,
    examples: Examples,
    objective: Objective,
    farthest: Vec<f64>,
    /// The norm that each row's next perturbation gets is made of this one.
    radii: Vec<f64>,
    here: Tensor,
    /// The nearest image that fooled; the natural one before there is any.
    nearest: Tensor,
    nearest_distances: Vec<f64>,
    health: Vec<GradientHealth>,
    loss: Arc<Loss>,
    asked: bool,
}

impl Walk {
    /// Which rows' iterates fool the classifier; remembers those that are the nearest so far.
    fn look(&mut self, logits: &Tensor) -> Result<Vec<bool>> {
        let classes = predictions(logits)?;
        let pairs = classes.iter().zip(self.examples.labels()).enumerate();
        let fooled: Vec<bool> =
            pairs.map(|(row, (&class, &label))| self.objective.fooled(row, label, class)).collect();
        let distances = Norm::L2.distances(self.examples.images(), &self.here)?;
        let known = fooled.iter().zip(distances.iter().zip(&self.nearest_distances));
        let nearer: Vec<bool> = known.map(|(&fooled, (new, best))| fooled && new < best).collect();
        self.nearest = choose(&nearer, &self.here, &self.nearest)?;
        for (row, distance) in distances.into_iter().enumerate().filter(|(row, _)| nearer[*row]) {
            self.nearest_distances[row] = distance;
        }
        Ok(fooled)
    }

    /// Steps along the gradient and sets every perturbation to its row's new norm.
    fn advance(&mut self, gradient: &Tensor, fooled: &[bool]) -> Result<()> {
        let direction = self.direction(gradient)?;
        let natural = self.examples.images();
        let step = (direction * self.attack.step_size(self.step))?;
        let (shape, _) = ascent_direction(StepRule::Unit, &((&self.here - natural)? + step)?)?;
        for ((radius, &fooled), &most) in self.radii.iter_mut().zip(fooled).zip(&self.farthest) {
            let change = if fooled { -self.attack.gamma } else { self.attack.gamma };
            *radius = (*radius * (1.0 + change)).min(most);
        }
        let perturbation = shape.broadcast_mul(&column(self.radii.clone(), natural)?)?;
        self.here = self.pixels.clip(&self.rounded((natural + perturbation)?)?)?;
        Ok(())
    }

    /// The unit gradient of each row, or a random unit vector where it is exactly zero.
    fn direction(&mut self, gradient: &Tensor) -> Result<Tensor> {
        let (direction, health) = ascent_direction(StepRule::Unit, gradient)?;
        self.health.iter_mut().zip(&health).for_each(|(all, &row)| all.record(row));
        let flat: Vec<bool> = health.iter().map(|&row| row == RowHealth::Zero).collect();
        if !flat.contains(&true) {
            return Ok(direction);
        }
        let (ids, restart, step) = (self.examples.ids(), self.restart, self.step);
        let noise = self.draws.gaussian(FLAT, ids, restart, step, 0, 1.0, gradient)?;
        choose(&flat, &ascent_direction(StepRule::Unit, &noise)?.0, &direction)
    }

    /// Pixels at the nearest of the levels, if there are any.
    fn rounded(&self, images: Tensor) -> Result<Tensor> {
        let Some(levels) = self.attack.levels else { return Ok(images) };
        let (low, last) = (self.pixels.low(), f64::from(levels - 1));
        let unit = (self.pixels.high() - low) / last;
        let mut rows = wide(&images)?;
        for pixel in rows.iter_mut().flatten() {
            *pixel = low + ((*pixel - low) / unit).round() * unit;
        }
        narrow(rows, &images)
    }
}

impl Run for Walk {
    fn ask(&mut self) -> Result<Query> {
        if self.step > self.attack.steps {
            return Ok(Query::Done);
        }
        self.asked = true;
        let loss = Arc::clone(&self.loss);
        if self.step < self.attack.steps {
            return Query::gradient_at(&self.here, loss);
        }
        let rows = (0..self.examples.len()).collect();
        Ok(Query::Loss { points: self.here.clone(), rows, loss, at_iterate: true })
    }

    fn tell(&mut self, answer: Answer) -> Result<()> {
        if !std::mem::take(&mut self.asked) {
            let message = "told an answer without having asked";
            return Err(Error::attack(&self.attack.name(), message));
        }
        let fooled = self.look(&answer.logits)?;
        if self.step < self.attack.steps {
            let gradient = answer.gradient()?;
            if gradient.dims() != self.here.dims() {
                let message = format!("needs a gradient of shape {:?}", self.here.dims());
                return Err(Error::attack(&self.attack.name(), message));
            }
            self.advance(gradient, &fooled)?;
        } else {
            let found: Vec<bool> =
                self.nearest_distances.iter().map(|distance| distance.is_finite()).collect();
            self.here = choose(&found, &self.nearest, &self.here)?;
        }
        self.step += 1;
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        check_kept(&self.attack.name(), rows, self.examples.len())?;
        self.examples = self.examples.select(rows)?;
        self.objective = self.objective.select(rows)?;
        self.here = select_rows(&self.here, rows)?;
        self.nearest = select_rows(&self.nearest, rows)?;
        let chosen = |all: &[f64]| rows.iter().map(|&row| all[row]).collect::<Vec<f64>>();
        self.farthest = chosen(&self.farthest);
        self.radii = chosen(&self.radii);
        self.nearest_distances = chosen(&self.nearest_distances);
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
