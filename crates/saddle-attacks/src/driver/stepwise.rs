//! An attack that somebody else answers: one question at a time, counted and judged as the driver does.
//!
//! The [`Driver`](crate::Driver) holds the classifier and runs to the end. Where that cannot be, because the classifier
//! lives in other threads that answer by messages and a person wants to see every step, [`Stepwise`] asks, waits, and
//! reports where every example stands. It is the driver with one batch, one restart, no cap, no guide and
//! [`Judge::Any`](crate::Judge): the same questions in the same order, the same referee, the same count of passes.
//!
//! A message costs more than it saves to wait for a verdict, so an iterate that the attack's question does not show is judged
//! in the same request. Where an example then leaves, what was computed for its step is thrown away and not counted: its
//! passes are those of the driver, who would not have asked.
//!
//! # What a step is
//!
//! The [`Standing`] of step `k` shows the iterate after `k` steps, judged, and the gradient that the attack saw there.
//! Step 0 is the start. After the last step there is no gradient any more.

use candle_core::Tensor;
use saddle_model::{Aim, Loss};
use saddle_ops::{Draws, Norm, join_rows, numbers};

use super::{ledger::Ledger, question::Question, referee::Referee, request::Request};
use crate::{
    attack::{Answer, Attack as _, Query, Run},
    error::{Error, Result},
    examples::{Examples, select_rows},
    projected_ascent::ProjectedAscent,
    threat_model::{Objective, ThreatModel},
};

/// Where one example stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The iterate, `(1, c, h, w)`; of an example that has left, the image that fooled.
    pub image: Tensor,
    /// Class scores of that image.
    pub logits: Vec<f64>,
    /// The largest of them.
    pub prediction: u32,
    /// Loss of that image.
    pub loss: f64,
    /// Euclidean norm of what the attack saw from there: the gradient, or what it makes of several. None where it did not look.
    pub gradient_norm: Option<f64>,
    /// Euclidean distance from the natural image, in 64 bits.
    pub l2: f64,
    /// Largest change of a pixel, in 64 bits.
    pub linf: f64,
    /// Misclassified, and found within the threat model: an image outside it is an error.
    pub fooled: bool,
    /// Forward and backward passes spent up to the verdict on this image, as [`Verdict`](crate::Verdict)
    /// `first_fooled_passes` counts them.
    pub passes: u64,
}

/// What is open.
enum Open {
    /// The natural images are to be judged.
    Natural,
    /// These rows' iterates are to be judged.
    Verdict(Vec<usize>),
    /// The attack's own question, and behind it these rows' iterates to be judged.
    Look(Query, Vec<usize>),
}

/// A projected ascent under way, with everything but the classifier.
pub struct Stepwise {
    ascent: ProjectedAscent,
    referee: Referee,
    loss: Loss,
    draws: Draws,
    stop_fooled: bool,
    classes: usize,
    ledger: Ledger,
    run: Option<Box<dyn Run>>,
    /// Examples of the present rows.
    active: Vec<usize>,
    /// Whether the iterate of each row has been judged.
    judged: Vec<bool>,
    step: u32,
    open: Option<Open>,
    over: bool,
    standings: Vec<Standing>,
}

impl Stepwise {
    /// Prepares an attack on a classifier with so many `classes`; nothing is asked yet.
    ///
    /// With `stop_fooled` an example leaves at the first iterate that fools, and one that is misclassified from the
    /// start is not attacked.
    ///
    /// # Errors
    ///
    /// Settings and labels that make no sense.
    pub fn new(
        ascent: ProjectedAscent,
        examples: Examples,
        threat_model: ThreatModel,
        draws: Draws,
        stop_fooled: bool,
        classes: usize,
    ) -> Result<Self> {
        ascent.check()?;
        let objective = Objective::untargeted(threat_model);
        objective.check(&examples, classes)?;
        let loss = Loss::new(ascent.loss, examples.labels().to_vec(), &Aim::Untargeted)?;
        let count = examples.len();
        Ok(Self {
            ascent,
            referee: Referee { attack: ascent.name(), examples, objective },
            loss,
            draws,
            stop_fooled,
            classes,
            ledger: Ledger::new(count, None),
            run: None,
            active: Vec::new(),
            judged: Vec::new(),
            step: 0,
            open: None,
            over: false,
            standings: Vec::with_capacity(count),
        })
    }

    /// The next question; none once the attack is over. Asking twice without telling gives the same question.
    ///
    /// # Errors
    ///
    /// Failures of tensor operations.
    pub fn ask(&mut self) -> Result<Option<Request>> {
        if self.over {
            return Ok(None);
        }
        let (points, labels, gradients, open) = match &mut self.run {
            None => {
                let examples = &self.referee.examples;
                (examples.images().clone(), examples.labels().to_vec(), 0, Open::Natural)
            }
            Some(run) => {
                let query = run.ask()?;
                let image = &self.referee.examples.images().dims()[1..];
                let rows = self.active.len();
                let question = Question::read(&query, &self.referee.attack, rows, image)?;
                let shown = question.as_ref().is_some_and(|question| question.at_iterate);
                let unknown = (0..rows).filter(|&row| !shown && !self.judged[row]);
                let unknown: Vec<usize> = unknown.collect();
                let labels = self.referee.examples.labels();
                let labels_of = |rows: &[usize]| -> Vec<u32> {
                    rows.iter().map(|&row| labels[self.active[row]]).collect()
                };
                let judged = match &unknown[..] {
                    [] => None,
                    rows => Some(select_rows(run.iterate(), rows)?),
                };
                match (question, judged) {
                    (None, None) => {
                        self.over = true;
                        return Ok(None);
                    }
                    (None, Some(images)) => {
                        (images, labels_of(&unknown), 0, Open::Verdict(unknown))
                    }
                    (Some(question), judged) => {
                        let gradients = question.rows.len();
                        let labels = [labels_of(question.rows), labels_of(&unknown)].concat();
                        let points = match judged {
                            None => question.points.clone(),
                            Some(images) => join_rows(&[question.points.clone(), images])?,
                        };
                        (points, labels, gradients, Open::Look(query, unknown))
                    }
                }
            }
        };
        self.open = Some(open);
        Ok(Some(Request { points, labels, gradients }))
    }

    /// The answer to the last question: logits `(m, classes)` of its points and, if wanted, gradients shaped as those points
    /// that they are wanted of.
    ///
    /// Returns the number of the step whose standing ([`Stepwise::standings`]) is complete with this answer.
    ///
    /// # Errors
    ///
    /// An answer that does not fit the question or that is not finite; an image outside the threat model. A refused
    /// answer changes nothing: ask again.
    pub fn tell(&mut self, logits: &Tensor, gradient: Option<Tensor>) -> Result<Option<u32>> {
        let open = self
            .open
            .take()
            .ok_or_else(|| Error::attack(&self.referee.attack, "told without having asked"))?;
        match open {
            Open::Natural => self.told_of_natural(logits),
            Open::Verdict(rows) => self.told_of_iterates(&rows, logits),
            Open::Look(query, unknown) => self.told_of_points(&query, &unknown, logits, gradient),
        }
    }

    /// Where every example stands, in their order; empty before the natural images are judged.
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// Whether nothing will be asked any more.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn told_of_natural(&mut self, logits: &Tensor) -> Result<Option<u32>> {
        let everyone: Vec<usize> = (0..self.referee.examples.len()).collect();
        let scores = self.scores(logits, everyone.len())?;
        let natural = self.referee.examples.images().clone();
        let predictions = self.referee.predictions(&everyone, logits)?;
        let losses = self.loss.evaluate(logits, &everyone)?.values;
        for (&example, logits) in everyone.iter().zip(scores) {
            self.ledger.charge(example, 1, 0);
            self.standings.push(Standing {
                image: select_rows(&natural, &[example])?,
                logits,
                prediction: predictions[example],
                loss: losses[example],
                gradient_norm: None,
                l2: 0.0,
                linf: 0.0,
                fooled: self.referee.fooled(example, predictions[example]),
                passes: self.ledger.spent(example),
            });
        }
        let attacked = |&example: &usize| !(self.stop_fooled && self.standings[example].fooled);
        self.active = everyone.into_iter().filter(attacked).collect();
        if self.active.is_empty() {
            self.over = true;
            return Ok(Some(0));
        }
        let examples = self.referee.examples.select(&self.active)?;
        let run = self.ascent.begin(&examples, &self.referee.objective, self.draws, 0)?;
        // Whoever starts at the natural image has been judged there.
        let moved = Norm::Linf.distances(examples.images(), run.iterate())?;
        self.judged = moved.iter().map(|&distance| distance == 0.0).collect();
        self.run = Some(run);
        Ok(None)
    }

    fn told_of_iterates(&mut self, rows: &[usize], logits: &Tensor) -> Result<Option<u32>> {
        let standings = self.judge(rows, logits)?;
        rows.iter().for_each(|&row| self.ledger.charge(self.active[row], 1, 0));
        let fooled = self.record(rows, standings);
        if self.stop_fooled {
            self.leave(&fooled)?;
        }
        let done = match &mut self.run {
            Some(run) => self.active.is_empty() || matches!(run.ask()?, Query::Done),
            None => true,
        };
        self.over = done;
        Ok(done.then_some(self.step))
    }

    fn told_of_points(
        &mut self,
        query: &Query,
        unknown: &[usize],
        logits: &Tensor,
        gradient: Option<Tensor>,
    ) -> Result<Option<u32>> {
        let image = &self.referee.examples.images().dims()[1..];
        let present = self.active.len();
        let question = Question::read(query, &self.referee.attack, present, image)?;
        let question = question
            .ok_or_else(|| Error::attack(&self.referee.attack, "told after it was done"))?;
        let asked = question.rows.len();
        self.check_shape(logits, asked + unknown.len())?;
        let gradient = gradient.filter(|found| found.dims() == question.points.dims());
        let gradient = gradient.ok_or_else(|| Error::Classifier {
            message: format!("no gradient of the shape {:?}", question.points.dims()),
        })?;
        let seen = logits.narrow(0, 0, asked)?.contiguous()?;
        self.referee.predictions(&self.examples_of(question.rows), &seen)?;
        let combined = self.ascent.direction.combine(&gradient, present)?;
        let norms = Norm::L2.sizes(&combined)?;
        // Iterates are judged where they stand, before the attack moves.
        let (judged, standings) = if question.at_iterate {
            let rows: Vec<usize> = (0..present).filter(|&row| !self.judged[row]).collect();
            let standings = self.judge(&rows, &select_rows(&seen, &rows)?)?;
            (rows, standings)
        } else {
            let apart = logits.narrow(0, asked, unknown.len())?.contiguous()?;
            (unknown.to_vec(), self.judge(unknown, &apart)?)
        };
        let losses = Vec::new(); // an ascent reads gradients only
        let answer = Answer { losses, logits: seen, gradient: Some(gradient) };
        self.run()?.tell(answer)?;

        if !question.at_iterate {
            judged.iter().for_each(|&row| self.ledger.charge(self.active[row], 1, 0));
        }
        let fooled = self.record(&judged, standings);
        let leaving = if self.stop_fooled { fooled } else { Vec::new() };
        let unasked = |row: &usize| !question.at_iterate && leaving.contains(row);
        for row in question.rows.iter().filter(|row| !unasked(row)) {
            self.ledger.charge(self.active[*row], 1, 1);
        }
        for (row, norm) in norms.into_iter().enumerate().filter(|(row, _)| !unasked(row)) {
            self.standings[self.active[row]].gradient_norm = Some(norm);
        }
        let step = self.step;
        self.step += 1;
        self.judged.fill(false);
        self.leave(&leaving)?;
        self.over = self.active.is_empty();
        Ok(Some(step))
    }

    /// Where some rows stand, by the logits of their iterates. Changes nothing.
    fn judge(&self, rows: &[usize], logits: &Tensor) -> Result<Vec<Standing>> {
        let scores = self.scores(logits, rows.len())?;
        let Some(run) = self.run.as_ref().filter(|_| !rows.is_empty()) else {
            return Ok(Vec::new());
        };
        let examples = self.examples_of(rows);
        let images = select_rows(run.iterate(), rows)?;
        let predictions = self.referee.predictions(&examples, logits)?;
        self.referee.measure(&examples, &images)?;
        let natural = select_rows(self.referee.examples.images(), &examples)?;
        let l2 = Norm::L2.distances(&natural, &images)?;
        let linf = Norm::Linf.distances(&natural, &images)?;
        let losses = self.loss.evaluate(logits, &examples)?.values;
        let standing = |(place, (&example, logits)): (usize, (&usize, Vec<f64>))| -> Result<_> {
            let prediction = predictions[place];
            Ok(Standing {
                image: select_rows(&images, &[place])?,
                logits,
                prediction,
                loss: losses[place],
                gradient_norm: None,
                l2: l2[place],
                linf: linf[place],
                fooled: self.referee.fooled(example, prediction),
                // The verdict's own pass comes on top.
                passes: self.ledger.spent(example) + 1,
            })
        };
        examples.iter().zip(scores).enumerate().map(standing).collect()
    }

    /// Remembers where some rows stand; returns those that fool.
    fn record(&mut self, rows: &[usize], standings: Vec<Standing>) -> Vec<usize> {
        let mut fooled = Vec::new();
        for (&row, standing) in rows.iter().zip(standings) {
            if standing.fooled {
                fooled.push(row);
            }
            self.standings[self.active[row]] = standing;
            self.judged[row] = true;
        }
        fooled
    }

    /// Lets some rows go.
    fn leave(&mut self, leaving: &[usize]) -> Result<()> {
        if leaving.is_empty() {
            return Ok(());
        }
        let stay: Vec<usize> =
            (0..self.active.len()).filter(|row| !leaving.contains(row)).collect();
        if !stay.is_empty() {
            self.run()?.keep(&stay)?;
        }
        self.active = stay.iter().map(|&row| self.active[row]).collect();
        self.judged = stay.iter().map(|&row| self.judged[row]).collect();
        Ok(())
    }

    fn run(&mut self) -> Result<&mut Box<dyn Run>> {
        let name = &self.referee.attack;
        self.run.as_mut().ok_or_else(|| Error::attack(name, "has not begun"))
    }

    fn examples_of(&self, rows: &[usize]) -> Vec<usize> {
        rows.iter().map(|&row| self.active[row]).collect()
    }

    /// Refuses logits unless there is a row for each of `count` points.
    fn check_shape(&self, logits: &Tensor, count: usize) -> Result<()> {
        let expected = [count, self.classes];
        if logits.dims() == expected {
            return Ok(());
        }
        let message = format!("logits of shape {:?}, expected {expected:?}", logits.dims());
        Err(Error::Classifier { message })
    }

    /// Logits in 64 bits, a row for each of `count` points.
    fn scores(&self, logits: &Tensor, count: usize) -> Result<Vec<Vec<f64>>> {
        self.check_shape(logits, count)?;
        Ok(numbers(logits)?.chunks_exact(self.classes).map(<[f64]>::to_vec).collect())
    }
}
