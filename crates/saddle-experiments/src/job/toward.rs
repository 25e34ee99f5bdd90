//! The gradient-free attack on one sample of digits: straight toward the nearest digits of other classes.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::Serialize;

use saddle_attacks::{Driver, Judge, Objective, ThreatModel};
use saddle_data::Dataset;
use saddle_ops::Draws;

use super::attack::Survey;
use super::sampled::SampleJob;
use super::{Bench, CHUNK, REVISIONS, Sample, Trained};
use crate::Result;
use crate::nearest::{Among, TowardNearest, nearest_among, toward};

/// What such a job does, apart from the network and the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct TowardJob {
    pub(crate) threat: ThreatModel,
    pub(crate) toward_nearest: TowardNearest,
    pub(crate) judge: Judge,
    pub(crate) stop_fooled: bool,
}

/// Neighbours that were looked for in this run: they are the same for every network.
#[derive(Default)]
pub(super) struct Neighbours(RefCell<BTreeMap<(String, Question), Vec<usize>>>);

/// Norm, where to look, and the digit.
type Question = (String, TowardNearest, usize);

impl SampleJob for TowardJob {
    const NAME: &'static str = "toward nearest";
    const REVISION: u32 = REVISIONS.attack;
    type Findings = Survey;

    /// Two tries for each target, the natural and the final image.
    fn passes_per_example(&self) -> u64 {
        2 * self.toward_nearest.count as u64 + 2
    }

    fn others(&self, bench: &Bench<'_>) -> Option<(String, usize)> {
        let hash = match self.toward_nearest.among {
            Among::Training => &bench.train_hash,
            Among::Test => &bench.test_hash,
        };
        Some((hash.clone(), self.other_digits(bench).1))
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
        let (others, _) = self.other_digits(bench);
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
        Ok(Survey { verdicts: outcome.verdicts, health: outcome.health, ..Survey::default() })
    }
}

impl TowardJob {
    /// The digits among which targets are looked for: the first so many of a data set.
    fn other_digits<'a>(&self, bench: &Bench<'a>) -> (&'a Dataset, usize) {
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
        let found = nearest_among(
            sample.data,
            &new,
            self.other_digits(bench),
            self.toward_nearest.count,
            norm,
        )?;
        known.extend(new.iter().map(place).zip(found));
        Ok(own.iter().filter_map(|digit| known.get(&place(digit)).cloned()).collect())
    }
}
