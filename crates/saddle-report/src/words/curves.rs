//! What the report says about accuracies against radius, budget and steps, and about Figure 2.

use std::collections::BTreeSet;

use crate::curves::{AccuracyCurve, Axis, Chart, DigitFigure, DigitPair};
use crate::number::percent;

/// What stands under the horizontal axis.
pub(crate) fn axis(chart: &Chart) -> String {
    match chart.axis {
        Axis::Epsilon => format!("{} radius, pixels 0 to 1", norm(&chart.norm)),
        Axis::Passes => "passes per digit".to_owned(),
        Axis::Steps => "steps of the attack".to_owned(),
    }
}

/// What stands over the vertical axis.
pub(crate) fn quantity(chart: &Chart) -> String {
    let within = chart.epsilon.map(|radius| format!(" within {} {radius}", norm(&chart.norm)));
    let mut totals: Vec<u64> = chart.curves.iter().map(|curve| curve.total).collect();
    totals.dedup();
    let digits = match totals.as_slice() {
        [one] => format!("{one} digits"),
        _ => "the digits".to_owned(),
    };
    format!("Share of {digits} read rightly under attack{}, in %", within.unwrap_or_default())
}

/// The attacks of a chart in words, a sentence each.
pub(crate) fn legend(chart: &Chart) -> Vec<String> {
    chart.attacks.iter().map(|attack| format!("{}.", named(&attack.name, &attack.value))).collect()
}

/// An attack by its name and in words, which may begin with the name.
fn named(name: &str, words: &str) -> String {
    if words.starts_with(name) { words.to_owned() } else { format!("{name}: {words}") }
}

/// What the legend of the drawing says of an attack.
pub(crate) fn key(chart: &Chart, attack: &str) -> String {
    let known = chart.attacks.iter().find(|known| known.name == attack);
    known.map_or_else(|| attack.to_owned(), |known| named(attack, &known.value))
}

/// How to read a chart.
pub(crate) fn how_to_read(chart: &Chart) -> String {
    let mut words = match chart.axis {
        Axis::Epsilon => "Each point is a measurement of its own; lines only join them.",
        Axis::Passes => {
            "A digit leaves the curve at the pass that shows its first image that fools: what a run with a \
             smaller budget would have left can be read at that budget."
        }
        Axis::Steps => {
            "`any iterate`: a digit has fallen once one image on the way fools. `final iterate`: it has \
             fallen after so many steps if the image of that very step fools, as if the attack ended \
             there; such a digit may stand again later."
        }
    }
    .to_owned();
    words.push_str(" Under attack every value is an upper bound: a better attack may leave less.");
    words.push_str(" Band: 95 % Wilson interval of each point by itself.");
    if !chart.bound.is_empty() {
        words.push_str(" Dashed: no classifier can be above on these digits.");
    }
    words
}

fn norm(name: &str) -> &str {
    if name == "linf" { "l-infinity" } else { name }
}

/// Where the columns of a chart's table lie.
fn columns(chart: &Chart) -> Vec<f64> {
    let places = chart.curves.iter().flat_map(|curve| &curve.points).map(|point| point.at);
    let last = places.clone().fold(0.0, f64::max);
    let round = |digits: &[f64], from: i32| -> Vec<f64> {
        (from..7).flat_map(|power| digits.iter().map(move |d| d * 10f64.powi(power))).collect()
    };
    let mut columns = match chart.axis {
        Axis::Epsilon => places.collect(),
        Axis::Passes => round(&[1.0, 3.0], 0),
        Axis::Steps => [vec![0.0], round(&[1.0, 2.0, 5.0], 0)].concat(),
    };
    columns.push(last);
    columns.retain(|place| place.is_finite() && *place <= last);
    columns.sort_by(f64::total_cmp);
    columns.dedup();
    columns
}

/// A chart in numbers: head and lines.
pub(crate) fn table(chart: &Chart) -> (Vec<String>, Vec<Vec<String>>) {
    let columns = columns(chart);
    let mut head: Vec<String> = ["network", "seed", "attack"].map(str::to_owned).into();
    head.extend(columns.iter().map(|&place| match chart.axis {
        Axis::Epsilon => format!("{place}"),
        Axis::Passes => counted(place, "pass", "passes"),
        Axis::Steps => counted(place, "step", "steps"),
    }));
    let line = |curve: &AccuracyCurve| {
        let mut line = vec![curve.network.clone(), curve.training_seed.to_string()];
        line.push(curve.attack.clone());
        line.extend(columns.iter().map(|&place| {
            let point = curve.at(place).filter(|point| {
                chart.axis != Axis::Epsilon || (point.at - place).abs() < f64::EPSILON
            });
            point.map_or_else(|| "–".to_owned(), |point| format!("{} %", percent(point.accuracy)))
        }));
        line
    };
    let mut lines: Vec<Vec<String>> = chart.curves.iter().map(line).collect();
    if !chart.bound.is_empty() {
        let mut line = vec!["no classifier above".to_owned(), String::new(), String::new()];
        line.extend(columns.iter().map(|&place| {
            let found = chart.bound.iter().find(|point| point.at == place);
            let share = found.map(|point| format!("{} %", percent(point.upper_bound)));
            share.unwrap_or_else(|| "–".to_owned())
        }));
        lines.push(line);
    }
    (head, lines)
}

/// Where each curve crosses the chart's threshold, a sentence each.
pub(crate) fn crossings(chart: &Chart) -> Vec<String> {
    let Some(threshold) = &chart.threshold else { return Vec::new() };
    let level = format!("{:.2} %", 100.0 * threshold.accuracy);
    let sentence = |curve: &AccuracyCurve| {
        let crossing = curve.crossing?;
        let who = format!("{} (seed {}), {}", curve.network, curve.training_seed, curve.attack);
        let left = curve.points.last().map_or(f64::NAN, |point| point.accuracy);
        Some(match crossing.at {
            Some(at) => {
                format!("{who}: at or below {level} first after {}.", counted(at, "step", "steps"))
            }
            None => format!(
                "{who}: never at or below {level} within {}; {} % are left then.",
                counted(crossing.within, "step", "steps"),
                percent(left)
            ),
        })
    };
    chart.curves.iter().filter_map(sentence).collect()
}

fn counted(count: f64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1.0 { one } else { many })
}

/// The networks of a chart, in order: one panel each.
pub(crate) fn panels(chart: &Chart) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let names = chart.curves.iter().map(|curve| curve.network.as_str());
    names.filter(|name| seen.insert(*name)).collect()
}

/// The attacks of a chart, in order: one colour each.
pub(crate) fn attacks(chart: &Chart) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let names = chart.curves.iter().map(|curve| curve.attack.as_str());
    names.filter(|name| seen.insert(*name)).collect()
}

/// The head of the table of Figure 2.
pub(crate) const DIGITS_HEAD: [&str; 5] =
    ["test digit", "label", "read as, natural", "read as, attacked", "distance"];

/// A digit of Figure 2 as a line under [`DIGITS_HEAD`].
pub(crate) fn digit(figure: &DigitFigure, pair: &DigitPair) -> Vec<String> {
    vec![
        pair.id.to_string(),
        pair.label.to_string(),
        pair.natural_prediction.to_string(),
        pair.prediction.to_string(),
        distance(figure, pair),
    ]
}

/// A distance with its norm: `l2 1.98`.
pub(crate) fn distance(figure: &DigitFigure, pair: &DigitPair) -> String {
    format!("{} {:.2}", norm(&figure.norm), pair.distance)
}
