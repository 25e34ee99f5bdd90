//! How much work is left: passes of all jobs whose results are not in the store.

use std::collections::BTreeMap;

use super::Run;
use crate::agenda::{NetworkId, contender, curves, networks, roles};
use crate::job::{SampleJob, Trial};
use crate::paper::CellPlan;
use crate::plan::{Figure1, Rivals};
use crate::{Key, Result};

/// Jobs of a run by their keys, each in words: those of its first use.
pub(super) type JobWords = BTreeMap<Key, String>;

impl Run<'_> {
    /// Forward and backward passes that the run is expected to take.
    pub(super) fn expected_passes(
        &self,
        cells: &[CellPlan],
        figure: Option<&Figure1>,
        rivals: Option<&Rivals>,
    ) -> Result<u64> {
        self.passes_beyond(cells, figure, rivals, &mut JobWords::new())
    }

    /// The same without the jobs that are `seen`, to which it adds its own.
    pub(super) fn passes_beyond(
        &self,
        cells: &[CellPlan],
        figure: Option<&Figure1>,
        rivals: Option<&Rivals>,
        seen: &mut JobWords,
    ) -> Result<u64> {
        let mut passes: u64 = 0;
        for work in cells.iter().filter_map(|cell| cell.work.as_ref().ok()) {
            for job in &work.jobs {
                let more = self.attack_passes(&work.network, &work.sample, job.as_ref(), seen)?;
                passes = passes.saturating_add(more);
            }
        }
        if let Some(figure) = figure {
            for (label, network, job) in curves(self.bench.plan, figure) {
                passes = passes.saturating_add(self.training_passes(&network, seen)?);
                let Some(key) = self.keys.get(&network) else { continue };
                let sample = self.bench.sample(&figure.digits)?;
                let cost = job.passes_per_example().saturating_mul(sample.indices.len() as u64);
                let key = job.key(self.bench, key, &sample)?;
                let what = format!("figure1: {label} (seed {})", self.seed(&network));
                passes = passes.saturating_add(self.unless_known(key, cost, what, seen));
            }
        }
        if let Some(rivals) = rivals {
            for network in networks(self.bench.plan, rivals) {
                for threat in &rivals.threats {
                    for (name, _) in roles(rivals) {
                        let job = contender(self.bench.plan, rivals, name, threat.epsilon);
                        let Some(job) = job else { continue };
                        let more = self.attack_passes(&network, &rivals.digits, &job, seen)?;
                        passes = passes.saturating_add(more);
                    }
                }
            }
        }
        Ok(passes)
    }

    /// Leaves the work of those cells for which nothing is left to do; of the others, `reason`.
    pub(super) fn already_measured(
        &self,
        mut cells: Vec<CellPlan>,
        reason: &str,
    ) -> Result<Vec<CellPlan>> {
        for cell in &mut cells {
            let left = self.expected_passes(std::slice::from_ref(cell), None, None)?;
            if cell.work.is_ok() && left > 0 {
                cell.work = Err(reason.to_owned());
            }
        }
        Ok(cells)
    }

    pub(super) fn attack_passes(
        &self,
        network: &NetworkId,
        sample: &str,
        job: &dyn Trial,
        seen: &mut JobWords,
    ) -> Result<u64> {
        let sample = self.bench.sample(sample)?;
        if let Some(key) = self.keys.get(network)
            && self
                .outside
                .known
                .get(&job.key(self.bench, key, &sample)?, &sample.indices)
                .is_some()
        {
            return Ok(0);
        }
        let training = self.training_passes(network, seen)?;
        let Some(key) = self.keys.get(network) else { return Ok(training) };
        let cost = job.passes_per_example().saturating_mul(sample.indices.len() as u64);
        let attack = job.words().unwrap_or_else(|| "natural accuracy".to_owned());
        let what = format!("{} (seed {}): {attack}", network.name, self.seed(network));
        let own = self.unless_known(job.key(self.bench, key, &sample)?, cost, what, seen);
        Ok(training.saturating_add(own))
    }

    /// Passes of a network's training and of the trainings that it starts from or trains against.
    pub(super) fn training_passes(&self, network: &NetworkId, seen: &mut JobWords) -> Result<u64> {
        let (Some(job), Some(key)) = (self.trainings.get(network), self.keys.get(network)) else {
            return Ok(0);
        };
        let what = self.training_in_words(network);
        let mut passes = self.unless_known(key.clone(), job.passes(), what, seen);
        if passes > 0 {
            for input in self.parent(network).into_iter().chain(self.sources(network)) {
                passes = passes.saturating_add(self.training_passes(&input, seen)?);
            }
        }
        Ok(passes)
    }

    pub(super) fn unless_known(
        &self,
        key: Key,
        passes: u64,
        what: String,
        seen: &mut JobWords,
    ) -> u64 {
        // Whether the entry is undamaged is looked into when it is read: an estimate must not hash
        // every weight file once for each cell.
        if seen.contains_key(&key) {
            return 0;
        }
        let known = self.bench.store.contains(&key);
        seen.insert(key, what);
        if known { 0 } else { passes }
    }
}
