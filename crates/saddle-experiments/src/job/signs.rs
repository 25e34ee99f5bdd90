//! What gradients at natural images, and the loss beside them, say of a network on one sample of digits: the part of a verdict on
//! masking that is no attack's survey.
//!
//! The attack that follows gradients is run from its first start for the image at which it ends: a survey does not keep it. The
//! whole attack ends wherever its passes do, perhaps near a start.

use serde::Serialize;

use saddle_attacks::{Disguise, SlopeLook};
use saddle_ops::Draws;

use super::attack::Attempt;
use super::disguised::under;
use super::sampled::{Findings, SampleJob};
use super::{Bench, CHUNK, REVISIONS, Sample, Trained};
use crate::Result;
use crate::masking::Signs;

/// What such a job does, apart from the network and the digits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct SignsJob {
    /// The attack that follows gradients, and the threat.
    pub(crate) attempt: Attempt,
    pub(crate) disguise: Disguise,
    /// Random directions beside each digit.
    pub(crate) directions: u32,
    pub(crate) seed: u64,
}

impl Findings for Signs {
    fn digits(&self) -> Option<usize> {
        let digits = self.right.len();
        let others =
            [&self.zero, &self.tiny, &self.saturated, &self.honest, &self.random_is_better];
        others.iter().all(|other| other.len() == digits).then_some(digits)
    }

    fn append(&mut self, next: Self) {
        self.right.extend(next.right);
        self.zero.extend(next.zero);
        self.tiny.extend(next.tiny);
        self.saturated.extend(next.saturated);
        self.honest.extend(next.honest);
        self.random_is_better.extend(next.random_is_better);
    }
}

impl SampleJob for SignsJob {
    const NAME: &'static str = "signs of masking";
    const REVISION: u32 = REVISIONS.signs;
    type Findings = Signs;

    fn revision(&self) -> u32 {
        Self::REVISION * 1_000 + REVISIONS.attack
    }

    /// A run of the attack; three gradients, a short step, the directions, and the loss where the run ends.
    fn passes_per_example(&self) -> u64 {
        self.attempt.one_run().passes().saturating_add(u64::from(self.directions)).saturating_add(8)
    }

    fn chunk(
        &self,
        bench: &Bench<'_>,
        trained: &Trained,
        sample: &Sample<'_>,
        chunk: usize,
    ) -> Result<Signs> {
        let examples = sample.examples(chunk, &bench.machine.device)?;
        let classifier = under(self.disguise, bench, trained)?;
        let found = self.attempt.one_run().run(classifier.as_ref(), &examples, self.seed)?;
        let look = SlopeLook { directions: self.directions, batch: CHUNK, ..SlopeLook::default() };
        let ends = (&found.images, &found.verdicts[..]);
        let draws = Draws::new(self.seed);
        Signs::of(classifier.as_ref(), &examples, self.attempt.threat, &look, ends, draws)
    }
}
