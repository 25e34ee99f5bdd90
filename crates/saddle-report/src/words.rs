//! The sentences of the report, said once and shown in every form.

use crate::cell::{Cell, Setting, Shown};
use crate::grid::{Column, Grid, tally};
use crate::number::{amount, interval, percent};
use crate::paper::{TrainingNorm, row_in_words};
use crate::report::{Finding, Report};
use crate::rivals::{RivalRow, Role};

pub(crate) const TITLE: &str = "Norm-agnostic robustness, measured";

/// What a reader new to the field must know, in order.
pub(crate) const HOW_TO_READ: [&str; 6] = [
    "A network reads handwritten digits. An attack changes the pixels of a digit a little, within a \
     stated distance, so that the network reads another digit.",
    "Accuracy is the share of test digits that the network still reads rightly. Without an attack \
     it is called natural, under an attack robust.",
    "A robust accuracy is an upper bound: it says that this attack, with this many passes, did not \
     find more. A better attack may. Hence the sign ≤. A low number is a proof of weakness; a high \
     one is no proof of strength.",
    "The distance is measured in a norm: l2 is the length of the change, l-infinity the largest \
     change of a single pixel. PGD climbs the gradient of the loss; S-O (second order) averages \
     gradients at noisy copies of the image.",
    "The 95 % interval (Wilson) says how far the number may be off because only n digits were \
     tried. It says nothing about other networks, seeds or attacks.",
    "Passes are forward and backward runs of the network per digit: what the attack cost. The mark ≠ \
     stands where our interval excludes the figure that the paper prints.",
];

/// `table1` and its kin in words.
pub(crate) fn table_title(grid: &Grid<'_>) -> String {
    match grid.table {
        "table1" => "Table 1 in the paper's setting".to_owned(),
        "table1_strong" => "Table 1 in the strong setting".to_owned(),
        other => format!("{other} ({} setting)", setting(grid.setting)),
    }
}

pub(crate) fn setting(setting: Setting) -> &'static str {
    match setting {
        Setting::Paper => "paper",
        Setting::Strong => "strong",
    }
}

/// What the setting means.
pub(crate) fn setting_in_words(setting: Setting) -> &'static str {
    match setting {
        Setting::Paper => {
            "A digit counts as fooled if the last image of the attack fools the network; the attack \
             does not stop early."
        }
        Setting::Strong => {
            "A digit counts as fooled if any image on the way of the attack fools the network."
        }
    }
}

/// How a network was trained: `Madry, l-infinity`.
pub(crate) fn training(column: &Column<'_>) -> String {
    let Some(cell) = column.cells.first() else { return String::new() };
    let defense = match cell.defense.as_str() {
        "natural" => "trained without attacks",
        "madry" => "Madry",
        "trades" => "TRADES",
        "ensemble" => "Ensemble",
        "atda" => "ATDA",
        other => other,
    };
    match cell.training_norm {
        None => defense.to_owned(),
        Some(TrainingNorm::L2) => format!("{defense}, trained with l2"),
        Some(TrainingNorm::Linf) => format!("{defense}, trained with l-infinity"),
        Some(TrainingNorm::Mix) => format!("{defense}, trained with l2 and l-infinity in turn"),
    }
}

/// Our accuracy: `≤ 92.5 %`, or the word for its absence. Natural accuracy is no bound.
pub(crate) fn ours(cell: &Cell) -> String {
    match cell.shown() {
        Shown::Measured { accuracy, .. } if cell.row == "natural" => {
            format!("{} %", percent(accuracy))
        }
        Shown::Measured { accuracy, .. } => format!("≤ {} %", percent(accuracy)),
        Shown::Missing => "missing".to_owned(),
        Shown::Failed => "failed".to_owned(),
    }
}

/// The paper's figure, or a dash where it has none.
pub(crate) fn papers(cell: &Cell) -> String {
    cell.paper.map_or_else(|| "–".to_owned(), |paper| format!("{} %", percent(paper)))
}

/// `≠` where the cell contradicts the paper.
pub(crate) fn mark(cell: &Cell) -> &'static str {
    if Finding::of(cell).is_some() { "≠" } else { "" }
}

/// Interval, n and passes of a cell; dashes where there is no measurement.
pub(crate) fn details(cell: &Cell) -> [String; 3] {
    let dash = || "–".to_owned();
    match cell.shown() {
        Shown::Measured { total, interval: ends, .. } => {
            let passes = cell.passes_per_example.map_or_else(dash, amount);
            [format!("{} %", interval(ends)), total.to_string(), passes]
        }
        _ => [dash(), dash(), dash()],
    }
}

/// A contradiction as a sentence.
pub(crate) fn finding(finding: &Finding<'_>) -> String {
    let cell = finding.cell;
    let side = if finding.ours < finding.paper { "below" } else { "above" };
    format!(
        "{}, {} ({} setting, seed {}): ours {} % (95 % interval {} %), the paper's {} %; ours is {side} it.",
        cell.network,
        row_in_words(&cell.row),
        setting(cell.setting),
        cell.seed,
        percent(finding.ours),
        interval(finding.interval),
        percent(finding.paper),
    )
}

/// How much of the plan is there.
pub(crate) fn completeness(report: &Report) -> String {
    let [measured, missing, failed] = tally(&report.cells);
    format!("{measured} cells measured, {missing} missing, {failed} failed")
}

pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::SecondOrder => "S-O",
        Role::Part => "part of S-O",
        Role::Rival => "rival",
    }
}

pub(crate) const RIVALS: &str = "Each attack had at most the passes shown, on the same digits. The \
     p-value (exact McNemar test) asks how likely a difference this large would be if the attack and \
     the best rival were equally strong; counts are digits that only one of the two fooled. Rows are \
     grouped by network, norm, epsilon and training seed.";

pub(crate) const FIGURE: &str = "Solid line: mean. Dashed line: median. Band: 5 % to 95 % of the \
     digits. The axis is logarithmic; a value too small for it lies on its lower edge.";

/// The comparison in the order of the table: groups, then S-O, its parts, rivals by strength.
pub(crate) fn sorted_rivals(rivals: &[RivalRow]) -> Vec<&RivalRow> {
    let mut rows: Vec<&RivalRow> = rivals.iter().collect();
    rows.sort_by(|a, b| {
        let group = |row: &RivalRow| (row.network.clone(), row.norm.clone());
        group(a)
            .cmp(&group(b))
            .then(a.epsilon.total_cmp(&b.epsilon))
            .then(a.training_seed.cmp(&b.training_seed))
            .then(a.role.cmp(&b.role))
            .then(a.accuracy.total_cmp(&b.accuracy))
    });
    rows
}

/// Threat model of a comparison: `l2 ≤ 4`.
pub(crate) fn threat(row: &RivalRow) -> String {
    format!("{} ≤ {}", row.norm, row.epsilon)
}

/// The test of a comparison: p-value and counts.
pub(crate) fn test(row: &RivalRow) -> String {
    match row.mcnemar {
        Some(test) => {
            let p = crate::number::p_value(test.p);
            format!("{p} (only this {}, only rival {})", test.only_this, test.only_rival)
        }
        None => "the best rival".to_owned(),
    }
}
