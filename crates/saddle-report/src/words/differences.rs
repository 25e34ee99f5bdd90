//! What the report says about causes of differences from the paper.

use super::claims::{points, share};
use crate::claims::{Difference, Tried};
use crate::number::percent;
use crate::paper::row_in_words;
use crate::report::Report;

pub(crate) const TITLE: &str = "What causes the differences";

/// Head of the table.
pub(crate) const HEAD: [&str; 7] =
    ["network", "row", "seed", "ours", "the paper's", "gap in points", "cause"];

/// How a cause is found, and how many differences have one.
pub(crate) fn in_words(report: &Report) -> String {
    let explained = report.differences.iter().filter(|row| row.explained).count();
    format!(
        "{explained} of {} differences have a cause. A choice is accepted as cause if the cell, run again \
         on the digits that both share with this one choice changed, comes closer to the paper's figure by at \
         least half the gap, and the 95 % interval of its move excludes zero. Which choices were \
         tried stood in the plan before the run; everything else is unexplained.",
        report.differences.len()
    )
}

/// A difference as a line under [`HEAD`].
pub(crate) fn line(row: &Difference) -> Vec<String> {
    let told = |which: fn(&Tried) -> bool| {
        let tried: Vec<String> = row.tried.iter().filter(|one| which(one)).map(tried).collect();
        tried.join("; ")
    };
    let causes = told(|tried| tried.accepted);
    let mut words = if causes.is_empty() { "unexplained".to_owned() } else { causes };
    for (what, others) in [
        ("not the cause", told(|tried| !tried.accepted && tried.moved.is_some())),
        ("not run", told(|tried| !tried.accepted && tried.moved.is_none())),
    ] {
        if !others.is_empty() {
            words = format!("{words}; {what}: {others}");
        }
    }
    vec![
        format!("{} ({})", row.network, row.table),
        row_in_words(&row.row),
        row.seed.to_string(),
        share(row.ours),
        format!("{} %", percent(row.paper)),
        points(row.gap),
        words,
    ]
}

fn tried(tried: &Tried) -> String {
    let (Some(share), Some(moved), Some([low, high]), Some(closed)) =
        (tried.share, tried.moved, tried.interval95, tried.closed)
    else {
        return format!("{} ({}: {})", tried.choice, tried.changed, tried.absent);
    };
    let effect = if closed >= 0.0 {
        format!("closes {:.0} % of the gap", 100.0 * closed)
    } else {
        format!("widens the gap by {:.0} %", -100.0 * closed)
    };
    format!(
        "{} {effect} (to {} %, n {}, {} points, {} to {})",
        tried.choice,
        percent(share.accuracy),
        share.total,
        points(moved),
        points(low),
        points(high),
    )
}
