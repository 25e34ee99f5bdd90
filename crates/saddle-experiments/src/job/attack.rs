//! One attack against one network on one sample of digits.
//!
//! Without an attack the job is natural accuracy: one forward pass per digit.

use serde::{Deserialize, Serialize};

use saddle_attacks::{Driver, Examples, Judge, Objective, ProjectedAscent, ThreatModel, Verdict};
use saddle_model::{Classifier, Network, predictions};
use saddle_ops::{Draws, GradientHealth};

use super::{Bench, CHUNK, REVISIONS, RunObserver, Sample, Trained, in_chunks};
use crate::{Error, Key, Result};

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
    pub(crate) ascent: ProjectedAscent,
    pub(crate) restarts: u32,
    pub(crate) judge: Judge,
    pub(crate) stop_fooled: bool,
    pub(crate) cap: Option<u64>,
}

/// What became of each digit, in the order of the sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Survey {
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) health: GradientHealth,
}

impl Survey {
    /// One survey of all chunks, in their order.
    pub(super) fn joined(chunks: Vec<Self>) -> Self {
        let mut survey = Self::default();
        for chunk in chunks {
            survey.verdicts.extend(chunk.verdicts);
            survey.health += chunk.health;
        }
        survey
    }
}

#[derive(Serialize)]
struct Description<'a> {
    job: &'static str,
    revision: u32,
    machine: String,
    network: &'a Key,
    data: &'a str,
    ids: &'a [usize],
    question: &'a AttackJob,
}

impl AttackJob {
    /// Passes per digit that the job takes at most, for the estimate of the time left.
    pub(crate) fn passes_per_example(&self) -> u64 {
        let Some(attempt) = &self.attempt else { return 1 };
        let points = attempt.ascent.direction.points_per_step();
        let judging = u64::from(attempt.judge == Judge::Any && points > 1);
        let step = points.saturating_mul(2).saturating_add(judging);
        let run = u64::from(attempt.ascent.steps).saturating_mul(step).saturating_add(2);
        let all = run.saturating_mul(u64::from(attempt.restarts));
        attempt.cap.map_or(all, |cap| all.min(cap))
    }

    pub(crate) fn key(&self, bench: &Bench<'_>, network: &Key, sample: &Sample<'_>) -> Result<Key> {
        Key::of(&self.description(bench, network, sample))
    }

    fn description<'a>(
        &'a self,
        bench: &Bench<'_>,
        network: &'a Key,
        sample: &'a Sample<'_>,
    ) -> Description<'a> {
        Description {
            job: "attack",
            revision: REVISIONS.attack,
            machine: bench.machine.name(),
            network,
            data: &sample.hash,
            ids: &sample.indices,
            question: self,
        }
    }

    /// The result, from the store or by work.
    pub(crate) fn run(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        observer: &mut dyn RunObserver,
    ) -> Result<Survey> {
        let key = self.key(bench, &trained.key, sample)?;
        let total = sample.indices.len();
        if let Some(survey) = bench.store.result(&key).and_then(|bytes| parse(&bytes, total)) {
            return Ok(survey);
        }
        let cost = self.passes_per_example();
        let chunks = in_chunks(bench, &key, sample, cost, observer, parse, |chunk| {
            let examples = sample.examples(chunk, &bench.machine.device)?;
            let survey = self.survey(trained.network(bench)?, &examples)?;
            serde_json::to_vec(&survey).map_err(|e| Error::format("chunk of an attack", e))
        })?;
        let survey = Survey::joined(chunks);
        let bytes =
            serde_json::to_vec(&survey).map_err(|e| Error::format("result of an attack", e))?;
        bench.finish(&key, &self.description(bench, &trained.key, sample), &bytes)?;
        Ok(survey)
    }

    fn survey(&self, network: &Network, examples: &Examples) -> Result<Survey> {
        let Some(attempt) = &self.attempt else {
            return natural(network, examples);
        };
        let driver = Driver {
            batch: CHUNK,
            cap: attempt.cap,
            judge: attempt.judge,
            stop_fooled: attempt.stop_fooled,
            restarts: attempt.restarts,
            trace: false,
        };
        let objective = Objective::untargeted(attempt.threat);
        let draws = Draws::new(self.seed);
        let outcome = driver.run(network, &attempt.ascent, examples, &objective, draws)?;
        Ok(Survey { verdicts: outcome.verdicts, health: outcome.health })
    }
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
    Ok(Survey { verdicts: verdicts.collect(), health: GradientHealth::default() })
}

pub(super) fn parse(bytes: &[u8], examples: usize) -> Option<Survey> {
    let survey: Survey = serde_json::from_slice(bytes).ok()?;
    (survey.verdicts.len() == examples).then_some(survey)
}
