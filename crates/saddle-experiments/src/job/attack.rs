//! One attack against one network on one sample of digits.
//!
//! Without an attack the job is natural accuracy: one forward pass per digit.

use serde::{Deserialize, Serialize};

use saddle_attacks::{Driver, Examples, Judge, Objective, ProjectedAscent, ThreatModel, Verdict};
use saddle_model::{Classifier, Network, predictions};
use saddle_ops::{Draws, GradientHealth};

use super::sampled::{Findings, SampleJob};
use super::{Bench, CHUNK, REVISIONS, Sample, Trained};
use crate::Result;

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

impl Findings for Survey {
    fn digits(&self) -> Option<usize> {
        Some(self.verdicts.len())
    }

    fn append(&mut self, next: Self) {
        self.verdicts.extend(next.verdicts);
        self.health += next.health;
    }
}

impl SampleJob for AttackJob {
    const NAME: &'static str = "attack";
    const REVISION: u32 = REVISIONS.attack;
    type Findings = Survey;

    fn passes_per_example(&self) -> u64 {
        let Some(attempt) = &self.attempt else { return 1 };
        let points = attempt.ascent.direction.points_per_step();
        let judging = u64::from(attempt.judge == Judge::Any && points > 1);
        let step = points.saturating_mul(2).saturating_add(judging);
        let run = u64::from(attempt.ascent.steps).saturating_mul(step).saturating_add(2);
        let all = run.saturating_mul(u64::from(attempt.restarts));
        attempt.cap.map_or(all, |cap| all.min(cap))
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
        let outcome = driver.run(network, &attempt.ascent, &examples, &objective, draws)?;
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
