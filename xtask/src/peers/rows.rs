//! The table of what is compared with what, and the ratio that each row has to reach.

use std::fmt;

use clap::builder::PossibleValuesParser;

/// Digits of an attack and of an epoch.
const ATTACKED: usize = 1000;
const EPOCH: usize = 6000;
/// Images that one timing covers at least, so that a batch of one is not lost in the clock's grain.
const IMAGES_A_TIMING: usize = 20;

/// One comparison.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) work: &'static str,
    pub(super) batch: usize,
    pub(super) threads: usize,
    pub(super) kernels: String,
    pub(super) rival: &'static str,
    /// Least ratio that is wanted.
    pub(super) bar: Option<f64>,
    /// Digits, where they are not those of the work's name.
    slice: Option<usize>,
}

/// All rows, in the order of the printed table.
pub(super) fn table() -> Vec<Row> {
    let row = |work, batch, threads, kernels: &str, rival, bar| {
        let kernels = kernels.to_owned();
        Row { work, batch, threads, kernels, rival, bar, slice: None }
    };
    vec![
        row("input_gradient", 100, 1, "avx512", "channels_last", Some(3.2)),
        row("input_gradient", 100, 1, "avx512", "nchw", None),
        row("input_gradient", 100, 1, "avx512", "peak", None),
        row("input_gradient", 1, 1, "avx512", "channels_last", Some(3.0)),
        row("input_gradient", 1, 1, "avx512", "nchw", None),
        row("input_gradient", 100, 1, "avx2", "channels_last", Some(2.0)),
        row("input_gradient", 100, 1, "avx2", "peak", None),
        row("input_gradient", 100, 1, "portable", "channels_last", Some(0.5)),
        row("input_gradient", 100, 2, "avx512", "ours_1_thread", Some(1.85)),
        row("input_gradient", 100, 2, "avx512", "channels_last", None),
        row("input_gradient_bf16", 100, 1, "avx512", "channels_last_bf16", Some(2.4)),
        row("train_adam", 100, 1, "avx512", "channels_last", Some(2.5)),
        row("train_adam", 100, 1, "avx512", "peak", None),
        row("train_pgd40_epoch", 100, 1, "avx512", "channels_last", Some(3.0)),
        row("pgd40_linf", 100, 1, "avx512", "foolbox", Some(4.0)),
        row("pgd40_linf", 100, 1, "avx512", "torchattacks", Some(4.0)),
        row("input_gradient_trades", 100, 1, "avx512", "channels_last", Some(2.0)),
        row("input_gradient_tramer_a", 100, 1, "avx512", "channels_last", Some(1.5)),
        row("input_gradient_tramer_c", 100, 1, "avx512", "channels_last", Some(1.5)),
        row("input_gradient_atda", 100, 1, "avx512", "channels_last", Some(1.5)),
    ]
}

/// What `--work` takes.
pub(super) fn works() -> PossibleValuesParser {
    names(|row| row.work)
}

/// What `--rival` takes.
pub(super) fn rivals() -> PossibleValuesParser {
    names(|row| row.rival)
}

fn names(of: fn(&Row) -> &'static str) -> PossibleValuesParser {
    let mut names = Vec::new();
    for row in table() {
        if !names.contains(&of(&row)) {
            names.push(of(&row));
        }
    }
    names.into()
}

impl Row {
    pub(super) const HEAD: &str = "work                     batch threads kernels  rival                 ratio   bar     ours ms    rival ms rounds";

    /// The work without the name of a network, and that network.
    fn parts(&self) -> (&'static str, &'static str) {
        match self.work.strip_prefix("input_gradient_") {
            Some(network) if network != "bf16" => ("input_gradient", network),
            _ => (self.work, "madry"),
        }
    }

    pub(super) fn network(&self) -> &'static str {
        self.parts().1
    }

    /// The name that a record has: the work's, and its digits where they are not the work's own.
    pub(super) fn name(&self) -> String {
        match self.slice {
            Some(digits) => format!("{}_{digits}_digits", self.work.trim_end_matches("_epoch")),
            None => self.work.to_owned(),
        }
    }

    /// Digits that one call goes through, where that is not one batch.
    pub(super) fn digits(&self) -> Option<usize> {
        let whole = match self.work {
            "pgd40_linf" => ATTACKED,
            "train_pgd40_epoch" => EPOCH,
            _ => return None,
        };
        Some(self.slice.unwrap_or(whole))
    }

    /// Takes fewer or more digits than the work has by its name.
    pub(super) fn slice(&mut self, digits: usize) {
        if self.digits() != Some(digits) {
            self.slice = Some(digits);
            self.bar = None;
        }
    }

    /// Rounds that make a record. A round of an epoch takes minutes.
    pub(super) fn rounds(&self) -> u64 {
        if self.work == "train_pgd40_epoch" { 3 } else { 15 }
    }

    /// Flags that both sides take.
    pub(super) fn flags(&self) -> Vec<String> {
        let mut flags =
            vec![format!("--work={}", self.parts().0), format!("--batch={}", self.batch)];
        if self.digits().is_none() {
            flags.push("--warm".to_owned());
            flags.push(format!("--repeats={}", (IMAGES_A_TIMING / self.batch).max(1)));
        }
        flags
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, threads, kernels, rival, .. } = self;
        write!(f, "{:<24} {batch:>5} {threads:>7} {kernels:<8} {rival:<18}", self.name())
    }
}
