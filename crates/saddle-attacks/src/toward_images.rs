//! A gradient-free attack: go straight toward given images, such as the nearest ones of other classes.
//!
//! Somewhere on the way to an image of another class every good classifier changes its mind. Two images
//! of different classes at most twice epsilon apart share their midpoint, which no deterministic
//! classifier gets right for both: one of them falls to this attack, whatever the network. It needs no
//! gradient and cannot be misled by one, so an attack that leaves more digits standing is broken.
//!
//! For each target, two images are tried: the midpoint and the target itself, both moved into ball and
//! box. The iterate ends at the image with the largest margin loss of all.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::Tensor;
use saddle_model::{Loss, LossKind};
use saddle_ops::Draws;

use crate::{
    attack::{Answer, Attack, Query, Run},
    error::{Error, Result},
    examples::{Examples, select_rows},
    per_row::check_kept,
    threat_model::{Objective, ThreatModel},
};

/// Goes toward the same number of images for every example.
#[derive(Clone, Debug)]
pub struct TowardImages {
    /// Targets of each example by its id, `(targets, c, h, w)`.
    targets: BTreeMap<u64, Tensor>,
    count: usize,
}

impl TowardImages {
    /// The attack toward `targets`: for each example's id, images `(targets, c, h, w)` in the order in
    /// which they are tried.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`] without any target, for a tensor of another rank and for numbers of
    /// targets that differ.
    pub fn new(targets: BTreeMap<u64, Tensor>) -> Result<Self> {
        let refuse = |message: String| Err(Error::setting("targets", message));
        let Some(first) = targets.values().next() else {
            return refuse("none at all; name at least one example with its targets".into());
        };
        let count = first.dims().first().copied().unwrap_or(0);
        for (id, images) in &targets {
            let shape = images.dims();
            if shape.len() != 4 || shape[0] != count || count == 0 {
                return refuse(format!(
                    "shape {shape:?} for example {id}; expected (targets, channels, height, width) \
                     with the same number of targets, at least one, for every example"
                ));
            }
        }
        Ok(Self { targets, count })
    }

    /// One target of each example, `(n, c, h, w)`.
    fn target(&self, examples: &Examples, place: usize) -> Result<Tensor> {
        let image = &examples.images().dims()[1..];
        let own = examples.ids().iter().map(|id| {
            let Some(images) = self.targets.get(id) else {
                let message = format!("none for example {id}; name targets for every example");
                return Err(Error::setting("targets", message));
            };
            if &images.dims()[1..] != image {
                let found = &images.dims()[1..];
                let message = format!("example {id} has shape {image:?}, its targets {found:?}");
                return Err(Error::setting("targets", message));
            }
            Ok(images.narrow(0, place, 1)?)
        });
        let own = own.collect::<Result<Vec<Tensor>>>()?;
        Ok(Tensor::cat(&own, 0)?.to_dtype(examples.images().dtype())?)
    }
}

impl Attack for TowardImages {
    fn repeats_itself(&self) -> bool {
        true
    }

    fn begin(
        &self,
        examples: &Examples,
        objective: &Objective,
        _draws: Draws,
        _restart: u32,
    ) -> Result<Box<dyn Run>> {
        let within = objective.threat_model(&self.name())?;
        let natural = examples.images();
        let mut tries = Vec::with_capacity(2 * self.count);
        for place in 0..self.count {
            let target = self.target(examples, place)?;
            let middle = ((natural + &target)? * 0.5)?;
            tries.push(moved_into(&within, natural, &middle)?);
            tries.push(moved_into(&within, natural, &target)?);
        }
        Ok(Box::new(Tour {
            labels: examples.labels().to_vec(),
            objective: objective.clone(),
            best: vec![(f64::NEG_INFINITY, 0); examples.len()],
            here: tries[0].clone(),
            tries,
            step: 0,
        }))
    }
}

fn moved_into(within: &ThreatModel, natural: &Tensor, candidate: &Tensor) -> Result<Tensor> {
    Ok(within.ball().project_then_clip(natural, candidate, within.pixels)?.detach())
}

/// The tries one after the other.
struct Tour {
    labels: Vec<u32>,
    objective: Objective,
    /// All images that are tried, one of each row at a time.
    tries: Vec<Tensor>,
    /// Largest loss of each row so far, and the try that had it.
    best: Vec<(f64, usize)>,
    step: usize,
    here: Tensor,
}

impl Run for Tour {
    fn ask(&mut self) -> Result<Query> {
        if self.step == self.tries.len() {
            return Ok(Query::Done);
        }
        let loss = Loss::new(LossKind::Margin, self.labels.clone(), &self.objective.aim)?;
        let (points, rows) = (self.here.clone(), (0..self.labels.len()).collect());
        Ok(Query::Loss { points, rows, loss: Arc::new(loss), at_iterate: true })
    }

    fn tell(&mut self, answer: Answer) -> Result<()> {
        for (best, &loss) in self.best.iter_mut().zip(&answer.losses) {
            if loss > best.0 {
                *best = (loss, self.step);
            }
        }
        self.step += 1;
        self.here = match self.tries.get(self.step) {
            Some(next) => next.clone(),
            None => {
                let chosen = self.best.iter().enumerate();
                let images = chosen.map(|(row, &(_, step))| select_rows(&self.tries[step], &[row]));
                Tensor::cat(&images.collect::<Result<Vec<Tensor>>>()?, 0)?
            }
        };
        Ok(())
    }

    fn keep(&mut self, rows: &[usize]) -> Result<()> {
        check_kept("TowardImages", rows, self.labels.len())?;
        self.here = select_rows(&self.here, rows)?;
        for images in &mut self.tries {
            *images = select_rows(images, rows)?;
        }
        self.labels = rows.iter().map(|&row| self.labels[row]).collect();
        self.best = rows.iter().map(|&row| self.best[row]).collect();
        self.objective = self.objective.select(rows)?;
        Ok(())
    }

    fn iterate(&self) -> &Tensor {
        &self.here
    }
}
