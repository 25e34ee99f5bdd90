//! What every row of the ladder did to every digit.

use serde::Serialize;

use saddle_report::ladder::LadderPlace;

use super::{AttackDetail, Run};
use crate::Result;
use crate::agenda::NetworkId;

/// The rows of the ladder on one network under one threat, digit by digit: one line of `ladder.jsonl`. Every test of the
/// ladder can be made again from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LadderDetail {
    /// The network, as the plan names it.
    pub network: String,
    /// Seed of its training.
    pub training_seed: u64,
    /// SHA-256 of its weight file.
    pub weights: Option<String>,
    /// Norm of the threat model.
    pub norm: String,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// The sample of digits, as the plan names it.
    pub digits: String,
    /// Index of each digit in its data set.
    pub ids: Vec<u64>,
    /// Every row, from the bottom of the ladder up.
    pub rungs: Vec<RungDetail>,
}

/// One row on one network under one threat.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RungDetail {
    /// The row, as the plan names it.
    pub rung: String,
    /// What its attack did.
    #[serde(flatten)]
    pub attack: AttackDetail,
}

impl Run<'_> {
    /// The rows at one place of the ladder, with the digits and the weights that they were measured on.
    pub(super) fn fates(
        &mut self,
        network: &NetworkId,
        place: LadderPlace,
        digits: &str,
        rungs: Vec<RungDetail>,
    ) -> Result<LadderDetail> {
        let LadderPlace { network: name, norm, epsilon, training_seed, .. } = place;
        Ok(LadderDetail {
            network: name,
            training_seed,
            weights: self.weights_hash(network)?,
            norm,
            epsilon,
            digits: digits.to_owned(),
            ids: self.ids(digits)?,
            rungs,
        })
    }
}
