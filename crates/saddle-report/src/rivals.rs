//! Attacks held against each other at equal passes on the same digits.
//!
//! Paired digits make a paired test possible: McNemar's, on the digits that only one of two attacks
//! fooled. A p-value says how surprising the difference would be if both were equally strong; it says
//! nothing about its size, so the accuracies and their intervals stand beside it. Many tests are made,
//! so each p-value also stands adjusted by Holm's method over all tests of a report ([`adjust`]).

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::number;
use crate::statistics::{holm, mcnemar, wilson};

/// Part that an attack plays in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The attack under test: S-O.
    SecondOrder,
    /// The even or the odd part of S-O alone.
    Part,
    /// A first-order attack.
    Rival,
}

/// One attack with one training seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RivalRow {
    /// Name of the network.
    pub network: String,
    /// The attack in words, with its settings.
    pub attack: String,
    /// Its part.
    pub role: Role,
    /// `l2`, `linf` or `l1`.
    pub norm: String,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// Seed with which the network was trained.
    pub training_seed: u64,
    /// Digits that stayed right.
    pub correct: u64,
    /// Digits in all.
    pub total: u64,
    /// `correct / total`.
    pub accuracy: f64,
    /// 95 % Wilson interval.
    pub wilson95: [f64; 2],
    /// Forward and backward passes spent per digit: the mean, as fooled digits leave early.
    #[serde(serialize_with = "number::option")]
    pub passes_per_example: Option<f64>,
    /// Most passes that the attack was allowed per digit; the same for all of a comparison.
    #[serde(default)]
    pub cap: Option<u64>,
    /// Whether this is the rival that the others are held against.
    pub best_rival: bool,
    /// The test against the best rival; none for the best rival itself.
    pub mcnemar: Option<McNemar>,
    /// The test of a part of S-O against S-O as a whole; none for other roles.
    #[serde(default)]
    pub against_so: Option<McNemar>,
}

/// A paired test of one attack against another.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Digits that only this attack fooled.
    pub only_this: u64,
    /// Digits that only the other one fooled.
    #[serde(alias = "only_rival")]
    pub only_other: u64,
    /// Exact two-sided p-value.
    pub p: f64,
    /// The same, adjusted over all tests of the report; none before [`adjust`].
    #[serde(default)]
    pub p_holm: Option<f64>,
}

impl McNemar {
    /// The test of `this` against `other`, both robust or not on the same digits.
    pub(crate) fn of(this: &[bool], other: &[bool]) -> Self {
        let only = |first: &[bool], second: &[bool]| {
            first.iter().zip(second).filter(|(first, second)| !**first && **second).count() as u64
        };
        let (only_this, only_other) = (only(this, other), only(other, this));
        Self { only_this, only_other, p: mcnemar(only_this, only_other), p_holm: None }
    }
}

/// Where a comparison takes place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place<'a> {
    /// Name of the network.
    pub network: &'a str,
    /// `l2`, `linf` or `l1`.
    pub norm: &'a str,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// Seed with which the network was trained.
    pub training_seed: u64,
    /// Most passes allowed per digit.
    pub cap: Option<u64>,
}

/// What an attack did, digit by digit.
#[derive(Debug, Clone, PartialEq)]
pub struct Contender {
    /// The attack in words.
    pub attack: String,
    /// Its part.
    pub role: Role,
    /// Per digit, in the same order for all contenders: right and still right under attack.
    pub robust: Vec<bool>,
    /// Forward and backward passes spent per digit.
    pub passes_per_example: f64,
}

/// Compares contenders on one network, one threat model and one training seed.
///
/// Each is tested against one rival: the one named `chosen` (as chosen on validation digits), or,
/// without a name, the rival that fooled the most digits here, the first of equals. The second way
/// favours the rival, as it is picked on the digits that it is judged on. Parts of S-O are tested
/// against S-O as well. P-values are not adjusted yet: see [`adjust`].
///
/// # Errors
///
/// [`Error::Unpaired`] when the contenders have different numbers of digits, [`Error::Count`] when
/// there are no digits, [`Error::Comparison`] when there is no rival (of that name).
pub fn compare(
    place: Place<'_>,
    contenders: &[Contender],
    chosen: Option<&str>,
) -> Result<Vec<RivalRow>> {
    let expected = contenders.first().map_or(0, |first| first.robust.len());
    if let Some(odd) = contenders.iter().find(|contender| contender.robust.len() != expected) {
        let attack = odd.attack.clone();
        return Err(Error::Unpaired { attack, found: odd.robust.len(), expected });
    }
    let count = |contender: &Contender| contender.robust.iter().filter(|robust| **robust).count();
    let rivals = contenders.iter().enumerate().filter(|(_, c)| c.role == Role::Rival);
    let best = match chosen {
        Some(name) => rivals.clone().find(|(_, contender)| contender.attack == name),
        None => rivals.clone().min_by_key(|(index, contender)| (count(contender), *index)),
    };
    let Some((best, rival)) = best else {
        let of_name = chosen.map(|name| format!(" named {name}")).unwrap_or_default();
        return Err(Error::Comparison(format!("no rival{of_name} among the contenders")));
    };

    let whole = contenders.iter().find(|contender| contender.role == Role::SecondOrder);
    let row = |(index, contender): (usize, &Contender)| {
        let (correct, total) = (count(contender) as u64, expected as u64);
        let Some(wilson95) = wilson(correct, total) else {
            return Err(Error::Count { what: contender.attack.clone(), correct, total });
        };
        let against = |other: &Contender| McNemar::of(&contender.robust, &other.robust);
        Ok(RivalRow {
            network: place.network.to_owned(),
            attack: contender.attack.clone(),
            role: contender.role,
            norm: place.norm.to_owned(),
            epsilon: place.epsilon,
            training_seed: place.training_seed,
            correct,
            total,
            accuracy: correct as f64 / total as f64,
            wilson95,
            passes_per_example: Some(contender.passes_per_example).filter(|p| p.is_finite()),
            cap: place.cap,
            best_rival: index == best,
            mcnemar: (index != best).then(|| against(rival)),
            against_so: whole.filter(|_| contender.role == Role::Part).map(against),
        })
    };
    contenders.iter().enumerate().map(row).collect()
}

/// Adjusts the p-values of all tests of a report by Holm's method: rows and tests are one family.
pub fn adjust(rows: &mut [RivalRow]) {
    let mut tests: Vec<&mut McNemar> = rows
        .iter_mut()
        .flat_map(|row| row.mcnemar.iter_mut().chain(row.against_so.iter_mut()))
        .collect();
    let adjusted = holm(&tests.iter().map(|test| test.p).collect::<Vec<f64>>());
    for (test, p) in tests.iter_mut().zip(adjusted) {
        test.p_holm = Some(p).filter(|p| p.is_finite());
    }
}
