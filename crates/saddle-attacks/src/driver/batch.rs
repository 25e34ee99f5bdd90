//! One batch of examples through all its restarts.
//!
//! Two numberings meet here. An *example* is a position in the batch and stays; a *row* is a
//! position among those still in the run, `active[row]` is its example, and rows close up when
//! others leave.

use candle_core::{D, DType, Tensor};
use saddle_model::{Classifier, Loss};
use saddle_ops::{Draws, GradientHealth, Norm, TOLERANCE};

use super::{Driver, ledger::Ledger};
use crate::{
    attack::{Answer, Attack, Query, Run, answer, evaluate, scores},
    error::{Error, Result},
    examples::{Examples, select_rows},
    threat_model::Objective,
    trace::StepTrace,
    verdict::{Judge, Outcome, Verdict},
};

/// An image that counts, found feasible.
struct Claim {
    image: Tensor,
    prediction: u32,
    distance: f64,
    fooled: bool,
}

/// What is known of one example so far.
struct Record {
    natural_prediction: u32,
    first_fooling: Option<(u32, Claim)>,
    last: Claim,
}

/// A batch under attack.
pub(super) struct Batch<'a> {
    driver: &'a Driver,
    classifier: &'a dyn Classifier,
    attack: &'a dyn Attack,
    examples: Examples,
    objective: Objective,
    draws: Draws,
    records: Vec<Record>,
    ledger: Ledger,
    trace: Vec<StepTrace>,
    health: GradientHealth,
    diagnostic_passes: u64,
}

/// One restart under way.
struct Restart {
    number: u32,
    run: Box<dyn Run>,
    active: Vec<usize>,
    /// The classifier's class for each row's iterate, where it is known.
    judged: Vec<Option<u32>>,
    step: u32,
}

impl<'a> Batch<'a> {
    /// Judges the natural images: one forward pass each.
    pub(super) fn new(
        driver: &'a Driver,
        classifier: &'a dyn Classifier,
        attack: &'a dyn Attack,
        examples: Examples,
        objective: Objective,
        draws: Draws,
    ) -> Result<Self> {
        let count = examples.len();
        let mut batch = Self {
            driver,
            classifier,
            attack,
            objective,
            draws,
            records: Vec::with_capacity(count),
            ledger: Ledger::new(count, driver.cap),
            trace: Vec::new(),
            health: GradientHealth::default(),
            diagnostic_passes: 0,
            examples,
        };
        let everyone: Vec<usize> = (0..count).collect();
        let natural = batch.examples.images().clone();
        let predictions = batch.judge(&everyone, &natural)?;
        let distances = batch.measure(&everyone, &natural)?;
        for ((example, prediction), distance) in everyone.iter().zip(predictions).zip(distances) {
            let image = select_rows(&natural, &[*example])?;
            batch.records.push(Record {
                natural_prediction: prediction,
                first_fooling: None,
                last: Claim { image, prediction, distance, fooled: false },
            });
        }
        Ok(batch)
    }

    pub(super) fn run(mut self) -> Result<Outcome> {
        for restart in 0..self.driver.restarts {
            let active: Vec<usize> =
                (0..self.examples.len()).filter(|&example| self.takes_part(example)).collect();
            if !active.is_empty() {
                self.restart(restart, active)?;
            }
        }
        self.outcome()
    }

    /// Whether an example enters the next restart.
    fn takes_part(&self, example: usize) -> bool {
        let record = &self.records[example];
        let settled = record.natural_prediction != self.examples.labels()[example]
            || record.first_fooling.is_some();
        !(self.driver.stop_fooled && settled) && self.ledger.affords(example, 1)
    }

    fn restart(&mut self, number: u32, active: Vec<usize>) -> Result<()> {
        let examples = self.examples.select(&active)?;
        let objective = self.objective.select(&active)?;
        let run = self.attack.begin(&examples, &objective, self.draws, number)?;
        let mut restart = Restart { number, run, judged: vec![None; active.len()], active, step: 0 };
        let iterate = self.iterate(&restart)?;
        // Whoever starts at the natural image has been judged there.
        let moved = Norm::Linf.distances(examples.images(), &iterate)?;
        for (row, moved) in moved.into_iter().enumerate() {
            if moved == 0.0 {
                let natural = self.records[restart.active[row]].natural_prediction;
                restart.judged[row] = Some(natural);
            }
        }
        while !restart.active.is_empty() {
            let query = restart.run.ask()?;
            let Some(question) = self.question(&restart, &query)? else { break };
            if self.leave_if_fooled(&mut restart, &question)? {
                continue;
            }
            let reserve = 1; // the verdict on the iterate that will follow
            let cost = question.costs(restart.active.len());
            let affords =
                |row: &usize| self.ledger.affords(restart.active[*row], cost[*row] + reserve);
            let (stay, end): (Vec<usize>, Vec<usize>) =
                (0..restart.active.len()).partition(affords);
            if !end.is_empty() {
                self.finish(&mut restart, &end)?;
                self.keep(&mut restart, &stay)?;
                continue;
            }
            self.step(&mut restart, &query, &question)?;
        }
        let rest: Vec<usize> = (0..restart.active.len()).collect();
        self.finish(&mut restart, &rest)
    }

    /// The strong verdict on iterates that the next question does not show. True when rows left,
    /// so that the attack has to be asked anew.
    fn leave_if_fooled(&mut self, restart: &mut Restart, question: &Question<'_>) -> Result<bool> {
        let unknown: Vec<usize> =
            (0..restart.active.len()).filter(|&row| restart.judged[row].is_none()).collect();
        if self.driver.judge == Judge::Final || question.at_iterate || unknown.is_empty() {
            return Ok(false);
        }
        let fooled = self.judge_iterate(restart, &unknown)?;
        if !self.driver.stop_fooled || fooled.is_empty() {
            return Ok(false);
        }
        self.finish(restart, &fooled)?;
        self.keep_others(restart, &fooled)?;
        Ok(true)
    }

    /// Answers a question that everybody can afford, and lets the attack move.
    fn step(
        &mut self,
        restart: &mut Restart,
        query: &Query,
        question: &Question<'_>,
    ) -> Result<()> {
        let Some(answer) = answer(self.classifier, query)? else { return Ok(()) };
        let backward = u64::from(question.gradient);
        for &row in question.rows {
            self.ledger.charge(restart.active[row], 1, backward);
        }
        let owners: Vec<usize> = question.rows.iter().map(|&row| restart.active[row]).collect();
        let predictions = self.predictions(&owners, &answer.logits)?;
        if self.driver.trace {
            self.record_step(restart, question, &answer)?;
        }
        let mut fooled = Vec::new();
        if question.at_iterate {
            let seen: Vec<usize> =
                (0..restart.active.len()).filter(|&row| restart.judged[row].is_none()).collect();
            let predictions: Vec<u32> = seen.iter().map(|&row| predictions[row]).collect();
            fooled = self.note(restart, &seen, &predictions)?;
        }
        let leaving = if self.driver.stop_fooled { fooled } else { Vec::new() };
        // Their image is noted before the iterate moves on.
        self.finish(restart, &leaving)?;
        restart.run.tell(answer)?;
        restart.step += 1;
        restart.judged.fill(None);
        if leaving.is_empty() { Ok(()) } else { self.keep_others(restart, &leaving) }
    }

    /// Rows end their restart where they stand; unjudged ones take their reserved forward pass.
    fn finish(&mut self, restart: &mut Restart, rows: &[usize]) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let unknown: Vec<usize> =
            rows.iter().copied().filter(|&row| restart.judged[row].is_none()).collect();
        if !unknown.is_empty() {
            self.judge_iterate(restart, &unknown)?;
        }
        let images = select_rows(&self.iterate(restart)?, rows)?;
        let examples: Vec<usize> = rows.iter().map(|&row| restart.active[row]).collect();
        let distances = self.measure(&examples, &images)?;
        for (place, (&row, distance)) in rows.iter().zip(distances).enumerate() {
            self.health += restart.run.health()[row];
            let example = restart.active[row];
            let prediction = restart.judged[row].ok_or_else(|| {
                Error::attack(&self.attack.name(), "the last iterate was not judged")
            })?;
            let fooled = self.fooled(example, prediction);
            let record = &mut self.records[example];
            if !record.last.fooled {
                let image = select_rows(&images, &[place])?;
                record.last = Claim { image, prediction, distance, fooled };
            }
        }
        Ok(())
    }

    fn keep_others(&self, restart: &mut Restart, leaving: &[usize]) -> Result<()> {
        let stay: Vec<usize> =
            (0..restart.active.len()).filter(|row| !leaving.contains(row)).collect();
        self.keep(restart, &stay)
    }

    fn keep(&self, restart: &mut Restart, stay: &[usize]) -> Result<()> {
        if !stay.is_empty() {
            restart.run.keep(stay)?;
        }
        restart.active = stay.iter().map(|&row| restart.active[row]).collect();
        restart.judged = stay.iter().map(|&row| restart.judged[row]).collect();
        Ok(())
    }

    /// Spends a forward pass on the iterates of some rows; returns those that fool.
    fn judge_iterate(&mut self, restart: &mut Restart, rows: &[usize]) -> Result<Vec<usize>> {
        let examples: Vec<usize> = rows.iter().map(|&row| restart.active[row]).collect();
        let images = select_rows(&self.iterate(restart)?, rows)?;
        let predictions = self.judge(&examples, &images)?;
        self.note(restart, rows, &predictions)
    }

    /// Remembers the classes of some rows' iterates, and the first image that fools; returns the
    /// rows that fool.
    fn note(
        &mut self,
        restart: &mut Restart,
        rows: &[usize],
        predictions: &[u32],
    ) -> Result<Vec<usize>> {
        let mut fooled = Vec::new();
        for (&row, &prediction) in rows.iter().zip(predictions) {
            restart.judged[row] = Some(prediction);
            if self.fooled(restart.active[row], prediction) {
                fooled.push(row);
            }
        }
        let new: Vec<usize> = fooled
            .iter()
            .copied()
            .filter(|&row| self.records[restart.active[row]].first_fooling.is_none())
            .collect();
        if new.is_empty() {
            return Ok(fooled);
        }
        let images = select_rows(&self.iterate(restart)?, &new)?;
        let examples: Vec<usize> = new.iter().map(|&row| restart.active[row]).collect();
        let distances = self.measure(&examples, &images)?;
        for (place, (&row, distance)) in new.iter().zip(distances).enumerate() {
            let image = select_rows(&images, &[place])?;
            let Some(prediction) = restart.judged[row] else { continue };
            let claim = Claim { image, prediction, distance, fooled: true };
            self.records[restart.active[row]].first_fooling = Some((restart.step, claim));
        }
        Ok(fooled)
    }

    fn fooled(&self, example: usize, prediction: u32) -> bool {
        self.objective.fooled(example, self.examples.labels()[example], prediction)
    }

    /// Classes of images, one forward pass each.
    fn judge(&mut self, examples: &[usize], images: &Tensor) -> Result<Vec<u32>> {
        for &example in examples {
            self.ledger.charge(example, 1, 0);
        }
        let logits = scores(self.classifier, images)?;
        self.predictions(examples, &logits)
    }

    /// The first largest logit of each row; refuses NaN and infinity.
    fn predictions(&self, examples: &[usize], logits: &Tensor) -> Result<Vec<u32>> {
        let rows = logits.to_dtype(DType::F64)?.to_vec2::<f64>()?;
        let mut predictions = Vec::with_capacity(rows.len());
        for (row, &example) in rows.iter().zip(examples) {
            if row.iter().any(|score| !score.is_finite()) {
                return Err(Error::NonFiniteLogits { example: self.examples.ids()[example] });
            }
            let mut best = 0;
            for (class, score) in row.iter().enumerate() {
                if *score > row[best] {
                    best = class;
                }
            }
            predictions.push(best as u32);
        }
        Ok(predictions)
    }

    /// Distances of images that count, in 64 bits; refuses any outside the threat model.
    fn measure(&self, examples: &[usize], images: &Tensor) -> Result<Vec<f64>> {
        let goal = &self.objective.goal;
        let natural = select_rows(self.examples.images(), examples)?;
        let distances = goal.norm().distances(&natural, images)?;
        let inside = goal.pixels().contains(images)?;
        let allowed = goal.epsilon().map_or(f64::INFINITY, |epsilon| epsilon * (1.0 + TOLERANCE));
        for (row, (&distance, inside)) in distances.iter().zip(inside).enumerate() {
            let close = distance.is_finite() && distance <= allowed;
            if close && inside {
                continue;
            }
            let figures = if inside || !distance.is_finite() {
                format!("{} distance {distance}, allowed {allowed}", goal.norm())
            } else {
                let pixels = images.narrow(0, row, 1)?.flatten_all()?.to_dtype(DType::F64)?;
                let (low, high) = (pixels.min(D::Minus1)?, pixels.max(D::Minus1)?);
                let (low, high) = (low.to_scalar::<f64>()?, high.to_scalar::<f64>()?);
                format!("pixels from {low} to {high}, allowed {:?}", goal.pixels())
            };
            let example = self.examples.ids()[examples[row]];
            return Err(Error::Infeasible { attack: self.attack.name(), example, figures });
        }
        Ok(distances)
    }

    /// Where the rows stand, checked for shape.
    fn iterate(&self, restart: &Restart) -> Result<Tensor> {
        let iterate = restart.run.iterate();
        let mut expected = self.examples.images().dims().to_vec();
        expected[0] = restart.active.len();
        let health = restart.run.health().len();
        if iterate.dims() != expected || health != restart.active.len() {
            return Err(Error::attack(
                &self.attack.name(),
                format!(
                    "iterate of shape {:?} with the health of {health} rows, expected {expected:?}",
                    iterate.dims()
                ),
            ));
        }
        Ok(iterate.clone())
    }

    /// Loss, gradient norm and distance at the iterate; bought apart where the answer lacks them.
    fn record_step(
        &mut self,
        restart: &Restart,
        question: &Question<'_>,
        answer: &Answer,
    ) -> Result<()> {
        let iterate = self.iterate(restart)?;
        let bought = if question.at_iterate && answer.gradient.is_some() {
            None
        } else {
            let rows: Vec<usize> = (0..restart.active.len()).collect();
            self.diagnostic_passes += 2 * rows.len() as u64;
            Some(evaluate(self.classifier, &iterate, &rows, question.loss, true)?)
        };
        let seen = bought.as_ref().unwrap_or(answer);
        let Some(gradient) = &seen.gradient else { return Ok(()) };
        let natural = select_rows(self.examples.images(), &restart.active)?;
        self.trace.push(StepTrace {
            restart: restart.number,
            step: restart.step,
            ids: restart.active.iter().map(|&example| self.examples.ids()[example]).collect(),
            losses: seen.losses.clone(),
            gradient_norms: Norm::L2.sizes(gradient)?,
            distances: self.objective.goal.norm().distances(&natural, &iterate)?,
        });
        Ok(())
    }

    /// Reads a question and refuses one that does not fit the rows.
    fn question<'q>(&self, restart: &Restart, query: &'q Query) -> Result<Option<Question<'q>>> {
        let (points, rows, loss, at_iterate, gradient) = match query {
            Query::Gradient { points, rows, loss, at_iterate } => {
                (points, rows, loss, *at_iterate, true)
            }
            Query::Loss { points, rows, loss, at_iterate } => {
                (points, rows, loss, *at_iterate, false)
            }
            Query::Done => return Ok(None),
        };
        let present = restart.active.len();
        let refuse = |message: String| Err(Error::attack(&self.attack.name(), message));
        if points.dims().get(1..) != self.examples.images().dims().get(1..)
            || points.dim(0)? != rows.len()
            || rows.is_empty()
        {
            let shape = points.dims();
            return refuse(format!("asks for {} rows at points of shape {shape:?}", rows.len()));
        }
        if let Some(row) = rows.iter().find(|&&row| row >= present) {
            return refuse(format!("asks for row {row} of {present}"));
        }
        if at_iterate && !rows.iter().copied().eq(0..present) {
            return refuse("calls points the iterate that do not show it row by row".into());
        }
        Ok(Some(Question { rows, loss, at_iterate, gradient }))
    }

    fn outcome(self) -> Result<Outcome> {
        let mut verdicts = Vec::with_capacity(self.records.len());
        let (mut images, mut final_images) = (Vec::new(), Vec::new());
        for (example, record) in self.records.into_iter().enumerate() {
            let label = self.examples.labels()[example];
            let first_fooled_step = record.first_fooling.as_ref().map(|(step, _)| *step);
            let best = record.first_fooling.as_ref().map_or(&record.last, |(_, claim)| claim);
            verdicts.push(Verdict {
                id: self.examples.ids()[example],
                label,
                natural_prediction: record.natural_prediction,
                natural_correct: record.natural_prediction == label,
                fooled_final: record.last.fooled,
                fooled_any: record.first_fooling.is_some(),
                prediction: best.prediction,
                distance: best.distance,
                final_prediction: record.last.prediction,
                final_distance: record.last.distance,
                feasible: true,
                forward: self.ledger.forward(example),
                backward: self.ledger.backward(example),
                first_fooled_step,
            });
            images.push(best.image.clone());
            final_images.push(record.last.image);
        }
        Ok(Outcome {
            verdicts,
            images: Tensor::cat(&images, 0)?,
            final_images: Tensor::cat(&final_images, 0)?,
            trace: self.trace,
            health: self.health,
            diagnostic_passes: self.diagnostic_passes,
        })
    }
}

/// A question of the attack, read.
struct Question<'q> {
    rows: &'q [usize],
    loss: &'q Loss,
    at_iterate: bool,
    gradient: bool,
}

impl Question<'_> {
    /// Passes that the question costs each row.
    fn costs(&self, present: usize) -> Vec<u64> {
        let mut costs = vec![0; present];
        for &row in self.rows {
            costs[row] += if self.gradient { 2 } else { 1 };
        }
        costs
    }
}
