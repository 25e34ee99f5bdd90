//! What a plan asks for besides its tables, as jobs: the curves of the figure, the contenders of the comparison.

use saddle_attacks::{Judge, ThreatModel};
use saddle_ops::{PixelBox, Radius};
use saddle_report::Role;

use crate::job::{AttackJob, Attempt, CurveJob};
use crate::plan::{Figure1, Plan, Rivals};

/// A network of the plan and its number among those of one recipe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NetworkId {
    pub(crate) name: String,
    pub(crate) number: u32,
}

/// The curves of a figure whose networks the plan can train: legend, network, job.
pub(crate) fn curves(plan: &Plan, figure: &Figure1) -> Vec<(String, NetworkId, CurveJob)> {
    let curves = figure.curves.iter().filter_map(|curve| {
        plan.networks.get(&curve.network).filter(|network| network.missing.is_none())?;
        let attack = plan.attacks.get(&curve.attack)?;
        let threat =
            ThreatModel { norm: curve.norm, epsilon: curve.epsilon, pixels: PixelBox::UNIT };
        let ascent = attack.ascent_at(curve.epsilon)?;
        let job = CurveJob { threat, ascent, seed: plan.seed };
        let network = NetworkId { name: curve.network.clone(), number: 0 };
        Some((curve.label.clone(), network, job))
    });
    curves.collect()
}

/// The attack of one contender at one radius, under the rules of the comparison: any iterate counts,
/// fooled digits leave, one budget for all.
pub(crate) fn contender(
    plan: &Plan,
    rivals: &Rivals,
    name: &str,
    epsilon: Radius,
) -> Option<AttackJob> {
    let attack = plan.attacks.get(name)?;
    Some(AttackJob {
        attempt: Some(Attempt {
            threat: ThreatModel { norm: rivals.norm, epsilon, pixels: PixelBox::UNIT },
            method: attack.at(epsilon),
            restarts: attack.restarts,
            judge: Judge::Any,
            stop_fooled: true,
            cap: Some(rivals.cap),
        }),
        seed: plan.seed,
    })
}

/// The networks of the comparison.
pub(crate) fn networks(plan: &Plan, rivals: &Rivals) -> Vec<NetworkId> {
    let recipes = rivals.networks.iter().filter_map(|name| Some((name, plan.networks.get(name)?)));
    recipes
        .flat_map(|(name, network)| {
            let seeds = rivals.seeds.map_or(network.seeds, |limit| limit.min(network.seeds));
            (0..seeds).map(|number| NetworkId { name: name.clone(), number })
        })
        .collect()
}

/// The networks of those names that the plan can train, each with its seeds or the first so many of them.
pub(crate) fn chosen(plan: &Plan, names: &[String], seeds: Option<u32>) -> Vec<NetworkId> {
    let recipes = names.iter().filter_map(|name| Some((name, plan.networks.get(name)?)));
    let trainable = recipes.filter(|(_, network)| network.missing.is_none());
    trainable
        .flat_map(|(name, network)| {
            let seeds = seeds.map_or(network.seeds, |limit| limit.min(network.seeds));
            (0..seeds).map(|number| NetworkId { name: name.clone(), number })
        })
        .collect()
}

/// The curves of a figure whose networks the plan cannot train: legend and reason.
pub(crate) fn absent_curves<'p>(plan: &'p Plan, figure: &'p Figure1) -> Vec<(&'p str, &'p str)> {
    let missing = |name: &String| plan.networks.get(name)?.missing.as_deref();
    let curves = figure.curves.iter();
    curves.filter_map(|curve| Some((curve.label.as_str(), missing(&curve.network)?))).collect()
}

/// All contenders by name, with the part that they play.
pub(crate) fn roles(rivals: &Rivals) -> impl Iterator<Item = (&str, Role)> {
    let subject = std::iter::once((rivals.subject.as_str(), Role::SecondOrder));
    let parts = rivals.parts.iter().map(|name| (name.as_str(), Role::Part));
    subject.chain(parts).chain(rivals.rivals.iter().map(|name| (name.as_str(), Role::Rival)))
}
