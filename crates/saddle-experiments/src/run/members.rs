//! What each attack of a suite did, digit by digit.

use saddle_attacks::MemberOutcome;
use serde::{Deserialize, Serialize};

/// One attack of a suite, as a line of `cells.jsonl` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberDetail {
    /// Its short name.
    pub attack: String,
    /// `1` for each digit that it took from the network, in the order of the cell's `ids`.
    pub took: String,
    /// Mean forward and backward passes over all digits of the cell, those that it did not meet included: those of all
    /// members add up to the cell's.
    pub passes_per_example: f64,
}

impl MemberDetail {
    pub(super) fn of(member: &MemberOutcome) -> Self {
        Self {
            attack: member.name.clone(),
            took: member.took.iter().map(|&took| if took { '1' } else { '0' }).collect(),
            passes_per_example: member.passes_per_example(),
        }
    }
}
