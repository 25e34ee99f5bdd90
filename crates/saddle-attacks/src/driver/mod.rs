//! Runs an attack: answers, counts, stops, judges.
//!
//! # What a pass is
//!
//! A gradient at one point is one forward and one backward pass, a loss or a verdict one forward
//! pass, the gradients of all logits one forward pass and a backward pass for each class. Counted
//! per example are: the verdict on the natural image; every point the attack asks for; every
//! verdict on an iterate, except where the attack's own question shows the iterate
//! ([`Query`](crate::Query) `at_iterate`), whose logits judge it for free. An iterate of which the attack says that it has
//! not moved is not judged again.
//!
//! A verdict and a question that nobody's leaving can change are put to the classifier in one pass
//! ([`Classifier::forward_first`]); that alters neither a bit nor the count.
//!
//! # The cap
//!
//! With a `cap` no example ever has more passes than that. Before each question the driver sees
//! what it costs each row, with one more forward pass for the verdict on the iterate that will
//! follow; a row that cannot afford both ends where it stands, is judged there, and begins no further
//! restart. Restarts share the cap. So what falls under one cap falls under every larger one, and
//! one run tells at which cap each example falls ([`Verdict`](crate::Verdict) `first_fooled_passes`).
//! Passes for a trace are counted apart ([`Outcome::diagnostic_passes`]).
//!
//! # Who is attacked
//!
//! Without `stop_fooled` (the paper's setting, and traces): every example, for every restart, to
//! the last step. With it, an example leaves at the first judged iterate that fools, later restarts
//! go on with the survivors, and a misclassified natural image is not attacked at all. Either
//! way a misclassified natural image does not count as robust.
//!
//! # The smallest perturbation
//!
//! Where the goal is [`Goal::Smallest`](crate::Goal), any distance is allowed and the nearest judged image that fools is kept
//! ([`Outcome::images`]) instead of the first. Nobody leaves early then: the first image is rarely the nearest.
//!
//! # Guides
//!
//! Another classifier may answer the questions for gradients ([`Driver::run_guided`]): one that is cheaper, such as the same
//! network in fewer bits. Its word is never a verdict: what its answers show of an iterate is not believed, and iterates
//! that count pay a forward pass of the classifier that is attacked.
//!
//! # Invariants
//!
//! An example's verdict, images and trace do not depend on `batch`, on the order of the examples,
//! on who leaves, or on the number of threads (which live in the classifier; batches run one after
//! another). An image that counts, the final one or one that fools, has been found inside the
//! pixel box and no further than `epsilon * (1 + 1e-6)`, measured in 64 bits; else the run fails.

mod batch;
mod ledger;
mod question;
mod record;
mod referee;
mod request;
mod stepwise;

use saddle_model::Classifier;
use saddle_ops::{Draws, GradientHealth};
use serde::{Deserialize, Serialize};

use candle_core::Tensor;

use crate::{
    attack::Attack,
    error::{Error, Result},
    examples::Examples,
    threat_model::Objective,
    trace,
    verdict::{Judge, Outcome},
};

use batch::Batch;
use referee::Referee;

pub use request::Request;
pub use stepwise::{Standing, Stepwise};

/// How an attack is run and judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Driver {
    /// Examples attacked together; a matter of speed and memory only.
    pub batch: usize,
    /// Most forward and backward passes per example, judging and all restarts included.
    pub cap: Option<u64>,
    /// Which iterates to pay a verdict for.
    pub judge: Judge,
    /// Whether an example leaves once a judged iterate fools.
    pub stop_fooled: bool,
    /// How often to begin; every restart draws its own noise.
    pub restarts: u32,
    /// Whether to record loss, gradient norm and distance at every step.
    pub trace: bool,
}

impl Default for Driver {
    /// The paper's setting: one run to the last step, the final iterate judged, no cap.
    fn default() -> Self {
        Self {
            batch: 100,
            cap: None,
            judge: Judge::Final,
            stop_fooled: false,
            restarts: 1,
            trace: false,
        }
    }
}

impl Driver {
    /// Attacks all examples and judges what came of it.
    ///
    /// # Errors
    ///
    /// Settings, labels or images that make no sense; logits that are NaN or infinite, with the
    /// example named; an attack that breaks its contract or hands in an infeasible image.
    pub fn run(
        &self,
        classifier: &dyn Classifier,
        attack: &dyn Attack,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
    ) -> Result<Outcome> {
        self.attack(classifier, None, attack, examples, objective, draws)
    }

    /// [`Driver::run`] with gradients from `guide`, which sees the same images and knows the same classes; all verdicts
    /// are the classifier's.
    ///
    /// # Errors
    ///
    /// As [`Driver::run`], and a guide with another number of classes.
    pub fn run_guided(
        &self,
        classifier: &dyn Classifier,
        guide: &dyn Classifier,
        attack: &dyn Attack,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
    ) -> Result<Outcome> {
        self.attack(classifier, Some(guide), attack, examples, objective, draws)
    }

    /// [`Driver::run`], or [`Driver::run_guided`] where there is a guide.
    pub(crate) fn attack(
        &self,
        classifier: &dyn Classifier,
        guide: Option<&dyn Classifier>,
        attack: &dyn Attack,
        examples: &Examples,
        objective: &Objective,
        draws: Draws,
    ) -> Result<Outcome> {
        self.check()?;
        if let Some(guide) = guide
            && guide.classes() != classifier.classes()
        {
            let (judges, guides) = (classifier.classes(), guide.classes());
            let message = format!("knows {guides} classes, the classifier {judges}");
            return Err(Error::setting("guide", message));
        }
        if self.stop_fooled && objective.goal.epsilon().is_none() {
            let message = "the first image that fools is rarely the nearest; leave it off where the \
                           smallest distance is wanted";
            return Err(Error::setting("stop_fooled", message));
        }
        if !classifier.judges() {
            let message = "its logits are not exact enough for verdicts; let it guide another one";
            return Err(Error::setting("classifier", message));
        }
        if self.restarts > 1 && attack.repeats_itself() {
            let restarts = self.restarts;
            return Err(Error::setting(
                "restarts",
                format!("{restarts} runs without noise are one run; give it a random start"),
            ));
        }
        objective.check(examples, classifier.classes())?;
        let (mut verdicts, mut images, mut final_images) = (Vec::new(), Vec::new(), Vec::new());
        let (mut steps, mut health, mut diagnostic_passes) =
            (Vec::new(), GradientHealth::default(), 0);
        let mut fooled_steps = Vec::new();
        for start in (0..examples.len()).step_by(self.batch) {
            let rows: Vec<usize> = (start..examples.len().min(start + self.batch)).collect();
            let part = examples.select(&rows)?;
            let objective = objective.select(&rows)?;
            let referee = Referee { attack: attack.name(), examples: part, objective };
            let outcome = Batch::new(self, classifier, attack, referee, guide, draws)?.run()?;
            verdicts.extend(outcome.verdicts);
            images.push(outcome.images);
            final_images.push(outcome.final_images);
            fooled_steps.extend(outcome.fooled_steps);
            trace::merge(&mut steps, outcome.trace);
            health += outcome.health;
            diagnostic_passes += outcome.diagnostic_passes;
        }
        Ok(Outcome {
            verdicts,
            images: Tensor::cat(&images, 0)?,
            final_images: Tensor::cat(&final_images, 0)?,
            fooled_steps,
            trace: steps,
            health,
            diagnostic_passes,
        })
    }

    /// Refuses settings that make no sense.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidSetting`], which names the setting.
    pub fn check(&self) -> Result<()> {
        if self.batch == 0 {
            return Err(Error::setting("batch", "0 examples a batch; take at least one"));
        }
        if self.restarts == 0 {
            return Err(Error::setting("restarts", "0 restarts attack nothing; take at least one"));
        }
        if let Some(cap) = self.cap.filter(|&cap| cap < 2) {
            return Err(Error::setting(
                "cap",
                format!("{cap} passes; judging natural and final image takes 2 by itself"),
            ));
        }
        Ok(())
    }
}
