//! An attack asks, somebody else answers.
//!
//! [`Attack`] and [`Run`] are all that a new attack has to implement: begin, ask, be told, show
//! where it stands. [`answer`] answers one question, [`perturb`] a whole run; the
//! [`Driver`](crate::Driver) does the same with counting, a cap and a judge.
//!
//! # Contract of a run
//!
//! - Rows are independent. Which other rows are present must not change what happens to a row.
//! - [`Run::ask`] twice without an answer gives the same question, and [`Run::keep`] in between
//!   only drops rows from it.
//! - The iterate is always an image that the attack is ready to be judged on.

use std::sync::Arc;

use candle_core::Tensor;
use saddle_model::{Classifier, Evaluated, Loss, Mode, Pullback, Wanted};
use saddle_ops::{Draws, GradientHealth, join_rows};

use crate::{
    error::{Error, Result},
    examples::Examples,
    threat_model::Objective,
};

/// Points in one forward pass of the classifier: bounds memory, never changes a result.
const POINTS_AT_ONCE: usize = 512;

/// A method of looking for adversarial images.
pub trait Attack: Send + Sync {
    /// A short name for reports and error messages; the name of the type unless told otherwise.
    fn name(&self) -> String {
        std::any::type_name::<Self>().rsplit("::").next().unwrap_or_default().to_owned()
    }

    /// Whether a second restart would find the same images again, since nothing is drawn.
    fn repeats_itself(&self) -> bool {
        false
    }

    /// Starts on a batch. All randomness must come from `draws`, keyed by the examples' ids and by
    /// `restart`, so that an example's run is the same in any company.
    ///
    /// # Errors
    ///
    /// Settings or goals that the attack cannot work with.
    fn begin(
        &self,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
        restart: u32,
    ) -> Result<Box<dyn Run>>;
}

/// One attack under way on one batch of rows.
pub trait Run {
    /// The next question, or [`Query::Done`].
    ///
    /// # Errors
    ///
    /// Failures of tensor operations.
    fn ask(&mut self) -> Result<Query>;

    /// The answer to the last question; the iterate moves.
    ///
    /// # Errors
    ///
    /// An answer that does not fit the question.
    fn tell(&mut self, answer: Answer) -> Result<()>;

    /// Forgets every row but these (ascending positions among the present rows).
    ///
    /// # Errors
    ///
    /// No rows, rows that are not there, and failures of tensor operations.
    fn keep(&mut self, rows: &[usize]) -> Result<()>;

    /// Where each present row stands now, `(rows, c, h, w)`.
    fn iterate(&self) -> &Tensor;

    /// Whether the last answer took the attack to a next iterate. An attack that asks several questions about one iterate says
    /// no in between, of all rows alike, and a verdict on the iterate goes on to hold.
    fn moved(&self) -> bool {
        true
    }

    /// What the gradients of each present row have been like so far; empty when nobody counted.
    fn health(&self) -> &[GradientHealth] {
        &[]
    }

    /// The direction of the step that the last answer completed, one of each present row, before its length and the way back
    /// into the threat model. None before the first step, between the answers of one step, and where an attack does not say.
    ///
    /// # Errors
    ///
    /// Failures of tensor operations.
    fn followed(&self) -> Result<Option<Tensor>> {
        Ok(None)
    }
}

/// What a run wants to know.
#[derive(Clone)]
pub enum Query {
    /// The loss and its gradient at each point: one forward and one backward pass a point.
    Gradient {
        /// Points to look at, `(m, c, h, w)`.
        points: Tensor,
        /// Point `j` is asked for by the present row `rows[j]`.
        rows: Vec<usize>,
        /// The loss to climb.
        loss: Arc<Loss>,
        /// The points are the iterate, row by row: the answer judges it for free.
        at_iterate: bool,
    },
    /// The loss at each point: one forward pass a point.
    Loss {
        /// Points to look at, `(m, c, h, w)`.
        points: Tensor,
        /// Point `j` is asked for by the present row `rows[j]`.
        rows: Vec<usize>,
        /// The loss to compute.
        loss: Arc<Loss>,
        /// The points are the iterate, row by row: the answer judges it for free.
        at_iterate: bool,
    },
    /// The gradient of every logit at each point, the Jacobian of the logits: one forward pass and a backward pass for each
    /// class a point.
    LogitGradients {
        /// Points to look at, `(m, c, h, w)`.
        points: Tensor,
        /// Point `j` is asked for by the present row `rows[j]`.
        rows: Vec<usize>,
        /// A loss whose values come along.
        loss: Arc<Loss>,
        /// The points are the iterate, row by row: the answer judges it for free.
        at_iterate: bool,
    },
    /// Nothing more: the iterate is the result.
    Done,
}

impl Query {
    /// Asks for loss and gradient where each present row stands: the question of most first-order attacks.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] for an iterate without a batch dimension.
    pub fn gradient_at(iterate: &Tensor, loss: Arc<Loss>) -> Result<Self> {
        let rows = (0..iterate.dim(0)?).collect();
        Ok(Self::Gradient { points: iterate.clone(), rows, loss, at_iterate: true })
    }

    /// Forward and backward passes that the answer costs with a classifier of so many classes.
    pub fn passes(&self, classes: usize) -> u64 {
        match self {
            Self::Gradient { rows, .. } => 2 * rows.len() as u64,
            Self::Loss { rows, .. } => rows.len() as u64,
            Self::LogitGradients { rows, .. } => (1 + classes as u64) * rows.len() as u64,
            Self::Done => 0,
        }
    }
}

/// What a run is told: entry `j` belongs to point `j` of the question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Loss at each point.
    pub losses: Vec<f64>,
    /// Class scores at each point, `(m, classes)`.
    pub logits: Tensor,
    /// Gradient of the loss at each point, shaped as the points; to [`Query::LogitGradients`] that of every logit,
    /// `(m, classes, c, h, w)`. Only when asked for.
    pub gradient: Option<Tensor>,
}

impl Answer {
    /// The gradient that was asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Classifier`] when the answer holds none, as to a [`Query::Loss`].
    pub fn gradient(&self) -> Result<&Tensor> {
        let message = "the answer holds no gradient; ask with `Query::Gradient`";
        self.gradient.as_ref().ok_or_else(|| Error::Classifier { message: message.into() })
    }
}

/// Answers one question; [`None`] once the run is done.
///
/// Points go through the classifier in chunks, which bounds what the classifier holds at a time (the
/// question's points and the answer's gradients are whole tensors all the same); since rows are
/// independent, no result depends on it.
///
/// # Errors
///
/// Whatever the classifier fails with, and answers of a wrong shape.
pub fn answer(classifier: &dyn Classifier, query: &Query) -> Result<Option<Answer>> {
    match query {
        Query::Gradient { points, rows, loss, .. } => {
            Ok(Some(evaluate(classifier, points, rows, loss, true)?))
        }
        Query::Loss { points, rows, loss, .. } => {
            Ok(Some(evaluate(classifier, points, rows, loss, false)?))
        }
        Query::LogitGradients { points, rows, loss, .. } => {
            Ok(Some(logit_gradients(classifier, points, rows, loss)?))
        }
        Query::Done => Ok(None),
    }
}

/// Losses, logits and the gradients of all logits at some points.
fn logit_gradients(
    classifier: &dyn Classifier,
    points: &Tensor,
    rows: &[usize],
    loss: &Loss,
) -> Result<Answer> {
    // As many pullbacks as elsewhere hold their gradients at a time.
    let at_once = (POINTS_AT_ONCE / classifier.classes().max(1)).max(1);
    let mut losses = Vec::with_capacity(rows.len());
    let (mut logits, mut gradients) = (Vec::new(), Vec::new());
    for start in (0..rows.len()).step_by(at_once) {
        let count = at_once.min(rows.len() - start);
        let chunk = points.narrow(0, start, count)?.contiguous()?;
        let (scores, gradient) = classifier.logit_gradients(&chunk)?;
        check_scores(classifier, &scores, count)?;
        let mut expected = chunk.dims().to_vec();
        expected.insert(1, classifier.classes());
        if gradient.dims() != expected {
            let found = gradient.dims();
            let message = format!("gradients of shape {found:?}, expected {expected:?}");
            return Err(Error::Classifier { message });
        }
        losses.extend(loss.evaluate(&scores, &rows[start..start + count])?.values);
        logits.push(scores.detach());
        gradients.push(gradient.detach());
    }
    let gradient = Some(Tensor::cat(&gradients, 0)?);
    Ok(Answer { losses, logits: Tensor::cat(&logits, 0)?, gradient })
}

/// Losses, logits and, if wanted, gradients at some points.
pub(crate) fn evaluate(
    classifier: &dyn Classifier,
    points: &Tensor,
    rows: &[usize],
    loss: &Loss,
    gradient_wanted: bool,
) -> Result<Answer> {
    let mut losses = Vec::with_capacity(rows.len());
    let (mut logits, mut gradients) = (Vec::new(), Vec::new());
    for start in (0..rows.len()).step_by(POINTS_AT_ONCE) {
        let count = POINTS_AT_ONCE.min(rows.len() - start);
        let chunk = points.narrow(0, start, count)?.contiguous()?;
        let (scores, pullback) = classifier.forward(&chunk, Mode::Evaluation)?;
        check_scores(classifier, &scores, count)?;
        let evaluated = loss.evaluate(&scores, &rows[start..start + count])?;
        losses.extend(evaluated.values);
        if gradient_wanted {
            gradients.push(pulled_back(pullback, &evaluated.cotangent, &chunk)?);
        }
        logits.push(scores.detach());
    }
    let gradient = if gradient_wanted { Some(join_rows(&gradients)?) } else { None };
    Ok(Answer { losses, logits: join_rows(&logits)?, gradient })
}

/// Losses, logits and gradients at some points, and the class scores of some `images` beside them: in one pass where all of
/// them go through the classifier together, which is worth it when they are few.
pub(crate) fn evaluate_beside(
    classifier: &dyn Classifier,
    points: &Tensor,
    rows: &[usize],
    loss: &Loss,
    images: &Tensor,
) -> Result<(Answer, Tensor)> {
    let (count, others) = (rows.len(), images.dim(0)?);
    if count + others > POINTS_AT_ONCE {
        let answer = evaluate(classifier, points, rows, loss, true)?;
        return Ok((answer, scores(classifier, images)?));
    }
    let together = join_rows(&[points.clone(), images.clone()])?;
    let (scores, pullback) = classifier.forward_first(&together, count)?;
    check_scores(classifier, &scores, count + others)?;
    let scores = scores.detach();
    let [logits, others] = [(0, count), (count, others)]
        .map(|(start, count)| scores.narrow(0, start, count)?.contiguous());
    let (logits, others) = (logits?, others?);
    let Evaluated { values, cotangent } = loss.evaluate(&logits, rows)?;
    let gradient = pulled_back(pullback, &cotangent, points)?;
    Ok((Answer { losses: values, logits, gradient: Some(gradient) }, others))
}

/// The gradient at these points.
fn pulled_back(pullback: Pullback<'_>, cotangent: &Tensor, points: &Tensor) -> Result<Tensor> {
    let gradient = pullback(cotangent, Wanted::INPUT)?.input;
    let gradient = gradient.filter(|found| found.dims() == points.dims());
    let message = || format!("no gradient of the shape {:?} of the images", points.dims());
    Ok(gradient.ok_or_else(|| Error::Classifier { message: message() })?.detach())
}

/// Class scores of images, in chunks.
pub(crate) fn scores(classifier: &dyn Classifier, images: &Tensor) -> Result<Tensor> {
    let total = images.dim(0)?;
    let mut logits = Vec::new();
    for start in (0..total).step_by(POINTS_AT_ONCE) {
        let count = POINTS_AT_ONCE.min(total - start);
        let scores = classifier.logits(&images.narrow(0, start, count)?.contiguous()?)?;
        check_scores(classifier, &scores, count)?;
        logits.push(scores.detach());
    }
    Ok(join_rows(&logits)?)
}

fn check_scores(classifier: &dyn Classifier, scores: &Tensor, images: usize) -> Result<()> {
    let expected = [images, classifier.classes()];
    if scores.dims() == expected {
        return Ok(());
    }
    let found = scores.dims();
    Err(Error::Classifier { message: format!("logits of shape {found:?}, expected {expected:?}") })
}

/// Where an attack ended up, and what it cost all examples together.
#[derive(Clone, Debug)]
pub struct Perturbed {
    /// The last iterates, `(n, c, h, w)`.
    pub images: Tensor,
    /// Forward and backward passes.
    pub passes: u64,
    /// Gradients that were zero, tiny or not finite.
    pub health: GradientHealth,
}

/// Runs an attack to its end: no cap, no judge.
///
/// This is what a training loop wants from its inner attack; an evaluation wants the
/// [`Driver`](crate::Driver).
///
/// # Errors
///
/// Whatever the attack or the classifier fails with.
pub fn perturb(
    classifier: &dyn Classifier,
    attack: &dyn Attack,
    examples: &Examples,
    objective: &Objective,
    draws: Draws,
    restart: u32,
) -> Result<Perturbed> {
    let mut run = attack.begin(examples, objective, draws, restart)?;
    let mut passes = 0;
    loop {
        let query = run.ask()?;
        passes += query.passes(classifier.classes());
        let Some(answer) = answer(classifier, &query)? else { break };
        run.tell(answer)?;
    }
    let health = run.health().iter().copied().sum();
    Ok(Perturbed { images: run.iterate().clone(), passes, health })
}
