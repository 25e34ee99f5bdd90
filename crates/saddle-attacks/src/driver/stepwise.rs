//! An attack that somebody else answers: one question at a time, counted and judged as the driver does.
//!
//! The [`Driver`](crate::Driver) holds the classifier and runs to the end. Where that cannot be, because the classifier
//! lives in other threads that answer by messages and a person wants to see every step, [`Stepwise`] asks, waits, and
//! reports where every example stands. It is the driver with one batch, one restart, no cap, no guide and
//! [`Judge::Any`](crate::Judge): the same questions in the same order, the same referee, the same count of passes.
//!
//! # What a step is
//!
//! The [`Standing`] of step `k` shows the iterate after `k` steps, judged, and the gradient that the attack saw there.
//! Step 0 is the start. After the last step there is no gradient any more.

use candle_core::Tensor;
use saddle_model::{Aim, Loss};
use saddle_ops::{Draws, Norm};

use super::{ledger::Ledger, question::Question, referee::Referee};
use crate::{
    attack::{Answer, Attack as _, Query, Run},
    error::{Error, Result},
    examples::{Examples, select_rows},
    projected_ascent::ProjectedAscent,
    threat_model::{Objective, ThreatModel},
};

/// What has to be computed before the attack goes on.
#[derive(Clone, Debug)]
pub struct Request {
    /// Points to look at, `(m, c, h, w)`.
    pub points: Tensor,
    /// True class of the example that each point belongs to.
    pub labels: Vec<u32>,
    /// Whether the gradient of the attack's loss is wanted too, or logits alone.
    pub gradient: bool,
}

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
    /// The attack's own question.
    Look(Query),
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
        let (points, labels, gradient, open) = match &mut self.run {
            None => {
                let examples = &self.referee.examples;
                (examples.images().clone(), examples.labels().to_vec(), false, Open::Natural)
            }
            Some(run) => {
                let query = run.ask()?;
                let image = &self.referee.examples.images().dims()[1..];
                let rows = self.active.len();
                let question = Question::read(&query, &self.referee.attack, rows, image)?;
                let unknown: Vec<usize> = (0..rows).filter(|&row| !self.judged[row]).collect();
                let shown = question.as_ref().is_some_and(|question| question.at_iterate);
                let labels = self.referee.examples.labels();
                let labels_of = |rows: &[usize]| -> Vec<u32> {
                    rows.iter().map(|&row| labels[self.active[row]]).collect()
                };
                match question {
                    _ if !unknown.is_empty() && !shown => {
                        let images = select_rows(run.iterate(), &unknown)?;
                        (images, labels_of(&unknown), false, Open::Verdict(unknown))
                    }
                    Some(question) => {
                        let (points, labels) = (question.points.clone(), labels_of(question.rows));
                        (points, labels, true, Open::Look(query))
                    }
                    None => {
                        self.over = true;
                        return Ok(None);
                    }
                }
            }
        };
        self.open = Some(open);
        Ok(Some(Request { points, labels, gradient }))
    }

    /// The answer to the last question: logits `(m, classes)` of its points and, if wanted, gradients shaped as the points.
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
            Open::Look(query) => self.told_of_points(&query, logits, gradient),
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
        let scores = self.scores(logits, rows.len())?;
        let examples = self.examples_of(rows);
        self.referee.predictions(&examples, logits)?;
        for &example in &examples {
            self.ledger.charge(example, 1, 0);
        }
        let fooled = self.note(rows, logits, scores)?;
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
        logits: &Tensor,
        gradient: Option<Tensor>,
    ) -> Result<Option<u32>> {
        let image = &self.referee.examples.images().dims()[1..];
        let present = self.active.len();
        let question = Question::read(query, &self.referee.attack, present, image)?;
        let question = question
            .ok_or_else(|| Error::attack(&self.referee.attack, "told after it was done"))?;
        let scores = self.scores(logits, question.rows.len())?;
        let gradient = gradient.filter(|found| found.dims() == question.points.dims());
        let gradient = gradient.ok_or_else(|| Error::Classifier {
            message: format!("no gradient of the shape {:?}", question.points.dims()),
        })?;
        self.referee.predictions(&self.examples_of(question.rows), logits)?;
        let combined = self.ascent.direction.combine(&gradient, present)?;
        let norms = Norm::L2.sizes(&combined)?;
        for &row in question.rows {
            self.ledger.charge(self.active[row], 1, 0);
        }
        let mut fooled = Vec::new();
        if question.at_iterate {
            let unknown: Vec<usize> = (0..present).filter(|&row| !self.judged[row]).collect();
            if !unknown.is_empty() {
                let seen = select_rows(logits, &unknown)?;
                let seen_scores = unknown.iter().map(|&row| scores[row].clone()).collect();
                fooled = self.note(&unknown, &seen, seen_scores)?;
            }
        }
        // Backward passes come behind the verdict, which needed the forward pass alone.
        for &row in question.rows {
            self.ledger.charge(self.active[row], 0, 1);
        }
        for (row, norm) in norms.into_iter().enumerate() {
            self.standings[self.active[row]].gradient_norm = Some(norm);
        }
        let losses = Vec::new(); // an ascent reads gradients only
        let answer = Answer { losses, logits: logits.clone(), gradient: Some(gradient) };
        self.run()?.tell(answer)?;
        let step = self.step;
        self.step += 1;
        self.judged.fill(false);
        if self.stop_fooled {
            self.leave(&fooled)?;
        }
        self.over = self.active.is_empty();
        Ok(Some(step))
    }

    /// Judges the iterates of some rows by their logits; returns the rows that fool.
    fn note(
        &mut self,
        rows: &[usize],
        logits: &Tensor,
        scores: Vec<Vec<f64>>,
    ) -> Result<Vec<usize>> {
        let examples = self.examples_of(rows);
        let images = select_rows(self.run()?.iterate(), rows)?;
        self.referee.measure(&examples, &images)?;
        let natural = select_rows(self.referee.examples.images(), &examples)?;
        let l2 = Norm::L2.distances(&natural, &images)?;
        let linf = Norm::Linf.distances(&natural, &images)?;
        let predictions = self.referee.predictions(&examples, logits)?;
        let losses = self.loss.evaluate(logits, &examples)?.values;
        let mut fooled = Vec::new();
        for (place, ((&row, &example), logits)) in
            rows.iter().zip(&examples).zip(scores).enumerate()
        {
            let prediction = predictions[place];
            let standing = Standing {
                image: select_rows(&images, &[place])?,
                logits,
                prediction,
                loss: losses[place],
                gradient_norm: None,
                l2: l2[place],
                linf: linf[place],
                fooled: self.referee.fooled(example, prediction),
                passes: self.ledger.spent(example),
            };
            if standing.fooled {
                fooled.push(row);
            }
            self.standings[example] = standing;
            self.judged[row] = true;
        }
        Ok(fooled)
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

    /// Logits in 64 bits, refused unless there is a row for each of `count` points.
    fn scores(&self, logits: &Tensor, count: usize) -> Result<Vec<Vec<f64>>> {
        let expected = [count, self.classes];
        if logits.dims() != expected {
            let message = format!("logits of shape {:?}, expected {expected:?}", logits.dims());
            return Err(Error::Classifier { message });
        }
        Ok(logits.to_dtype(candle_core::DType::F64)?.to_vec2()?)
    }
}
