//! What jobs on one network and one sample of digits have in common: a key, chunks, a result.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Bench, RunObserver, Sample, Trained, in_chunks};
use crate::{Error, Key, Result};

/// A job on one network and one sample of digits; serialised, it is what it does apart from those two.
pub(crate) trait SampleJob: Serialize {
    /// What it is called in keys, in the store's notes and in complaints.
    const NAME: &'static str;

    /// Revision of its algorithm.
    const REVISION: u32;

    /// What it finds on a chunk, and on all of them.
    type Findings: Findings;

    /// The revision as this job uses the algorithm: with those of parts that not every such job has.
    fn revision(&self) -> u32 {
        Self::REVISION
    }

    /// Passes per digit that it takes at most, for the estimate of the time left.
    fn passes_per_example(&self) -> u64;

    /// Other digits that the result depends on: the hash of their data set, and how many of its first.
    fn others(&self, _bench: &Bench<'_>) -> Option<(String, usize)> {
        None
    }

    /// What is found on one chunk of the sample.
    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<Self::Findings>;

    fn key(&self, bench: &Bench<'_>, network: &Key, sample: &Sample<'_>) -> Result<Key> {
        Key::of(&Description::new(self, bench, network, sample))
    }

    /// The result, from the store or by work.
    fn run(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        observer: &mut dyn RunObserver,
    ) -> Result<Self::Findings> {
        let key = self.key(bench, &trained.key, sample)?;
        let known = bench.store.result(&key);
        if let Some(found) = known.and_then(|bytes| parse(&bytes, sample.indices.len())) {
            return Ok(found);
        }
        let cost = self.passes_per_example();
        let chunks = in_chunks(bench, &key, sample, cost, observer, parse, |chunk| {
            bytes::<Self>(&self.chunk(bench, trained, sample, chunk)?)
        })?;
        let mut found = Self::Findings::default();
        chunks.into_iter().for_each(|chunk| found.append(chunk));
        let description = Description::new(self, bench, &trained.key, sample);
        bench.finish(&key, &description, &bytes::<Self>(&found)?)?;
        Ok(found)
    }
}

/// What a job finds, chunk by chunk.
pub(crate) trait Findings: Serialize + DeserializeOwned + Default {
    /// Digits that it tells of; none if it contradicts itself.
    fn digits(&self) -> Option<usize>;

    /// Adds what was found on the next digits.
    fn append(&mut self, next: Self);
}

/// All that a result depends on.
#[derive(Serialize)]
struct Description<'a, J: ?Sized> {
    job: &'static str,
    revision: u32,
    machine: String,
    network: &'a Key,
    data: &'a str,
    ids: &'a [usize],
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_digits: Option<usize>,
    question: &'a J,
}

impl<'a, J: SampleJob + ?Sized> Description<'a, J> {
    fn new(job: &'a J, bench: &Bench<'_>, network: &'a Key, sample: &'a Sample<'_>) -> Self {
        let (others, other_digits) = job.others(bench).unzip();
        Self {
            job: J::NAME,
            revision: job.revision(),
            machine: bench.machine.arithmetic(),
            network,
            data: &sample.hash,
            ids: &sample.indices,
            others,
            other_digits,
            question: job,
        }
    }
}

fn bytes<J: SampleJob + ?Sized>(found: &J::Findings) -> Result<Vec<u8>> {
    serde_json::to_vec(found).map_err(|error| Error::format(J::NAME, error))
}

/// Findings on so many digits.
fn parse<F: Findings>(bytes: &[u8], examples: usize) -> Option<F> {
    let found: F = serde_json::from_slice(bytes).ok()?;
    (found.digits() == Some(examples)).then_some(found)
}
