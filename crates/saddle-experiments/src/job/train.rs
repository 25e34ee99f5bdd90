//! Training one network: from its last checkpoint if there is one, else from the start.

use std::collections::BTreeMap;
use std::rc::Rc;

use candle_core::{Device, Tensor};
use serde::Serialize;

use saddle_attacks::Examples;
use saddle_defenses::{Ended, KeepError, Progress, Sources, TrainObserver, Trainer, TrainingPlan};
use saddle_model::{Architecture, Executor, Metadata, Network, from_bytes, load_network, to_bytes};

use super::{Bench, Machine, REVISIONS, RunObserver, Stopwatch, Trained, batch_shape};
use crate::{Error, Key, Result, Store, canonical_json, sha256_hex};

const CHECKPOINT: &str = "checkpoint.safetensors";

/// What a training job does.
#[derive(Clone)]
pub(crate) struct TrainJob {
    pub(crate) architecture: Architecture,
    /// The recipe. It names the networks that the defence trains against by their keys, so that these are part of its own.
    pub(crate) training: TrainingPlan,
    /// The key of the network whose weights it starts from.
    pub(crate) starts_from: Option<Key>,
}

#[derive(Serialize)]
struct Description<'a> {
    job: &'static str,
    revision: u32,
    machine: String,
    architecture: &'a Architecture,
    training: &'a TrainingPlan,
    starts_from: &'a Option<Key>,
    data: &'a str,
    digits: usize,
}

impl TrainJob {
    /// Forward and backward passes of the whole training, for the estimate of the time left.
    pub(crate) fn passes(&self) -> u64 {
        u64::from(self.training.iterations).saturating_mul(self.passes_per_step())
    }

    fn passes_per_step(&self) -> u64 {
        self.passes_per_example().saturating_mul(self.training.batch as u64)
    }

    fn passes_per_example(&self) -> u64 {
        use saddle_defenses::DefensePlan;
        match &self.training.defense {
            DefensePlan::Natural(_) => 2,
            DefensePlan::Madry(madry) => {
                let steps = [madry.l2, madry.linf].map(|inner| inner.map_or(0, |i| i.steps));
                2 * (u64::from(steps.into_iter().max().unwrap_or(0)) + 1)
            }
            DefensePlan::Trades(trades) => trades.passes_per_example(),
            DefensePlan::Atda(atda) => atda.passes_per_example(),
            DefensePlan::Ensemble(ensemble) => ensemble.passes_per_example(),
        }
    }

    pub(crate) fn key(&self, bench: &Bench<'_>) -> Result<Key> {
        Key::of(&self.description(bench))
    }

    fn description<'a>(&'a self, bench: &'a Bench<'_>) -> Description<'a> {
        Description {
            job: "train",
            revision: REVISIONS.train,
            machine: bench.machine.arithmetic(),
            architecture: &self.architecture,
            training: &self.training,
            starts_from: &self.starts_from,
            data: &bench.train_hash,
            digits: bench.seen(),
        }
    }

    /// The trained network, from the store or by work; `sources` are the networks that the defence trains against.
    pub(crate) fn run(
        &self,
        bench: &Bench<'_>,
        initial: Option<&Trained>,
        sources: &[Rc<Trained>],
        observer: &mut dyn RunObserver,
    ) -> Result<Trained> {
        let key = self.key(bench)?;
        let trained = Trained::new(key);
        if bench.store.result(&trained.key).is_some() {
            return Ok(trained);
        }
        let mut trainer = self.trainer(bench, &trained.key, initial, sources)?;
        let mut watcher = Watcher {
            store: bench.store,
            key: &trained.key,
            stopwatch: Stopwatch::start(bench.store, &trained.key),
            passes_per_step: self.passes_per_step(),
            observer,
            failure: None,
        };
        let done = u64::from(trainer.done()).saturating_mul(watcher.passes_per_step);
        watcher.observer.advance(done, "resumed");
        let ended = trainer.run(&mut watcher);
        if let Some(failure) = watcher.failure {
            return Err(failure);
        }
        watcher.stopwatch.note()?;
        if ended? == Ended::Interrupted {
            return Err(Error::Interrupted);
        }
        let description = self.description(bench);
        let metadata = Metadata {
            architecture: Some(self.architecture.clone()),
            plan: Some(canonical_json(&self.training)?),
            seed: Some(self.training.seed),
            data: Some(bench.train_hash.clone()),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            notes: self.notes(bench, initial, sources)?,
        };
        let weights = trainer.weights().to_device(&Device::Cpu)?;
        bench.finish(&trained.key, &description, &to_bytes(&weights, &metadata)?)?;
        Ok(trained)
    }

    /// What the weight file says beyond its usual fields: which of the digits the network saw, since
    /// `data` is the hash of them all, which weights it started from and which it was trained against.
    fn notes(
        &self,
        bench: &Bench<'_>,
        initial: Option<&Trained>,
        sources: &[Rc<Trained>],
    ) -> Result<BTreeMap<String, String>> {
        let (seen, all) = (bench.seen(), bench.data.train.len());
        let mut notes = BTreeMap::new();
        notes.insert("trained_on".to_owned(), format!("the first {seen} of {all} digits"));
        if let Some(initial) = initial {
            let hash = sha256_hex(&initial.bytes(bench)?);
            notes.insert("starts_from".to_owned(), format!("weight file with SHA-256 {hash}"));
        }
        if !sources.is_empty() {
            let hashes = sources.iter().map(|source| Ok(sha256_hex(&source.bytes(bench)?)));
            let hashes = hashes.collect::<Result<Vec<_>>>()?.join(", ");
            notes.insert("sources".to_owned(), format!("weight files with SHA-256 {hashes}"));
        }
        Ok(notes)
    }

    fn trainer(
        &self,
        bench: &Bench<'_>,
        key: &Key,
        initial: Option<&Trained>,
        trained_sources: &[Rc<Trained>],
    ) -> Result<Trainer> {
        let executor = bench.machine.executor;
        let mut sources = Sources::new();
        for source in trained_sources {
            sources.insert(source.key.as_str(), source.network(bench)?)?;
        }
        let examples = training_examples(bench)?;
        if let Some(bytes) = bench.store.part(key, CHECKPOINT) {
            let plan = self.training.clone();
            match Trainer::resume_with_sources(
                &bytes,
                plan,
                self.architecture.clone(),
                executor,
                examples.clone(),
                &sources,
            ) {
                Ok(trainer) => return Ok(trainer),
                Err(error) => {
                    tracing::warn!(%error, "unusable checkpoint; training from the start")
                }
            }
        }
        let initial =
            initial.map(|trained| from_bytes(&trained.bytes(bench)?).map_err(Error::from));
        let initial = initial.transpose()?.map(|(weights, _)| weights);
        Ok(Trainer::with_sources(
            self.training.clone(),
            self.architecture.clone(),
            executor,
            examples,
            initial.as_ref(),
            &sources,
        )?)
    }
}

/// All training digits but the held-out ones.
fn training_examples(bench: &Bench<'_>) -> Result<Examples> {
    let data = &bench.data.train;
    let count = bench.seen();
    let shape = batch_shape(data, count);
    let images = Tensor::from_vec(data.pixels_f32(0..count), shape, &bench.machine.device)?;
    let labels = data.labels[..count].iter().map(|&label| u32::from(label)).collect();
    Ok(Examples::new(images, labels, (0..count as u64).collect())?)
}

/// A network ready to be attacked on this machine.
pub(super) fn open_weights(bytes: &[u8], machine: &Machine) -> Result<Network> {
    let (network, _) = load_network(bytes, None, machine.executor)?;
    if matches!(machine.device, Device::Cpu) {
        return Ok(network);
    }
    let weights = network.weights().to_device(&machine.device)?;
    Ok(Network::new(network.architecture().clone(), weights, Executor::Candle)?)
}

/// Passes a training's news on and puts its checkpoints into the store.
struct Watcher<'a> {
    store: &'a Store,
    key: &'a Key,
    stopwatch: Stopwatch<'a>,
    passes_per_step: u64,
    observer: &'a mut dyn RunObserver,
    /// Kept beside the trainer's own error, which would hide that it was the disk that failed.
    failure: Option<Error>,
}

impl TrainObserver for Watcher<'_> {
    fn step(&mut self, progress: &Progress) {
        let detail = format!(
            "step {} of {}, loss {:.3}, accuracy {:.1} % on its own examples",
            progress.done,
            progress.iterations,
            progress.loss,
            100.0 * progress.correct as f64 / progress.rows.max(1) as f64
        );
        self.observer.advance(self.passes_per_step, &detail);
    }

    fn wants_checkpoint(&mut self) -> bool {
        self.observer.wants_checkpoint()
    }

    fn checkpoint(&mut self, bytes: &[u8]) -> Result<(), KeepError> {
        let kept = self.store.put_part(self.key, CHECKPOINT, bytes);
        kept.and_then(|()| self.stopwatch.note()).map_err(|error| {
            let message = error.to_string();
            self.failure = Some(error);
            KeepError::from(message)
        })
    }

    fn interrupted(&self) -> bool {
        self.observer.interrupted()
    }
}
