//! One row of the ladder on one sample of digits, where it is no plain ascent in single precision: along the
//! curvature, or with network, images and steps in `f64`.
//!
//! In double precision it is the widened network that is attacked and that judges: the same weights, the same
//! function up to rounding.

use serde::Serialize;

use candle_core::DType;
use saddle_attacks::{Attack, Driver, Examples, Judge, Objective, ThreatModel};
use saddle_model::Network;
use saddle_ops::Draws;

use super::attack::{Survey, passes_of_run};
use super::sampled::SampleJob;
use super::{Bench, CHUNK, REVISIONS, Sample, Trained};
use crate::Result;
use crate::plan::{Climb, Precision};

/// Classes of a network of digits, for the estimate of the time left.
const CLASSES: usize = 10;

/// What such a job does, apart from the network and the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct RungJob {
    pub(crate) threat: ThreatModel,
    pub(crate) climb: Climb,
    pub(crate) precision: Precision,
    pub(crate) restarts: u32,
    pub(crate) cap: u64,
    pub(crate) seed: u64,
}

impl Climb {
    /// The attack itself.
    pub(super) fn attack(&self) -> &dyn Attack {
        match self {
            Self::Ascent(ascent) => ascent,
            Self::Curvature(curvature) => curvature,
        }
    }

    /// Passes of one run with every iterate judged, at most.
    pub(super) fn passes(&self) -> u64 {
        match self {
            Self::Ascent(ascent) => passes_of_run(ascent, Judge::Any),
            Self::Curvature(curvature) => {
                let step = curvature.passes_per_step(CLASSES).saturating_add(1);
                u64::from(curvature.steps).saturating_mul(step).saturating_add(2)
            }
        }
    }
}

/// The network and one chunk of the sample in the format that an attack asks for.
pub(super) fn in_precision<'n>(
    precision: Precision,
    bench: &Bench<'_>,
    trained: &'n Trained,
    sample: &Sample<'_>,
    chunk: usize,
) -> Result<(&'n Network, Examples)> {
    let examples = sample.examples(chunk, &bench.machine.device)?;
    if precision == Precision::Single {
        return Ok((trained.network(bench)?, examples));
    }
    let (labels, ids) = (examples.labels().to_vec(), examples.ids().to_vec());
    let images = examples.images().to_dtype(DType::F64)?;
    Ok((trained.in_double(bench)?, Examples::new(images, labels, ids)?))
}

impl SampleJob for RungJob {
    const NAME: &'static str = "rung";
    const REVISION: u32 = REVISIONS.rung;
    type Findings = Survey;

    fn passes_per_example(&self) -> u64 {
        self.climb.passes().saturating_mul(u64::from(self.restarts)).min(self.cap)
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<Survey> {
        let (network, examples) = in_precision(self.precision, bench, trained, sample, chunk)?;
        let driver = Driver {
            batch: CHUNK,
            cap: Some(self.cap),
            judge: Judge::Any,
            stop_fooled: true,
            restarts: self.restarts,
            trace: false,
        };
        let objective = Objective::untargeted(self.threat);
        let draws = Draws::new(self.seed);
        let outcome = driver.run(network, self.climb.attack(), &examples, &objective, draws)?;
        Ok(Survey { verdicts: outcome.verdicts, health: outcome.health, ..Survey::default() })
    }
}
