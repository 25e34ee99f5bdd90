//! Projected ascent: look, step, come back into the threat model.
//!
//! One loop carries FGSM, PGD, S-O and their relatives. From a feasible start it repeats
//!
//! 1. look where [`Direction`] says and combine the gradients `g` seen there,
//! 2. step: `x ← x + step_size · direction`, the direction made of `g` by the [`StepRule`],
//! 3. come back: project onto the ball around the natural image, then clip to the pixel box.
//!
//! Clipping after projecting stays in the ball, since every natural pixel lies in the box and
//! clipping only moves a pixel towards it. The result is feasible, though not always the nearest
//! point of the intersection; it is what PGD's authors do.
//!
//! # Momentum
//!
//! With `momentum = μ > 0` the direction is made of a velocity `m ← μ m + g / ‖g‖` that starts at
//! zero: Dong et al. (CVPR 2018), Eq. 6, who divide by the l1 norm and step along the sign of `m`.
//! We do the same for [`StepRule::Sign`]; for the other normalised rules, `‖g‖` is the l2 norm;
//! [`StepRule::Raw`] divides by nothing (the heavy ball).
//!
//! # Invariants
//!
//! Every iterate, the start included, is feasible. A row whose gradient is exactly zero, NaN or
//! infinite adds nothing to its velocity, and without momentum it stays, bit for bit, where it is;
//! each such gradient is counted ([`GradientHealth`]). No row sees another. (An [`AscentOn`](crate::AscentOn) may be told
//! to leave points with a gradient of exactly zero.)

use std::sync::Arc;

use candle_core::Tensor;
use saddle_model::{Loss, LossKind};
use saddle_ops::{
    Draws, GradientHealth, Norm, RowHealth, StepRule, ascent_direction, join_rows, scale_rows, sum,
    sum_scaled,
};
use serde::{Deserialize, Serialize};

use crate::{
    ascent_on::WhenFlat,
    attack::{Answer, Attack, Query, Run},
    direction::Direction,
    error::{Error, Result},
    examples::{Examples, select_rows},
    per_row::check_kept,
    threat_model::{Objective, ThreatModel},
};

/// Where an ascent begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Start {
    /// At the natural image.
    #[default]
    Natural,
    /// Uniformly in the ball by volume, then clipped to the box.
    Uniform,
    /// At the natural image plus Gaussian noise, brought into the ball and the box.
    Gaussian {
        /// Standard deviation of the noise per pixel, in pixel units.
        sigma: f64,
    },
}

/// The description of a projected ascent, as plans and the command line hold it.
///
/// [`ProjectedAscent::fgsm`], [`ProjectedAscent::pgd`] and [`ProjectedAscent::second_order`] name
/// the well-known members of the family.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectedAscent {
    /// Where it looks.
    #[serde(default)]
    pub direction: Direction,
    /// How a gradient becomes a direction.
    pub rule: StepRule,
    /// Length of a step in pixel units; for [`StepRule::Raw`], the factor of the gradient.
    pub step_size: f64,
    /// Number of steps.
    pub steps: u32,
    /// Where it begins.
    #[serde(default)]
    pub start: Start,
    /// How much of the velocity survives a step; 0 for none.
    #[serde(default)]
    pub momentum: f64,
    /// The loss it climbs.
    #[serde(default = "cross_entropy")]
    pub loss: LossKind,
}

fn cross_entropy() -> LossKind {
    LossKind::CrossEntropy
}

impl ProjectedAscent {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        if !(self.step_size.is_finite() && self.step_size > 0.0) {
            return Err(Error::setting(
                "step_size",
                format!("{} is not usable; it must be finite and greater than 0", self.step_size),
            ));
        }
        if self.steps == 0 {
            return Err(Error::setting("steps", "0 steps find nothing; take at least one"));
        }
        if !(0.0..=1.0).contains(&self.momentum) {
            return Err(Error::setting(
                "momentum",
                format!("{} is not usable; it must lie in [0, 1]", self.momentum),
            ));
        }
        if let Start::Gaussian { sigma } = self.start
            && !(sigma.is_finite() && sigma > 0.0)
        {
            return Err(Error::setting(
                "start",
                format!("sigma {sigma} is not usable; it must be finite and greater than 0"),
            ));
        }
        self.direction.check()
    }
}

impl Attack for ProjectedAscent {
    fn name(&self) -> String {
        let family = match self.direction {
            Direction::Gradient if self.steps == 1 && self.start == Start::Natural => "FGSM",
            Direction::Gradient => "PGD",
            Direction::Smoothed { .. } => "S-O",
            Direction::Even { .. } => "S-O even part",
            Direction::Odd { .. } => "S-O odd part",
        };
        format!("{family} {} x {}", self.steps, self.step_size)
    }

    fn repeats_itself(&self) -> bool {
        self.start == Start::Natural && self.direction == Direction::Gradient
    }

    fn begin(
        &self,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
        restart: u32,
    ) -> Result<Box<dyn Run>> {
        let loss = Loss::new(self.loss, examples.labels().to_vec(), &objective.aim)?;
        self.begin_on(loss, WhenFlat::Stay, examples, objective, draws, restart)
    }
}

impl ProjectedAscent {
    /// Starts on any loss that was made for these examples.
    pub(crate) fn begin_on(
        &self,
        loss: Loss,
        when_flat: WhenFlat,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
        restart: u32,
    ) -> Result<Box<dyn Run>> {
        self.check()?;
        let threat_model = objective.threat_model(&self.name())?;
        let natural = examples.images().clone();
        let ids = examples.ids().to_vec();
        let iterate = self.start(&natural, &ids, threat_model, draws, restart)?;
        Ok(Box::new(Ascent {
            settings: *self,
            when_flat,
            threat_model,
            draws,
            restart,
            step: 0,
            natural,
            iterate,
            velocity: None,
            health: vec![GradientHealth::default(); ids.len()],
            ids,
            loss: Arc::new(loss),
            asked: None,
            seen: None,
        }))
    }

    fn start(
        &self,
        natural: &Tensor,
        ids: &[u64],
        threat_model: ThreatModel,
        draws: Draws,
        restart: u32,
    ) -> Result<Tensor> {
        let ball = threat_model.ball();
        let perturbation = match self.start {
            Start::Natural => return Ok(natural.clone()),
            Start::Uniform => {
                draws.uniform_in_ball("uniform start", ids, restart, &ball, natural)?
            }
            Start::Gaussian { sigma } => {
                draws.gaussian("gaussian start", ids, restart, 0, 0, sigma, natural)?
            }
        };
        let candidate = sum(natural, &perturbation)?;
        Ok(ball.project_then_clip(natural, &candidate, threat_model.pixels)?)
    }
}

/// A projected ascent under way.
struct Ascent {
    settings: ProjectedAscent,
    when_flat: WhenFlat,
    threat_model: ThreatModel,
    draws: Draws,
    restart: u32,
    step: u32,
    natural: Tensor,
    iterate: Tensor,
    velocity: Option<Tensor>,
    health: Vec<GradientHealth>,
    ids: Vec<u64>,
    loss: Arc<Loss>,
    /// Points of the open question, sample by sample.
    asked: Option<Tensor>,
    /// What the last step's direction was made of: the combined gradient, or the velocity.
    seen: Option<Tensor>,
}

impl Ascent {
    /// One direction per row from the velocity that one combined gradient per row changes.
    fn velocity(&mut self, gradient: &Tensor) -> Result<Tensor> {
        let ProjectedAscent { rule, momentum, .. } = self.settings;
        let unit = if rule == StepRule::Raw { rule } else { StepRule::Unit };
        let (mut direction, health) = ascent_direction(unit, gradient)?;
        self.record(health);
        if rule == StepRule::Sign {
            direction = divide_by_l1(&direction)?;
        }
        let velocity = match &self.velocity {
            None => direction,
            Some(velocity) => sum_scaled(&direction, velocity, momentum)?,
        };
        self.velocity = Some(velocity.clone());
        self.seen = Some(velocity.clone());
        Ok(ascent_direction(rule, &velocity)?.0)
    }

    /// With [`WhenFlat::Random`] noise in place of the rows that are exactly zero, which are counted here.
    fn leave_flat_points(&mut self, gradient: Tensor) -> Result<Tensor> {
        if self.when_flat == WhenFlat::Stay {
            return Ok(gradient);
        }
        let (_, health) = ascent_direction(StepRule::Raw, &gradient)?;
        if !health.contains(&RowHealth::Zero) {
            return Ok(gradient);
        }
        // Of each row, the gradient or the noise behind all gradients.
        let rows = health.len();
        let chosen = health.iter().enumerate();
        let chosen = chosen.map(|(row, &of)| if of == RowHealth::Zero { rows + row } else { row });
        let chosen: Vec<usize> = chosen.collect();
        let counted = health.iter().map(|&row| match row {
            RowHealth::Zero => row,
            _ => RowHealth::Sound,
        });
        self.record(counted.collect());
        let (ids, restart, step) = (&self.ids, self.restart, self.step);
        let noise = self.draws.gaussian(
            "direction of a flat point",
            ids,
            restart,
            step,
            0,
            1.0,
            &gradient,
        )?;
        select_rows(&join_rows(&[gradient, noise])?, &chosen)
    }

    /// Counts what the rows of a gradient looked like.
    fn record(&mut self, health: Vec<RowHealth>) {
        for (total, row) in self.health.iter_mut().zip(health) {
            total.record(row);
        }
    }
}

/// Scales each row to l1 norm 1; zero rows stay zero.
fn divide_by_l1(rows: &Tensor) -> Result<Tensor> {
    let sizes = Norm::L1.sizes(rows)?;
    let factors: Vec<f64> =
        sizes.iter().map(|&size| if size > 0.0 { 1.0 / size } else { 0.0 }).collect();
    Ok(scale_rows(rows, &factors)?)
}

impl Run for Ascent {
    fn ask(&mut self) -> Result<Query> {
        let Self { draws, restart, step, .. } = *self;
        let direction = self.settings.direction;
        if step == self.settings.steps {
            return Ok(Query::Done);
        }
        let points = match &self.asked {
            Some(points) => points.clone(),
            None => direction.probes(&self.iterate, &self.ids, draws, restart, step)?,
        };
        self.asked = Some(points.clone());
        let rows = (0..direction.points_per_step()).flat_map(|_| 0..self.ids.len()).collect();
        Ok(Query::Gradient {
            points,
            rows,
            loss: Arc::clone(&self.loss),
            at_iterate: direction.is_at_iterate(),
        })
    }

    fn tell(&mut self, answer: Answer) -> Result<()> {
        let expected = self.asked.take().ok_or_else(|| {
            Error::attack(&self.settings.name(), "told an answer without having asked")
        })?;
        let gradient = answer.gradient.filter(|found| found.dims() == expected.dims());
        let gradient = gradient.ok_or_else(|| {
            let message = format!("needs a gradient of shape {:?}", expected.dims());
            Error::attack(&self.settings.name(), message)
        })?;
        let combined = self.settings.direction.combine(&gradient, self.ids.len())?;
        let combined = self.leave_flat_points(combined)?;
        let ProjectedAscent { rule, step_size, momentum, .. } = self.settings;
        let ball = self.threat_model.ball();
        let pixels = self.threat_model.pixels;
        self.iterate = if momentum == 0.0 {
            let step = (rule, step_size);
            let (iterate, health) =
                ball.ascend(&self.natural, &self.iterate, &combined, step, pixels)?;
            self.record(health);
            self.seen = Some(combined);
            iterate
        } else {
            let direction = self.velocity(&combined)?;
            let candidate = sum_scaled(&self.iterate, &direction, step_size)?;
            ball.project_then_clip(&self.natural, &candidate, pixels)?
        };
        self.step += 1;
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        let present = self.ids.len();
        check_kept(&self.settings.name(), rows, present)?;
        self.natural = select_rows(&self.natural, rows)?;
        self.iterate = select_rows(&self.iterate, rows)?;
        if let Some(velocity) = &self.velocity {
            self.velocity = Some(select_rows(velocity, rows)?);
        }
        if let Some(seen) = &self.seen {
            self.seen = Some(select_rows(seen, rows)?);
        }
        if let Some(points) = &self.asked {
            let samples = self.settings.direction.points_per_step() as usize;
            let kept: Vec<usize> = (0..samples)
                .flat_map(|sample| rows.iter().map(move |row| sample * present + row))
                .collect();
            self.asked = Some(select_rows(points, &kept)?);
        }
        self.health = rows.iter().map(|&row| self.health[row]).collect();
        self.ids = rows.iter().map(|&row| self.ids[row]).collect();
        self.loss = Arc::new(self.loss.select(rows)?);
        Ok(())
    }

    fn iterate(&self) -> &Tensor {
        &self.iterate
    }

    fn health(&self) -> &[GradientHealth] {
        &self.health
    }

    fn followed(&self) -> Result<Option<Tensor>> {
        let made = |seen: &Tensor| Ok(ascent_direction(self.settings.rule, seen)?.0);
        self.seen.as_ref().map(made).transpose()
    }
}
