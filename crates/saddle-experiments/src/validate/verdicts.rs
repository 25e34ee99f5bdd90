//! What verdicts on gradient masking must satisfy.

use std::collections::BTreeSet;

use saddle_attacks::{Direction, Method};
use saddle_report::masking::Thresholds;

use super::{attack_in, check_cap, digits, ensure, known_networks, named};
use crate::plan::{CalibrationPlan, Plan, VerdictPlan, VerdictThreat};
use crate::{Error, Result};

pub(super) fn check(plan: &Plan) -> Result<()> {
    let Some(verdicts) = &plan.verdicts else { return Ok(()) };
    digits(plan, "verdicts", &verdicts.digits)?;
    known_networks(plan, "verdicts", &verdicts.networks, verdicts.seeds)?;
    check_cap("verdicts", Some(verdicts.cap))?;
    ensure(verdicts.directions >= 1, || "verdicts: directions must be at least 1".to_owned())?;
    check_thresholds(&verdicts.thresholds)?;
    ensure(!verdicts.threats.is_empty(), || "verdicts: no threats".to_owned())?;
    for (place, threat) in verdicts.threats.iter().enumerate() {
        let same =
            |other: &VerdictThreat| (other.norm, other.epsilon) == (threat.norm, threat.epsilon);
        ensure(!verdicts.threats[..place].iter().any(same), || {
            format!("verdicts: the threat {} {} stands twice", threat.norm, threat.epsilon)
        })?;
        check_threat(plan, threat)?;
    }
    check_sources(plan, verdicts)?;
    verdicts.calibration.iter().try_for_each(|known| check_calibration(plan, verdicts, known))
}

fn check_thresholds(thresholds: &Thresholds) -> Result<()> {
    let Thresholds { zero_gradients, honest_slopes, random_is_better, margin, .. } = *thresholds;
    let shares = [
        ("zero_gradients", zero_gradients),
        ("honest_slopes", honest_slopes),
        ("random_is_better", random_is_better),
        ("margin", margin),
        ("significance", thresholds.significance),
        ("above_bound", thresholds.above_bound),
    ];
    for (name, share) in shares {
        ensure(share > 0.0 && share <= 1.0, || {
            format!("verdicts.thresholds: {name} is {share}, a share above 0 and at most 1")
        })?;
    }
    Ok(())
}

fn check_threat(plan: &Plan, threat: &VerdictThreat) -> Result<()> {
    let place = format!("verdicts, threat {} {}", threat.norm, threat.epsilon);
    let VerdictThreat { norm, gradient, smoothed, black_box, radii, .. } = threat;
    for name in [gradient, smoothed, black_box] {
        attack_in(plan, &place, name, *norm)?;
    }
    let direction = |name: &str| {
        plan.attacks.get(name).and_then(|attack| attack.ascent()).map(|ascent| ascent.direction)
    };
    ensure(direction(gradient) == Some(Direction::Gradient), || {
        format!(
            "{place}: `{gradient}` has to follow plain gradients, as an ascent along `gradient`"
        )
    })?;
    let smooths =
        matches!(direction(smoothed), Some(Direction::Smoothed { .. } | Direction::Even { .. }));
    ensure(smooths, || {
        format!("{place}: `{smoothed}` has to be an ascent along smoothed gradients")
    })?;
    let method = plan.attacks.get(black_box).map(|attack| attack.method);
    ensure(matches!(method, Some(Method::Square(_))), || {
        format!("{place}: `{black_box}` has to do without gradients, as Square does")
    })?;
    ensure(!radii.is_empty(), || {
        format!("{place}: no radii; name some up to one with a low bound")
    })?;
    ensure(plan.bounds.is_some(), || {
        format!("{place}: radii are held against bounds; the plan needs a section [bounds]")
    })
}

/// Every network needs another one from which images come.
fn check_sources(plan: &Plan, verdicts: &VerdictPlan) -> Result<()> {
    known_networks(plan, "verdicts, sources", &verdicts.sources, None)?;
    for source in &verdicts.sources {
        let missing = plan.networks.get(source).and_then(|network| network.missing.as_deref());
        if let Some(reason) = missing {
            return Err(Error::Plan(format!(
                "verdicts: its source `{source}` is missing: {reason}"
            )));
        }
    }
    let known = verdicts.calibration.iter().flat_map(|known| &known.networks);
    for network in verdicts.networks.iter().chain(known) {
        ensure(verdicts.sources.iter().any(|source| source != network), || {
            format!("verdicts: no source but `{network}` itself; name another network")
        })?;
    }
    Ok(())
}

fn check_calibration(plan: &Plan, verdicts: &VerdictPlan, known: &CalibrationPlan) -> Result<()> {
    let place = "verdicts.calibration";
    known_networks(plan, place, &known.networks, known.seeds)?;
    ensure(verdicts.threats.iter().any(|threat| known.is_within(threat)), || {
        format!("{place}: {} {} is none of the threats of the verdicts", known.norm, known.epsilon)
    })?;
    ensure(!known.cases.is_empty(), || format!("{place}: no cases"))?;
    let mut names = BTreeSet::new();
    for (number, case) in known.cases.iter().enumerate() {
        named(&format!("{place}, a case"), "name", &case.name)?;
        let place = format!("{place}, case `{}`", case.name);
        ensure(names.insert(&case.name), || format!("{place}: the name is used twice"))?;
        case.disguise.check().map_err(|error| Error::Plan(format!("{place}: {error}")))?;
        let same = known.cases[..number].iter().find(|other| other.disguise == case.disguise);
        ensure(same.is_none(), || {
            let other = same.map_or("", |other| other.name.as_str());
            format!(
                "{place}: the same as `{other}`; a case that stands twice is held out from nothing"
            )
        })?;
    }
    Ok(())
}
