//! The ladder: where an attack's power comes from, one change at a time.
//!
//! S-O differs from the paper's PGD in several ways at once: longer steps, normalised ones, noise, and whatever of
//! the curvature the noise lets through. A ladder takes the ways apart. Each [`Rung`] is an attack that differs from
//! the rung that it is held `against` in one thing, and asks one question; all of them may spend the same passes on
//! the same digits of the same networks.
//!
//! # What is decided, and how
//!
//! Each row is compared twice, digit by digit: with the best first-order row of the same network, threat and seed,
//! and with its rung's `against`. A comparison is decided ([`Compared`]) by rules that do not look at the result: two
//! attacks differ if the exact McNemar test says so, and are equal if two one-sided tests put their accuracies within
//! the margin. Under each threat three families of tests share one level each (Holm): the tests against the best
//! first-order rows, those against the rungs below, and those of equality. What was planned and not measured counts
//! in its family as the least significant.
//!
//! Which first-order row is the best is either said by the plan (as chosen on other digits) or found on the very
//! digits of the comparison; the second favours first order.

mod findings;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::number;
use crate::rivals::McNemar;
use crate::statistics::{equivalence, holm, mean, paired_difference, wilson};

pub use findings::{Cause, Group};

/// Name of the file of its drawing.
pub const FILE: &str = "ladder.svg";

/// What an attack looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Gradients where it stands.
    FirstOrder,
    /// Gradients at noisy points.
    Noise,
    /// S-O itself: the attack in question, one rung of a ladder.
    SecondOrder,
    /// Its antithetic pairs added, in which the Hessian's term cancels; at most one rung.
    Even,
    /// The curvature alone.
    Curvature,
}

/// One attack of the ladder, and what it is there for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Short name.
    pub name: String,
    /// The question that it answers.
    pub question: String,
    /// What it looks at.
    pub kind: Kind,
    /// The rung from which it differs in one thing.
    #[serde(default)]
    pub against: Option<String>,
    /// The attack in words, for each norm.
    #[serde(default)]
    pub attacks: Vec<String>,
}

/// The whole ladder: `ladder` of `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    /// The digits in words.
    pub caption: String,
    /// Most forward and backward passes per digit, judging and restarts included.
    pub cap: u64,
    /// Level of each family of tests.
    pub alpha: f64,
    /// Points within which two accuracies count as equal.
    pub margin: f64,
    /// The threat models; the tests under each are families of their own.
    pub threats: Vec<Threat>,
    /// From the lowest to the highest.
    pub rungs: Vec<Rung>,
    /// What was measured: network by network, threat by threat, seed by seed, rung by rung.
    pub rows: Vec<LadderRow>,
}

/// One threat model of the ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Threat {
    /// `l2` or `linf`.
    pub norm: String,
    /// Radius.
    pub epsilon: f64,
    /// Rows that were planned under it, measured or not.
    pub planned: u64,
}

/// One rung on one network under one threat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LadderRow {
    /// Name of the network.
    pub network: String,
    /// `l2` or `linf`.
    pub norm: String,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// Seed with which the network was trained.
    pub training_seed: u64,
    /// Name of the rung.
    pub rung: String,
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
    /// Whether this is the first-order row that the others are held against.
    pub best_first_order: bool,
    /// The comparison with that row; none for itself.
    #[serde(default)]
    pub against_first_order: Option<Comparison>,
    /// The comparison with the rung that this one is held against; none where there is none.
    #[serde(default)]
    pub against_rung: Option<Comparison>,
    /// Cosine of its direction with that of S-O at the same points, step by step from the first.
    #[serde(default)]
    pub cosines: Vec<Cosine>,
}

/// Two rows on the same digits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The other rung.
    pub other: String,
    /// Digits that only one of them fooled, and whether that can be chance.
    pub mcnemar: McNemar,
    /// Accuracy of this row less that of the other.
    pub difference: f64,
    /// Tango's 95 % interval of the difference.
    pub interval95: [f64; 2],
    /// p-value of "they differ by the margin or more".
    pub equivalence_p: f64,
    /// The same, adjusted over all tests of equality; none before [`Ladder::decide`].
    #[serde(default)]
    pub equivalence_holm: Option<f64>,
    /// What it says.
    pub outcome: Compared,
}

/// What a comparison says of this row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// Fewer digits stand than under the other attack: this one is stronger.
    Fewer,
    /// More digits stand.
    More,
    /// As many stand, within the margin.
    Equal,
    /// Neither is sure.
    Undecided,
}

/// The agreement of two directions at one step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cosine {
    /// Mean over the digits; none without a digit.
    #[serde(serialize_with = "number::option")]
    pub mean: Option<f64>,
    /// Digits on which both directions exist.
    pub digits: u64,
}

/// Where rows are compared.
#[derive(Debug, Clone, PartialEq)]
pub struct LadderPlace {
    /// Name of the network.
    pub network: String,
    /// `l2` or `linf`.
    pub norm: String,
    /// Radius of the threat model.
    pub epsilon: f64,
    /// Seed with which the network was trained.
    pub training_seed: u64,
    /// The best first-order rung as chosen on other digits; none to take the best on these.
    pub best: Option<String>,
}

/// What one rung did there.
#[derive(Debug, Clone, PartialEq)]
pub struct Climbed {
    /// Name of the rung.
    pub rung: String,
    /// Per digit, in the same order for all rungs: right and still right under attack.
    pub robust: Vec<bool>,
    /// Forward and backward passes spent per digit.
    pub passes_per_example: f64,
    /// Cosines of its direction with that of S-O, step by step, digit by digit; none where one of the two is missing.
    pub cosines: Vec<Vec<Option<f64>>>,
}

impl Ladder {
    /// Adds what the rungs did in one place, compared but not decided: see [`Ladder::decide`].
    ///
    /// # Errors
    ///
    /// [`Error::Unpaired`] for rungs on different digits, [`Error::Count`] without digits, [`Error::Comparison`] for
    /// a rung that the ladder does not have or without the first-order rung that the others are to be held against.
    pub fn add(&mut self, place: &LadderPlace, climbed: &[Climbed]) -> Result<()> {
        let expected = climbed.first().map_or(0, |first| first.robust.len());
        if let Some(odd) = climbed.iter().find(|one| one.robust.len() != expected) {
            let attack = odd.rung.clone();
            return Err(Error::Unpaired { attack, found: odd.robust.len(), expected });
        }
        let mut first_order = Vec::new();
        for one in climbed {
            if self.rung(&one.rung)?.kind == Kind::FirstOrder {
                first_order.push(one);
            }
        }
        let best = match &place.best {
            Some(name) => first_order.into_iter().find(|one| one.rung == *name),
            // The first of equals.
            None => first_order.into_iter().min_by_key(|one| standing(one)),
        };
        let Some(best) = best else {
            let wanted = place.best.as_deref().unwrap_or("of first order");
            return Err(Error::Comparison(format!("no rung {wanted} on {}", place.network)));
        };
        let margin = self.margin / 100.0;
        let mut rows = Vec::with_capacity(climbed.len());
        for one in climbed {
            let (correct, total) = (standing(one), expected as u64);
            let Some(wilson95) = wilson(correct, total) else {
                return Err(Error::Count { what: one.rung.clone(), correct, total });
            };
            let below = self.rung(&one.rung)?.against.as_ref();
            let below = below.and_then(|name| climbed.iter().find(|other| other.rung == *name));
            rows.push(LadderRow {
                network: place.network.clone(),
                norm: place.norm.clone(),
                epsilon: place.epsilon,
                training_seed: place.training_seed,
                rung: one.rung.clone(),
                correct,
                total,
                accuracy: correct as f64 / total as f64,
                wilson95,
                passes_per_example: Some(one.passes_per_example).filter(|p| p.is_finite()),
                best_first_order: one.rung == best.rung,
                against_first_order: Some(best)
                    .filter(|best| best.rung != one.rung)
                    .and_then(|best| Comparison::of(one, best, margin)),
                against_rung: below.and_then(|below| Comparison::of(one, below, margin)),
                cosines: one.cosines.iter().map(|digits| Cosine::of(digits)).collect(),
            });
        }
        self.rows.extend(rows);
        Ok(())
    }

    /// Adjusts all p-values, each family by itself, and decides every comparison.
    pub fn decide(&mut self) {
        for threat in &self.threats {
            let planned = threat.planned as usize;
            let mut rows: Vec<&mut LadderRow> = self
                .rows
                .iter_mut()
                .filter(|row| row.norm == threat.norm && row.epsilon == threat.epsilon)
                .collect();
            let first = rows.iter_mut().filter_map(|row| row.against_first_order.as_mut());
            differ(first.collect(), planned, self.alpha);
            let below = rows.iter_mut().filter_map(|row| row.against_rung.as_mut());
            differ(below.collect(), planned, self.alpha);
            let both = rows.into_iter().flat_map(|row| {
                row.against_first_order.iter_mut().chain(row.against_rung.iter_mut())
            });
            equal(both.collect(), 2 * planned, self.alpha);
        }
    }

    /// The rung of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Comparison`] when there is none.
    pub fn rung(&self, name: &str) -> Result<&Rung> {
        let found = self.rungs.iter().find(|rung| rung.name == name);
        found.ok_or_else(|| Error::Comparison(format!("the ladder has no rung `{name}`")))
    }

    /// The rung of S-O itself.
    pub fn subject(&self) -> Option<&Rung> {
        self.rungs.iter().find(|rung| rung.kind == Kind::SecondOrder)
    }
}

/// Holm's method over one family of McNemar tests, and what they say.
fn differ(mut family: Vec<&mut Comparison>, planned: usize, alpha: f64) {
    let p: Vec<f64> = family.iter().map(|comparison| comparison.mcnemar.p).collect();
    for (comparison, adjusted) in family.iter_mut().zip(padded_holm(&p, planned)) {
        comparison.mcnemar.p_holm = adjusted;
        let differ = adjusted.is_some_and(|p| p < alpha);
        comparison.outcome = match comparison.difference {
            difference if differ && difference < 0.0 => Compared::Fewer,
            difference if differ && difference > 0.0 => Compared::More,
            _ => Compared::Undecided,
        };
    }
}

/// Holm's method over one family of tests of equality; where attacks differ surely that stands.
fn equal(mut family: Vec<&mut Comparison>, planned: usize, alpha: f64) {
    let p: Vec<f64> = family.iter().map(|comparison| comparison.equivalence_p).collect();
    for (comparison, adjusted) in family.iter_mut().zip(padded_holm(&p, planned)) {
        comparison.equivalence_holm = adjusted;
        let equal = adjusted.is_some_and(|p| p < alpha);
        if equal && comparison.outcome == Compared::Undecided {
            comparison.outcome = Compared::Equal;
        }
    }
}

/// Adjusted p-values of a family of at least so many members.
fn padded_holm(p: &[f64], members: usize) -> Vec<Option<f64>> {
    let mut family = p.to_vec();
    family.resize(members.max(p.len()), f64::NAN);
    let adjusted = holm(&family).into_iter().take(p.len());
    adjusted.map(|p| Some(p).filter(|p| p.is_finite())).collect()
}

impl Comparison {
    /// Two rows on the same digits; `margin` is a fraction. None without digits.
    fn of(this: &Climbed, other: &Climbed, margin: f64) -> Option<Self> {
        let total = this.robust.len() as u64;
        let mcnemar = McNemar::of(&this.robust, &other.robust);
        // What only the other attack fooled stands only under this one.
        let (stands, falls) = (mcnemar.only_other, mcnemar.only_this);
        let difference = paired_difference(stands, falls, total)?;
        Some(Self {
            other: other.rung.clone(),
            mcnemar,
            difference: difference.difference,
            interval95: difference.interval95,
            equivalence_p: equivalence(stands, falls, total, margin)?,
            equivalence_holm: None,
            outcome: Compared::Undecided,
        })
    }
}

impl Cosine {
    fn of(digits: &[Option<f64>]) -> Self {
        let known: Vec<f64> = digits.iter().flatten().copied().filter(|c| c.is_finite()).collect();
        Self { mean: mean(&known), digits: known.len() as u64 }
    }
}

fn standing(one: &Climbed) -> u64 {
    one.robust.iter().filter(|robust| **robust).count() as u64
}
