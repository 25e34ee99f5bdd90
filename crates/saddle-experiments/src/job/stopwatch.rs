//! How long was worked on a job: kept in the store beside it, so that it survives a stop or a kill.
//!
//! The note is renewed with every piece of partial state. What a killed run did after its last piece
//! is lost, and so is its time.

use std::time::Instant;

use crate::{Key, Result, Store};

/// Adds this run's time to that of the earlier stretches of one job.
pub(super) struct Stopwatch<'a> {
    store: &'a Store,
    key: &'a Key,
    before: f64,
    started: Instant,
}

impl<'a> Stopwatch<'a> {
    /// Starts; what was worked on partial state that is still there counts.
    pub(super) fn start(store: &'a Store, key: &'a Key) -> Self {
        let before = if store.has_parts(key) { store.seconds(key) } else { None };
        Self { store, key, before: before.unwrap_or(0.0), started: Instant::now() }
    }

    /// Notes the time so far in the store.
    pub(super) fn note(&self) -> Result<()> {
        self.store.put_seconds(self.key, self.before + self.started.elapsed().as_secs_f64())
    }
}
