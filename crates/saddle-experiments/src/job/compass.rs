//! How far the direction of one row of the ladder agrees with that of S-O, at the first steps of its own path.

use serde::{Deserialize, Serialize};

use saddle_attacks::{Compass, Objective, ThreatModel};
use saddle_ops::Draws;

use super::rung::in_precision;
use super::sampled::{Findings, SampleJob};
use super::{Bench, REVISIONS, Sample, Trained};
use crate::Result;
use crate::plan::{Climb, Precision};

/// What such a job does, apart from the network and the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CompassJob {
    pub(crate) threat: ThreatModel,
    pub(crate) climb: Climb,
    pub(crate) precision: Precision,
    pub(crate) compass: Compass,
    pub(crate) seed: u64,
}

/// Cosines: `steps[t][i]` belongs to step `t` and digit `i` of the sample; none where a direction is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cosines {
    pub(crate) steps: Vec<Vec<Option<f64>>>,
    pub(crate) digits: usize,
}

impl Findings for Cosines {
    fn digits(&self) -> Option<usize> {
        self.steps.iter().all(|step| step.len() == self.digits).then_some(self.digits)
    }

    fn append(&mut self, next: Self) {
        self.steps.resize(next.steps.len().max(self.steps.len()), vec![None; self.digits]);
        for (all, more) in self.steps.iter_mut().zip(next.steps) {
            all.extend(more);
        }
        self.digits += next.digits;
    }
}

impl SampleJob for CompassJob {
    const NAME: &'static str = "compass";
    const REVISION: u32 = REVISIONS.compass;
    type Findings = Cosines;

    fn passes_per_example(&self) -> u64 {
        let reference = 2 * self.compass.direction.points_per_step();
        let steps = u64::from(self.compass.steps);
        steps.saturating_mul(reference).saturating_add(self.climb.passes().min(20 * steps))
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<Cosines> {
        let (network, examples) = in_precision(self.precision, bench, trained, sample, chunk)?;
        let objective = Objective::untargeted(self.threat);
        // Another seed, so that S-O held against itself draws apart too.
        let draws = [self.seed, !self.seed].map(Draws::new);
        let attack = self.climb.attack();
        let steps = self.compass.cosines(network, attack, &examples, &objective, draws)?;
        Ok(Cosines { steps, digits: examples.len() })
    }
}
