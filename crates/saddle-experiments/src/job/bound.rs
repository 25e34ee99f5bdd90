//! What no classifier can do on some digits under one threat: conflicts, witnesses, bounds.
//!
//! No network and no machine takes part: whole numbers decide, so the result is the same everywhere. A
//! result from the store is believed only as far as its witness proves it from the images.

use serde::{Deserialize, Serialize};

use saddle_ops::{Norm, Radius};
use saddle_report::bounds::{ConflictGraph, MethodBound, Witness};

use super::{Bench, REVISIONS, Sample, Stopwatch};
use crate::conflicts::{conflicts, in_conflict};
use crate::{Error, Key, Result};

/// What a bound job is about, apart from the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct BoundJob {
    pub(crate) norm: Norm,
    pub(crate) epsilon: Radius,
    pub(crate) rounds: u32,
}

/// What a bound job finds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proof {
    pub(crate) conflicts: u64,
    /// In positions of the sample.
    pub(crate) witness: Witness,
    pub(crate) by_method: [MethodBound; 3],
}

/// [`Proof`] as the store keeps it: what follows from the witness is left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    conflicts: u64,
    witness: Witness,
}

#[derive(Serialize)]
struct Description<'a> {
    job: &'static str,
    revision: u32,
    data: &'a str,
    ids: &'a [usize],
    question: &'a BoundJob,
}

impl BoundJob {
    pub(crate) fn key(&self, sample: &Sample<'_>) -> Result<Key> {
        Key::of(&self.description(sample))
    }

    fn description<'a>(&'a self, sample: &'a Sample<'_>) -> Description<'a> {
        Description {
            job: "bound",
            revision: REVISIONS.bound,
            data: &sample.hash,
            ids: &sample.indices,
            question: self,
        }
    }

    /// The result by work; look for it with [`BoundJob::known`] first.
    pub(crate) fn run(&self, bench: &Bench<'_>, sample: &Sample<'_>) -> Result<Proof> {
        let key = self.key(sample)?;
        let stopwatch = Stopwatch::start(bench.store, &key);
        let edges = conflicts(sample.data, &sample.indices, self.norm, self.epsilon);
        let graph = ConflictGraph::new(sample.indices.len(), &edges)
            .map_err(|error| Error::format("bound", error))?;
        let witness = Witness::of(&graph, self.rounds);
        let by_method = self.checked(&witness, sample)?;
        let kept = Kept { conflicts: graph.edges() as u64, witness };
        let bytes = serde_json::to_vec(&kept).map_err(|e| Error::format("result of a bound", e))?;
        stopwatch.note()?;
        bench.finish(&key, &self.description(sample), &bytes)?;
        Ok(Proof { conflicts: kept.conflicts, witness: kept.witness, by_method })
    }

    /// The result in the store, if it is there and its witness holds.
    pub(crate) fn known(&self, bench: &Bench<'_>, sample: &Sample<'_>) -> Result<Option<Proof>> {
        let Some(bytes) = bench.store.result(&self.key(sample)?) else { return Ok(None) };
        let Ok(Kept { conflicts, witness }) = serde_json::from_slice(&bytes) else {
            return Ok(None);
        };
        match self.checked(&witness, sample) {
            Ok(by_method) => Ok(Some(Proof { conflicts, witness, by_method })),
            Err(error) => {
                tracing::warn!(%error, "a stored witness proves nothing; looking for another");
                Ok(None)
            }
        }
    }

    /// What a witness proves by the distances of the images alone.
    fn checked(&self, witness: &Witness, sample: &Sample<'_>) -> Result<[MethodBound; 3]> {
        let conflict = |a: u32, b: u32| {
            let [a, b] = [a, b].map(|place| sample.indices[place as usize]);
            in_conflict(sample.data, a, b, self.norm, self.epsilon)
        };
        let bounds = witness.bounds(sample.indices.len(), conflict);
        bounds.map_err(|error| Error::format("bound", error))
    }
}
