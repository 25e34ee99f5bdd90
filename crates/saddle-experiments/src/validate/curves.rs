//! What curves of accuracy and Figure 2 must satisfy.

use std::collections::BTreeSet;

use saddle_ops::Norm;

use super::{ascent, attack_in, check_cap, digits, ensure, known_networks, one_budget};
use crate::Result;
use crate::plan::Plan;

/// Checks all of them; `seen` holds the names that are taken.
pub(super) fn check(plan: &Plan, seen: &mut BTreeSet<String>) -> Result<()> {
    for curve in &plan.epsilon_curves {
        let place = named(seen, "epsilon_curve", &curve.name)?;
        digits(plan, &place, &curve.digits)?;
        known_networks(plan, &place, &curve.networks, curve.seeds)?;
        check_cap(&place, curve.cap)?;
        attacks(plan, &place, &curve.attacks, curve.norm)?;
        let usable = |epsilon: &f64| epsilon.is_finite() && *epsilon >= 0.0;
        ensure(curve.epsilons.iter().all(usable), || {
            format!("{place}: epsilons must be finite and at least 0 (0 is natural accuracy)")
        })?;
        let ascending = curve.epsilons.windows(2).all(|pair| pair[0] < pair[1]);
        ensure(ascending && !curve.epsilons.is_empty(), || {
            format!("{place}: give at least one epsilon, each greater than the one before")
        })?;
    }
    for curve in &plan.budget_curves {
        let place = named(seen, "budget_curve", &curve.name)?;
        digits(plan, &place, &curve.digits)?;
        known_networks(plan, &place, &curve.networks, curve.seeds)?;
        check_cap(&place, Some(curve.cap))?;
        attacks(plan, &place, &curve.attacks, curve.norm)?;
        curve.attacks.iter().try_for_each(|name| one_budget(plan, &place, name, curve.norm))?;
    }
    for curve in &plan.step_curves {
        let place = named(seen, "step_curve", &curve.name)?;
        digits(plan, &place, &curve.digits)?;
        known_networks(plan, &place, &curve.networks, curve.seeds)?;
        ascent(plan, &place, &curve.attack)?;
        ensure(plan.attacks.get(&curve.attack).is_none_or(|attack| attack.restarts == 1), || {
            format!(
                "{place}: attack `{}` has restarts; steps are counted in one run, name an attack of one",
                curve.attack
            )
        })?;
    }
    if let Some(figure) = &plan.figure2 {
        digits(plan, "figure2", &figure.digits)?;
        known_networks(plan, "figure2", std::slice::from_ref(&figure.network), None)?;
        ascent(plan, "figure2", &figure.attack)?;
    }
    Ok(())
}

/// A name that can be that of a file and that nothing else has; says where it stands.
fn named(seen: &mut BTreeSet<String>, kind: &str, name: &str) -> Result<String> {
    let place = format!("{kind} `{name}`");
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    ensure(!name.is_empty() && name.chars().all(plain), || {
        format!("{place}: name a file could have: letters, digits, `_` and `-` only")
    })?;
    ensure(seen.insert(name.to_owned()), || format!("{place}: the name is taken"))?;
    Ok(place)
}

fn attacks(plan: &Plan, place: &str, names: &[String], norm: Norm) -> Result<()> {
    ensure(!names.is_empty(), || format!("{place}: no attacks"))?;
    let mut seen = BTreeSet::new();
    names.iter().try_for_each(|name| {
        ensure(seen.insert(name), || format!("{place}: attack `{name}` is named twice"))?;
        attack_in(plan, place, name, norm)
    })
}
