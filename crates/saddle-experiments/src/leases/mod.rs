//! Who works on what, where several processes share a store: leases that survive a killed owner.
//!
//! ```text
//! STORE/leases/worker-XXXXXXXXXXXX   one process: a number that it raises every few seconds, and who it is
//! STORE/leases/NAME.0                who works on a job; NAME.1 once it was taken over, and so on
//! ```
//!
//! A lease is the file of the highest number. It is made by linking a finished file to its name, which exactly one of
//! many processes can do, on network disks too. One that has not been heard of for a while is dead, and then whoever is
//! first makes the file of the next number; nobody ever removes the lease of another one that may be alive. No clock is
//! compared with another machine's: a process is dead when its number has stood still for so long by the watch of the one
//! who looks. On one's own machine a process that is gone is known to be dead at once.
//!
//! # Invariants
//!
//! - Correctness never rests on a lease. Two processes that work on one job write the same bytes to the same places; leases
//!   keep them from doing the same work. So every doubt is settled in favour of going on.
//! - A lease that cannot be read belongs to somebody unknown, who is dead when it has not changed for a while.
//!
//! # What is deliberately absent
//!
//! No `flock`, which network disks promise in some places only, and no server.

mod place;
mod process;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::store::draft;
use crate::{Error, Result};
use place::{Place, file_name, make, names};
use process::Process;

/// Digits of the number with which a worker's file begins.
const BEAT: usize = 20;
const WORKER: &str = "worker-";

/// How long processes that share a store wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Time between two signs of life.
    pub beat: Duration,
    /// Time without any after which a process counts as dead and its job is taken over.
    pub dead_after: Duration,
    /// Time between two looks at what others are doing, for one that waits for them.
    pub look: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(5),
            dead_after: Duration::from_secs(60),
            look: Duration::from_secs(1),
        }
    }
}

/// What a lease says.
#[derive(Serialize, Deserialize)]
struct Entry {
    worker: String,
    job: String,
}

/// What a worker says of itself, behind its number.
#[derive(Serialize, Deserialize)]
struct Introduction {
    process: Process,
    /// What keys call its executor and kernels.
    machine: String,
}

/// The outcome of asking for a lease.
pub(crate) enum Answer {
    Granted(Lease),
    /// Somebody else has it; in words, who and for what.
    Held(String),
}

/// This process, as the others on a store see it: alive until it is dropped or killed.
pub(crate) struct Worker {
    folder: PathBuf,
    token: String,
    process: Process,
    patience: Patience,
    pulse: Arc<Pulse>,
    thread: Option<JoinHandle<()>>,
    /// What was last seen of others, and since when it stands still.
    seen: RefCell<BTreeMap<String, (Vec<u8>, Instant)>>,
}

/// What the thread of the heartbeat and its worker share.
#[derive(Default)]
struct Pulse {
    stopped: Mutex<bool>,
    stop: Condvar,
    held: Mutex<Vec<(Place, Arc<AtomicBool>)>>,
}

impl Worker {
    /// Introduces this process to the others whose leases lie in `folder`; `machine` is what keys call what computes.
    pub(crate) fn start(folder: &Path, machine: &str, patience: Patience) -> Result<Self> {
        let refused = |source| Error::Write { path: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(refused)?;
        let process = Process::this();
        let introduction = Introduction { process: process.clone(), machine: machine.to_owned() };
        let introduction = serde_json::to_string(&introduction)
            .map_err(|error| Error::format("introduction of a process", error))?;
        let mut file = draft(folder, WORKER).map_err(refused)?;
        writeln!(file, "{:0BEAT$}\n{introduction}", 0).map_err(refused)?;
        let (_, path) = file.keep().map_err(|error| refused(error.error))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let pulse = Arc::new(Pulse::default());
        let (beating, every) = (Arc::clone(&pulse), patience.beat);
        let thread = std::thread::Builder::new().name("heartbeat".to_owned());
        let thread =
            thread.spawn(move || beating.run(&path, &introduction, every)).map_err(refused)?;
        let worker = Self {
            folder: folder.to_owned(),
            token: name,
            process,
            patience,
            pulse,
            thread: Some(thread),
            seen: RefCell::default(),
        };
        worker.warn_of_other_machines(machine);
        Ok(worker)
    }

    /// Keys name the kernels, so processes with others share a folder and nothing else: worth a word.
    fn warn_of_other_machines(&self, machine: &str) {
        if let Some(other) = self.company().find(|other| other.machine != machine) {
            tracing::warn!(
                "{} computes with {}, this process with {machine}: they share no result; \
                 set SADDLE_KERNELS to one name for all, such as avx2",
                other.process,
                other.machine
            );
        }
    }

    /// Whether others may be at work on the store.
    pub(crate) fn has_company(&self) -> bool {
        self.company().next().is_some()
    }

    /// The other workers of the folder, without those that are known to be dead.
    fn company(&self) -> impl Iterator<Item = Introduction> {
        let others = names(&self.folder).filter(|name| name.starts_with(WORKER));
        others
            .filter(|name| *name != self.token)
            .filter_map(|name| introduced(&self.read(&name)))
            .filter(|other| !other.process.is_dead(&self.process))
    }

    /// A sign by which others can tell this process from every other one on the store.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// Takes the lease called `name` for `job` (in words), unless somebody alive has it.
    pub(crate) fn acquire(&self, name: &str, job: &str) -> Result<Answer> {
        let mut place = Place { folder: self.folder.clone(), name: name.to_owned(), number: 0 };
        if let Some(newest) = place.newest() {
            if let Some(words) = self.holder(name, newest) {
                return Ok(Answer::Held(words));
            }
            place.number = newest + 1;
        }
        let path = place.path();
        let entry = Entry { worker: self.token.clone(), job: job.to_owned() };
        let entry = serde_json::to_vec(&entry).map_err(|e| Error::format("lease", e))?;
        let made = make(&path, &entry);
        if !made.map_err(|source| Error::Write { path, source })? {
            return Ok(Answer::Held("another process, since this moment".to_owned()));
        }
        if !place.is_newest() {
            // Made below a number that came from somewhere else meanwhile.
            place.give_up();
            return Ok(Answer::Held("another process, since this moment".to_owned()));
        }
        let lost = Arc::new(AtomicBool::new(false));
        lock(&self.pulse.held).push((place.clone(), Arc::clone(&lost)));
        Ok(Answer::Granted(Lease { place, lost, pulse: Arc::clone(&self.pulse) }))
    }

    /// Who has the lease called `name`, in words; none if nobody alive does.
    pub(crate) fn held(&self, name: &str) -> Option<String> {
        let place = Place { folder: self.folder.clone(), name: name.to_owned(), number: 0 };
        self.holder(name, place.newest()?)
    }

    /// Who has the lease of this number; one whose owner is dead is nobody's.
    fn holder(&self, name: &str, number: u64) -> Option<String> {
        let file = file_name(name, number);
        let bytes = self.read(&file);
        let Some(entry) = entry(&bytes) else {
            if !self.folder.join(&file).exists() || self.stands_still(&file, bytes) {
                return None;
            }
            return Some(format!("somebody unknown ({file} cannot be read)"));
        };
        if entry.worker == self.token {
            // A lease of ours whose removal has failed.
            return None;
        }
        let bytes = self.read(&entry.worker);
        let process = introduced(&bytes).map(|introduction| introduction.process);
        if process.as_ref().is_some_and(|process| process.is_dead(&self.process))
            || self.stands_still(&entry.worker, bytes)
        {
            // One that was merely asleep makes its file anew.
            let _ = fs::remove_file(self.folder.join(&entry.worker));
            return None;
        }
        let who = process.map_or_else(|| entry.worker.clone(), |process| process.to_string());
        Some(format!("{} ({who})", entry.job))
    }

    /// Whether `bytes` is what was seen under this name for as long as a living process is never silent.
    fn stands_still(&self, name: &str, bytes: Vec<u8>) -> bool {
        let now = Instant::now();
        let mut seen = self.seen.borrow_mut();
        match seen.get(name) {
            Some((known, since)) if *known == bytes => {
                now.duration_since(*since) >= self.patience.dead_after
            }
            _ => {
                seen.insert(name.to_owned(), (bytes, now));
                false
            }
        }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        // What cannot be read gives no sign of life.
        fs::read(self.folder.join(name)).unwrap_or_default()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        *lock(&self.pulse.stopped) = true;
        self.pulse.stop.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = fs::remove_file(self.folder.join(&self.token));
    }
}

impl Pulse {
    /// Raises the number in the worker's file until it is told to stop, and looks after the leases.
    fn run(&self, path: &Path, introduction: &str, every: Duration) {
        let mut number: u64 = 0;
        loop {
            let stopped = lock(&self.stopped);
            let waited = self.stop.wait_timeout_while(stopped, every, |stopped| !*stopped);
            let (stopped, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if *stopped {
                return;
            }
            drop(stopped);
            number += 1;
            // A sign that does not get through is not the end of the work: others may then do it as well.
            let _ = beat(path, number, introduction);
            for (place, lost) in lock(&self.held).iter() {
                if !place.is_newest() {
                    lost.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Writes the number in its place. A file that is gone, for somebody thought us dead or emptied the store, comes back.
fn beat(path: &Path, number: u64, introduction: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    if file.seek(io::SeekFrom::End(0))? == 0 {
        return writeln!(file, "{number:0BEAT$}\n{introduction}");
    }
    file.seek(io::SeekFrom::Start(0))?;
    // One write of a fixed length: a reader sees the old digits or the new ones, or both, and either is a sign of life.
    file.write_all(format!("{number:0BEAT$}").as_bytes())
}

/// What a lease says; none for one that names no file of this folder.
fn entry(bytes: &[u8]) -> Option<Entry> {
    let entry: Entry = serde_json::from_slice(bytes).ok()?;
    let within = entry.worker.starts_with(WORKER) && !entry.worker.contains(['/', '\\']);
    within.then_some(entry)
}

fn introduced(bytes: &[u8]) -> Option<Introduction> {
    serde_json::from_slice(bytes.get(BEAT..)?).ok()
}

/// The right to work on one job, until it is dropped.
pub(crate) struct Lease {
    place: Place,
    lost: Arc<AtomicBool>,
    pulse: Arc<Pulse>,
}

impl Lease {
    /// Whether somebody who thought us dead has taken the job over.
    pub(crate) fn lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        lock(&self.pulse.held).retain(|(place, _)| place.path() != self.place.path());
        if !self.place.is_newest() {
            return;
        }
        // Those of dead owners first: ours is the newest as long as it is there.
        for number in 0..self.place.number {
            Place { number, ..self.place.clone() }.give_up();
        }
        self.place.give_up();
    }
}

/// A thread that panicked has left nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
