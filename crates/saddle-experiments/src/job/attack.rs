//! One attack against one network on one sample of digits.
//!
//! Without an attack the job is natural accuracy: one forward pass per digit.

use serde::{Deserialize, Serialize};

use saddle_attacks::{
    Driver, Examples, Found, Judge, MemberOutcome, Method, ProjectedAscent, ThreatModel, Verdict,
};
use saddle_model::{Classifier, Network, predictions};
use saddle_ops::{Draws, GradientHealth};

use super::sampled::{Findings, SampleJob};
use super::{Bench, CHUNK, REVISIONS, Sample, Trained};
use crate::Result;

// Revisions of the attacks of other papers, and of the suite's usual settings: whoever changes one so that its numbers
// change raises it. That of the driver and of ascents stands among `REVISIONS`.
const APGD: u32 = 1;
const SQUARE: u32 = 1;
const DDN: u32 = 1;
const STANDARD: u32 = 2;

/// What an attack job does, apart from the network and the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct AttackJob {
    /// The threat and the attack; none for natural accuracy.
    pub(crate) attempt: Option<Attempt>,
    pub(crate) seed: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Attempt {
    pub(crate) threat: ThreatModel,
    /// Under its own name, so that an ascent is described as it always was.
    #[serde(flatten)]
    pub(crate) method: Method,
    pub(crate) restarts: u32,
    pub(crate) judge: Judge,
    pub(crate) stop_fooled: bool,
    pub(crate) cap: Option<u64>,
}

impl Attempt {
    /// The attack as it says, on any classifier.
    pub(super) fn run(
        &self,
        classifier: &dyn Classifier,
        examples: &Examples,
        seed: u64,
    ) -> Result<Found> {
        let driver = Driver {
            batch: CHUNK,
            cap: self.cap,
            judge: self.judge,
            stop_fooled: self.stop_fooled,
            restarts: self.restarts,
            trace: false,
        };
        let draws = Draws::new(seed);
        Ok(self.method.run(&driver, classifier, None, examples, self.threat, draws)?)
    }

    /// The attack from its first start to its last step.
    pub(super) fn one_run(&self) -> Self {
        Self { restarts: 1, cap: None, ..self.clone() }
    }

    /// Passes per digit that it takes at most.
    pub(super) fn passes(&self) -> u64 {
        // Natural and final image.
        let judged = |passes: u64| passes.saturating_add(2);
        let run = match self.method {
            Method::Ascent(ascent) => passes_of_run(&ascent, self.judge),
            Method::Apgd(apgd) => judged(apgd.passes()),
            Method::Square(square) => judged(u64::from(square.queries)),
            Method::Ddn(ddn) => judged(ddn.passes()),
            Method::Standard(standard) => {
                // Each of its attacks has the cap for itself.
                let cap = self.cap.map_or(u64::MAX, |cap| cap.saturating_mul(4));
                return standard.passes(self.threat).min(cap);
            }
        };
        let all = run.saturating_mul(u64::from(self.restarts));
        self.cap.map_or(all, |cap| all.min(cap))
    }
}

/// What became of each digit, in the order of the sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Survey {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) health: GradientHealth,
    /// The attacks of a suite, in their order; empty for a single attack.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) members: Vec<MemberOutcome>,
}

impl Findings for Survey {
    fn digits(&self) -> Option<usize> {
        Some(self.verdicts.len())
    }

    fn append(&mut self, next: Self) {
        self.verdicts.extend(next.verdicts);
        self.health += next.health;
        if self.members.is_empty() {
            self.members = next.members;
        } else {
            self.members.iter_mut().zip(next.members).for_each(|(own, next)| own.extend(next));
        }
    }
}

impl SampleJob for AttackJob {
    const NAME: &'static str = "attack";
    const REVISION: u32 = REVISIONS.attack;
    type Findings = Survey;

    fn revision(&self) -> u32 {
        let own = match self.attempt.as_ref().map(|attempt| attempt.method) {
            None | Some(Method::Ascent(_)) => return Self::REVISION,
            Some(Method::Apgd(_)) => APGD,
            Some(Method::Square(_)) => SQUARE,
            Some(Method::Ddn(_)) => DDN,
            Some(Method::Standard(_)) => APGD + SQUARE + STANDARD,
        };
        Self::REVISION * 1_000 + own
    }

    fn passes_per_example(&self) -> u64 {
        self.attempt.as_ref().map_or(1, Attempt::passes)
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<Survey> {
        let examples = sample.examples(chunk, &bench.machine.device)?;
        let network = trained.network(bench)?;
        let Some(attempt) = &self.attempt else {
            return natural(network, &examples);
        };
        let found = attempt.run(network, &examples, self.seed)?;
        Ok(Survey { verdicts: found.verdicts, health: found.health, members: found.members })
    }
}

/// Passes of one run of an ascent, judging included, at most.
pub(super) fn passes_of_run(ascent: &ProjectedAscent, judge: Judge) -> u64 {
    let points = ascent.direction.points_per_step();
    let judging = u64::from(judge == Judge::Any && points > 1);
    let step = points.saturating_mul(2).saturating_add(judging);
    u64::from(ascent.steps).saturating_mul(step).saturating_add(2)
}

/// Verdicts of nobody's attack: fooled means that the natural image is misclassified.
fn natural(network: &Network, examples: &Examples) -> Result<Survey> {
    let logits = network.logits(examples.images())?;
    // Refuses NaN, which an argmax would take for some class.
    let predictions = predictions(&logits)?;
    let rows = predictions.iter().zip(examples.labels()).zip(examples.ids());
    let verdicts = rows.map(|((&prediction, &label), &id)| Verdict {
        id,
        label,
        natural_prediction: prediction,
        natural_correct: prediction == label,
        fooled_final: false,
        fooled_any: false,
        prediction,
        distance: 0.0,
        final_prediction: prediction,
        final_distance: 0.0,
        feasible: true,
        forward: 1,
        backward: 0,
        first_fooled_step: None,
        first_fooled_passes: None,
    });
    Ok(Survey { verdicts: verdicts.collect(), ..Survey::default() })
}
