//! Ascent along the curvature of the loss: what S-O would be if it were second order.
//!
//! The paper says that S-O steps along the top eigenvector of the Hessian of the cross-entropy. These attacks do, so
//! that its claim can be tested: [`Curvature::Eigenvector`] exactly, [`Curvature::Power`] by power iteration, and
//! [`Curvature::AsPrinted`] by the formula that the paper arrives at. Everything but the direction is as in a
//! [`ProjectedAscent`](crate::ProjectedAscent): step along it, project, clip.
//!
//! # What a step costs, with `k` classes
//!
//! | direction | passes |
//! | --- | --- |
//! | exact, sign by the gradient | `1 + k`: the gradient of every logit, which that of the loss is made of |
//! | exact, both signs tried | `3 + k` |
//! | power iteration | `2 + 2 · iterations` |
//! | as printed | 2 |
//!
//! # Which numbers differences need
//!
//! A difference of gradients at points `1e-6` apart cannot be had in single precision. A unit vector over 784 pixels
//! has entries of about 0.036, so a pixel moves by `3.6e-8`, while numbers of `f32` between one half and one are
//! `6e-8` apart: most pixels do not move at all, and what is left of the difference is the rounding of the network.
//! [`Curvature::Power`] therefore refuses images that are not `f64`; the network has to compute in `f64` too, which
//! both executors do. The exact direction needs no difference and is as good in `f32` as the gradients of the logits,
//! which do not vanish where a softmax saturates.

mod eigenvector;

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use saddle_model::{Aim, Loss, LossKind};
use saddle_ops::{Draws, GradientHealth, RowHealth, StepRule, ascent_direction};
use serde::{Deserialize, Serialize};

use crate::{
    attack::{Answer, Attack, Query, Run},
    error::{Error, Result},
    examples::{Examples, select_rows},
    per_row::check_kept,
    threat_model::{Objective, ThreatModel},
};
use eigenvector::top_eigenvector;

/// Purpose of the probe from which power iteration starts.
const PROBE: &str = "probe of the curvature";

/// Where the direction of a step comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Curvature {
    /// The exact top eigenvector of the Hessian, `Jᵀ S J`, from the gradients of the logits.
    Eigenvector {
        /// How its sign is chosen.
        #[serde(default)]
        sign: Sign,
    },
    /// Power iteration from a random unit vector `d`: `d ← u / ‖u‖`, `u = ∇L(x + length · d) - ∇L(x)`; the sign is
    /// that of the slope. Needs `f64`.
    Power {
        /// How often `d` is replaced.
        iterations: u32,
        /// Distance of the points whose gradients are subtracted, in pixel units; the paper's ξ.
        length: f64,
    },
    /// Equation 3 as the paper's appendix A prints it: the gradient at `x + length · d` for one random unit vector
    /// `d`, with the gradient at `x` taken to be zero and so not subtracted. Where it is not zero this is the
    /// gradient at `x`, but for rounding.
    AsPrinted {
        /// Distance of that point, in pixel units; the paper's ξ.
        length: f64,
    },
}

/// How the sign of an eigenvector is chosen, which has none of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// The loss must not fall along it.
    #[default]
    Gradient,
    /// Both steps are tried and the one with the larger loss is taken: two forward passes more.
    Both,
}

/// Projected ascent of the cross-entropy along its curvature, as plans hold it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CurvatureAscent {
    /// Where the direction comes from.
    pub direction: Curvature,
    /// What a step makes of it.
    pub rule: StepRule,
    /// Length of a step in pixel units.
    pub step_size: f64,
    /// Number of steps.
    pub steps: u32,
}

impl CurvatureAscent {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        if !(self.step_size.is_finite() && self.step_size > 0.0) {
            let message = format!("{} must be finite and greater than 0", self.step_size);
            return Err(Error::setting("step_size", message));
        }
        if self.steps == 0 {
            return Err(Error::setting("steps", "0 steps find nothing; take at least one"));
        }
        let (iterations, length) = match self.direction {
            Curvature::Eigenvector { .. } => return Ok(()),
            Curvature::Power { iterations, length } => (iterations, length),
            Curvature::AsPrinted { length } => (1, length),
        };
        if iterations == 0 {
            return Err(Error::setting(
                "iterations",
                "0 iterations see no curvature; take at least one",
            ));
        }
        if !(length.is_finite() && length > 0.0) {
            let message = format!("{length} must be finite and greater than 0");
            return Err(Error::setting("length", message));
        }
        Ok(())
    }

    /// Passes that one step costs with a classifier of so many classes; judging is not among them.
    pub fn passes_per_step(&self, classes: usize) -> u64 {
        match self.direction {
            Curvature::Eigenvector { sign: Sign::Gradient } => 1 + classes as u64,
            Curvature::Eigenvector { sign: Sign::Both } => 3 + classes as u64,
            Curvature::Power { iterations, .. } => 2 + 2 * u64::from(iterations),
            Curvature::AsPrinted { .. } => 2,
        }
    }
}

impl Attack for CurvatureAscent {
    fn name(&self) -> String {
        let family = match self.direction {
            Curvature::Eigenvector { .. } => "top eigenvector",
            Curvature::Power { .. } => "power iteration",
            Curvature::AsPrinted { .. } => "appendix A",
        };
        format!("{family} {} x {}", self.steps, self.step_size)
    }

    fn repeats_itself(&self) -> bool {
        matches!(self.direction, Curvature::Eigenvector { .. })
    }

    fn begin(
        &self,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
        restart: u32,
    ) -> Result<Box<dyn Run>> {
        self.check()?;
        if objective.aim != Aim::Untargeted {
            let message = "it climbs the cross-entropy of the label; aim at any wrong class";
            return Err(Error::UnsupportedGoal { attack: self.name(), message: message.into() });
        }
        let threat_model = objective.threat_model(&self.name())?;
        let natural = examples.images().clone();
        if matches!(self.direction, Curvature::Power { .. }) && natural.dtype() != DType::F64 {
            let message = format!(
                "differences of gradients are noise in {:?}; give it images and a network in F64",
                natural.dtype()
            );
            return Err(Error::setting("direction", message));
        }
        let labels = examples.labels().to_vec();
        let loss = Loss::new(LossKind::CrossEntropy, labels.clone(), &objective.aim)?;
        Ok(Box::new(Climb {
            settings: *self,
            threat_model,
            draws,
            restart,
            step: 0,
            iterate: natural.clone(),
            natural,
            ids: examples.ids().to_vec(),
            labels,
            loss: Arc::new(loss),
            health: vec![GradientHealth::default(); examples.len()],
            stage: Stage::Look,
            followed: None,
        }))
    }
}

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
struct Climb {
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
        let mut found = Vec::with_capacity(self.natural.elem_count());
        for ((logits, jacobian), &label) in logits.iter().zip(&jacobians).zip(&self.labels) {
            if label as usize >= classes {
                let message = format!("label {label} among {classes} classes");
                return Err(Error::attack(&self.settings.name(), message));
            }
            let top = top_eigenvector(logits, jacobian, label as usize)?;
            let factor = if sign == Sign::Gradient && top.falls { -1.0 } else { 1.0 };
            found.extend(top.direction.into_iter().map(|entry| factor * entry));
        }
        let direction = like(&self.natural, found)?;
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
        self.climb(by_row(&direction, signs)?)
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
                let signs: Vec<f64> =
                    above.iter().zip(below).map(|(a, b)| if b > a { -1.0 } else { 1.0 }).collect();
                let iterate = chosen(&signs, &up, &down)?;
                let direction = by_row(&direction, signs)?;
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

impl Climb {
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

/// The rows of a tensor, flattened, in 64 bits on the host.
pub(crate) fn wide(rows: &Tensor) -> Result<Vec<Vec<f64>>> {
    Ok(rows.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_from(1)?.to_vec2()?)
}

/// Numbers as a tensor of another one's shape, format and device.
fn like(tensor: &Tensor, numbers: Vec<f64>) -> Result<Tensor> {
    let tensor64 = Tensor::from_vec(numbers, tensor.shape(), &Device::Cpu)?;
    Ok(tensor64.to_dtype(tensor.dtype())?.to_device(tensor.device())?)
}

/// Inner products of the rows of two tensors.
fn dots(a: &Tensor, b: &Tensor) -> Result<Vec<f64>> {
    let pairs = wide(a)?.into_iter().zip(wide(b)?);
    Ok(pairs.map(|(a, b)| a.iter().zip(&b).map(|(x, y)| x * y).sum()).collect())
}

/// Each row times its factor.
fn by_row(rows: &Tensor, factors: Vec<f64>) -> Result<Tensor> {
    let count = factors.len();
    let factors = Tensor::from_vec(factors, (count, 1, 1, 1), &Device::Cpu)?;
    Ok(rows.broadcast_mul(&factors.to_dtype(rows.dtype())?.to_device(rows.device())?)?)
}

/// The rows of `up` where the sign is positive, of `down` elsewhere.
fn chosen(signs: &[f64], up: &Tensor, down: &Tensor) -> Result<Tensor> {
    let both = Tensor::cat(&[up, down], 0)?;
    let count = signs.len();
    let rows =
        signs.iter().enumerate().map(|(row, &sign)| if sign < 0.0 { count + row } else { row });
    select_rows(&both, &rows.collect::<Vec<usize>>())
}
