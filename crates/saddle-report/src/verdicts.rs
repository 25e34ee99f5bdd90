//! Verdicts on gradient masking: of the networks of a plan, and of cases of which the answer is known.
//!
//! A verdict that nobody has tried on known cases is an opinion. So beside the networks stand networks that were disguised on purpose and
//! sound ones. Thresholds are set on one half of them; the other half, held out, says how far the verdict can be trusted.
//!
//! # Conventions
//!
//! - *Sensitivity* is the share of masked cases that are called masked, *false alarms* the share of sound ones that are. Undecided
//!   is neither: it finds nothing and raises no alarm.
//! - Only what was measured counts. How much was planned is told beside it.

use serde::{Deserialize, Serialize};

use crate::masking::{Indicators, Masking, MaskingVerdict, Thresholds, judge};
use crate::statistics::wilson;

/// All verdicts of a run: `"verdicts"` in `report.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdicts {
    /// Which digits, how many, from where.
    pub caption: String,
    /// The attacks behind the indicators, in words, threat by threat.
    pub attacks: Vec<String>,
    /// By what was judged.
    pub thresholds: Thresholds,
    /// How many verdicts on networks were planned.
    pub planned: u64,
    /// The networks as they are.
    pub networks: Vec<Judged>,
    /// The known cases; none where the plan has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// A verdict on one network under one threat, with all that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Network of the plan.
    pub network: String,
    /// Seed of its training.
    pub training_seed: u64,
    /// Norm of the threat model.
    pub norm: String,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// The verdict.
    pub verdict: MaskingVerdict,
    /// What was measured.
    pub indicators: Indicators,
}

/// Where a verdict belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct VerdictPlace {
    /// Network of the plan.
    pub network: String,
    /// Seed of its training.
    pub training_seed: u64,
    /// Norm of the threat model.
    pub norm: String,
    /// Radius of the threat model.
    pub epsilon: f64,
}

/// The known cases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// How many cases of each kind were planned on which thresholds may be set.
    pub planned_thresholds: Planned,
    /// How many were held out.
    pub planned_held_out: Planned,
    /// Those that were measured.
    pub cases: Vec<KnownJudged>,
}

/// Numbers of cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Masked on purpose.
    pub masked: u64,
    /// Sound.
    pub sound: u64,
}

/// A verdict where the answer is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownJudged {
    /// What was done to the network.
    pub name: String,
    /// Whether its gradients are masked.
    pub masked: bool,
    /// Whether the case was held out; else thresholds may have been set on it.
    pub held_out: bool,
    /// The verdict.
    #[serde(flatten)]
    pub judged: Judged,
}

/// How verdicts did on known cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// Masked cases that were measured.
    pub masked: u64,
    /// Of them, those called masked.
    pub found: u64,
    /// Of them, those left undecided.
    pub masked_undecided: u64,
    /// Sound cases that were measured.
    pub sound: u64,
    /// Of them, those called masked.
    pub alarms: u64,
    /// Of them, those left undecided.
    pub sound_undecided: u64,
}

impl Judged {
    /// The verdict on what was measured.
    pub fn new(place: VerdictPlace, indicators: Indicators, thresholds: &Thresholds) -> Self {
        let VerdictPlace { network, training_seed, norm, epsilon } = place;
        let verdict = judge(&indicators, thresholds);
        Self { network, training_seed, norm, epsilon, verdict, indicators }
    }
}

impl KnownJudged {
    /// Whether the verdict is the right one; undecided is not.
    pub fn is_right(&self) -> bool {
        let expected = if self.masked { Masking::Masked } else { Masking::NotShown };
        self.judged.verdict.masking == expected
    }
}

impl Calibration {
    /// How verdicts did on the held-out half, or on the one that thresholds may be set on.
    pub fn score(&self, held_out: bool) -> Score {
        let mut score = Score::default();
        for case in self.cases.iter().filter(|case| case.held_out == held_out) {
            let verdict = case.judged.verdict.masking;
            let [masked, undecided] =
                [Masking::Masked, Masking::Undecided].map(|one| u64::from(verdict == one));
            if case.masked {
                score.masked += 1;
                score.found += masked;
                score.masked_undecided += undecided;
            } else {
                score.sound += 1;
                score.alarms += masked;
                score.sound_undecided += undecided;
            }
        }
        score
    }
}

impl Score {
    /// Masked found of all masked, with the 95 % Wilson interval; none without a masked case.
    pub fn sensitivity(&self) -> Option<(f64, [f64; 2])> {
        share(self.found, self.masked)
    }

    /// Sound called masked of all sound, with the 95 % Wilson interval; none without a sound case.
    pub fn false_alarms(&self) -> Option<(f64, [f64; 2])> {
        share(self.alarms, self.sound)
    }
}

fn share(part: u64, of: u64) -> Option<(f64, [f64; 2])> {
    Some((part as f64 / of as f64, wilson(part, of)?))
}
