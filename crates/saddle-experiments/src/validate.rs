//! Reading a plan, and what it must satisfy beyond its grammar: names lead somewhere, numbers make sense.
//!
//! Checked before any work starts, because a typo in the last table should not cost an hour of training.

use std::collections::BTreeSet;

use saddle_ops::Norm;

use crate::plan::{NetworkPlan, PROFILES, Plan, Row, Table, check_claims};
use crate::{Error, Result};

mod curves;
mod ladder;
mod verdicts;

/// Most networks of one recipe: every one of them is looked at before anything starts.
const MOST_SEEDS: u32 = 1_000;

/// Fewest passes that an attack can be limited to: judging the natural and the final image.
const LEAST_CAP: u64 = 2;

impl Plan {
    /// Reads a plan and checks that it can be run.
    ///
    /// # Errors
    ///
    /// [`Error::PlanSyntax`] for text that is not such a plan (with line and column),
    /// [`Error::Plan`] for names that lead nowhere and numbers that make no sense.
    pub fn parse(text: &str) -> Result<Self> {
        let plan: Self = toml::from_str(text)?;
        validate(&plan)?;
        Ok(plan)
    }

    /// One of the embedded plans.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownProfile`] for any other name.
    pub fn profile(name: &str) -> Result<Self> {
        let text = PROFILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
        let known = PROFILES.map(|(known, _)| known).join(", ");
        Self::parse(text.ok_or(Error::UnknownProfile { name: name.to_owned(), known })?)
    }
}

/// Checks a whole plan; the first thing wrong is named with its place.
fn validate(plan: &Plan) -> Result<()> {
    named("the plan", "name", &plan.name)?;
    networks(plan)?;
    for (name, attack) in &plan.attacks {
        let place = format!("attack `{name}`");
        ensure(attack.restarts >= 1, || format!("{place}: restarts must be at least 1"))?;
        if let Some(share) = attack.step_per_radius {
            ensure(share.is_finite() && share > 0.0, || {
                format!("{place}: step_per_radius {share} must be finite and greater than 0")
            })?;
        }
        attack.method.check().map_err(|error| Error::Plan(format!("{place}: {error}")))?;
        ensure(attack.restarts == 1 || attack.method.attack().is_some(), || {
            format!("{place}: a suite is run once; leave the restarts out")
        })?;
        ensure(attack.restarts == 1 || !attack.method.repeats_itself(), || {
            format!(
                "{place}: {} runs without noise are one run; give it a random start",
                attack.restarts
            )
        })?;
    }
    for (name, attack) in &plan.gradient_free {
        let place = format!("attack `{name}`");
        ensure(!plan.attacks.contains_key(name), || format!("{place}: the name is used twice"))?;
        ensure(attack.toward_nearest.count >= 1, || {
            format!("{place}: count must be at least 1: the number of digits to go toward")
        })?;
    }
    let taken = ["bounds", "figure1", "figure2", "ladder", "rivals", "verdicts"];
    let mut seen = BTreeSet::from(taken.map(str::to_owned));
    for table in &plan.tables {
        named("a table", "name", &table.name)?;
        ensure(seen.insert(table.name.clone()), || {
            format!(
                "two tables are called `{}` (bounds, figure1, figure2, ladder, rivals and verdicts are taken)",
                table.name
            )
        })?;
        check_table(plan, table)?;
    }
    if let Some(rivals) = &plan.rivals {
        digits(plan, "rivals", &rivals.digits)?;
        known_networks(plan, "rivals", &rivals.networks, rivals.seeds)?;
        check_cap("rivals", Some(rivals.cap))?;
        ensure(!rivals.threats.is_empty(), || "rivals: no threats".to_owned())?;
        for best in rivals.threats.iter().filter_map(|threat| threat.best.as_ref()) {
            ensure(rivals.rivals.contains(best), || {
                format!("rivals: `{best}`, named as the best rival, is not among the rivals")
            })?;
        }
        ensure(!rivals.rivals.is_empty(), || "rivals: no rivals".to_owned())?;
        let names = rivals.parts.iter().chain(&rivals.rivals).chain([&rivals.subject]);
        let mut seen = BTreeSet::new();
        for name in names {
            one_budget(plan, "rivals", name, rivals.norm)?;
            ensure(seen.insert(name), || format!("rivals: attack `{name}` is named twice"))?;
        }
    }
    if let Some(figure) = &plan.figure1 {
        digits(plan, "figure1", &figure.digits)?;
        for curve in &figure.curves {
            known_networks(plan, "figure1", std::slice::from_ref(&curve.network), None)?;
            ascent(plan, "figure1", &curve.attack)?;
        }
    }
    ladder::check(plan)?;
    verdicts::check(plan)?;
    curves::check(plan, &mut seen)?;
    check_claims(plan)
}

fn networks(plan: &Plan) -> Result<()> {
    for (name, network) in &plan.networks {
        let place = format!("network `{name}`");
        let architecture = saddle_model::Architecture::by_name(&network.architecture)
            .map_err(|error| Error::Plan(format!("{place}: {error}")))?;
        let (dataset, takes) = (plan.dataset, architecture.input);
        ensure(takes == dataset.image(), || {
            format!(
                "{place}: `{}` takes images of {takes:?}, those of {dataset} are {:?}; choose another architecture or \
                 another dataset",
                network.architecture,
                dataset.image()
            )
        })?;
        ensure((1..=MOST_SEEDS).contains(&network.seeds), || {
            format!("{place}: seeds must be 1 to {MOST_SEEDS}")
        })?;
        named(&place, "defense", &network.defense)?;
        ensure(network.training.is_some() != network.missing.is_some(), || {
            format!("{place}: give either a recipe under `training` or the reason under `missing`")
        })?;
        if let Some(training) = &network.training {
            training.validate().map_err(|error| Error::Plan(format!("{place}: {error}")))?;
            ensure(training.seed == 0, || {
                format!(
                    "{place}: a recipe has no seed of its own; leave it out and set that of the plan"
                )
            })?;
        }
        ensure((network.defense == "natural") == network.training_norm.is_none(), || {
            format!("{place}: training_norm belongs to every defence but `natural`")
        })?;
        if let Some(parent) = &network.starts_from {
            let found = plan.networks.get(parent).ok_or_else(|| {
                Error::Plan(format!("{place}: starts_from names no network `{parent}`"))
            })?;
            ensure(found.architecture == network.architecture, || {
                format!("{place}: `{parent}`, from which it starts, has another architecture")
            })?;
        }
        for source in sources(network) {
            let found = plan.networks.get(source).ok_or_else(|| {
                Error::Plan(format!("{place}: sources name no network `{source}`"))
            })?;
            if let Some(reason) = &found.missing {
                let message = format!("{place}: its source `{source}` is missing: {reason}");
                return Err(Error::Plan(message));
            }
        }
    }
    no_circle(plan)
}

/// The networks that a network is trained against.
fn sources(network: &NetworkPlan) -> &[String] {
    network.training.as_ref().map_or(&[], |training| training.defense.sources())
}

/// Refuses networks of which each has to be trained before the other.
fn no_circle(plan: &Plan) -> Result<()> {
    let inputs = |name: &str| {
        let network = plan.networks.get(name);
        let parent = network.and_then(|network| network.starts_from.as_deref());
        let sources = network.map_or(&[][..], sources).iter().map(String::as_str);
        parent.into_iter().chain(sources)
    };
    let mut left: BTreeSet<&str> = plan.networks.keys().map(String::as_str).collect();
    loop {
        let ready = |name: &&str| !inputs(name).any(|input| left.contains(input));
        let ready: Vec<&str> = left.iter().copied().filter(ready).collect();
        if ready.is_empty() {
            break;
        }
        left.retain(|name| !ready.contains(name));
    }
    // Whoever is left needs somebody who is left: a walk along that need comes back to where it was.
    let mut path: Vec<&str> = left.first().copied().into_iter().collect();
    while let Some(next) = path.last().and_then(|last| inputs(last).find(|one| left.contains(one)))
    {
        if let Some(start) = path.iter().position(|seen| *seen == next) {
            let circle: Vec<String> =
                path[start..].iter().chain([&next]).map(|name| format!("`{name}`")).collect();
            return Err(Error::Plan(format!(
                "networks run in a circle: {} (each starts from the next or has it among its sources)",
                circle.join(", ")
            )));
        }
        path.push(next);
    }
    Ok(())
}

fn check_table(plan: &Plan, table: &Table) -> Result<()> {
    let place = format!("table `{}`", table.name);
    digits(plan, &place, &table.digits)?;
    known_networks(plan, &place, &table.networks, table.seeds)?;
    ensure(!table.rows.is_empty(), || format!("{place}: no rows"))?;
    ensure(!table.all_columns || plan.dataset.is_mnist(), || {
        format!("{place}: all_columns shows the paper's columns, and those are about MNIST")
    })?;
    check_cap(&place, table.cap)?;
    let mut seen = BTreeSet::new();
    for row in &table.rows {
        let place = format!("{place}, row `{}`", row.name);
        named(&place, "name", &row.name)?;
        ensure(seen.insert(&row.name), || format!("{place}: the name is used twice"))?;
        check_row(plan, &place, table, row)?;
    }
    Ok(())
}

fn check_cap(place: &str, cap: Option<u64>) -> Result<()> {
    ensure(cap.is_none_or(|cap| cap >= LEAST_CAP), || {
        format!(
            "{place}: cap must be at least {LEAST_CAP}: the natural and the final image are judged"
        )
    })
}

fn check_row(plan: &Plan, place: &str, table: &Table, row: &Row) -> Result<()> {
    if !row.worst_of.is_empty() {
        let alone = row.norm.is_none() && row.epsilon.is_none() && row.attacks.is_empty();
        ensure(alone, || {
            format!("{place}: worst_of takes threats and attacks from the rows that it names")
        })?;
        return row.worst_of.iter().try_for_each(|name| {
            let attacked = |other: &&Row| other.name == *name && !other.attacks.is_empty();
            ensure(table.rows.iter().any(|other| attacked(&other)), || {
                format!("{place}: no row with attacks of its own is called `{name}`")
            })
        });
    }
    let threat = row.norm.is_some() && row.epsilon.is_some();
    let natural = row.norm.is_none() && row.epsilon.is_none();
    ensure(if row.attacks.is_empty() { natural } else { threat }, || {
        format!("{place}: norm, epsilon and attacks go together; natural accuracy has none of them")
    })?;
    let free = |name: &str| plan.gradient_free.contains_key(name);
    let mut gradients = row.attacks.iter().filter(|name| !free(name));
    gradients.try_for_each(|name| match row.norm {
        Some(norm) => attack_in(plan, place, name, norm),
        None => attack(plan, place, name),
    })
}

fn digits(plan: &Plan, place: &str, name: &str) -> Result<()> {
    ensure(plan.digits.contains_key(name), || format!("{place}: no digits are called `{name}`"))
}

fn attack(plan: &Plan, place: &str, name: &str) -> Result<()> {
    ensure(plan.attacks.contains_key(name), || format!("{place}: no attack is called `{name}`"))
}

/// An attack that is made for a norm.
fn attack_in(plan: &Plan, place: &str, name: &str, norm: Norm) -> Result<()> {
    attack(plan, place, name)?;
    ensure(plan.attacks.get(name).is_none_or(|attack| attack.method.works_in(norm)), || {
        format!("{place}: attack `{name}` is not made for {norm}")
    })
}

/// An attack whose steps can be followed one by one.
fn ascent(plan: &Plan, place: &str, name: &str) -> Result<()> {
    attack(plan, place, name)?;
    ensure(plan.attacks.get(name).is_none_or(|attack| attack.ascent().is_some()), || {
        format!("{place}: attack `{name}` is no ascent, whose steps alone are followed here")
    })
}

/// An attack that is made for a norm and knows after how many passes a digit fell, within one budget.
fn one_budget(plan: &Plan, place: &str, name: &str, norm: Norm) -> Result<()> {
    attack_in(plan, place, name, norm)?;
    ensure(plan.attacks.get(name).is_none_or(|attack| attack.method.knows_when()), || {
        format!(
            "{place}: attack `{name}` cannot be held to one budget: a suite is several attacks, and DDN does not say \
             when it came within the radius"
        )
    })
}

fn known_networks(plan: &Plan, place: &str, names: &[String], seeds: Option<u32>) -> Result<()> {
    ensure(!names.is_empty(), || format!("{place}: no networks"))?;
    ensure(seeds != Some(0), || format!("{place}: seeds must be at least 1"))?;
    names.iter().try_for_each(|name| {
        ensure(plan.networks.contains_key(name), || {
            format!("{place}: no network is called `{name}`")
        })
    })
}

pub(crate) fn named(place: &str, field: &str, text: &str) -> Result<()> {
    ensure(!text.trim().is_empty(), || format!("{place}: {field} is empty"))
}

pub(crate) fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::Plan(message())) }
}
