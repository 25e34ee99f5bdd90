//! What claims and causes of a plan must satisfy: every cell and curve that they name exists, every
//! threshold makes sense.
//!
//! A claim may look at contenders of the comparison as if it were a table: table `rivals`, rows such as
//! `so at l2 2.0`, and `best rival at l2 2.0` for the rival that the others are held against.

use std::collections::BTreeSet;

use saddle_report::claims::{Claim, Test};

use crate::Result;
use crate::agenda::roles;
use crate::plan::{Plan, RivalThreat, Rivals};
use crate::validate::{ensure, named};

/// The comparison of rivals, where a claim names a table.
pub(crate) const RIVALS: &str = "rivals";

/// The rival that the others are held against, where a claim names a row of [`RIVALS`].
pub(crate) const BEST_RIVAL: &str = "best rival";

/// The row of a contender under one threat: `so at l2 2.0`.
pub(crate) fn contender_row(rivals: &Rivals, threat: &RivalThreat, name: &str) -> String {
    format!("{name} at {} {:?}", rivals.norm, threat.epsilon.get())
}

/// Checks claims and causes; the first thing wrong is named with its place.
pub(crate) fn check(plan: &Plan) -> Result<()> {
    if let Some(claims) = &plan.claims {
        ensure(claims.alpha > 0.0 && claims.alpha < 0.5, || {
            format!("claims: alpha {} must lie between 0 and 0.5", claims.alpha)
        })?;
        ensure(claims.margin > 0.0 && claims.margin < 100.0, || {
            format!("claims: margin {} is in points, between 0 and 100", claims.margin)
        })?;
        ensure(!claims.claims.is_empty(), || "claims: no claim".to_owned())?;
        let mut seen = BTreeSet::new();
        for claim in &claims.claims {
            named("a claim", "id", &claim.id)?;
            let place = format!("claim `{}`", claim.id);
            named(&place, "words", &claim.words)?;
            ensure(seen.insert(&claim.id), || format!("{place}: the id is used twice"))?;
            check_claim(plan, &place, claim)?;
        }
    }
    for cause in &plan.causes {
        named("a cause", "choice", &cause.choice)?;
        let place = format!("cause `{}`", cause.choice);
        ensure(!cause.networks.is_empty() && !cause.rows.is_empty(), || {
            format!("{place}: name at least one network and one row")
        })?;
        for network in &cause.networks {
            for row in &cause.rows {
                let cell = [cause.table.as_str(), network, row];
                let changed = cause.changed.place(cell);
                ensure(changed != cell, || {
                    format!("{place}: `changed` names the cell itself; say what is different")
                })?;
                known(plan, &place, cell)?;
                known(plan, &place, changed)?;
            }
        }
    }
    Ok(())
}

fn check_claim(plan: &Plan, place: &str, claim: &Claim) -> Result<()> {
    ensure(claim.tests.is_empty() == claim.undecidable.is_some(), || {
        format!("{place}: give either tests or the reason under `undecidable`")
    })?;
    for (number, test) in claim.tests.iter().enumerate() {
        let place = format!("{place}, test {}", number + 1);
        check_test(plan, &place, test)?;
    }
    Ok(())
}

fn check_test(plan: &Plan, place: &str, test: &Test) -> Result<()> {
    let percent = |percent: f64| {
        ensure((0.0..=100.0).contains(&percent), || {
            format!("{place}: percent {percent} must be 0 to 100")
        })
    };
    match test {
        Test::AtLeast { percent: level, .. } | Test::AtMost { percent: level, .. } => {
            percent(*level)?;
        }
        Test::Below { .. } | Test::Equal { .. } => {
            for pair in test.places().chunks_exact(2) {
                ensure(pair[0] != pair[1], || {
                    format!("{place}: a cell is compared with itself; say what `against` is")
                })?;
            }
        }
        Test::WithinBound { .. } => {
            let place = format!("{place}: it needs the plan's `bounds`, and there are none");
            ensure(plan.bounds.is_some(), || place)?;
        }
        Test::CurveAbove { figure, curve, other, factor, share } => {
            ensure(factor.is_finite() && *factor > 0.0, || {
                format!("{place}: factor {factor} must be finite and greater than 0")
            })?;
            ensure(*share > 0.5 && *share <= 1.0, || {
                format!("{place}: share {share} must be above 0.5 and at most 1")
            })?;
            ensure(curve != other, || format!("{place}: a curve is compared with itself"))?;
            known_curve(plan, place, figure, curve)?;
            return known_curve(plan, place, figure, other);
        }
        Test::Crosses { curve, networks, percent: level } => {
            percent(*level)?;
            let Some(steps) = plan.step_curves.iter().find(|steps| steps.name == *curve) else {
                return ensure(false, || {
                    format!("{place}: no curve of accuracy against steps is called `{curve}`")
                });
            };
            ensure(!networks.is_empty(), || format!("{place}: name at least one network"))?;
            return networks.iter().try_for_each(|network| {
                ensure(steps.networks.contains(network), || {
                    format!("{place}: curve `{curve}` has no network `{network}`")
                })
            });
        }
    }
    let places = test.places();
    ensure(!places.is_empty(), || format!("{place}: name at least one network and one row"))?;
    places.into_iter().try_for_each(|cell| known(plan, place, cell))
}

/// Refuses a cell that no run of this plan can measure.
fn known(plan: &Plan, place: &str, [table, network, row]: [&str; 3]) -> Result<()> {
    let (networks, rows): (&[String], Vec<String>) = match (table, &plan.rivals) {
        (RIVALS, Some(rivals)) => (&rivals.networks, contender_rows(rivals)),
        _ => match plan.tables.iter().find(|known| known.name == table) {
            Some(table) => {
                (&table.networks, table.rows.iter().map(|row| row.name.clone()).collect())
            }
            None => {
                return ensure(false, || format!("{place}: no table is called `{table}`"));
            }
        },
    };
    ensure(networks.iter().any(|known| known == network), || {
        format!("{place}: table `{table}` has no network `{network}`")
    })?;
    ensure(rows.iter().any(|known| known == row), || {
        format!("{place}: table `{table}` has no row `{row}`; it has: {}", rows.join(", "))
    })
}

fn contender_rows(rivals: &Rivals) -> Vec<String> {
    let of = |threat| {
        let names = roles(rivals).map(|(name, _)| name).chain([BEST_RIVAL]);
        names.map(move |name| contender_row(rivals, threat, name)).collect::<Vec<_>>()
    };
    rivals.threats.iter().flat_map(of).collect()
}

/// Refuses a curve that no figure of this plan has.
fn known_curve(plan: &Plan, place: &str, figure: &str, label: &str) -> Result<()> {
    let curves = match (figure, &plan.figure1) {
        ("figure1", Some(figure)) => &figure.curves,
        _ => return ensure(false, || format!("{place}: no figure is called `{figure}`")),
    };
    ensure(curves.iter().any(|curve| curve.label == label), || {
        format!("{place}: no curve of {figure} is called `{label}`")
    })
}
