//! Passes per example, and what the cap still allows.

/// Forward and backward passes spent on each example of a batch.
pub(super) struct Ledger {
    cap: Option<u64>,
    forward: Vec<u64>,
    backward: Vec<u64>,
    /// Examples that could not afford what came next: their attack is over.
    exhausted: Vec<bool>,
}

impl Ledger {
    pub(super) fn new(examples: usize, cap: Option<u64>) -> Self {
        Self {
            cap,
            forward: vec![0; examples],
            backward: vec![0; examples],
            exhausted: vec![false; examples],
        }
    }

    /// Whether so many further passes stay within the cap of an example that has not been told to end.
    pub(super) fn affords(&self, example: usize, passes: u64) -> bool {
        !self.exhausted[example]
            && self.cap.is_none_or(|cap| self.spent(example).saturating_add(passes) <= cap)
    }

    /// Lets an example afford nothing more, whatever is left.
    pub(super) fn exhaust(&mut self, example: usize) {
        self.exhausted[example] = true;
    }

    /// Passes spent so far.
    pub(super) fn spent(&self, example: usize) -> u64 {
        self.forward[example] + self.backward[example]
    }

    pub(super) fn charge(&mut self, example: usize, forward: u64, backward: u64) {
        self.forward[example] += forward;
        self.backward[example] += backward;
    }

    pub(super) fn forward(&self, example: usize) -> u64 {
        self.forward[example]
    }

    pub(super) fn backward(&self, example: usize) -> u64 {
        self.backward[example]
    }
}
