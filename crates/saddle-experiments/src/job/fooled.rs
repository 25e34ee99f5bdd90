//! Of each class the first digit of a sample that an attack fools, with both images: Figure 2.
//!
//! Any iterate counts and the first image that fools is kept.

use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};

use saddle_attacks::{Driver, Judge, Objective, ProjectedAscent, ThreatModel};
use saddle_ops::Draws;

use super::{Bench, CHUNK, REVISIONS, RunObserver, Sample, Trained, in_chunks};
use crate::{Error, Key, Result};

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

#[derive(Serialize)]
struct Description<'a> {
    job: &'static str,
    revision: u32,
    machine: String,
    network: &'a Key,
    data: &'a str,
    ids: &'a [usize],
    question: &'a FooledJob,
}

impl Fooled {
    /// Adds what was found among the next digits.
    fn extend(&mut self, next: Self) {
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

impl FooledJob {
    pub(crate) fn passes_per_example(&self) -> u64 {
        let points = self.ascent.direction.points_per_step();
        let judging = u64::from(!self.ascent.direction.is_at_iterate());
        let step = points.saturating_mul(2).saturating_add(judging);
        let run = u64::from(self.ascent.steps).saturating_mul(step).saturating_add(2);
        run.saturating_mul(u64::from(self.restarts))
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
            job: "fooled",
            revision: REVISIONS.fooled,
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
    ) -> Result<Fooled> {
        let key = self.key(bench, &trained.key, sample)?;
        let total = sample.indices.len();
        if let Some(fooled) = bench.store.result(&key).and_then(|bytes| parse(&bytes, total)) {
            return Ok(fooled);
        }
        let cost = self.passes_per_example();
        let chunks = in_chunks(bench, &key, sample, cost, observer, parse, |chunk| {
            let fooled = self.chunk(bench, trained, sample, chunk)?;
            serde_json::to_vec(&fooled).map_err(|e| Error::format("chunk of fooled digits", e))
        })?;
        let mut fooled = Fooled::default();
        chunks.into_iter().for_each(|chunk| fooled.extend(chunk));
        let bytes = serde_json::to_vec(&fooled).map_err(|e| Error::format("fooled digits", e))?;
        bench.finish(&key, &self.description(bench, &trained.key, sample), &bytes)?;
        Ok(fooled)
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
            found.extend(Fooled { examined: 0, fooled: 1, first: vec![digit] });
        }
        Ok(found)
    }
}

fn parse(bytes: &[u8], examples: usize) -> Option<Fooled> {
    let fooled: Fooled = serde_json::from_slice(bytes).ok()?;
    (fooled.examined == examples).then_some(fooled)
}
