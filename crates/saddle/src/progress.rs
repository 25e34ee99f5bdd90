//! What a person sees while work goes on, the clock of the checkpoints, and Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};

use saddle_experiments::RunObserver;

/// Time between two checkpoints of a training: what a power cut costs at most.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// The first checkpoint comes sooner, so that a run that is killed every few seconds still gets ahead.
const FIRST_CHECKPOINT: Duration = Duration::from_secs(3);

/// Ctrl-C: once asks for a stop at the next safe place, twice stops at once.
#[derive(Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Listens from the first call on; every call gives the same flag.
    pub(crate) fn on_ctrl_c() -> Result<Self> {
        static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();
        if let Some(asked) = ASKED.get() {
            return Ok(Self(Arc::clone(asked)));
        }
        let asked = Arc::clone(ASKED.get_or_init(Arc::default));
        let inner = Arc::clone(&asked);
        ctrlc::set_handler(move || {
            if inner.swap(true, Ordering::SeqCst) {
                // The second Ctrl-C means now; the store survives it.
                std::process::exit(130);
            }
            eprintln!("\nstopping at the next safe place; once more to stop at once");
        })
        .context("cannot listen for Ctrl-C")?;
        Ok(Self(asked))
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A bar over the expected passes of all jobs; where there is no terminal, one line per job.
pub(crate) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    stop: Stop,
    checkpoint_due: Instant,
    job_started: Instant,
    /// What was last waited for.
    awaited: String,
}

impl Progress {
    pub(crate) fn new(quiet: bool, stop: Stop) -> Self {
        let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let style = ProgressStyle::with_template(
            "{elapsed_precise} [{bar:30}] {percent:>3} %, about {eta} left  {wide_msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("=> "));
        }
        let now = Instant::now();
        let checkpoint_due = now + FIRST_CHECKPOINT;
        Self { bar, quiet, stop, checkpoint_due, job_started: now, awaited: String::new() }
    }

    pub(crate) fn close(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        if self.quiet {
        } else if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }
}

impl RunObserver for Progress {
    fn planned(&mut self, passes: u64) {
        // Told again where others share the work: what is done stays done.
        self.bar.set_length(self.bar.position().saturating_add(passes).max(1));
        self.bar.reset_eta();
    }

    fn waiting(&mut self, detail: &str) {
        self.bar.set_message(detail.to_owned());
        if self.bar.is_hidden() && self.awaited != detail {
            self.line(detail);
        }
        detail.clone_into(&mut self.awaited);
    }

    fn begin(&mut self, job: &str) {
        self.job_started = Instant::now();
        self.checkpoint_due = self.job_started + FIRST_CHECKPOINT;
        self.bar.set_message(job.to_owned());
    }

    fn advance(&mut self, passes: u64, detail: &str) {
        self.bar.inc(passes);
        self.bar.set_message(detail.to_owned());
    }

    fn end(&mut self, job: &str, failure: Option<&str>) {
        let seconds = self.job_started.elapsed().as_secs_f64();
        match failure {
            None => self.line(&format!("{seconds:7.1} s  {job}")),
            Some(reason) => self.line(&format!("{seconds:7.1} s  {job}: {reason}")),
        }
    }

    fn wants_checkpoint(&mut self) -> bool {
        let now = Instant::now();
        let due = now >= self.checkpoint_due;
        if due {
            self.checkpoint_due = now + CHECKPOINT_EVERY;
        }
        due
    }

    fn interrupted(&self) -> bool {
        self.stop.asked()
    }
}
