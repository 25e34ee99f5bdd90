//! What a run takes over from earlier ones: attacks that are known by their keys, and how long they took.

use super::{AttackDetail, JobTime, Run};
use crate::Result;
use crate::agenda::NetworkId;
use crate::job::{Sample, Trial};
use crate::known::KnownAttack;
use crate::paper::Work;

impl Run<'_> {
    /// The attacks of a cell and the hash of their network's weights, if all of them are known and none is in the store.
    pub(super) fn known(
        &mut self,
        work: &Work,
    ) -> Result<Option<(Vec<AttackDetail>, Option<String>)>> {
        let sample = self.bench.sample(&work.sample)?;
        let mut attacks = Vec::new();
        let mut weights = None;
        for job in &work.jobs {
            let Some(known) = self.known_attack(&work.network, &sample, job.as_ref())? else {
                return Ok(None);
            };
            weights = weights.or(known.weights);
            attacks.push(known.detail);
        }
        Ok(Some((attacks, weights)))
    }

    /// An attack that an earlier run has finished; none when the store has it, which knows more.
    pub(super) fn known_attack(
        &mut self,
        network: &NetworkId,
        sample: &Sample<'_>,
        job: &dyn Trial,
    ) -> Result<Option<KnownAttack>> {
        let Some(network) = self.keys.get(network) else { return Ok(None) };
        let key = job.key(self.bench, network, sample)?;
        if self.bench.store.contains(&key) {
            return Ok(None);
        }
        let known = self.outside.known.get(&key, &sample.indices).cloned();
        if known.is_some() {
            self.taken.insert(key);
        }
        Ok(known)
    }

    /// SHA-256 of a network's weight file, if it is at hand.
    pub(super) fn weights_hash(&mut self, id: &NetworkId) -> Result<Option<String>> {
        if let Some(given) = self.outside.given.get(id) {
            return Ok(Some(given.sha256.clone()));
        }
        if !self.hashes.contains_key(id)
            && let Some(Ok(trained)) = self.networks.get(id)
        {
            let hash = crate::sha256_hex(&trained.bytes(self.bench)?);
            self.hashes.insert(id.clone(), hash);
        }
        Ok(self.hashes.get(id).cloned())
    }

    /// The times of all jobs behind the report, those of jobs that were taken over and of their networks' trainings as
    /// the earlier run noted them.
    pub(super) fn all_times(&mut self) -> Vec<JobTime> {
        let mut times = std::mem::take(&mut self.times);
        let networks = self.keys.values().filter(|_| !self.taken.is_empty());
        for time in networks.chain(&self.taken).filter_map(|key| self.outside.known.time(key)) {
            if times.iter().all(|own| own.key != time.key) {
                times.push(time.clone());
            }
        }
        times
    }
}
