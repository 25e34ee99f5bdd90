//! Of each class the first digit of a sample that an attack fools, with both images: Figure 2.
//!
//! Any iterate counts and the first image that fools is kept.

use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

use saddle_attacks::{Driver, Judge, Objective, ProjectedAscent, ThreatModel};
use saddle_ops::Draws;

use super::sampled::{Findings, SampleJob};
use super::{Bench, CHUNK, REVISIONS, Sample, Trained};
use crate::Result;

/// What the job does, apart from the network and the digits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct FooledJob {
    pub(crate) threat: ThreatModel,
    pub(crate) ascent: ProjectedAscent,
    pub(crate) restarts: u32,
    pub(crate) seed: u64,
}

/// What was found among the digits tried.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fooled {
    /// Digits tried.
    pub(crate) examined: usize,
    /// Those among them that were right until the attack.
    pub(crate) fooled: usize,
    /// The first of each class, by class.
    pub(crate) first: Vec<FooledDigit>,
}

/// A digit before and after the attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FooledDigit {
    pub(crate) id: u64,
    pub(crate) label: u32,
    pub(crate) natural_prediction: u32,
    pub(crate) prediction: u32,
    pub(crate) distance: f64,
    /// Brightness of both images, row by row; the attacked one rounded to bytes.
    pub(crate) natural: Vec<u8>,
    pub(crate) attacked: Vec<u8>,
}

impl Findings for Fooled {
    fn digits(&self) -> Option<usize> {
        Some(self.examined)
    }

    fn append(&mut self, next: Self) {
        self.examined += next.examined;
        self.fooled += next.fooled;
        for digit in next.first {
            if self.first.iter().all(|known| known.label != digit.label) {
                self.first.push(digit);
            }
        }
        self.first.sort_by_key(|digit| digit.label);
    }
}

impl SampleJob for FooledJob {
    const NAME: &'static str = "fooled";
    const REVISION: u32 = REVISIONS.fooled;
    type Findings = Fooled;

    fn passes_per_example(&self) -> u64 {
        let points = self.ascent.direction.points_per_step();
        let judging = u64::from(!self.ascent.direction.is_at_iterate());
        let step = points.saturating_mul(2).saturating_add(judging);
        let run = u64::from(self.ascent.steps).saturating_mul(step).saturating_add(2);
        run.saturating_mul(u64::from(self.restarts))
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<Fooled> {
        let examples = sample.examples(chunk, &bench.machine.device)?;
        let Self { threat, ascent, restarts, .. } = *self;
        let driver = Driver {
            batch: CHUNK,
            judge: Judge::Any,
            stop_fooled: true,
            restarts,
            ..Driver::default()
        };
        let objective = Objective::untargeted(threat);
        let draws = Draws::new(self.seed);
        let outcome = driver.run(trained.network(bench)?, &ascent, &examples, &objective, draws)?;
        let images = outcome.images.to_device(&Device::Cpu)?.to_dtype(DType::F32)?;
        let images = images.flatten_from(1)?.to_vec2::<f32>()?;
        let mut found = Fooled { examined: outcome.verdicts.len(), ..Fooled::default() };
        for (verdict, image) in outcome.verdicts.iter().zip(images) {
            if !(verdict.natural_correct && verdict.fooled_any) {
                continue;
            }
            let digit = FooledDigit {
                id: verdict.id,
                label: verdict.label,
                natural_prediction: verdict.natural_prediction,
                prediction: verdict.prediction,
                distance: verdict.distance,
                natural: sample.data.image(verdict.id as usize).to_vec(),
                attacked: image.iter().map(|pixel| (pixel * 255.0).round() as u8).collect(),
            };
            found.append(Fooled { examined: 0, fooled: 1, first: vec![digit] });
        }
        Ok(found)
    }
}
