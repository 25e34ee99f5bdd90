//! One curve of Figure 1: the l2 norm of the loss's gradient at every iterate of every digit.
//!
//! Fooled digits stay: the paper's figure averages over all of them.

use serde::{Deserialize, Serialize};

use saddle_attacks::{Driver, Judge, Objective, ProjectedAscent, ThreatModel};
use saddle_ops::Draws;

use super::{Bench, CHUNK, REVISIONS, RunObserver, Sample, Trained, in_chunks};
use crate::{Error, Key, Result};

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

#[derive(Serialize)]
struct Description<'a> {
    job: &'static str,
    revision: u32,
    machine: String,
    network: &'a Key,
    data: &'a str,
    ids: &'a [usize],
    question: &'a CurveJob,
}

impl CurveJob {
    pub(crate) fn passes_per_example(&self) -> u64 {
        let points = self.ascent.direction.points_per_step();
        let step = points.saturating_mul(2).saturating_add(2 * u64::from(points > 1));
        u64::from(self.ascent.steps).saturating_mul(step).saturating_add(2)
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
            job: "curve",
            revision: REVISIONS.curve,
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
    ) -> Result<CurveSamples> {
        let key = self.key(bench, &trained.key, sample)?;
        let total = sample.indices.len();
        if let Some(curve) = bench.store.result(&key).and_then(|bytes| parse(&bytes, total)) {
            return Ok(curve);
        }
        let cost = self.passes_per_example();
        let chunks = in_chunks(bench, &key, sample, cost, observer, parse, |chunk| {
            let curve = self.chunk(bench, trained, sample, chunk)?;
            serde_json::to_vec(&curve).map_err(|e| Error::format("chunk of a curve", e))
        })?;
        let mut curve = CurveSamples::default();
        for chunk in chunks {
            curve.steps.resize(chunk.steps.len().max(curve.steps.len()), Vec::new());
            for (all, more) in curve.steps.iter_mut().zip(chunk.steps) {
                all.extend(more);
            }
            curve.robust += chunk.robust;
            curve.total += chunk.total;
        }
        let bytes =
            serde_json::to_vec(&curve).map_err(|e| Error::format("result of a curve", e))?;
        bench.finish(&key, &self.description(bench, &trained.key, sample), &bytes)?;
        Ok(curve)
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

fn parse(bytes: &[u8], examples: usize) -> Option<CurveSamples> {
    let curve: CurveSamples = serde_json::from_slice(bytes).ok()?;
    (curve.total == examples).then_some(curve)
}
