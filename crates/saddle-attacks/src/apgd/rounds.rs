//! APGD-T: one climb for each of the likeliest wrong classes.
//!
//! A first question at the natural image ranks the classes. Then each round climbs the targeted loss toward the next
//! class, from a start of its own. In the end the iterate is the image, of all that were looked at, with the largest margin of
//! any wrong class over the label.

use std::cmp::Ordering;
use std::sync::Arc;

use candle_core::{DType, Tensor};
use saddle_model::{Aim, Loss, LossKind};
use saddle_ops::{Draws, GradientHealth};

use super::{Apgd, climb::Climb};
use crate::{
    attack::{Answer, Attack as _, Query, Run},
    error::{Error, Result},
    examples::{Examples, select_rows},
    per_row::{check_kept, choose},
    threat_model::ThreatModel,
};

/// APGD-T under way.
pub(super) struct Rounds {
    attack: Apgd,
    threat_model: ThreatModel,
    draws: Draws,
    /// Number of the start of the first round.
    first_start: u32,
    examples: Examples,
    margin: Arc<Loss>,
    /// Wrong classes of each row, the likeliest first; empty before they are known.
    ranked: Vec<Vec<u32>>,
    round: usize,
    climb: Option<Climb>,
    over: bool,
    here: Tensor,
    best: Tensor,
    best_margins: Vec<f64>,
    /// Of the rounds that are over.
    past_health: Vec<GradientHealth>,
    health: Vec<GradientHealth>,
}

impl Rounds {
    pub(super) fn new(
        attack: Apgd,
        targets: u32,
        examples: &Examples,
        threat_model: ThreatModel,
        draws: Draws,
        restart: u32,
    ) -> Result<Self> {
        let health = vec![GradientHealth::default(); examples.len()];
        Ok(Self {
            attack,
            threat_model,
            draws,
            first_start: restart.wrapping_mul(targets),
            margin: Arc::new(margin(examples)?),
            ranked: Vec::new(),
            round: 0,
            climb: None,
            over: false,
            here: examples.images().clone(),
            best: examples.images().clone(),
            best_margins: vec![f64::NEG_INFINITY; examples.len()],
            past_health: health.clone(),
            health,
            examples: examples.clone(),
        })
    }

    /// Remembers the images whose margin is the largest so far.
    fn look(&mut self, logits: &Tensor) -> Result<()> {
        let rows: Vec<usize> = (0..self.examples.len()).collect();
        let margins = self.margin.evaluate(logits, &rows)?.values;
        let better: Vec<bool> =
            margins.iter().zip(&self.best_margins).map(|(new, best)| new > best).collect();
        self.best = choose(&better, &self.here, &self.best)?;
        for (best, new) in self.best_margins.iter_mut().zip(margins) {
            *best = if new > *best { new } else { *best };
        }
        Ok(())
    }

    /// Goes on with the next class, or ends.
    fn next_round(&mut self) -> Result<()> {
        let most = self.attack.targets.map_or(0, |targets| targets as usize);
        let classes = self.ranked.first().map_or(0, Vec::len);
        if self.round == most.min(classes) {
            (self.climb, self.over, self.here) = (None, true, self.best.clone());
            return Ok(());
        }
        let targets = self.ranked.iter().map(|classes| classes[self.round]).collect();
        let labels = self.examples.labels().to_vec();
        let loss = Loss::new(self.attack.loss, labels, &Aim::Targeted(targets))?;
        let start = self.first_start.wrapping_add(self.round as u32);
        let (within, draws) = (self.threat_model, self.draws);
        let climb = Climb::new(self.attack, loss, &self.examples, within, draws, start)?;
        self.here = climb.iterate().clone();
        self.climb = Some(climb);
        self.round += 1;
        Ok(())
    }
}

fn margin(examples: &Examples) -> Result<Loss> {
    Ok(Loss::new(LossKind::Margin, examples.labels().to_vec(), &Aim::Untargeted)?)
}

/// The classes but the label, by falling logit; the lower index goes first among equals.
fn wrong_classes(logits: &Tensor, labels: &[u32]) -> Result<Vec<Vec<u32>>> {
    let rows = logits.to_dtype(DType::F64)?.to_vec2::<f64>()?;
    let ranked = rows.iter().zip(labels).map(|(row, &label)| {
        let mut classes: Vec<u32> = (0..row.len() as u32).filter(|&class| class != label).collect();
        let logit = |class: u32| row[class as usize];
        classes.sort_by(|&a, &b| logit(b).partial_cmp(&logit(a)).unwrap_or(Ordering::Equal));
        classes
    });
    Ok(ranked.collect())
}

impl Run for Rounds {
    fn ask(&mut self) -> Result<Query> {
        if self.over {
            return Ok(Query::Done);
        }
        if let Some(climb) = &mut self.climb {
            return climb.ask();
        }
        let rows = (0..self.examples.len()).collect();
        let loss = Arc::clone(&self.margin);
        Ok(Query::Loss { points: self.here.clone(), rows, loss, at_iterate: true })
    }

    fn tell(&mut self, answer: Answer) -> Result<()> {
        if self.over {
            return Err(Error::attack(&self.attack.name(), "told an answer after its end"));
        }
        self.look(&answer.logits)?;
        let Some(climb) = &mut self.climb else {
            self.ranked = wrong_classes(&answer.logits, self.examples.labels())?;
            return self.next_round();
        };
        climb.tell(answer)?;
        let rows = self.past_health.iter().zip(climb.health());
        self.health = rows.map(|(&past, &now)| past + now).collect();
        if climb.is_over() {
            self.past_health = self.health.clone();
            return self.next_round();
        }
        self.here = climb.iterate().clone();
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        check_kept(&self.attack.name(), rows, self.examples.len())?;
        self.examples = self.examples.select(rows)?;
        self.margin = Arc::new(margin(&self.examples)?);
        if !self.ranked.is_empty() {
            self.ranked = rows.iter().map(|&row| self.ranked[row].clone()).collect();
        }
        self.best = select_rows(&self.best, rows)?;
        self.best_margins = rows.iter().map(|&row| self.best_margins[row]).collect();
        self.past_health = rows.iter().map(|&row| self.past_health[row]).collect();
        self.health = rows.iter().map(|&row| self.health[row]).collect();
        match &mut self.climb {
            Some(climb) => {
                climb.keep(rows)?;
                self.here = climb.iterate().clone();
            }
            None => self.here = select_rows(&self.here, rows)?,
        }
        Ok(())
    }

    fn iterate(&self) -> &Tensor {
        &self.here
    }

    fn health(&self) -> &[GradientHealth] {
        &self.health
    }
}
