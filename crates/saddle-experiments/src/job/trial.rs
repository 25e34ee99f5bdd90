//! What the jobs behind a cell have in common: each tells of every digit of a sample what became of it.

use super::sampled::SampleJob;
use super::{
    AttackJob, Bench, DisguisedJob, RunObserver, RungJob, Sample, Survey, TowardJob, Trained,
    TransferJob,
};
use crate::paper::{ascent_in_words, in_words, rung_in_words, toward_in_words};
use crate::{Key, Result};

/// A job on one network and one sample of digits that ends in a survey.
pub(crate) trait Trial {
    /// The attack in words; none for natural accuracy.
    fn words(&self) -> Option<String>;

    /// Passes per digit that it takes at most.
    fn passes_per_example(&self) -> u64;

    fn key(&self, bench: &Bench<'_>, network: &Key, sample: &Sample<'_>) -> Result<Key>;

    /// The result, from the store or by work.
    fn run(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        observer: &mut dyn RunObserver,
    ) -> Result<Survey>;
}

/// A job that can be told in words.
trait InWords {
    fn words(&self) -> Option<String>;
}

impl InWords for AttackJob {
    fn words(&self) -> Option<String> {
        self.attempt.as_ref().map(in_words)
    }
}

impl InWords for DisguisedJob {
    fn words(&self) -> Option<String> {
        Some(in_words(&self.attempt))
    }
}

impl InWords for TransferJob {
    fn words(&self) -> Option<String> {
        let (norm, epsilon) = (self.threat.norm, self.threat.epsilon.get());
        let (name, ascent) = (&self.source.name, ascent_in_words(&self.ascent, 1));
        Some(format!("within {norm} {epsilon}, toward where it ends on {name}: {ascent}"))
    }
}

impl InWords for RungJob {
    fn words(&self) -> Option<String> {
        Some(rung_in_words(self))
    }
}

impl InWords for TowardJob {
    fn words(&self) -> Option<String> {
        Some(toward_in_words(self))
    }
}

impl<J: SampleJob<Findings = Survey> + InWords> Trial for J {
    fn words(&self) -> Option<String> {
        InWords::words(self)
    }

    fn passes_per_example(&self) -> u64 {
        SampleJob::passes_per_example(self)
    }

    fn key(&self, bench: &Bench<'_>, network: &Key, sample: &Sample<'_>) -> Result<Key> {
        SampleJob::key(self, bench, network, sample)
    }

    fn run(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        observer: &mut dyn RunObserver,
    ) -> Result<Survey> {
        SampleJob::run(self, bench, trained, sample, observer)
    }
}
