//! When APGD reconsiders its step sizes, and what it then decides.

/// Share of the steps since the last checkpoint that must have raised the loss.
const RHO: f64 = 0.75;

/// The checkpoints `ceil(p_j N)` for `j >= 1`, in exact arithmetic: `p_j` is counted in hundredths.
pub(super) fn checkpoints(steps: u32) -> Vec<u32> {
    let mut found: Vec<u32> = Vec::new();
    let (mut before, mut here) = (0u64, 22u64);
    while here <= 100 {
        // At most `steps`, so it fits.
        let checkpoint = (here * u64::from(steps)).div_ceil(100) as u32;
        if found.last() != Some(&checkpoint) {
            found.push(checkpoint);
        }
        (before, here) = (here, here + (here - before).saturating_sub(3).max(6));
    }
    found
}

/// What one row has done so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// η.
    pub(super) step_size: f64,
    /// Loss where the row stands; NaN before it is known.
    here: f64,
    /// Largest loss so far.
    best: f64,
    /// Largest loss at the last checkpoint.
    best_then: f64,
    /// Whether η was halved at the last checkpoint.
    halved_then: bool,
    /// Steps since the last checkpoint that raised the loss.
    raised: u32,
}

impl Progress {
    pub(super) fn new(step_size: f64) -> Self {
        Self {
            step_size,
            here: f64::NAN,
            best: f64::NEG_INFINITY,
            best_then: f64::NEG_INFINITY,
            halved_then: false,
            raised: 0,
        }
    }

    /// Takes down the loss where the row now stands; whether it is the largest so far.
    pub(super) fn arrive(&mut self, loss: f64) -> bool {
        let first = self.here.is_nan();
        self.raised += u32::from(!first && loss > self.here);
        self.here = loss;
        let better = first || loss > self.best;
        if better {
            self.best = loss;
        }
        if first {
            // The start is the checkpoint w_0 = 0.
            self.best_then = loss;
        }
        better
    }

    /// A checkpoint after so many steps since the last one: halves η where the paper says so, and tells whether it did, in
    /// which case the row goes back to its best point.
    pub(super) fn reconsider(&mut self, steps: u32) -> bool {
        let too_few = f64::from(self.raised) < RHO * f64::from(steps);
        let unchanged = !self.halved_then && self.best == self.best_then;
        let halve = too_few || unchanged;
        if halve {
            self.step_size /= 2.0;
            self.here = self.best;
        }
        (self.halved_then, self.best_then, self.raised) = (halve, self.best, 0);
        halve
    }
}
