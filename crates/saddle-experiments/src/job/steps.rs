//! After which steps of an attack each digit's iterate fools the network: one run without early stop.

use serde::{Deserialize, Serialize};

use saddle_attacks::{Driver, Judge, Objective, ProjectedAscent, ThreatModel};
use saddle_ops::Draws;

use super::sampled::{Findings, SampleJob};
use super::{Bench, CHUNK, REVISIONS, Sample, Trained};
use crate::Result;

/// What a job of steps does, apart from the network and the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct StepJob {
    pub(crate) threat: ThreatModel,
    pub(crate) ascent: ProjectedAscent,
    pub(crate) seed: u64,
}

/// What became of each digit, in the order of the sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepSurvey {
    /// Whether the natural image is read rightly.
    pub(crate) right: Vec<bool>,
    /// Stretches of steps `[from, to)` whose iterates fool; the last one goes on for ever when the final
    /// iterate fools.
    pub(crate) fooled: Vec<Vec<[u64; 2]>>,
}

impl Findings for StepSurvey {
    fn digits(&self) -> Option<usize> {
        (self.right.len() == self.fooled.len()).then_some(self.right.len())
    }

    fn append(&mut self, next: Self) {
        self.right.extend(next.right);
        self.fooled.extend(next.fooled);
    }
}

impl SampleJob for StepJob {
    const NAME: &'static str = "steps";
    const REVISION: u32 = REVISIONS.steps;
    type Findings = StepSurvey;

    fn passes_per_example(&self) -> u64 {
        let points = self.ascent.direction.points_per_step();
        let judging = u64::from(!self.ascent.direction.is_at_iterate());
        let step = points.saturating_mul(2).saturating_add(judging);
        u64::from(self.ascent.steps).saturating_mul(step).saturating_add(2)
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<StepSurvey> {
        let examples = sample.examples(chunk, &bench.machine.device)?;
        let driver = Driver { batch: CHUNK, judge: Judge::Any, ..Driver::default() };
        let objective = Objective::untargeted(self.threat);
        let draws = Draws::new(self.seed);
        let network = trained.network(bench)?;
        let outcome = driver.run(network, &self.ascent, &examples, &objective, draws)?;
        let fooled = outcome.fooled_steps.iter();
        Ok(StepSurvey {
            right: outcome.verdicts.iter().map(|verdict| verdict.natural_correct).collect(),
            fooled: fooled.map(|steps| stretches(steps, self.ascent.steps)).collect(),
        })
    }
}

/// Ascending steps as stretches; one that reaches `last` goes on for ever.
fn stretches(steps: &[u32], last: u32) -> Vec<[u64; 2]> {
    let mut stretches: Vec<[u64; 2]> = Vec::new();
    for &step in steps {
        let (from, to) =
            (u64::from(step), if step == last { u64::MAX } else { u64::from(step) + 1 });
        match stretches.last_mut().filter(|stretch| stretch[1] == from) {
            Some(stretch) => stretch[1] = to,
            None => stretches.push([from, to]),
        }
    }
    stretches
}
