//! One batch of examples through all its restarts.
//!
//! Two numberings meet here. An *example* is a position in the batch and stays; a *row* is a
//! position among those still in the run, `active[row]` is its example, and rows close up when
//! others leave.

mod judging;

use candle_core::Tensor;
use saddle_model::Classifier;
use saddle_ops::{Draws, GradientHealth, Norm};

use super::{
    Driver,
    ledger::Ledger,
    question::Question,
    record::{Claim, Record},
    referee::Referee,
};
use crate::{
    attack::{Answer, Attack, Query, Run, answer, evaluate},
    error::{Error, Result},
    examples::select_rows,
    trace::StepTrace,
    verdict::Outcome,
};

/// A batch under attack.
pub(super) struct Batch<'a> {
    driver: &'a Driver,
    classifier: &'a dyn Classifier,
    attack: &'a dyn Attack,
    referee: Referee,
    /// Who answers questions for gradients, if not the classifier that is attacked.
    guide: Option<&'a dyn Classifier>,
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
        referee: Referee,
        guide: Option<&'a dyn Classifier>,
        draws: Draws,
    ) -> Result<Self> {
        let count = referee.examples.len();
        let mut batch = Self {
            driver,
            classifier,
            attack,
            referee,
            guide,
            draws,
            records: Vec::with_capacity(count),
            ledger: Ledger::new(count, driver.cap),
            trace: Vec::new(),
            health: GradientHealth::default(),
            diagnostic_passes: 0,
        };
        let everyone: Vec<usize> = (0..count).collect();
        let natural = batch.referee.examples.images().clone();
        let predictions = batch.judge(&everyone, &natural)?;
        let distances = batch.referee.measure(&everyone, &natural)?;
        for ((example, prediction), distance) in everyone.iter().zip(predictions).zip(distances) {
            let image = select_rows(&natural, &[*example])?;
            let fooled = batch.referee.fooled(*example, prediction);
            let natural = Claim { image, prediction, distance, fooled };
            batch.records.push(Record::new(natural, batch.wants_nearest()));
        }
        Ok(batch)
    }

    pub(super) fn run(mut self) -> Result<Outcome> {
        for restart in 0..self.driver.restarts {
            let active: Vec<usize> = (0..self.referee.examples.len())
                .filter(|&example| self.takes_part(example))
                .collect();
            if !active.is_empty() {
                self.restart(restart, active)?;
            }
        }
        self.outcome()
    }

    /// Whether an example enters the next restart.
    fn takes_part(&self, example: usize) -> bool {
        let record = &self.records[example];
        let label = self.referee.examples.labels()[example];
        let settled = record.natural_prediction() != label || record.has_fallen();
        !(self.driver.stop_fooled && settled) && self.ledger.affords(example, 1)
    }

    fn restart(&mut self, number: u32, active: Vec<usize>) -> Result<()> {
        let examples = self.referee.examples.select(&active)?;
        let objective = self.referee.objective.select(&active)?;
        let run = self.attack.begin(&examples, &objective, self.draws, number)?;
        let mut restart =
            Restart { number, run, judged: vec![None; active.len()], active, step: 0 };
        let iterate = self.iterate(&restart)?;
        // Whoever starts at the natural image has been judged there.
        let moved = Norm::Linf.distances(examples.images(), &iterate)?;
        let unmoved: Vec<usize> = (0..moved.len()).filter(|&row| moved[row] == 0.0).collect();
        let known =
            unmoved.iter().map(|&row| self.records[restart.active[row]].natural_prediction());
        let known: Vec<u32> = known.collect();
        self.note(&mut restart, &unmoved, &known, 0)?;
        while !restart.active.is_empty() {
            let query = restart.run.ask()?;
            let Some(question) = self.question(&restart, &query)? else { break };
            let unknown = self.judged_apart(&restart, &question);
            let beside = if self.judges_beside(&question) { &unknown[..] } else { &[] };
            if beside.is_empty() && self.leave_if_fooled(&mut restart, &unknown)? {
                continue;
            }
            let reserve = 1; // the verdict on the iterate that will follow
            let mut cost = question.costs(restart.active.len(), self.classifier.classes());
            beside.iter().for_each(|&row| cost[row] += 1);
            let affords =
                |row: &usize| self.ledger.affords(restart.active[*row], cost[*row] + reserve);
            let (stay, end): (Vec<usize>, Vec<usize>) =
                (0..restart.active.len()).partition(affords);
            if !end.is_empty() {
                end.iter().for_each(|&row| self.ledger.exhaust(restart.active[row]));
                self.finish(&mut restart, &end)?;
                self.keep(&mut restart, &stay)?;
                continue;
            }
            self.step(&mut restart, &query, &question, beside)?;
        }
        let rest: Vec<usize> = (0..restart.active.len()).collect();
        self.finish(&mut restart, &rest)
    }

    /// Answers a question that everybody can afford, judges the rows `beside` it, and lets the attack move.
    fn step(
        &mut self,
        restart: &mut Restart,
        query: &Query,
        question: &Question<'_>,
        beside: &[usize],
    ) -> Result<()> {
        let asked = self.guide.filter(|_| question.gradient).unwrap_or(self.classifier);
        let answer = if beside.is_empty() {
            let Some(answer) = answer(asked, query)? else { return Ok(()) };
            answer
        } else {
            self.answer_and_judge(restart, question, beside)?
        };
        let backward = question.backward(self.classifier.classes());
        for &row in question.rows {
            self.ledger.charge(restart.active[row], 1, backward);
        }
        let owners: Vec<usize> = question.rows.iter().map(|&row| restart.active[row]).collect();
        let predictions = self.referee.predictions(&owners, &answer.logits)?;
        if self.driver.trace {
            self.record_step(restart, question, &answer)?;
        }
        let mut fooled = Vec::new();
        if self.shows(question) {
            let seen: Vec<usize> =
                (0..restart.active.len()).filter(|&row| restart.judged[row].is_none()).collect();
            let predictions: Vec<u32> = seen.iter().map(|&row| predictions[row]).collect();
            // The verdict needed the forward pass alone.
            fooled = self.note(restart, &seen, &predictions, backward)?;
        }
        let leaving = if self.driver.stop_fooled { fooled } else { Vec::new() };
        // Their image is noted before the iterate moves on.
        self.finish(restart, &leaving)?;
        restart.run.tell(answer)?;
        restart.step += 1;
        if restart.run.moved() {
            restart.judged.fill(None);
        }
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
        let distances = self.referee.measure(&examples, &images)?;
        for (place, (&row, distance)) in rows.iter().zip(distances).enumerate() {
            self.health += restart.run.health().get(row).copied().unwrap_or_default();
            let example = restart.active[row];
            let prediction = restart.judged[row].ok_or_else(|| {
                Error::attack(&self.referee.attack, "the last iterate was not judged")
            })?;
            let fooled = self.referee.fooled(example, prediction);
            if self.records[example].is_open() {
                let image = select_rows(&images, &[place])?;
                self.records[example].end(Claim { image, prediction, distance, fooled });
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

    /// Where the rows stand, checked for shape.
    fn iterate(&self, restart: &Restart) -> Result<Tensor> {
        let iterate = restart.run.iterate();
        let mut expected = self.referee.examples.images().dims().to_vec();
        expected[0] = restart.active.len();
        let health = restart.run.health().len();
        if iterate.dims() != expected || ![0, restart.active.len()].contains(&health) {
            return Err(Error::attack(
                &self.referee.attack,
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
        let has_gradient = answer.gradient.is_some() && !question.of_logits;
        let bought = if self.shows(question) && has_gradient {
            None
        } else {
            let rows: Vec<usize> = (0..restart.active.len()).collect();
            self.diagnostic_passes += 2 * rows.len() as u64;
            Some(evaluate(self.classifier, &iterate, &rows, question.loss, true)?)
        };
        let seen = bought.as_ref().unwrap_or(answer);
        let Some(gradient) = &seen.gradient else { return Ok(()) };
        let natural = select_rows(self.referee.examples.images(), &restart.active)?;
        self.trace.push(StepTrace {
            restart: restart.number,
            step: restart.step,
            ids: restart
                .active
                .iter()
                .map(|&example| self.referee.examples.ids()[example])
                .collect(),
            losses: seen.losses.clone(),
            gradient_norms: Norm::L2.sizes(gradient)?,
            distances: self.referee.objective.goal.norm().distances(&natural, &iterate)?,
        });
        Ok(())
    }

    fn question<'q>(&self, restart: &Restart, query: &'q Query) -> Result<Option<Question<'q>>> {
        let image = &self.referee.examples.images().dims()[1..];
        let attack = &self.referee.attack;
        let question = Question::read(query, attack, restart.active.len(), image)?;
        // A verdict for free must be a verdict on the iterate itself: the same tensor, or the same numbers.
        if let (Some(Question { at_iterate: true, points, .. }), iterate) =
            (&question, self.iterate(restart)?)
            && points.id() != iterate.id()
            && Norm::Linf.distances(points, &iterate)?.into_iter().any(|distance| distance > 0.0)
        {
            return Err(Error::attack(attack, "calls points the iterate that are others"));
        }
        Ok(question)
    }

    fn outcome(self) -> Result<Outcome> {
        let (ids, labels) = (self.referee.examples.ids(), self.referee.examples.labels());
        let verdicts = self.records.iter().enumerate().map(|(example, record)| {
            let passes = [self.ledger.forward(example), self.ledger.backward(example)];
            record.verdict(ids[example], labels[example], passes)
        });
        let verdicts = verdicts.collect();
        let images: Vec<&Tensor> = self.records.iter().map(|record| &record.best().image).collect();
        let final_images: Vec<&Tensor> = self.records.iter().map(Record::last_image).collect();
        Ok(Outcome {
            verdicts,
            images: Tensor::cat(&images, 0)?,
            final_images: Tensor::cat(&final_images, 0)?,
            fooled_steps: self.records.into_iter().map(|record| record.fooled_steps).collect(),
            trace: self.trace,
            health: self.health,
            diagnostic_passes: self.diagnostic_passes,
        })
    }
}
