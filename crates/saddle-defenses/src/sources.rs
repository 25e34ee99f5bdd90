//! Static networks that a defence trains against, beside the one that it trains.
//!
//! A plan is plain data: it names its sources and cannot hold them. Whoever starts the training hands the networks over
//! under those names, and the trainer refuses any that is missing, superfluous or does not fit. A checkpoint keeps a
//! fingerprint of each, so that a training does not go on against other networks than it began with.
//!
//! # Invariant
//!
//! A source never changes: what is kept is a copy that shares no storage with the network it was made from.

use crate::checkpoint::{hexadecimal, to_json};
use crate::{Error, Result};
use candle_core::Tensor;
use saddle_model::{Architecture, Classifier, Network};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Static networks by the names that a plan gives them.
#[derive(Clone, Default)]
pub struct Sources {
    sources: BTreeMap<String, Source>,
}

#[derive(Clone)]
struct Source {
    network: Arc<Network>,
    fingerprint: String,
}

impl Sources {
    /// No sources: what every defence but [`Ensemble`](crate::Ensemble) takes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a copy of `network` under a name.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] when the name is taken; else what the copying fails with.
    pub fn insert(&mut self, name: &str, network: &Network) -> Result<()> {
        if self.sources.contains_key(name) {
            return Err(invalid(format!("two networks are given as `{name}`")));
        }
        let (architecture, weights) = (network.architecture().clone(), network.weights().copy()?);
        let copy = Network::new(architecture, weights, network.executor())?;
        let source = Source { fingerprint: fingerprint(&copy)?, network: Arc::new(copy) };
        self.sources.insert(name.to_owned(), source);
        Ok(())
    }

    /// The network of that name.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] when none was given.
    pub fn get(&self, name: &str) -> Result<&Network> {
        match self.sources.get(name) {
            Some(source) => Ok(&source.network),
            None => Err(self.missing(name)),
        }
    }

    /// Refuses these sources for a plan that names others.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPlan`] with the first name that is missing or superfluous.
    pub fn check(&self, named: &[String]) -> Result<()> {
        if let Some(name) = named.iter().find(|name| !self.sources.contains_key(*name)) {
            return Err(self.missing(name));
        }
        match self.sources.keys().find(|given| !named.contains(given)) {
            Some(given) => Err(invalid(format!(
                "`{given}` is given and the plan does not name it; name it there or leave it out"
            ))),
            None => Ok(()),
        }
    }

    /// Refuses sources that cannot look at these images or know other classes than the network to be trained.
    pub(crate) fn fit(&self, trained: &Architecture, images: &Tensor) -> Result<()> {
        for (name, Source { network, .. }) in &self.sources {
            let architecture = network.architecture();
            let at_home = network.weights().device().same_device(images.device());
            let complaint = if architecture.input != trained.input {
                format!("takes images {:?}, they are {:?}", architecture.input, trained.input)
            } else if network.classes() != trained.classes {
                format!("knows {} classes, there are {}", network.classes(), trained.classes)
            } else if network.dtype() != images.dtype() || !at_home {
                format!(
                    "is {:?} on {:?}, the images are {:?} on {:?}",
                    network.dtype(),
                    network.weights().device().location(),
                    images.dtype(),
                    images.device().location()
                )
            } else {
                continue;
            };
            return Err(invalid(format!("`{name}` {complaint}")));
        }
        Ok(())
    }

    /// What each source computes, as a hash.
    pub(crate) fn fingerprints(&self) -> BTreeMap<String, String> {
        let prints = self.sources.iter();
        prints.map(|(name, source)| (name.clone(), source.fingerprint.clone())).collect()
    }

    fn missing(&self, name: &str) -> Error {
        let given: Vec<&str> = self.sources.keys().map(String::as_str).collect();
        let given = if given.is_empty() { "none".to_owned() } else { given.join(", ") };
        invalid(format!(
            "the plan names `{name}` and no such network is given (given: {given}); train it first \
             and hand it over with the plan"
        ))
    }
}

/// SHA-256 over all that decides a network's bits: architecture, executor, weights.
fn fingerprint(network: &Network) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(to_json(network.architecture())?);
    hash.update(network.executor_name());
    for (name, tensor) in network.weights().iter() {
        hash.update(format!("{name} {:?} {:?}", tensor.dims(), tensor.dtype()));
        let mut bytes = Vec::new();
        tensor.write_bytes(&mut bytes)?;
        hash.update(&bytes);
    }
    Ok(hexadecimal(hash))
}

fn invalid(message: String) -> Error {
    Error::InvalidPlan { field: "sources", message }
}
