//! Passes per example, and what the cap still allows.

/// Forward and backward passes spent on each example of a batch.
pub(super) struct Ledger {
    cap: Option<u64>,
    forward: Vec<u64>,
    backward: Vec<u64>,
}

impl Ledger {
    pub(super) fn new(examples: usize, cap: Option<u64>) -> Self {
        Self { cap, forward: vec![0; examples], backward: vec![0; examples] }
    }

    /// Whether so many further passes stay within the cap.
    pub(super) fn affords(&self, example: usize, passes: u64) -> bool {
        let spent = self.forward[example] + self.backward[example];
        self.cap.is_none_or(|cap| spent.saturating_add(passes) <= cap)
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
