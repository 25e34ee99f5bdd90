//! Images at which an attack ends on one network, tried on another one.

use std::rc::Rc;

use serde::{Serialize, Serializer};

use saddle_attacks::{Disguise, Driver, Judge, Objective, ProjectedAscent, ThreatModel};
use saddle_ops::Draws;

use super::attack::{Survey, passes_of_run};
use super::disguised::under;
use super::sampled::SampleJob;
use super::{Bench, CHUNK, REVISIONS, Sample, Trained};
use crate::masking::ends_on;
use crate::{Key, Result};

/// What such a job does, apart from the network on which images are tried and the digits.
#[derive(Clone, Serialize)]
pub(crate) struct TransferJob {
    /// The network on which they are looked for; keys know it by its own.
    pub(crate) source: Source,
    pub(crate) threat: ThreatModel,
    /// Run once there, to its last step.
    pub(crate) ascent: ProjectedAscent,
    /// Of the network on which they are tried.
    pub(crate) disguise: Disguise,
    pub(crate) seed: u64,
}

/// Another network of the plan.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) name: String,
    trained: Rc<Trained>,
}

impl Source {
    /// A network by its key; its weights are read when somebody needs them.
    pub(crate) fn new(name: String, key: Key) -> Self {
        Self { name, trained: Rc::new(Trained::new(key)) }
    }
}

impl Serialize for Source {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.trained.key.serialize(to)
    }
}

impl SampleJob for TransferJob {
    const NAME: &'static str = "transfer";
    const REVISION: u32 = REVISIONS.transfer;
    type Findings = Survey;

    fn revision(&self) -> u32 {
        Self::REVISION * 1_000 + REVISIONS.attack
    }

    /// The run on the other network, half the way and the whole way here, the natural and the final image.
    fn passes_per_example(&self) -> u64 {
        passes_of_run(&self.ascent, Judge::Final).saturating_add(4)
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<Survey> {
        let examples = sample.examples(chunk, &bench.machine.device)?;
        let source = self.source.trained.network(bench)?;
        let draws = Draws::new(self.seed);
        let toward = ends_on(source, &self.ascent, &examples, self.threat, draws)?;
        let driver =
            Driver { batch: CHUNK, judge: Judge::Any, stop_fooled: true, ..Driver::default() };
        let classifier = under(self.disguise, bench, trained)?;
        let objective = Objective::untargeted(self.threat);
        let outcome = driver.run(classifier.as_ref(), &toward, &examples, &objective, draws)?;
        Ok(Survey { verdicts: outcome.verdicts, health: outcome.health, ..Survey::default() })
    }
}
