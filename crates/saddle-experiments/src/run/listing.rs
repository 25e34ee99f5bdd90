//! The jobs of a run as a list, for whoever hands them out to machines.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::curves::{curve_bounds, drawings};
use super::{Laboratory, Outside, Run, bounds, tally::JobWords};
use crate::agenda::NetworkId;
use crate::job::Bench;
use crate::paper::{CellPlan, cells};
use crate::{Key, Result};

/// A job that has no result yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEntry {
    /// Its key, by which [`Role::Jobs`](crate::Role::Jobs) names it.
    pub key: Key,
    /// What kind of work it is.
    pub kind: JobKind,
    /// Jobs of a wave need results of earlier waves alone: trainings from nothing are of wave 0, those that start from or train
    /// against them of wave 1, and so on; everything else is of the wave behind the last training.
    pub wave: usize,
    /// The job in words; those of its first use when several parts share it.
    pub what: String,
    /// What keys call the executor and its kernels: whoever works on the job must have the same.
    pub machine: String,
    /// The file that is there once the job is done.
    pub result: PathBuf,
    /// The file that is there if it failed.
    pub failure: PathBuf,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Trains a network.
    Train,
    /// Asks a trained network: attacks, curves, pictures.
    Attack,
    /// Needs no network.
    Bound,
}

impl Laboratory<'_> {
    /// The jobs that a run of the plan, or of the parts that `only` names, has left to do: trainings first, wave by wave. Nothing
    /// is computed.
    ///
    /// # Errors
    ///
    /// [`crate::Error::UnknownPart`] and [`crate::Error::Plan`].
    pub fn jobs_with(&self, outside: &Outside, only: &[String]) -> Result<Vec<JobEntry>> {
        self.plan.check_only(only)?;
        let bench = Bench::new(self.plan, self.data, self.store, self.machine, self.commit)?;
        let run = Run::new(&bench, outside)?;
        let wanted = |part: &str| self.plan.wants(part, only);
        let tables: Vec<_> = self.plan.tables.iter().filter(|t| wanted(&t.name)).collect();
        let (admitted, machine) = (outside.given.admitted(self.plan), self.machine.name());
        let mut asked: Vec<CellPlan> =
            tables.iter().flat_map(|table| cells(&admitted, table, &machine)).collect();
        run.without_the_absent(&mut asked)?;
        let figure = self.plan.figure1.as_ref().filter(|_| wanted("figure1"));
        let rivals = self.plan.rivals.as_ref().filter(|_| wanted("rivals"));
        let drawings: Vec<_> = drawings(self.plan).filter(|one| wanted(one.name())).collect();
        let mut jobs = JobWords::new();
        run.passes_beyond(&asked, figure, rivals, &mut jobs)?;
        run.drawing_passes(&drawings, &mut jobs)?;
        if let Some(ladder) = self.plan.ladder.as_ref().filter(|_| wanted("ladder")) {
            run.ladder_passes(ladder, &super::ladder::networks(self.plan, ladder), &mut jobs)?;
        }
        let verdicts = self.plan.verdicts.as_ref().filter(|_| wanted("verdicts"));
        if let Some(verdicts) = verdicts {
            run.verdict_passes(verdicts, None, &mut jobs)?;
        }

        let mut bounds_left = JobWords::new();
        if let Some(asked) = &self.plan.bounds {
            let planned =
                if wanted("bounds") { bounds::planned(&bench, asked, &tables)? } else { vec![] };
            for bound in planned {
                bounds_left.insert(bound.key()?, bound.words());
            }
            if let Some(verdicts) = verdicts {
                for (_, bound) in super::verdicts::radius_bounds(&bench, verdicts)? {
                    bounds_left.insert(bound.key()?, bound.words());
                }
            }
            for drawing in drawings {
                for (_, bound) in curve_bounds(&bench, drawing)? {
                    bounds_left.insert(bound.key()?, bound.words());
                }
            }
        }
        jobs.retain(|key, _| !self.store.contains(key));
        bounds_left.retain(|key, _| !self.store.contains(key));
        Ok(run.entries(jobs, bounds_left))
    }
}

impl Run<'_> {
    fn entries(&self, mut jobs: JobWords, bounds: JobWords) -> Vec<JobEntry> {
        let store = self.bench.store;
        let entry = |key: Key, kind, wave, what| {
            let (result, failure) = (store.result_path(&key), store.failure_path(&key));
            let machine = self.bench.machine.name();
            JobEntry { key, kind, wave, what, machine, result, failure }
        };
        let mut entries = Vec::new();
        for id in self.trainings.keys() {
            // Networks of one recipe and seed are one job.
            if let Some((key, what)) = self.keys.get(id).and_then(|key| jobs.remove_entry(key)) {
                entries.push(entry(key, JobKind::Train, self.wave(id), what));
            }
        }
        entries.sort_by_key(|training| training.wave);
        let last = entries.last().map_or(0, |training| training.wave + 1);
        let others = jobs.into_iter().map(|(key, what)| entry(key, JobKind::Attack, last, what));
        entries.extend(others);
        let bounds = bounds.into_iter();
        entries.extend(bounds.map(|(key, what)| entry(key, JobKind::Bound, last, what)));
        entries
    }

    /// How many trainings must come before a network's, one after the other.
    fn wave(&self, id: &NetworkId) -> usize {
        let inputs = self.parent(id).into_iter().chain(self.sources(id));
        let inputs = inputs.filter(|input| self.trainings.contains_key(input));
        inputs.map(|input| self.wave(&input) + 1).max().unwrap_or(0)
    }
}
