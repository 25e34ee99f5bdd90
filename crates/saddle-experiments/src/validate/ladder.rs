//! What a ladder must satisfy.

use std::collections::BTreeSet;

use saddle_attacks::{Attack as _, Curvature, Direction};
use saddle_ops::Norm;
use saddle_report::ladder::Kind;

use super::{check_cap, digits, ensure, known_networks, named};
use crate::plan::{Climb, LadderPlan, Plan, Precision, RungAttack, RungPlan};
use crate::{Error, Result};

pub(super) fn check(plan: &Plan) -> Result<()> {
    let Some(ladder) = &plan.ladder else { return Ok(()) };
    digits(plan, "ladder", &ladder.digits)?;
    known_networks(plan, "ladder", &ladder.networks, ladder.seeds)?;
    check_cap("ladder", Some(ladder.cap))?;
    ensure(ladder.alpha > 0.0 && ladder.alpha < 0.5, || {
        format!("ladder: alpha {} must lie between 0 and 0.5", ladder.alpha)
    })?;
    ensure(ladder.margin > 0.0 && ladder.margin < 100.0, || {
        format!("ladder: margin {} is in points, between 0 and 100", ladder.margin)
    })?;
    ensure(!ladder.rows.is_empty(), || "ladder: no rows".to_owned())?;
    ensure(!ladder.threats.is_empty(), || "ladder: no threats".to_owned())?;
    let mut names = BTreeSet::new();
    for row in &ladder.rows {
        named("a row of the ladder", "name", &row.name)?;
        ensure(names.insert(row.name.as_str()), || {
            format!("ladder, row `{}`: the name is used twice", row.name)
        })?;
    }
    ladder.rows.iter().try_for_each(|row| check_row(ladder, row))?;
    for (kind, what) in [(Kind::SecondOrder, "S-O itself"), (Kind::Even, "its even part")] {
        let count = ladder.rows.iter().filter(|row| row.kind == kind).count();
        let right = if kind == Kind::Even { count <= 1 } else { count == 1 };
        ensure(right, || format!("ladder: {count} rows are of the kind of {what}; name one"))?;
    }
    for threat in &ladder.threats {
        let place = format!("ladder, threat {} {}", threat.norm, threat.epsilon);
        ensure(threat.norm != Norm::L1, || {
            format!("{place}: rows have attacks for l2 and linf only")
        })?;
        let able =
            |row: &&RungPlan| row.kind == Kind::FirstOrder && row.attack(threat.norm).is_some();
        match &threat.best {
            Some(best) => {
                let found = ladder.rows.iter().filter(able).any(|row| row.name == *best);
                ensure(found, || format!("{place}: `{best}` is no first-order row of this norm"))?;
            }
            None => ensure(ladder.rows.iter().any(|row| able(&row)), || {
                format!("{place}: no first-order row of this norm to hold the others against")
            })?,
        }
    }
    if let Some(compass) = &ladder.compass {
        digits(plan, "ladder.compass", &compass.digits)?;
        let positive = compass.steps >= 1 && compass.samples >= 1 && compass.seeds != Some(0);
        ensure(positive, || {
            "ladder.compass: steps, samples and seeds must be at least 1".to_owned()
        })?;
        let subject = ladder.rows.iter().find(|row| row.kind == Kind::SecondOrder);
        let attacks = subject.iter().flat_map(|row| row.l2.iter().chain(&row.linf));
        for attack in attacks {
            let smoothed = matches!(
                &attack.climb,
                Climb::Ascent(ascent) if matches!(ascent.direction, Direction::Smoothed { .. })
            );
            ensure(smoothed, || {
                "ladder.compass: the row of S-O has to look at noisy points (`smoothed`)".to_owned()
            })?;
        }
    }
    Ok(())
}

fn check_row(ladder: &LadderPlan, row: &RungPlan) -> Result<()> {
    let place = format!("ladder, row `{}`", row.name);
    named(&place, "question", &row.question)?;
    ensure(row.l2.is_some() || row.linf.is_some(), || {
        format!("{place}: give an attack for l2, for linf or for both")
    })?;
    if let Some(other) = &row.against {
        let found = ladder.rows.iter().any(|known| known.name == *other);
        ensure(found && *other != row.name, || {
            format!("{place}: against names no other row `{other}`")
        })?;
    }
    for (norm, attack) in [(Norm::L2, &row.l2), (Norm::Linf, &row.linf)] {
        if let Some(attack) = attack {
            check_attack(&format!("{place}, {norm}"), attack)?;
        }
    }
    Ok(())
}

fn check_attack(place: &str, attack: &RungAttack) -> Result<()> {
    ensure(attack.restarts >= 1, || format!("{place}: restarts must be at least 1"))?;
    if let Some(share) = attack.step_per_radius {
        ensure(share.is_finite() && share > 0.0, || {
            format!("{place}: step_per_radius {share} must be finite and greater than 0")
        })?;
    }
    let (checked, repeats) = match &attack.climb {
        Climb::Ascent(ascent) => (ascent.check(), ascent.repeats_itself()),
        Climb::Curvature(curvature) => {
            let subtracts = matches!(curvature.direction, Curvature::Power { .. });
            ensure(!subtracts || attack.precision == Precision::Double, || {
                format!("{place}: differences of gradients need `precision = \"double\"`")
            })?;
            (curvature.check(), curvature.repeats_itself())
        }
    };
    checked.map_err(|error| Error::Plan(format!("{place}: {error}")))?;
    ensure(attack.restarts == 1 || !repeats, || {
        let restarts = attack.restarts;
        format!("{place}: {restarts} runs without noise are one run; give it a random start")
    })
}
