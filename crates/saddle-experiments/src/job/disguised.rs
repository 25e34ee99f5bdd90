//! An attack on a network whose gradients were hidden on purpose.

use serde::Serialize;

use saddle_attacks::Disguise;
use saddle_model::Classifier;

use super::attack::{AttackJob, Attempt, Survey};
use super::sampled::SampleJob;
use super::{Bench, REVISIONS, Sample, Trained};
use crate::Result;

/// What such a job does, apart from the network beneath and the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct DisguisedJob {
    pub(crate) disguise: Disguise,
    pub(crate) attempt: Attempt,
    pub(crate) seed: u64,
}

/// A trained network under a disguise.
pub(super) fn under<'n>(
    disguise: Disguise,
    bench: &Bench<'_>,
    trained: &'n Trained,
) -> Result<Box<dyn Classifier + 'n>> {
    Ok(disguise.put_on(trained.network(bench)?)?)
}

impl DisguisedJob {
    fn plain(&self) -> AttackJob {
        AttackJob { attempt: Some(self.attempt.clone()), seed: self.seed }
    }
}

impl SampleJob for DisguisedJob {
    const NAME: &'static str = "attack on a disguised network";
    const REVISION: u32 = REVISIONS.disguised;
    type Findings = Survey;

    fn revision(&self) -> u32 {
        Self::REVISION * 1_000_000 + self.plain().revision()
    }

    fn passes_per_example(&self) -> u64 {
        self.attempt.passes()
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<Survey> {
        let examples = sample.examples(chunk, &bench.machine.device)?;
        let classifier = under(self.disguise, bench, trained)?;
        let found = self.attempt.run(classifier.as_ref(), &examples, self.seed)?;
        Ok(Survey { verdicts: found.verdicts, health: found.health, members: found.members })
    }
}
