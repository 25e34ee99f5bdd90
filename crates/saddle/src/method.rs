//! The attack that the flags of `saddle attack` describe.

use anyhow::{Result, bail};
use clap::ValueEnum as _;

use saddle_attacks::{Apgd, Ddn, Direction, Method, ProjectedAscent, Square, Standard, Start};
use saddle_ops::{Norm, Radius, StepRule, steepest};

use crate::arguments::{Attack, AttackName, LossName, StartName};

/// Flags that only ascents have.
const ASCENT: [&str; 7] = ["step-size", "rule", "loss", "start", "momentum", "sigma", "samples"];

/// The attack with its settings, for a threat model; a flag that it does not have is refused, not ignored.
pub(crate) fn method(
    arguments: &Attack,
    attack: AttackName,
    norm: Norm,
    epsilon: Radius,
) -> Result<Method> {
    let steps = |usual: u32| arguments.steps.unwrap_or(usual);
    let allowed: Vec<&str> = match attack {
        AttackName::ApgdCe | AttackName::ApgdDlr | AttackName::Ddn => vec!["steps"],
        AttackName::ApgdT => vec!["steps", "targets"],
        AttackName::Square => vec!["queries"],
        AttackName::Standard => vec!["steps", "targets", "queries"],
        _ => [&["steps"][..], &ASCENT].concat(),
    };
    refuse_others(arguments, attack, &allowed)?;
    let apgd = |apgd: Apgd| Apgd { steps: steps(apgd.steps), ..apgd };
    let method = match attack {
        AttackName::ApgdCe => Method::Apgd(apgd(Apgd::cross_entropy())),
        AttackName::ApgdDlr => Method::Apgd(apgd(Apgd::dlr())),
        AttackName::ApgdT => {
            let targeted = apgd(Apgd::targeted());
            Method::Apgd(Apgd { targets: arguments.targets.or(targeted.targets), ..targeted })
        }
        AttackName::Square => {
            let square = Square::default();
            let queries = arguments.queries.unwrap_or(square.queries);
            Method::Square(Square { queries, ..square })
        }
        AttackName::Ddn => {
            let ddn = Ddn::default();
            Method::Ddn(Ddn { steps: steps(ddn.steps), ..ddn })
        }
        AttackName::Standard => {
            let Attack { steps, targets, queries, .. } = *arguments;
            Method::Standard(Standard { steps, targets, queries, ..Standard::default() })
        }
        _ => Method::Ascent(ascent(arguments, attack, norm, epsilon)),
    };
    if !method.works_in(norm) {
        let made_for = if matches!(method, Method::Ddn(_)) { "l2" } else { "l2 and linf" };
        bail!("{} is made for {made_for}, not for {norm}", name(attack));
    }
    if attack == AttackName::Standard && arguments.restarts > 1 {
        bail!("standard is run once; leave --restarts out");
    }
    if attack == AttackName::Standard && arguments.trace.is_some() {
        bail!("--trace follows one attack and standard is several; trace them one by one");
    }
    method.check()?;
    Ok(method)
}

/// Refuses flags that were given and that this attack does not have.
fn refuse_others(arguments: &Attack, attack: AttackName, allowed: &[&str]) -> Result<()> {
    let given = [
        ("steps", arguments.steps.is_some()),
        ("step-size", arguments.step_size.is_some()),
        ("rule", arguments.rule.is_some()),
        ("loss", arguments.loss != LossName::CrossEntropy),
        ("start", arguments.start.is_some()),
        ("momentum", arguments.momentum != 0.0),
        ("sigma", arguments.sigma.is_some()),
        ("samples", arguments.samples != 1),
        ("targets", arguments.targets.is_some()),
        ("queries", arguments.queries.is_some()),
    ];
    let mut others = given.iter().filter(|(flag, given)| *given && !allowed.contains(flag));
    let Some((flag, _)) = others.next() else { return Ok(()) };
    let own: Vec<String> = allowed.iter().map(|flag| format!("--{flag}")).collect();
    bail!("--{flag} is none of {}'s flags, which are {}", name(attack), own.join(", "))
}

/// What the command line calls an attack.
fn name(attack: AttackName) -> String {
    attack.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A projected ascent with what is usual where nothing is said.
fn ascent(arguments: &Attack, attack: AttackName, norm: Norm, epsilon: Radius) -> ProjectedAscent {
    let sigma = arguments.sigma.unwrap_or(if norm == Norm::Linf { 0.1 } else { 0.2 });
    let samples = arguments.samples;
    let direction = match attack {
        AttackName::So => Direction::Smoothed { sigma, samples },
        AttackName::Even => Direction::Even { sigma, samples },
        AttackName::Odd => Direction::Odd { sigma, samples },
        _ => Direction::Gradient,
    };
    let step_size = arguments.step_size.unwrap_or(match (attack, norm) {
        (AttackName::Fgsm, _) => epsilon.get(),
        (AttackName::RawPgd, _) => 0.1,
        (_, Norm::Linf) => epsilon.get() / 30.0,
        (_, Norm::L1 | Norm::L2) => epsilon.get() / 4.0,
    });
    let rule = match (arguments.rule, attack) {
        (Some(rule), _) => rule.rule(),
        (None, AttackName::RawPgd) => StepRule::Raw,
        (None, _) => steepest(norm),
    };
    // A second run from the same place without noise would find the same image again.
    let random = arguments.restarts > 1 && direction == Direction::Gradient;
    let start = match arguments.start {
        Some(StartName::Natural) => Start::Natural,
        None if !random => Start::Natural,
        Some(StartName::Uniform) | None => Start::Uniform,
        Some(StartName::Gaussian) => Start::Gaussian { sigma },
    };
    let steps = arguments.steps.unwrap_or(if attack == AttackName::Fgsm { 1 } else { 40 });
    let (momentum, loss) = (arguments.momentum, arguments.loss.loss());
    ProjectedAscent { direction, rule, step_size, steps, start, momentum, loss }
}
