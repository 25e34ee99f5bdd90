//! A question for whoever holds the classifier, in another thread or on the other side of a message.

use candle_core::Tensor;
use saddle_model::{Aim, Classifier, Loss, LossKind};
use saddle_ops::join_rows;

use crate::{
    attack::{Answer, evaluate, evaluate_beside},
    error::{Error, Result},
};

/// What has to be computed before the attack goes on.
#[derive(Clone, Debug)]
pub struct Request {
    /// Points to look at, `(m, c, h, w)`.
    pub points: Tensor,
    /// True class of the example that each point belongs to.
    pub labels: Vec<u32>,
    /// Of how many of them, the first ones, the gradient of the attack's loss is wanted; of the others logits alone.
    pub gradients: usize,
}

impl Request {
    /// The answer: losses and logits of all points, and the gradient of the first ones if any is wanted.
    ///
    /// # Errors
    ///
    /// Whatever the classifier fails with; more gradients than points.
    pub fn answer(&self, classifier: &dyn Classifier, loss: LossKind) -> Result<Answer> {
        let Self { points, labels, gradients } = self;
        let loss = Loss::new(loss, labels.clone(), &Aim::Untargeted)?;
        let rows: Vec<usize> = (0..labels.len()).collect();
        let Some((looked_at, judged)) = rows.split_at_checked(*gradients) else {
            let message = format!("{gradients} gradients are wanted of {} points", rows.len());
            return Err(Error::Classifier { message });
        };
        if looked_at.is_empty() || judged.is_empty() {
            return evaluate(classifier, points, &rows, &loss, *gradients > 0);
        }
        let images = points.narrow(0, *gradients, judged.len())?;
        let points = points.narrow(0, 0, *gradients)?;
        let (mut answer, scores) = evaluate_beside(classifier, &points, looked_at, &loss, &images)?;
        answer.losses.extend(loss.evaluate(&scores, judged)?.values);
        answer.logits = join_rows(&[answer.logits, scores])?;
        Ok(answer)
    }
}
