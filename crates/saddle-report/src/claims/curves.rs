//! Tests of curves, step by step.

use super::evidence::{Evidence, Found, Share};
use super::verdict::Outcome;
use crate::curves::{ANY_ITERATE, Axis, Chart};
use crate::figure::{Figure, Series};

/// The curves of that label; a label may go on with a remark in brackets.
fn series<'a>(figures: &'a [Figure], figure: &str, label: &str) -> Vec<&'a Series> {
    let own = figures.iter().filter(|known| known.id == figure).flat_map(|known| &known.series);
    own.filter(|series| {
        let rest = series.label.strip_prefix(label);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
    })
    .collect()
}

/// At how many steps one curve is `factor` times the other, for every seed that both have: at `share` of
/// them it holds, at the rest or fewer it contradicts.
pub(super) fn above(
    found: &mut Found,
    figures: &[Figure],
    figure: &str,
    [label, other]: [&str; 2],
    factor: f64,
    share: f64,
) {
    let (upper, lower) = (series(figures, figure, label), series(figures, figure, other));
    for (curves, label) in [(&upper, label), (&lower, other)] {
        if curves.is_empty() {
            found.absent.push(format!("curve `{label}` of {figure} is missing"));
        }
    }
    for first in upper {
        let Some(second) = lower.iter().find(|second| second.seed == first.seed) else {
            let seed = first.seed;
            found.absent.push(format!("curve `{other}` of {figure} (seed {seed}) is missing"));
            continue;
        };
        let pairs = first.mean.iter().zip(&second.mean);
        let known = pairs.filter(|(a, b)| a.is_finite() && b.is_finite());
        let (mut steps, mut higher) = (0u32, 0u32);
        for (a, b) in known {
            steps += 1;
            higher += u32::from(*a > factor * *b);
        }
        if steps == 0 {
            found.absent.push(format!("curve `{label}` of {figure} is missing"));
            continue;
        }
        let mut evidence =
            Evidence::of(label, format!("{label} ({figure})"), first.seed, other.to_owned());
        evidence.seen =
            format!("its mean is above {factor} times the other's at {higher} of {steps} steps");
        let needed = share * f64::from(steps);
        // Shares like 0.9 are not exact; a whole number of steps is.
        evidence.outcome = if f64::from(higher) >= needed - 1e-9 {
            Outcome::Holds
        } else if f64::from(higher) <= f64::from(steps) - needed + 1e-9 {
            Outcome::Contradicts
        } else {
            Outcome::Undecided
        };
        found.evidence.push(evidence);
    }
}

/// Where the accuracy that an attack leaves by any iterate first lies at or below a level, and where it ends.
pub(super) fn crosses(
    found: &mut Found,
    charts: &[Chart],
    curve: &str,
    network: &str,
    percent: f64,
) {
    let own = charts.iter().filter(|chart| chart.id == curve && chart.axis == Axis::Steps);
    let own = own.flat_map(|chart| &chart.curves);
    let own = own.filter(|own| own.network == network && own.attack == ANY_ITERATE);
    let before = found.evidence.len();
    for stairs in own {
        let points: Vec<(f64, Share)> = stairs
            .points
            .iter()
            .filter_map(|point| Some((point.at, Share::new(point.correct, stairs.total)?)))
            .collect();
        let Some((last, end)) = points.last().copied() else { continue };
        let what = format!("{network} ({curve})");
        let mut evidence =
            Evidence::of(network, what, stairs.training_seed, format!("{percent} %"));
        evidence.share = Some(end);
        let level = |share: f64| 100.0 * share <= percent;
        let crossing = points.iter().find(|(_, share)| level(share.accuracy));
        evidence.seen = match crossing {
            Some((steps, share)) => {
                let at = 100.0 * share.accuracy;
                format!(
                    "at or below it from {steps} steps on ({at:.1} %), followed to {last} steps"
                )
            }
            None => format!("never at or below it, followed to {last} steps"),
        };
        let surely = points.iter().any(|(_, share)| level(share.wilson95[1]));
        evidence.outcome = match (surely, crossing.is_none() && !level(end.wilson95[0])) {
            (true, _) => Outcome::Holds,
            (false, true) => Outcome::Contradicts,
            (false, false) => Outcome::Undecided,
        };
        found.evidence.push(evidence);
    }
    if found.evidence.len() == before {
        found.absent.push(format!("curve {curve} of {network} is missing"));
    }
}
