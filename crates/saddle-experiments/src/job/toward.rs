//! The gradient-free attack on one sample of digits: straight toward the nearest digits of other classes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Serialize;

use saddle_attacks::{Driver, Judge, Objective, ThreatModel};
use saddle_data::Dataset;
use saddle_ops::Draws;

use super::attack::{Survey, parse};
use super::{Bench, CHUNK, REVISIONS, RunObserver, Sample, Trained, in_chunks};
use crate::nearest::{Among, TowardNearest, nearest_among, toward};
use crate::{Error, Key, Result};

/// What such a job does, apart from the network and the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TowardJob {
    pub(crate) threat: ThreatModel,
    pub(crate) toward_nearest: TowardNearest,
    pub(crate) judge: Judge,
    pub(crate) stop_fooled: bool,
}

#[derive(Serialize)]
struct Description<'a> {
    job: &'static str,
    revision: u32,
    machine: String,
    network: &'a Key,
    data: &'a str,
    ids: &'a [usize],
    others: &'a str,
    other_digits: usize,
    question: &'a TowardJob,
}

/// Neighbours that were looked for in this run: they are the same for every network.
#[derive(Default)]
pub(super) struct Neighbours(RefCell<BTreeMap<(String, Question), Vec<usize>>>);

/// Norm, where to look, and the digit.
type Question = (String, TowardNearest, usize);

impl TowardJob {
    /// Passes per digit that the job takes at most: two tries for each target, the natural and the final image.
    pub(crate) fn passes_per_example(&self) -> u64 {
        2 * self.toward_nearest.count as u64 + 2
    }

    pub(crate) fn key(&self, bench: &Bench<'_>, network: &Key, sample: &Sample<'_>) -> Result<Key> {
        Key::of(&self.description(bench, network, sample))
    }

    fn description<'a>(
        &'a self,
        bench: &'a Bench<'_>,
        network: &'a Key,
        sample: &'a Sample<'_>,
    ) -> Description<'a> {
        let others = match self.toward_nearest.among {
            Among::Training => &bench.train_hash,
            Among::Test => &bench.test_hash,
        };
        let (_, other_digits) = self.others(bench);
        Description {
            job: "toward nearest",
            revision: REVISIONS.attack,
            machine: bench.machine.name(),
            network,
            data: &sample.hash,
            ids: &sample.indices,
            others,
            other_digits,
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
    ) -> Result<Survey> {
        let key = self.key(bench, &trained.key, sample)?;
        let total = sample.indices.len();
        if let Some(survey) = bench.store.result(&key).and_then(|bytes| parse(&bytes, total)) {
            return Ok(survey);
        }
        let cost = self.passes_per_example();
        let chunks = in_chunks(bench, &key, sample, cost, observer, parse, |chunk| {
            let survey = self.chunk(bench, trained, sample, chunk)?;
            serde_json::to_vec(&survey).map_err(|e| Error::format("chunk of an attack", e))
        })?;
        let survey = Survey::joined(chunks);
        let bytes =
            serde_json::to_vec(&survey).map_err(|e| Error::format("result of an attack", e))?;
        bench.finish(&key, &self.description(bench, &trained.key, sample), &bytes)?;
        Ok(survey)
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<Survey> {
        let examples = sample.examples(chunk, &bench.machine.device)?;
        let own = &sample.indices[chunk * CHUNK..chunk * CHUNK + examples.len()];
        let targets = self.targets(bench, sample, own)?;
        let (others, _) = self.others(bench);
        let attack = toward(own, &targets, others, &bench.machine.device)?;
        let driver = Driver {
            batch: CHUNK,
            cap: None,
            judge: self.judge,
            stop_fooled: self.stop_fooled,
            restarts: 1,
            trace: false,
        };
        let objective = Objective::untargeted(self.threat);
        let network = trained.network(bench)?;
        // Nothing is drawn.
        let outcome = driver.run(network, &attack, &examples, &objective, Draws::new(0))?;
        Ok(Survey { verdicts: outcome.verdicts, health: outcome.health })
    }

    /// The digits among which targets are looked for: the first so many of a data set.
    fn others<'a>(&self, bench: &Bench<'a>) -> (&'a Dataset, usize) {
        match self.toward_nearest.among {
            Among::Training => (&bench.data.train, bench.seen()),
            Among::Test => (&bench.data.test, bench.data.test.len()),
        }
    }

    /// The digits that each of `own` goes toward; looked for once in a run.
    fn targets(
        &self,
        bench: &Bench<'_>,
        sample: &Sample<'_>,
        own: &[usize],
    ) -> Result<Vec<Vec<usize>>> {
        let norm = self.threat.norm;
        let place =
            |&digit: &usize| (sample.hash.clone(), (norm.to_string(), self.toward_nearest, digit));
        let mut known = bench.neighbours.0.borrow_mut();
        let new: Vec<usize> =
            own.iter().copied().filter(|digit| !known.contains_key(&place(digit))).collect();
        let found =
            nearest_among(sample.data, &new, self.others(bench), self.toward_nearest.count, norm)?;
        known.extend(new.iter().map(place).zip(found));
        Ok(own.iter().filter_map(|digit| known.get(&place(digit)).cloned()).collect())
    }
}
