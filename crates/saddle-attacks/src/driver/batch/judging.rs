//! Who is judged when, at whose expense, and what is remembered of it.

use candle_core::Tensor;

use super::{Batch, Restart};
use crate::{
    attack::{Answer, evaluate_beside, scores},
    driver::{question::Question, record::Claim},
    error::Result,
    examples::select_rows,
    verdict::Judge,
};

impl Batch<'_> {
    /// Rows that the strong verdict wants judged before the attack moves, and that the question does not show.
    pub(super) fn judged_apart(&self, restart: &Restart, question: &Question<'_>) -> Vec<usize> {
        if self.driver.judge == Judge::Final || self.shows(question) {
            return Vec::new();
        }
        (0..restart.active.len()).filter(|&row| restart.judged[row].is_none()).collect()
    }

    /// Whether iterates can be judged in the pass that answers the question: by the same classifier, and only where nobody
    /// leaves for what is found, since a row that leaves has nothing more to ask for.
    pub(super) fn judges_beside(&self, question: &Question<'_>) -> bool {
        let one_gradient = question.gradient && !question.of_logits;
        one_gradient && self.guide.is_none() && !self.driver.stop_fooled
    }

    /// The verdict on iterates of some rows. True when rows left, so that the attack has to be asked anew.
    pub(super) fn leave_if_fooled(
        &mut self,
        restart: &mut Restart,
        unknown: &[usize],
    ) -> Result<bool> {
        if unknown.is_empty() {
            return Ok(false);
        }
        let fooled = self.judge_iterate(restart, unknown)?;
        if !self.driver.stop_fooled || fooled.is_empty() {
            return Ok(false);
        }
        self.finish(restart, &fooled)?;
        self.keep_others(restart, &fooled)?;
        Ok(true)
    }

    /// Answers a question for gradients and, in the same pass, judges the iterates of the rows `beside`. The verdicts are
    /// charged and noted before the question is: they needed their forward pass alone.
    pub(super) fn answer_and_judge(
        &mut self,
        restart: &mut Restart,
        question: &Question<'_>,
        beside: &[usize],
    ) -> Result<Answer> {
        let Question { points, rows, loss, .. } = *question;
        let images = select_rows(&self.iterate(restart)?, beside)?;
        let (answer, scores) = evaluate_beside(self.classifier, points, rows, loss, &images)?;
        let examples: Vec<usize> = beside.iter().map(|&row| restart.active[row]).collect();
        let predictions = self.judged(&examples, &scores)?;
        self.note(restart, beside, &predictions, 0)?;
        Ok(answer)
    }

    /// Spends a forward pass on the iterates of some rows; returns those that fool.
    pub(super) fn judge_iterate(
        &mut self,
        restart: &mut Restart,
        rows: &[usize],
    ) -> Result<Vec<usize>> {
        let examples: Vec<usize> = rows.iter().map(|&row| restart.active[row]).collect();
        let images = select_rows(&self.iterate(restart)?, rows)?;
        let predictions = self.judge(&examples, &images)?;
        self.note(restart, rows, &predictions, 0)
    }

    /// Remembers the classes of some rows' iterates, and the first image that fools; returns the
    /// rows that fool. `beyond` passes of what was charged were not needed for the verdict.
    pub(super) fn note(
        &mut self,
        restart: &mut Restart,
        rows: &[usize],
        predictions: &[u32],
        beyond: u64,
    ) -> Result<Vec<usize>> {
        let mut fooled = Vec::new();
        for (&row, &prediction) in rows.iter().zip(predictions) {
            restart.judged[row] = Some(prediction);
            if self.referee.fooled(restart.active[row], prediction) {
                fooled.push(row);
                if restart.number == 0 {
                    self.records[restart.active[row]].fooled_steps.push(restart.step);
                }
            }
        }
        let nearest = self.wants_nearest();
        let new: Vec<usize> = fooled
            .iter()
            .copied()
            .filter(|&row| nearest || !self.records[restart.active[row]].has_fallen())
            .collect();
        if new.is_empty() {
            return Ok(fooled);
        }
        let images = select_rows(&self.iterate(restart)?, &new)?;
        let examples: Vec<usize> = new.iter().map(|&row| restart.active[row]).collect();
        let distances = self.referee.measure(&examples, &images)?;
        for (place, (&row, distance)) in new.iter().zip(distances).enumerate() {
            let image = select_rows(&images, &[place])?;
            let Some(prediction) = restart.judged[row] else { continue };
            let claim = Claim { image, prediction, distance, fooled: true };
            let example = restart.active[row];
            let passes = self.ledger.spent(example) - beyond;
            self.records[example].note(&claim, restart.step, passes, nearest);
        }
        Ok(fooled)
    }

    /// Classes of images, one forward pass each.
    pub(super) fn judge(&mut self, examples: &[usize], images: &Tensor) -> Result<Vec<u32>> {
        self.judged(examples, &scores(self.classifier, images)?)
    }

    /// Classes by the scores of a forward pass, which is charged.
    fn judged(&mut self, examples: &[usize], scores: &Tensor) -> Result<Vec<u32>> {
        for &example in examples {
            self.ledger.charge(example, 1, 0);
        }
        self.referee.predictions(examples, scores)
    }

    /// Whether the goal is the smallest distance, so that every image that fools may be better than the last.
    pub(super) fn wants_nearest(&self) -> bool {
        self.referee.objective.goal.epsilon().is_none()
    }

    /// Whether the answer shows what the classifier that is attacked makes of the iterate.
    pub(super) fn shows(&self, question: &Question<'_>) -> bool {
        question.at_iterate && !(question.gradient && self.guide.is_some())
    }
}
