//! Whose turn a job is: where several processes share a store, each is worked on by one of them.
//!
//! A run goes over its plan in passes. What is in the store it reads; what nobody works on it takes, if that is its to take; what
//! another process works on it leaves out. While anything was left out there is another pass, after some work of its own or
//! after a wait for others. The last pass leaves nothing out, and its book is the report: that of a single run.
//!
//! A shard helps others when a pass has found nothing to do in its own share: with one job while its share waits for networks
//! that others train, for then its own turn may have come meanwhile, and with all that nobody works on once its share is done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Detail, Run, tally::JobWords};
use crate::job::RunObserver;
use crate::leases::{Answer, Lease, Worker};
use crate::share::{Role, Sharing};
use crate::write::{count_cells, write_cells};
use crate::{Error, Key, Result, Store};

/// Time between two questions whether to stop, while waiting.
const ATTENTION: Duration = Duration::from_millis(100);

/// What becomes of a run after a pass.
pub(super) enum Next {
    /// Nothing was left out, or nothing more is to be done here.
    Close,
    /// Another pass.
    Pass,
    /// So many jobs are left, all of them in the hands of others.
    Leave(usize),
}

/// What a run may work on now.
pub(super) struct Turns<'a> {
    store: &'a Store,
    sharing: &'a Sharing,
    machine: String,
    /// Begun when there is something to work on.
    worker: Option<Worker>,
    /// The share of this run.
    own: BTreeSet<Key>,
    /// Failures that were noted before this run: they are tried again.
    earlier: BTreeMap<String, String>,
    failures: usize,
    pass: Pass,
}

/// What has happened in a pass.
#[derive(Default)]
struct Pass {
    /// What a shard may take of the others' shares.
    help: Help,
    /// Jobs that were worked on.
    worked: usize,
    /// Jobs of other shares that nobody was asked for.
    left_out: usize,
    /// Jobs in the hands of others, and whose.
    held: BTreeMap<Key, String>,
    /// How often a job could not begin because another process has its network.
    behind: usize,
}

/// What a shard may take of the others' shares in a pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Help {
    #[default]
    Nothing,
    /// One job.
    One,
    /// Whatever nobody works on.
    All,
}

impl<'a> Turns<'a> {
    pub(super) fn new(store: &'a Store, sharing: &'a Sharing, machine: String) -> Self {
        let earlier = if sharing.role == Role::Gather { BTreeMap::new() } else { store.failures() };
        Self {
            store,
            sharing,
            machine,
            worker: None,
            own: BTreeSet::new(),
            earlier,
            failures: 0,
            pass: Pass::default(),
        }
    }

    /// Takes down the shares; `trainings` come with the passes that they take.
    pub(super) fn share(&mut self, trainings: &BTreeMap<Key, u64>, jobs: &JobWords) {
        if let Role::Shard(shard) = self.sharing.role {
            self.own = shard.own(trainings, jobs.keys().cloned());
        }
    }

    /// Whether trainings come before everything else: others wait for them.
    pub(super) fn trains_first(&self) -> bool {
        matches!(self.sharing.role, Role::Shard(_))
    }

    pub(super) fn gathers(&self) -> bool {
        self.sharing.role == Role::Gather
    }

    /// Notes that a job cannot begin before another process has trained its network.
    pub(super) fn is_behind(&mut self) {
        self.pass.behind += 1;
    }

    /// The right to work on a job, or [`Error::Elsewhere`], or why it has failed elsewhere.
    fn claim(&mut self, key: &Key, what: &str) -> Result<Lease> {
        if let Some(reason) = self.failed(key) {
            return Err(Error::Failed(reason));
        }
        let may = match &self.sharing.role {
            Role::Everything => true,
            Role::Shard(_) => self.own.contains(key) || self.pass.help != Help::Nothing,
            Role::Jobs(jobs) => jobs.contains(key),
            Role::Gather => false,
        };
        if !may {
            self.pass.left_out += 1;
            return Err(Error::Elsewhere);
        }
        match self.worker()?.acquire(key.as_str(), what)? {
            Answer::Granted(lease) => {
                if self.pass.help == Help::One && !self.own.contains(key) {
                    self.pass.help = Help::Nothing;
                }
                Ok(lease)
            }
            Answer::Held(by) => {
                self.pass.held.insert(key.clone(), by);
                Err(Error::Elsewhere)
            }
        }
    }

    fn worker(&mut self) -> Result<&Worker> {
        if self.worker.is_none() {
            let folder = self.store.leases();
            self.worker = Some(Worker::start(&folder, &self.machine, self.sharing.patience)?);
        }
        self.worker.as_ref().ok_or(Error::Elsewhere)
    }

    /// Why a job has failed since this run began, whoever worked on it.
    fn failed(&self, key: &Key) -> Option<String> {
        let note = self.store.failure(key)?;
        if self.earlier.get(key.as_str()) == Some(&note) {
            return None;
        }
        note.split_once('\n').map(|(_, reason)| reason.to_owned())
    }

    /// Whether a job has a result or has failed since this run began.
    fn is_over(&self, key: &Key) -> bool {
        self.store.contains(key) || self.failed(key).is_some()
    }

    /// Tells the others that a job has failed. The first line makes the note like no earlier one.
    fn note_failure(&mut self, key: &Key, error: &Error) -> Result<()> {
        self.failures += 1;
        let by = self.worker.as_ref().map_or("", |worker| worker.token());
        self.store.put_failure(key, &format!("{by} {}\n{error}", self.failures))
    }

    /// Writes the cells of a run that goes on, unless another process has written more of them.
    pub(super) fn write_cells(&self, folder: &Path, details: &[Detail]) -> Result<()> {
        let others = self.worker.as_ref().is_some_and(Worker::has_company);
        if others && count_cells(folder) > details.len() {
            return Ok(());
        }
        write_cells(folder, details)
    }

    /// What comes after a pass that was not stopped.
    pub(super) fn next(&mut self, observer: &mut dyn RunObserver) -> Result<Next> {
        let pass = std::mem::take(&mut self.pass);
        match &self.sharing.role {
            Role::Gather => return Ok(Next::Close),
            Role::Jobs(jobs) => {
                let left = jobs.iter().filter(|key| !self.is_over(key));
                if let Some(key) = left.clone().find(|key| !pass.held.contains_key(key)) {
                    return Err(Error::Plan(format!(
                        "job {key} cannot begin: the network that it needs is not in the store; \
                         its training has failed, or it comes first"
                    )));
                }
                if left.count() == 0 {
                    return Ok(Next::Close);
                }
            }
            Role::Everything | Role::Shard(_) if pass.held.is_empty() && pass.left_out == 0 => {
                return Ok(Next::Close);
            }
            Role::Everything if pass.worked > 0 => return Ok(Next::Pass),
            Role::Everything => {}
            Role::Shard(_) => {
                let done = self.own.iter().all(|key| self.is_over(key));
                let help = match (done, pass.worked) {
                    (true, _) => Help::All,
                    (false, 0) => Help::One,
                    (false, _) => Help::Nothing,
                };
                if pass.worked > 0 || pass.help != help {
                    self.pass.help = help;
                    return Ok(Next::Pass);
                }
                if pass.behind == 0 {
                    return Ok(Next::Leave(pass.held.len()));
                }
            }
        }
        self.wait(&pass.held, observer)?;
        Ok(Next::Pass)
    }

    /// Waits until one of these jobs is done, has failed or is nobody's any more.
    fn wait(&self, held: &BTreeMap<Key, String>, observer: &mut dyn RunObserver) -> Result<()> {
        if let Some(by) = held.values().next() {
            let more = held.len() - 1;
            let more = if more == 0 { String::new() } else { format!(", and {more} more jobs") };
            observer.waiting(&format!("waiting for {by}{more}"));
        }
        let over = |key: &Key| {
            let nobodys =
                self.worker.as_ref().is_none_or(|worker| worker.held(key.as_str()).is_none());
            nobodys || self.is_over(key)
        };
        loop {
            let looked = Instant::now();
            while looked.elapsed() < self.sharing.patience.look {
                if observer.interrupted() {
                    return Err(Error::Interrupted);
                }
                std::thread::sleep(ATTENTION.min(self.sharing.patience.look));
            }
            if held.is_empty() || held.keys().any(over) {
                return Ok(());
            }
        }
    }
}

impl Run<'_> {
    /// One job: its result from the store if it is `known`, else by work if nobody else works on it.
    ///
    /// # Errors
    ///
    /// [`Error::Elsewhere`] when it is not this run's turn, [`Error::Failed`] when it has failed elsewhere.
    pub(super) fn work<T>(
        &mut self,
        what: &str,
        key: &Key,
        known: bool,
        observer: &mut dyn RunObserver,
        run: impl FnOnce(&mut dyn RunObserver) -> Result<T>,
    ) -> Result<T> {
        let store = self.bench.store;
        let mut lease = None;
        if !known {
            let absent = store.result(key).is_none();
            lease = Some(self.turns.claim(key, what)?);
            if absent && store.result(key).is_some() {
                // Finished by somebody between the look and the claim.
                lease = None;
            }
        }
        let Some(lease) = lease else {
            let outcome = run(observer);
            self.ended(what, key, true, &outcome, observer);
            return outcome;
        };
        observer.begin(what);
        let outcome = run(&mut Guarded { observer: &mut *observer, lease: &lease });
        let outcome = match outcome {
            Err(Error::Interrupted) if lease.lost() && !observer.interrupted() => {
                tracing::warn!(
                    "{what}: taken over by a process that had heard nothing of this one"
                );
                self.turns.pass.held.insert(key.clone(), what.to_owned());
                Err(Error::Elsewhere)
            }
            outcome => outcome,
        };
        if let Err(error) = &outcome
            && !error.is_fatal()
            && !matches!(error, Error::Elsewhere)
        {
            self.turns.note_failure(key, error)?;
        }
        self.turns.pass.worked += 1;
        self.ended(what, key, false, &outcome, observer);
        outcome
    }
}

/// Ends a job whose lease is lost at its next safe place.
struct Guarded<'a> {
    observer: &'a mut dyn RunObserver,
    lease: &'a Lease,
}

impl RunObserver for Guarded<'_> {
    fn planned(&mut self, passes: u64) {
        self.observer.planned(passes);
    }

    fn begin(&mut self, job: &str) {
        self.observer.begin(job);
    }

    fn advance(&mut self, passes: u64, detail: &str) {
        self.observer.advance(passes, detail);
    }

    fn end(&mut self, job: &str, failure: Option<&str>) {
        self.observer.end(job, failure);
    }

    fn waiting(&mut self, detail: &str) {
        self.observer.waiting(detail);
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.observer.wants_checkpoint()
    }

    fn interrupted(&self) -> bool {
        self.observer.interrupted() || self.lease.lost()
    }
}

/// Of several jobs of one cell, curve or comparison: those that are in other hands are left out, and `missing` says so.
pub(super) fn unless_elsewhere<T>(found: Result<T>, missing: &mut bool) -> Result<Option<T>> {
    match found {
        Err(Error::Elsewhere) => {
            *missing = true;
            Ok(None)
        }
        found => found.map(Some),
    }
}
