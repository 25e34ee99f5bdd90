//! The networks of a run: which training stands behind each name, and the trained network when somebody needs it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use saddle_model::Architecture;

use super::{Outside, Run, tally::JobWords, turns::Turns};
use crate::agenda::NetworkId;
use crate::job::{Bench, RunObserver, TrainJob, Trained};
use crate::paper::CellPlan;
use crate::{Error, Key, Result};

impl<'a> Run<'a> {
    /// Resolves every network of the plan to a training job and its key.
    pub(super) fn new(bench: &'a Bench<'a>, outside: &'a Outside) -> Result<Self> {
        let mut run = Self {
            bench,
            outside,
            trainings: BTreeMap::new(),
            keys: BTreeMap::new(),
            networks: BTreeMap::new(),
            hashes: BTreeMap::new(),
            taken: BTreeSet::new(),
            times: Vec::new(),
            worked: 0,
            turns: Turns::new(bench.store, &outside.sharing, bench.machine.name()),
        };
        for (name, network) in &bench.plan.networks {
            for number in 0..network.seeds {
                run.resolve(&NetworkId { name: name.clone(), number })?;
            }
        }
        Ok(run)
    }

    /// The key of a network; its ancestors are resolved first. None for a network without recipe.
    fn resolve(&mut self, id: &NetworkId) -> Result<Option<Key>> {
        if let Some(key) = self.keys.get(id) {
            return Ok(Some(key.clone()));
        }
        if let Some(given) = self.outside.given.get(id) {
            self.keys.insert(id.clone(), given.key.clone());
            return Ok(Some(given.key.clone()));
        }
        let plan = self.bench.plan;
        let Some(network) = plan.networks.get(&id.name) else {
            return Err(Error::Plan(format!("no network is called `{}`", id.name)));
        };
        let Some(recipe) = &network.training else { return Ok(None) };
        let starts_from = match self.parent(id) {
            None => None,
            Some(parent) => match self.resolve(&parent)? {
                Some(key) => Some(key),
                // An ancestor without a recipe: trained() will say so.
                None => return Ok(None),
            },
        };
        let mut training = recipe.clone();
        // What a network is called must not change a key: sources go by theirs.
        let mut keys = BTreeMap::new();
        for (name, source) in training.defense.sources_mut().iter_mut().zip(self.sources(id)) {
            let Some(key) = self.resolve(&source)? else { return Ok(None) };
            if let Some(other) = keys.insert(key.clone(), name.clone()) {
                return Err(Error::Plan(format!(
                    "network `{}`: its sources `{other}` and `{name}` are one network, of one \
                     recipe and seed; name it once",
                    id.name
                )));
            }
            key.as_str().clone_into(name);
        }
        training.seed = plan.training_seed(id.number);
        let architecture = Architecture::by_name(&network.architecture)?;
        let job = TrainJob { architecture, training, starts_from };
        let key = job.key(self.bench)?;
        self.trainings.insert(id.clone(), job);
        self.keys.insert(id.clone(), key.clone());
        Ok(Some(key))
    }

    /// Leaves no work in cells whose network was neither given nor may be trained.
    pub(super) fn without_the_absent(&self, cells: &mut [CellPlan]) -> Result<()> {
        let given = &self.outside.given;
        for cell in cells {
            let Ok(work) = &cell.work else { continue };
            let Some(reason) = given.absence(&work.network, self.bench.plan) else { continue };
            // What earlier runs have measured is shown all the same.
            if !self.keys.contains_key(&work.network)
                || self.expected_passes(std::slice::from_ref(cell), None, None)? > 0
            {
                cell.work = Err(reason);
            }
        }
        Ok(())
    }

    /// The network that another one starts from.
    pub(super) fn parent(&self, id: &NetworkId) -> Option<NetworkId> {
        let name = self.bench.plan.networks.get(&id.name)?.starts_from.as_ref()?;
        Some(self.needs(id, name))
    }

    /// The networks that another one is trained against, in the order of its recipe.
    pub(super) fn sources(&self, id: &NetworkId) -> Vec<NetworkId> {
        let network = self.bench.plan.networks.get(&id.name);
        let recipe = network.and_then(|network| network.training.as_ref());
        let names = recipe.map_or(&[][..], |recipe| recipe.defense.sources());
        names.iter().map(|name| self.needs(id, name)).collect()
    }

    /// Which of the networks of one recipe another one needs: that of the same number if there are as many, else the last.
    fn needs(&self, id: &NetworkId, name: &str) -> NetworkId {
        let seeds = self.bench.plan.networks.get(name).map_or(1, |network| network.seeds);
        NetworkId { number: id.number.min(seeds.saturating_sub(1)), name: name.to_owned() }
    }

    /// A trained network that another job needs: without it, that job has to wait.
    pub(super) fn input(
        &mut self,
        id: &NetworkId,
        observer: &mut dyn RunObserver,
    ) -> Result<Rc<Trained>> {
        let found = self.trained(id, observer);
        if matches!(found, Err(Error::Elsewhere)) {
            self.turns.is_behind();
        }
        found
    }

    /// A trained network: remembered, given, from the store, or by work.
    pub(super) fn trained(
        &mut self,
        id: &NetworkId,
        observer: &mut dyn RunObserver,
    ) -> Result<Rc<Trained>> {
        match self.networks.get(id) {
            Some(Ok(trained)) => return Ok(Rc::clone(trained)),
            Some(Err(reason)) => return Err(Error::Plan(reason.clone())),
            None => {}
        }
        if let Some(given) = self.outside.given.get(id) {
            if self.bench.store.result(&given.key).is_none() {
                self.bench.finish(&given.key, &given.job, &given.bytes)?;
            }
            let trained = Rc::new(Trained::new(given.key.clone()));
            self.networks.insert(id.clone(), Ok(Rc::clone(&trained)));
            return Ok(trained);
        }
        let known = self.keys.get(id).is_some_and(|key| self.bench.store.contains(key));
        if let Some(reason) = self.outside.given.absence(id, self.bench.plan).filter(|_| !known) {
            return Err(Error::Plan(format!("network `{}`: {reason}", id.name)));
        }
        let initial = match self.parent(id) {
            Some(parent) => Some(self.input(&parent, observer)?),
            None => None,
        };
        let mut sources = Vec::new();
        for source in self.sources(id) {
            sources.push(self.input(&source, observer)?);
        }
        let what = self.training_in_words(id);
        let Some(job) = self.trainings.get(id).cloned() else {
            return Err(Error::Plan(format!("network `{}` has no recipe", id.name)));
        };
        let bench = self.bench;
        let key = job.key(bench)?;
        let known = bench.store.result(&key).is_some();
        let outcome = self.work(&what, &key, known, observer, |observer| {
            job.run(bench, initial.as_deref(), &sources, observer).map(Rc::new)
        });
        match outcome {
            Err(error) if error.is_fatal() || matches!(error, Error::Elsewhere) => Err(error),
            Err(error) => {
                let reason = format!("the training of `{}` failed: {error}", id.name);
                self.networks.insert(id.clone(), Err(reason.clone()));
                Err(Error::Plan(reason))
            }
            Ok(trained) => {
                self.networks.insert(id.clone(), Ok(Rc::clone(&trained)));
                Ok(trained)
            }
        }
    }

    pub(super) fn training_in_words(&self, id: &NetworkId) -> String {
        format!("train {} (seed {})", id.name, self.seed(id))
    }

    /// All trainings of the plan with the passes that they take.
    pub(super) fn training_costs(&self) -> BTreeMap<Key, u64> {
        let jobs = self.trainings.iter();
        jobs.filter_map(|(id, job)| Some((self.keys.get(id)?.clone(), job.passes()))).collect()
    }

    /// Trains what these jobs need, whatever comes first in the plan; failures are for those who need the network to tell.
    pub(super) fn train_ahead(
        &mut self,
        jobs: &JobWords,
        observer: &mut dyn RunObserver,
    ) -> Result<()> {
        let inputs = self.trainings.keys();
        let inputs = inputs.flat_map(|id| self.parent(id).into_iter().chain(self.sources(id)));
        let inputs: BTreeSet<NetworkId> = inputs.collect();
        let needed = self.trainings.iter();
        let mut needed: Vec<(bool, Reverse<u64>, NetworkId)> = needed
            .filter(|(id, _)| self.keys.get(id).is_some_and(|key| jobs.contains_key(key)))
            .map(|(id, job)| (!inputs.contains(id), Reverse(job.passes()), id.clone()))
            .collect();
        // What other trainings wait for, then the longest.
        needed.sort();
        for (.., id) in needed {
            if let Err(error) = self.trained(&id, observer)
                && error.is_fatal()
            {
                return Err(error);
            }
        }
        Ok(())
    }

    pub(super) fn seed(&self, id: &NetworkId) -> u64 {
        self.bench.plan.training_seed(id.number)
    }
}
