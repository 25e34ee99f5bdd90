//! Jobs: the units of work that the store keeps. Training, an attack on some digits, a row of the ladder and its directions, what a
//! verdict on masking needs besides attacks, a curve, the steps that fool, fooled digits, a bound.
//!
//! A job is described by a part of the plan and by all that its result depends on; the hash of that
//! description is its key. [`REVISIONS`] belong to it: whoever changes an algorithm so that its
//! numbers change raises its revision, and old results are no longer found.
//!
//! Partial state lies under the key: of a training its last checkpoint, of everything else chunks of
//! [`CHUNK`] examples. A result never depends on where a job was cut.

mod attack;
mod bound;
mod calibrate;
mod compass;
mod curve;
mod disguised;
mod fooled;
mod rung;
mod sampled;
mod signs;
mod steps;
mod stopwatch;
mod toward;
mod train;
mod transfer;
mod trial;

use candle_core::{DType, Device, Tensor};
use serde::Serialize;

use saddle_attacks::Examples;
use saddle_data::Dataset;
use saddle_model::{Executor, Network};

use crate::plan::Plan;
use crate::{Error, Key, Part, Program, Result, Store};

use stopwatch::Stopwatch;

pub(crate) use attack::{AttackJob, Attempt, Survey};
pub(crate) use bound::BoundJob;
pub(crate) use calibrate::{hardly_trained, seconds_per_pass, seconds_per_step};
pub(crate) use compass::{CompassJob, Cosines};
pub(crate) use curve::CurveJob;
pub(crate) use disguised::DisguisedJob;
pub(crate) use fooled::{FooledDigit, FooledJob};
pub(crate) use rung::RungJob;
pub(crate) use sampled::SampleJob;
pub(crate) use signs::SignsJob;
pub(crate) use steps::{StepJob, StepSurvey};
pub(crate) use toward::TowardJob;
pub(crate) use train::TrainJob;
pub(crate) use transfer::{Source, TransferJob};
pub(crate) use trial::Trial;

/// Examples per chunk of partial state.
pub(crate) const CHUNK: usize = 100;

/// Revision of each algorithm; part of every key that depends on it.
const REVISIONS: Revisions = Revisions {
    train: 4,
    attack: 5,
    curve: 4,
    bound: 1,
    steps: 1,
    fooled: 1,
    rung: 2,
    compass: 2,
    signs: 2,
    disguised: 1,
    transfer: 1,
};

#[derive(Clone, Copy, Debug, Serialize)]
struct Revisions {
    train: u32,
    attack: u32,
    curve: u32,
    bound: u32,
    steps: u32,
    fooled: u32,
    rung: u32,
    compass: u32,
    signs: u32,
    disguised: u32,
    transfer: u32,
}

/// The digits that a run works on.
#[derive(Clone, Debug)]
pub struct Data {
    /// Training digits; the last of them are held out, as the plan says.
    pub train: Dataset,
    /// Test digits.
    pub test: Dataset,
}

/// What runs the networks.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Our kernels or candle.
    pub executor: Executor,
    /// Where tensors live.
    pub device: Device,
}

impl Machine {
    /// What the report calls this machine.
    pub fn name(&self) -> String {
        self.on_device(self.executor.name())
    }

    /// What keys call it: machines of which this is the same compute the same bits if they run our kernels on the CPU.
    ///
    /// Nothing of the kind is promised for a GPU: it says neither which one it is nor its libraries, and
    /// those may add in another order.
    pub(crate) fn arithmetic(&self) -> String {
        self.on_device(self.executor.arithmetic())
    }

    fn on_device(&self, name: String) -> String {
        match &self.device {
            Device::Cpu => name,
            Device::Cuda(_) => format!("{name}-cuda"),
            Device::Metal(_) => format!("{name}-metal"),
        }
    }
}

/// Who watches a run, says when a checkpoint is due and when to stop.
pub trait RunObserver {
    /// Before anything starts, and again where other processes share the store: forward and backward passes
    /// that are left to do, results that are already in the store not counted.
    fn planned(&mut self, _passes: u64) {}

    /// A job starts.
    fn begin(&mut self, _job: &str) {}

    /// About so many forward and backward passes more are done; `detail` says where the job stands.
    fn advance(&mut self, _passes: u64, _detail: &str) {}

    /// A job has ended; `failure` says why it has no result.
    fn end(&mut self, _job: &str, _failure: Option<&str>) {}

    /// Nothing is left to do here until another process on the store comes to an end; `detail` says which and where.
    fn waiting(&mut self, _detail: &str) {}

    /// Asked after every training step: is a checkpoint due?
    fn wants_checkpoint(&mut self) -> bool {
        false
    }

    /// Asked between steps and chunks: stop at the next place from which the run can go on?
    fn interrupted(&self) -> bool {
        false
    }
}

/// Watches nothing and never stops: for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl RunObserver for Unobserved {}

/// Everything that jobs share.
pub(crate) struct Bench<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) data: &'a Data,
    pub(crate) store: &'a Store,
    pub(crate) machine: &'a Machine,
    /// Commit of the program; noted beside results and no part of any key.
    commit: &'a str,
    train_hash: String,
    test_hash: String,
    neighbours: toward::Neighbours,
}

impl<'a> Bench<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        data: &'a Data,
        store: &'a Store,
        machine: &'a Machine,
        commit: &'a str,
    ) -> Result<Self> {
        if plan.held_out >= data.train.len() {
            return Err(Error::Plan(format!(
                "held_out is {} and there are only {} training digits",
                plan.held_out,
                data.train.len()
            )));
        }
        let (train_hash, test_hash) = (data.train.sha256(), data.test.sha256());
        let neighbours = toward::Neighbours::default();
        Ok(Self { plan, data, store, machine, commit, train_hash, test_hash, neighbours })
    }

    /// Puts a finished result into the store, with a note of what it is and who computed it.
    pub(crate) fn finish(&self, key: &Key, job: &impl Serialize, result: &[u8]) -> Result<()> {
        #[derive(Serialize)]
        struct Note<'a, T> {
            program: &'a Program,
            commit: &'a str,
            job: &'a T,
        }
        let note = Note { program: Program::this(), commit: self.commit, job };
        self.store.finish(key, &note, result)
    }

    /// The commit of the program that computed a result of the store.
    pub(crate) fn commit_of(&self, key: &Key) -> String {
        let noted = self.store.description(key).and_then(|note| {
            note.get("commit").and_then(|commit| commit.as_str()).map(str::to_owned)
        });
        noted.unwrap_or_else(|| "unknown".to_owned())
    }

    /// How many training digits networks may see.
    pub(crate) fn seen(&self) -> usize {
        self.data.train.len() - self.plan.held_out
    }

    /// The digits of one sample of the plan.
    pub(crate) fn sample(&self, name: &str) -> Result<Sample<'a>> {
        let digits = self
            .plan
            .digits
            .get(name)
            .ok_or_else(|| Error::Plan(format!("no digits are called `{name}`")))?;
        let (data, hash, first) = match digits.part {
            Part::Test => (&self.data.test, &self.test_hash, 0),
            Part::HeldOut => (&self.data.train, &self.train_hash, self.seen()),
        };
        let chosen = digits.select(name, &data.labels[first..])?;
        let indices = chosen.into_iter().map(|position| first + position).collect();
        Ok(Sample { data, hash: hash.clone(), indices })
    }

    /// All test digits.
    pub(crate) fn all_test_digits(&self) -> Sample<'a> {
        let data = &self.data.test;
        Sample { data, hash: self.test_hash.clone(), indices: (0..data.len()).collect() }
    }
}

/// Some digits of one data set, by their indices in it; the index is the example's id.
pub(crate) struct Sample<'a> {
    data: &'a Dataset,
    pub(crate) hash: String,
    pub(crate) indices: Vec<usize>,
}

impl Sample<'_> {
    /// Whether both are the same digits of the same data.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.hash == other.hash && self.indices == other.indices
    }

    /// SHA-256 over pixels and labels of exactly these digits; of a whole data set, that data set's.
    pub(crate) fn digits_hash(&self) -> String {
        let images = self.indices.iter().flat_map(|&index| self.data.image(index));
        let part = Dataset {
            name: String::new(),
            images: images.copied().collect(),
            labels: self.indices.iter().map(|&index| self.data.labels[index]).collect(),
            channels: self.data.channels,
            rows: self.data.rows,
            cols: self.data.cols,
        };
        part.sha256()
    }

    /// One chunk as images `(n, channels, rows, cols)` in `[0, 1]`, labels and ids.
    fn examples(&self, chunk: usize, device: &Device) -> Result<Examples> {
        let end = self.indices.len().min((chunk + 1) * CHUNK);
        let indices = &self.indices[chunk * CHUNK..end];
        let shape = batch_shape(self.data, indices.len());
        let images = Tensor::from_vec(self.data.pixels_at(indices), shape, device)?;
        let labels = indices.iter().map(|&index| u32::from(self.data.labels[index])).collect();
        let ids = indices.iter().map(|&index| index as u64).collect();
        Ok(Examples::new(images, labels, ids)?)
    }

    fn chunks(&self) -> usize {
        self.indices.len().div_ceil(CHUNK)
    }

    fn chunk_len(&self, chunk: usize) -> usize {
        CHUNK.min(self.indices.len() - chunk * CHUNK)
    }
}

/// The shape of a batch of so many images of a data set.
pub(crate) fn batch_shape(data: &Dataset, count: usize) -> (usize, usize, usize, usize) {
    (count, data.channels, data.rows, data.cols)
}

/// A trained network: its key at once, its weights from the store when somebody needs them.
pub(crate) struct Trained {
    pub(crate) key: Key,
    loaded: std::cell::OnceCell<Network>,
    /// The same weights in `f64`, for attacks that subtract gradients.
    widened: std::cell::OnceCell<Network>,
}

impl Trained {
    pub(crate) fn new(key: Key) -> Self {
        let empty = std::cell::OnceCell::new;
        Self { key, loaded: empty(), widened: empty() }
    }

    /// The weight file's bytes.
    pub(crate) fn bytes(&self, bench: &Bench<'_>) -> Result<Vec<u8>> {
        bench
            .store
            .result(&self.key)
            .ok_or_else(|| Error::format("weights", "they were in the store and are gone"))
    }

    fn network(&self, bench: &Bench<'_>) -> Result<&Network> {
        if self.loaded.get().is_none() {
            let network = train::open_weights(&self.bytes(bench)?, bench.machine)?;
            // Two loads cannot race: the cell is not shared between threads.
            let _ = self.loaded.set(network);
        }
        self.loaded.get().ok_or_else(|| Error::format("weights", "they did not load"))
    }

    /// The network in double precision.
    fn in_double(&self, bench: &Bench<'_>) -> Result<&Network> {
        if self.widened.get().is_none() {
            let network = self.network(bench)?;
            let weights = network.weights().to_dtype(DType::F64)?;
            let widened =
                Network::new(network.architecture().clone(), weights, network.executor())?;
            let _ = self.widened.set(widened);
        }
        self.widened.get().ok_or_else(|| Error::format("weights", "they did not load"))
    }
}

/// Runs whatever chunks are missing and returns all of them in order.
///
/// `compute` makes the bytes of one chunk; `parse` says whether bytes are such a chunk.
fn in_chunks<T>(
    bench: &Bench<'_>,
    key: &Key,
    sample: &Sample<'_>,
    passes_per_example: u64,
    observer: &mut dyn RunObserver,
    parse: impl Fn(&[u8], usize) -> Option<T>,
    mut compute: impl FnMut(usize) -> Result<Vec<u8>>,
) -> Result<Vec<T>> {
    let stopwatch = Stopwatch::start(bench.store, key);
    let mut chunks = Vec::new();
    for chunk in 0..sample.chunks() {
        let name = format!("chunk-{chunk:05}");
        let length = sample.chunk_len(chunk);
        let known = bench.store.part(key, &name).and_then(|bytes| parse(&bytes, length));
        let parsed = match known {
            Some(parsed) => parsed,
            None => {
                if observer.interrupted() {
                    return Err(Error::Interrupted);
                }
                let bytes = compute(chunk)?;
                bench.store.put_part(key, &name, &bytes)?;
                stopwatch.note()?;
                // Read back what was written, so that resumed and straight runs see the same thing.
                parse(&bytes, length)
                    .ok_or_else(|| Error::format("chunk of a job", "it does not read back"))?
            }
        };
        let done = chunk * CHUNK + length;
        let detail = format!("{done} of {} digits", sample.indices.len());
        observer.advance(passes_per_example.saturating_mul(length as u64), &detail);
        chunks.push(parsed);
    }
    Ok(chunks)
}
