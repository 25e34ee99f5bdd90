//! What the report says about bounds that hold for every classifier.

use crate::bounds::{Bound, Classifiers, Held, Method, MethodBound};
use crate::number::percent;
use crate::paper::row_in_words;
use crate::report::Report;

pub(crate) const TITLE: &str = "What no classifier can do";

/// What the bounds mean and where they come from.
pub(crate) const EXPLAINED: [&str; 3] = [
    "Two digits with different labels are in conflict when one image lies within epsilon of both: on \
     that image no classifier can be right for both. Digits on which a classifier is robust are free \
     of conflicts among themselves, so the conflicts limit how many digits any classifier can be \
     robust on. Distances are whole numbers on the grid of bytes; a pair at exactly twice epsilon is \
     in conflict, as epsilon itself belongs to the ball. The midpoint of two images always lies in \
     the pixel box.",
    "Of disjoint pairs in conflict one digit each is lost (matching); with weights on pairs (packing) \
     at least as many. Both hold for randomised classifiers too, by the mean over digits of the \
     least probability of the right label within the ball. Of a group of digits that are all in \
     conflict with one another all but one are lost (cliques); that holds for deterministic \
     classifiers only. Conflict graphs: Bhagoji, Cullina and Mittal (2019); Dai et al. (2023).",
    "A bound belongs to the digits that it was computed on. An accuracy above its bound is no \
     robustness: the attack has failed on digits that can be fooled, whatever the network.",
];

pub(crate) const SIDES: &str = "On which side of its bound each l2 cell lies";

pub(crate) const PAPER_SIDES: &str = "The paper's l2 cells";

/// The head of the table of bounds.
pub(crate) const HEAD: [&str; 8] = [
    "threat",
    "digits",
    "pairs in conflict",
    "matching",
    "packing",
    "cliques",
    "no classifier above",
    "classifiers",
];

/// The head of the tables of sides.
pub(crate) const SIDES_HEAD: [&str; 7] =
    ["network", "table", "seed", "attack", "accuracy", "bound", "side"];

/// A bound as a line under [`HEAD`].
pub(crate) fn line(bound: &Bound) -> Vec<String> {
    let of = |method| {
        let found = bound.by_method.iter().find(|own: &&MethodBound| own.method == method);
        found.map_or_else(|| "–".to_owned(), |own| finely(own.upper_bound))
    };
    let classifiers = match bound.classifiers {
        Classifiers::Deterministic => "deterministic",
        Classifiers::All => "all",
    };
    vec![
        format!("{} ≤ {}", bound.norm, bound.epsilon),
        digits(bound),
        bound.conflicts.to_string(),
        of(Method::MaximumMatching),
        of(Method::FractionalPacking),
        of(Method::CliqueCover),
        finely(bound.upper_bound),
        classifiers.to_owned(),
    ]
}

/// How many digits, and whose.
fn digits(bound: &Bound) -> String {
    let mut tables: Vec<&str> = Vec::new();
    for row in &bound.rows {
        if !tables.contains(&row.table.as_str()) {
            tables.push(&row.table);
        }
    }
    let whole = if bound.all_test_digits { "all test digits" } else { "" };
    let names: Vec<&str> = std::iter::once(whole).chain(tables).filter(|n| !n.is_empty()).collect();
    format!("{} ({})", bound.digits, names.join(", "))
}

/// Our l2 cells that have a bound, as lines under [`SIDES_HEAD`].
pub(crate) fn sides(report: &Report) -> Vec<Vec<String>> {
    let held = report.held_against_bounds().filter(|held| held.bound.norm == "l2");
    held.map(|held| side(&held)).collect()
}

/// The paper's l2 cells, as lines under [`SIDES_HEAD`].
pub(crate) fn paper_sides(report: &Report) -> Vec<Vec<String>> {
    report.paper_against_bounds().iter().map(side).collect()
}

/// How many lie above, of how many.
pub(crate) fn paper_in_words(report: &Report) -> String {
    let held = report.paper_against_bounds();
    let above = held.iter().filter(|held| held.above).count();
    let bound = held.first().map_or_else(String::new, |held| finely(held.bound.upper_bound));
    format!(
        "{above} of the {} cells within l2 4.0 lie above {bound}, the bound for all test digits. The \
         paper does not say which test digits it used; all are assumed.",
        held.len()
    )
}

fn side(held: &Held<'_>) -> Vec<String> {
    vec![
        held.network.clone(),
        held.table.to_owned(),
        held.seed.map_or_else(|| "–".to_owned(), |seed| seed.to_string()),
        row_in_words(held.row),
        format!("{} %", percent(held.accuracy)),
        finely(held.bound.upper_bound),
        if held.above { "above" } else { "within" }.to_owned(),
    ]
}

/// A share with two decimals: bounds close to 100 % differ in the second.
fn finely(share: f64) -> String {
    if share.is_finite() { format!("{:.2} %", 100.0 * share) } else { "not a number".to_owned() }
}
