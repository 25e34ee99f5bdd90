//! Running a plan: which jobs, in which order, and what becomes of a cell whose job fails.
//!
//! Everything is decided before anything runs: the keys of all jobs follow from the plan, so what is
//! left to do is known and can be estimated. Networks are trained when the first cell needs them.
//! A job that fails takes its cells with it and no others. A stop that was asked for ends the run
//! with a report of what is there; a disk that refuses ends it with an error. Both keep all finished
//! work. Where several processes share the store, each takes the jobs that no other one works on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use saddle_report::Report;

use crate::agenda::NetworkId;
use crate::given::Given;
use crate::job::{Bench, Data, Machine, RunObserver, TrainJob, Trained};
use crate::known::Known;
use crate::paper::cells;
use crate::plan::Plan;
use crate::share::Sharing;
use crate::{Error, Key, Result, Store};
use tally::JobWords;
use turns::{Next, Turns};

mod assemble;
mod bounds;
mod broken;
mod cells;
mod claims;
mod curves;
mod fates;
mod figure1;
mod ladder;
mod listing;
mod members;
mod networks;
mod provenance;
mod rivals;
mod stages;
mod takeover;
mod tally;
mod turns;
mod verdicts;

pub use assemble::{AttackDetail, Detail};
pub use bounds::BoundDetail;
pub use fates::{LadderDetail, RungDetail};
pub use listing::{JobEntry, JobKind};
pub use members::MemberDetail;
pub use stages::{Stage, Stages};

/// Everything that a run needs.
pub struct Laboratory<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// On which digits.
    pub data: &'a Data,
    /// Where results are kept.
    pub store: &'a Store,
    /// What computes.
    pub machine: &'a Machine,
    /// Commit of the program, for the report.
    pub commit: &'a str,
}

/// What a run takes from elsewhere and leaves there while it goes on; nothing by default.
#[derive(Debug, Default)]
pub struct Outside {
    /// Networks that others trained.
    pub given: Given,
    /// Cells that earlier runs measured.
    pub known: Known,
    /// Folder of the report, for its `cells.jsonl` to be written whenever a cell is finished.
    pub out: Option<PathBuf>,
    /// What this run works on where others share the store.
    pub sharing: Sharing,
}

/// What a run leaves: the report, one line per cell with the fate of every digit, and the times.
#[derive(Debug)]
pub struct Finished {
    /// The report; a pure function of plan, data, program and kernels.
    pub report: Report,
    /// The report's cells, digit by digit.
    pub details: Vec<Detail>,
    /// The report's bounds, with the digits that prove them.
    pub bounds: Vec<BoundDetail>,
    /// The ladder, digit by digit.
    pub ladder: Vec<LadderDetail>,
    /// How long the jobs behind the report took, whichever run worked on them.
    pub times: Vec<JobTime>,
    /// Whether the observer stopped the run before its end.
    pub interrupted: bool,
    /// Jobs that other processes on the store were still working on when this run, a shard, left.
    pub left: usize,
}

/// How long a job took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobTime {
    /// The job in words; those of its first use when several cells share it.
    pub job: String,
    /// Its key in the store.
    pub key: Key,
    /// Seconds of wall clock, all stretches together.
    pub seconds: f64,
}

impl Laboratory<'_> {
    /// Runs the plan, or the parts of it that `only` names, and assembles the report.
    ///
    /// Of the other parts the report shows what earlier runs have left in the store, and the rest of
    /// their cells as missing. A part that is measured on request is shown only when it is named.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownPart`] and [`Error::Plan`] before any work; [`Error::Write`] when the store
    /// refuses. A job that fails is no error: its cells are `failed` and the report says why.
    pub fn run(&self, only: &[String], observer: &mut dyn RunObserver) -> Result<Finished> {
        self.run_with(&Outside::default(), only, observer)
    }

    /// [`Laboratory::run`] with what comes from elsewhere.
    ///
    /// # Errors
    ///
    /// As [`Laboratory::run`].
    pub fn run_with(
        &self,
        outside: &Outside,
        only: &[String],
        observer: &mut dyn RunObserver,
    ) -> Result<Finished> {
        self.plan.check_only(only)?;
        let bench = Bench::new(self.plan, self.data, self.store, self.machine, self.commit)?;
        let mut run = Run::new(&bench, outside)?;
        let restricted = assemble::restricted(only);
        let mut book = assemble::Book::about(self.plan.dataset);
        outside.given.notes(self.plan).for_each(|note| book.note(note));
        let admitted = outside.given.admitted(self.plan);
        let mut all = Vec::new();
        let mut shown = Vec::new();
        for table in &self.plan.tables {
            let mut cells = cells(&admitted, table, &self.machine.name());
            run.without_the_absent(&mut cells)?;
            if !self.plan.wants(&table.name, only) {
                if table.on_request {
                    continue;
                }
                cells = run.already_measured(cells, &restricted)?;
            }
            all.extend(cells);
            shown.push(table);
        }
        let cells = all;
        let mut bounds = match &self.plan.bounds {
            Some(asked) => bounds::planned(&bench, asked, &shown)?,
            None => Vec::new(),
        };
        if !self.plan.wants("bounds", only) && run.keep_known_bounds(&mut bounds)? {
            book.missing("bounds, at least in part,", &restricted);
        }
        let mut figure = self.plan.figure1.as_ref();
        if !self.plan.wants("figure1", only) && run.expected_passes(&[], figure, None)? > 0 {
            figure = None;
            book.missing("figure1", &restricted);
        }
        let mut rivals = self.plan.rivals.as_ref();
        if let Some(compared) = rivals.filter(|_| !self.plan.wants("rivals", only)) {
            if compared.on_request {
                rivals = None;
            } else if run.expected_passes(&[], None, rivals)? > 0 {
                rivals = None;
                book.missing("rivals", &restricted);
            }
        }
        let ladder = run.ladder(self.plan, only, &restricted, &mut book)?;
        let verdicts = run.verdicts(self.plan, only, &restricted, &mut book)?;
        let drawings = run.drawings(self.plan, only, &restricted, &mut book)?;
        let (remarks, gathers) = (book.remarks().to_vec(), run.turns.gathers());
        let mut left = 0;
        let outcome = loop {
            book = assemble::Book::with(self.plan.dataset, remarks.clone(), gathers);
            let mut seen = JobWords::new();
            let mut passes = run.passes_beyond(&cells, figure, rivals, &mut seen)?;
            if let Some(ladder) = ladder {
                let networks = ladder::networks(self.plan, ladder);
                passes = passes.saturating_add(run.ladder_passes(ladder, &networks, &mut seen)?);
            }
            if let Some(verdicts) = verdicts {
                passes = passes.saturating_add(run.verdict_passes(verdicts, None, &mut seen)?);
            }
            observer.planned(passes.saturating_add(run.drawing_passes(&drawings, &mut seen)?));
            for bound in &bounds {
                seen.insert(bound.key()?, bound.words());
            }
            if let Some(verdicts) = verdicts {
                for (_, bound) in verdicts::radius_bounds(&bench, verdicts)? {
                    seen.insert(bound.key()?, bound.words());
                }
            }
            run.share(&seen);
            let outcome = run.ahead(&seen, observer);
            let outcome = outcome
                .and_then(|()| run.all(&cells, &bounds, figure, rivals, &mut book, observer));
            let outcome = outcome.and_then(|()| match ladder {
                Some(ladder) => run.climb(ladder, &mut book, observer),
                None => Ok(()),
            });
            let outcome = outcome.and_then(|()| match verdicts {
                Some(verdicts) => run.judge(verdicts, &mut book, observer),
                None => Ok(()),
            });
            let outcome = outcome.and_then(|()| run.draw(&drawings, &mut book, observer));
            match outcome.and_then(|()| run.turns.next(observer)) {
                Ok(Next::Pass) => {}
                Ok(Next::Close) => break Ok(()),
                Ok(Next::Leave(others)) => {
                    left = others;
                    break Ok(());
                }
                Err(error) => break Err(error),
            }
        };
        let interrupted = match outcome {
            Ok(()) => false,
            Err(Error::Interrupted) => true,
            Err(error) => return Err(error),
        };
        if interrupted || left > 0 {
            book.stopped(!bounds.is_empty(), figure.is_some(), rivals.is_some());
            book.stopped_on_the_ladder(ladder);
            book.stopped_before_verdicts(verdicts);
            curves::stopped(&drawings, &mut book, assemble::STOPPED);
        }
        book.fill_up(&cells);
        book.mark_broken(&cells);
        let times = run.all_times();
        let ladder = std::mem::take(&mut book.rungs);
        let (report, details, bounds) = book.close(self, &bench, &run, &cells)?;
        Ok(Finished { report, details, bounds, ladder, times, interrupted, left })
    }

    /// Trains one network of the plan, or finds it in the store: the bytes of its weight file.
    ///
    /// # Errors
    ///
    /// [`Error::Plan`] for a network that the plan does not hold or cannot train,
    /// [`Error::Interrupted`] when the observer stopped it, and whatever the training fails with.
    pub fn train(&self, name: &str, observer: &mut dyn RunObserver) -> Result<Vec<u8>> {
        self.plan.check_trainable(name)?;
        let bench = Bench::new(self.plan, self.data, self.store, self.machine, self.commit)?;
        let outside = Outside::default();
        let mut run = Run::new(&bench, &outside)?;
        let id = NetworkId { name: name.to_owned(), number: 0 };
        observer.planned(run.training_passes(&id, &mut JobWords::new())?);
        loop {
            match run.trained(&id, observer) {
                // Another process trains it, or what it needs.
                Err(Error::Elsewhere) => {
                    run.turns.next(observer)?;
                }
                trained => return trained?.bytes(&bench),
            }
        }
    }
}

impl Laboratory<'_> {
    /// The weight file of a network of the plan if the store has it; nothing is trained.
    ///
    /// # Errors
    ///
    /// As [`Laboratory::train`] for a network that the plan does not hold or cannot train.
    pub fn trained(&self, name: &str) -> Result<Option<Vec<u8>>> {
        self.plan.check_trainable(name)?;
        let bench = Bench::new(self.plan, self.data, self.store, self.machine, self.commit)?;
        let outside = Outside::default();
        let run = Run::new(&bench, &outside)?;
        let id = NetworkId { name: name.to_owned(), number: 0 };
        Ok(run.keys.get(&id).and_then(|key| self.store.result(key)))
    }
}

/// A run under way: networks trained so far, failures remembered so that they happen once.
struct Run<'a> {
    bench: &'a Bench<'a>,
    outside: &'a Outside,
    trainings: BTreeMap<NetworkId, TrainJob>,
    keys: BTreeMap<NetworkId, Key>,
    networks: BTreeMap<NetworkId, Result<Rc<Trained>, String>>,
    /// SHA-256 of weight files, as far as somebody has asked for them.
    hashes: BTreeMap<NetworkId, String>,
    /// Jobs that were taken over from earlier runs.
    taken: BTreeSet<Key>,
    times: Vec<JobTime>,
    /// Attack jobs that this run had to work on.
    worked: usize,
    turns: Turns<'a>,
}

impl Run<'_> {
    /// Finds out which of all these jobs are this run's own.
    fn share(&mut self, jobs: &JobWords) {
        let mut trainings = self.training_costs();
        trainings.retain(|key, _| jobs.contains_key(key));
        self.turns.share(&trainings, jobs);
    }

    /// Where others wait for networks: those first.
    fn ahead(&mut self, jobs: &JobWords, observer: &mut dyn RunObserver) -> Result<()> {
        if self.turns.trains_first() { self.train_ahead(jobs, observer) } else { Ok(()) }
    }

    /// Takes down the time of a job and, if it was worked on, tells the observer how it ended.
    fn ended<T>(
        &mut self,
        what: &str,
        key: &Key,
        known: bool,
        outcome: &Result<T>,
        observer: &mut dyn RunObserver,
    ) {
        if self.times.iter().all(|time| time.key != *key)
            && let Some(seconds) = self.bench.store.seconds(key)
        {
            self.times.push(JobTime { job: what.to_owned(), key: key.clone(), seconds });
        }
        if !known {
            let failure = outcome.as_ref().err().map(ToString::to_string);
            observer.end(what, failure.as_deref());
        }
    }
}
