//! One curve of Figure 1: the l2 norm of the loss's gradient at every iterate of every digit.
//!
//! Fooled digits stay: the paper's figure averages over all of them.

use serde::{Deserialize, Serialize};

use saddle_attacks::{Driver, Judge, Objective, ProjectedAscent, ThreatModel};
use saddle_ops::Draws;

use super::sampled::{Findings, SampleJob};
use super::{Bench, CHUNK, REVISIONS, Sample, Trained};
use crate::Result;

/// What a curve job does, apart from the network and the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct CurveJob {
    pub(crate) threat: ThreatModel,
    pub(crate) ascent: ProjectedAscent,
    pub(crate) seed: u64,
}

/// Gradient norms: `steps[t][i]` belongs to step `t` and digit `i` of the sample.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CurveSamples {
    pub(crate) steps: Vec<Vec<f64>>,
    /// Digits that the final iterate leaves standing.
    pub(crate) robust: usize,
    pub(crate) total: usize,
}

impl Findings for CurveSamples {
    fn digits(&self) -> Option<usize> {
        Some(self.total)
    }

    fn append(&mut self, next: Self) {
        self.steps.resize(next.steps.len().max(self.steps.len()), Vec::new());
        for (all, more) in self.steps.iter_mut().zip(next.steps) {
            all.extend(more);
        }
        self.robust += next.robust;
        self.total += next.total;
    }
}

impl SampleJob for CurveJob {
    const NAME: &'static str = "curve";
    const REVISION: u32 = REVISIONS.curve;
    type Findings = CurveSamples;

    fn passes_per_example(&self) -> u64 {
        let points = self.ascent.direction.points_per_step();
        let step = points.saturating_mul(2).saturating_add(2 * u64::from(points > 1));
        u64::from(self.ascent.steps).saturating_mul(step).saturating_add(2)
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<CurveSamples> {
        let examples = sample.examples(chunk, &bench.machine.device)?;
        let driver = Driver {
            batch: CHUNK,
            cap: None,
            judge: Judge::Final,
            stop_fooled: false,
            restarts: 1,
            trace: true,
        };
        let objective = Objective::untargeted(self.threat);
        let draws = Draws::new(self.seed);
        let network = trained.network(bench)?;
        let outcome = driver.run(network, &self.ascent, &examples, &objective, draws)?;
        let robust = outcome.robust(Judge::Final);
        let total = outcome.verdicts.len();
        let steps = outcome.trace.into_iter().map(|step| step.gradient_norms).collect();
        Ok(CurveSamples { steps, robust, total })
    }
}
