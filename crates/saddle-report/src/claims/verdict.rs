//! From evidence to verdicts.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::claim::{Claim, Claims, Needs, Test};
use super::evidence::{Evidence, Found, Material, gather};
use crate::statistics::holm;
use crate::words;

/// What one seed, or a whole test, says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It bears the claim out.
    Holds,
    /// It says the opposite.
    Contradicts,
    /// Neither is sure.
    Undecided,
    /// Something that it needs was not measured.
    Missing,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Enough of its tests hold.
    Confirmed,
    /// Its tests say the opposite.
    Refuted,
    /// Undecided, or not measured in full.
    Open,
}

/// A claim with its verdict: one entry of `claims` in `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Short name, such as `C1`.
    pub id: String,
    /// What is claimed.
    pub claim: String,
    /// Whether it is confirmed, refuted or open.
    pub verdict: Verdict,
    /// The deciding evidence, in one line.
    pub decided_by: String,
    /// Where the thresholds come from.
    #[serde(default)]
    pub why: String,
    /// How many of its tests it needs.
    #[serde(default)]
    pub needs: Needs,
    /// Level of all tests of all claims together.
    pub alpha: f64,
    /// Points within which two cells are called equal.
    pub margin: f64,
    /// How many comparisons of all claims share the level.
    pub family: u64,
    /// Every test with what it found.
    pub tests: Vec<Tested>,
}

/// A test with what it found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tested {
    /// The test as the plan states it.
    pub test: Test,
    /// What it says.
    pub outcome: Outcome,
    /// Seed by seed.
    pub evidence: Vec<Evidence>,
    /// What it needs and was not measured, in words.
    #[serde(default)]
    pub absent: Vec<String>,
}

/// Decides all claims; the p-values of all of them are one family.
pub fn decide(claims: &Claims, material: &Material<'_>) -> Vec<Decided> {
    let margin = claims.margin / 100.0;
    let gathered = |claim: &Claim| -> Vec<Found> {
        claim.tests.iter().map(|test| gather(test, material, margin)).collect()
    };
    let mut found: Vec<Vec<Found>> = claims.claims.iter().map(gathered).collect();
    let family = adjust(claims, &mut found);
    let rows = claims.claims.iter().zip(found).map(|(claim, found)| {
        let tests = claim.tests.iter().zip(found);
        let tests: Vec<Tested> =
            tests.map(|(test, found)| tested(test, found, claims.alpha, margin)).collect();
        let outcomes: Vec<Outcome> = tests.iter().map(|test| test.outcome).collect();
        let mut row = Decided {
            id: claim.id.clone(),
            claim: claim.words.clone(),
            verdict: verdict(claim.needs, &outcomes),
            decided_by: claim.undecidable.clone().unwrap_or_default(),
            why: claim.why.clone(),
            needs: claim.needs,
            alpha: claims.alpha,
            margin: claims.margin,
            family,
            tests,
        };
        if claim.undecidable.is_none() {
            row.decided_by = words::claims::decided_by(&row);
        }
        row
    });
    rows.collect()
}

/// The p-value by which a piece of evidence of this test is judged.
fn deciding_p(test: &Test, evidence: &Evidence) -> Option<f64> {
    match test {
        Test::Below { .. } => evidence.mcnemar_p,
        Test::Equal { .. } => evidence.equivalence_p,
        _ => None,
    }
}

/// Holm's method over all claims; returns the number of comparisons. What was planned and has no p-value
/// counts as the least significant of all.
fn adjust(claims: &Claims, found: &mut [Vec<Found>]) -> u64 {
    let mut tested: Vec<(f64, &mut Evidence)> = Vec::new();
    let mut untested = 0;
    for (claim, found) in claims.claims.iter().zip(found) {
        for (test, found) in claim.tests.iter().zip(found) {
            untested += found.untested;
            for evidence in &mut found.evidence {
                if let Some(p) = deciding_p(test, evidence) {
                    tested.push((p, evidence));
                }
            }
        }
    }
    let mut family: Vec<f64> = tested.iter().map(|(p, _)| *p).collect();
    family.resize(family.len() + untested, f64::NAN);
    for ((_, evidence), adjusted) in tested.into_iter().zip(holm(&family)) {
        evidence.holm_p = Some(adjusted).filter(|p| p.is_finite());
    }
    family.len() as u64
}

fn tested(test: &Test, found: Found, alpha: f64, margin: f64) -> Tested {
    let Found { mut evidence, absent, .. } = found;
    for evidence in &mut evidence {
        if let Some(outcome) = judged(test, evidence, alpha, margin) {
            evidence.outcome = outcome;
        }
    }
    let outcome = if !absent.is_empty() || evidence.is_empty() {
        Outcome::Missing
    } else if evidence.iter().all(|evidence| evidence.outcome == Outcome::Holds) {
        Outcome::Holds
    } else if evidence.iter().any(|one| contradicted_everywhere(&evidence, one)) {
        Outcome::Contradicts
    } else {
        Outcome::Undecided
    };
    Tested { test: test.clone(), outcome, evidence, absent }
}

/// Whether all seeds of the cell (or curve) of `one` contradict the test.
pub(crate) fn contradicted_everywhere(evidence: &[Evidence], one: &Evidence) -> bool {
    let mut own = evidence.iter().filter(|other| other.what == one.what);
    own.all(|other| other.outcome == Outcome::Contradicts)
}

/// What a piece of evidence says of a test of sizes or differences; none where that is known already.
fn judged(test: &Test, evidence: &Evidence, alpha: f64, margin: f64) -> Option<Outcome> {
    let between = |holds: bool, contradicts: bool| match (holds, contradicts) {
        (true, _) => Outcome::Holds,
        (false, true) => Outcome::Contradicts,
        (false, false) => Outcome::Undecided,
    };
    let outcome = match test {
        Test::AtLeast { percent, .. } => {
            let [low, high] = evidence.share?.wilson95;
            between(100.0 * low >= *percent, 100.0 * high < *percent)
        }
        Test::AtMost { percent, .. } => {
            let [low, high] = evidence.share?.wilson95;
            between(100.0 * high <= *percent, 100.0 * low > *percent)
        }
        Test::Below { .. } => {
            let (sign, [low, high]) =
                (evidence.difference?.partial_cmp(&0.0)?, evidence.interval95?);
            let significant = evidence.holm_p.is_some_and(|p| p < alpha);
            let equal = low > -margin && high < margin;
            let opposite = significant && sign == Ordering::Greater;
            between(significant && sign == Ordering::Less, opposite || equal)
        }
        Test::Equal { .. } => {
            let [low, high] = evidence.interval95?;
            let equal = evidence.holm_p.is_some_and(|p| p < alpha);
            between(equal, low >= margin || high <= -margin)
        }
        Test::WithinBound { .. } | Test::CurveAbove { .. } | Test::Crosses { .. } => return None,
    };
    Some(outcome)
}

/// The verdict on a claim with these tests.
fn verdict(needs: Needs, outcomes: &[Outcome]) -> Verdict {
    let is = |outcome| move |other: &Outcome| *other == outcome;
    let (holds, contradicts) = (is(Outcome::Holds), is(Outcome::Contradicts));
    if outcomes.is_empty() || outcomes.iter().any(is(Outcome::Missing)) {
        return Verdict::Open;
    }
    let (confirmed, refuted) = match needs {
        Needs::All => (outcomes.iter().all(holds), outcomes.iter().any(contradicts)),
        Needs::Any => (outcomes.iter().any(holds), outcomes.iter().all(contradicts)),
    };
    match (confirmed, refuted) {
        (true, _) => Verdict::Confirmed,
        (false, true) => Verdict::Refuted,
        (false, false) => Verdict::Open,
    }
}
