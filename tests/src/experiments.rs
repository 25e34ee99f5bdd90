//! A plan that runs in seconds on the 200 digits of the repository, and observers that get in the way.

use std::path::{Path, PathBuf};

use candle_core::Device;
use saddle_data::{DatasetName, Silent, Source, Split};
use saddle_experiments::{Data, Finished, Laboratory, Machine, Plan, Result, RunObserver, Store};
use saddle_model::Executor;
use saddle_ops::Kernels;

use crate::data::{fixture, write_small_cifar};

/// Two trainings of a few steps, four cells in two settings, a curve and a comparison.
pub const TINY_PLAN: &str = r#"
name = "tiny"
about = "a test"
seed = 3
held_out = 140

[digits.some]
part = "test"
count = 12
seed = 1

[digits.many]
part = "test"
count = 104
seed = 2

[digits.held_out]
part = "held_out"
count = 6
seed = 3

[networks.natural]
architecture = "madry"
defense = "natural"

[networks.natural.training]
defense = { kind = "natural" }
iterations = 4
batch = 8
learning_rate = 1e-3
initialization = "default"

[networks.madry_linf]
architecture = "madry"
defense = "madry"
training_norm = "linf"
starts_from = "natural"

[networks.madry_linf.training]
iterations = 3
batch = 8
learning_rate = 1e-3
initialization = "default"

[networks.madry_linf.training.defense]
kind = "madry"
norms = { fixed = "linf" }
linf = { epsilon = 0.3, steps = 2, step_size = { relative = 0.5 }, rule = "sign", start = "uniform" }

[networks.trades_linf]
architecture = "madry"
defense = "trades"
training_norm = "linf"
missing = "nobody can train it yet"

[attacks.pgd]
step_per_radius = 0.5
ascent = { rule = "unit", steps = 2 }

[attacks.so]
step_per_radius = 0.5
ascent = { direction = { smoothed = { sigma = 0.2, samples = 1 } }, rule = "unit", steps = 2 }

[attacks.odd]
step_per_radius = 0.5
ascent = { direction = { odd = { sigma = 0.2, samples = 1 } }, rule = "unit", steps = 2 }

[[table]]
name = "table1"
setting = "paper"
networks = ["natural", "madry_linf", "trades_linf"]
digits = "some"

[[table.row]]
name = "natural"

[[table.row]]
name = "so_l2"
norm = "l2"
epsilon = 4.0
attacks = ["so"]

[[table]]
name = "table1_strong"
setting = "strong"
networks = ["madry_linf"]
digits = "some"

[[table.row]]
name = "pgd_l2"
norm = "l2"
epsilon = 4.0
attacks = ["pgd", "so"]

[[table]]
name = "large"
setting = "paper"
networks = ["natural"]
digits = "many"

[[table.row]]
name = "natural"

[[table]]
name = "selection"
setting = "strong"
networks = ["natural"]
digits = "held_out"
on_request = true

[[table.row]]
name = "pgd_l2"
norm = "l2"
epsilon = 4.0
attacks = ["pgd"]

[figure1]
digits = "some"
note = "a test"

[[figure1.curve]]
label = "natural, PGD"
network = "natural"
norm = "l2"
epsilon = 4.0
attack = "pgd"

[rivals]
digits = "some"
networks = ["madry_linf"]
norm = "l2"
cap = 12
subject = "so"
parts = ["odd"]
rivals = ["pgd"]

[[rivals.threat]]
epsilon = 2.0
"#;

/// [`TINY_PLAN`], read.
///
/// # Panics
///
/// When the plan's grammar has changed and this text has not.
pub fn tiny_plan() -> Plan {
    Plan::parse(TINY_PLAN).expect("the plan of the tests follows the grammar")
}

/// The 200 digits as training and as test set.
pub fn tiny_data() -> Data {
    Data { train: fixture().clone(), test: fixture().clone() }
}

/// A small CIFAR-10, read from files in a folder: so many training and test records.
///
/// # Panics
///
/// When the folder cannot be written.
pub fn small_cifar(folder: &Path, train: usize, test: usize) -> Data {
    write_small_cifar(folder, train.div_ceil(5), test);
    let source = Source::Folder(folder.to_owned());
    let [train, test] = [Split::Train, Split::Test].map(|split| {
        DatasetName::Cifar10.load(&source, split, &mut Silent).expect("what was just written")
    });
    Data { train, test }
}

/// The machine that the tests run on.
pub fn tiny_machine() -> Machine {
    Machine { executor: Executor::Engine(Kernels::detect()), device: Device::Cpu }
}

/// Runs a plan on the 200 digits.
///
/// # Errors
///
/// Those of [`Laboratory::run`].
pub fn run_tiny(
    plan: &Plan,
    store: &Store,
    only: &[&str],
    observer: &mut dyn RunObserver,
) -> Result<Finished> {
    let (data, machine) = (tiny_data(), tiny_machine());
    let only: Vec<String> = only.iter().map(|&part| part.to_owned()).collect();
    Laboratory { plan, data: &data, store, machine: &machine, commit: "test" }.run(&only, observer)
}

/// Writes down which jobs were worked on; asks for a stop after so many steps and chunks.
#[derive(Debug, Default)]
pub struct Witness {
    /// The jobs that began.
    pub began: Vec<String>,
    /// The failures that were told.
    pub failures: Vec<String>,
    /// Passes that were announced.
    pub planned: u64,
    /// Steps and chunks seen.
    pub steps: usize,
    /// Stop after this many; never when none.
    pub stop_after: Option<usize>,
    /// Want a checkpoint after every step.
    pub checkpoints: bool,
}

impl RunObserver for Witness {
    fn planned(&mut self, passes: u64) {
        self.planned = passes;
    }

    fn begin(&mut self, job: &str) {
        self.began.push(job.to_owned());
    }

    fn advance(&mut self, _passes: u64, _detail: &str) {
        self.steps += 1;
    }

    fn end(&mut self, _job: &str, failure: Option<&str>) {
        self.failures.extend(failure.map(str::to_owned));
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.checkpoints
    }

    fn interrupted(&self) -> bool {
        self.stop_after.is_some_and(|limit| self.steps >= limit)
    }
}

/// All files of that name in a folder and its folders, in order of their paths.
///
/// # Panics
///
/// When a folder cannot be read.
pub fn files_called(name: &str, folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(files_called(name, &path));
        } else if path.file_name().is_some_and(|own| own == name) {
            found.push(path);
        }
    }
    found.sort();
    found
}
