//! The sentences of the report, said once and shown in every form.

pub(crate) mod bounds;
pub(crate) mod claims;
pub(crate) mod curves;
pub(crate) mod differences;
pub(crate) mod ladder;
pub(crate) mod rivals;
pub(crate) mod verdicts;

use crate::cell::{Cell, Setting, Shown};
use crate::figure::Series;
use crate::grid::{Column, Grid, tally};
use crate::number::{amount, interval, percent};
use crate::paper::{TrainingNorm, row_in_words};
use crate::report::{AttackNote, Finding, Report, Side};

pub(crate) const TITLE: &str = "Norm-agnostic robustness, measured";

/// What a reader new to the field must know, in order.
pub(crate) const HOW_TO_READ: [&str; 8] = [
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
    "Worst of all: a digit counts as standing only if it stands under every attack of the table in \
     that norm and radius, PGD and S-O alike; where both norms are named, under every attack in l2 within \
     4.0 and in l-infinity within 0.3. By construction it is never above any of them.",
    "Nearest digits: straight toward digits of other classes, without any gradient. Where that leaves fewer \
     digits standing than an attack with gradients under the same threat, that attack is marked as broken.",
    "Passes are forward and backward runs of the network per digit: what the attack cost. The mark ≠ \
     stands where our interval excludes the figure that the paper prints.",
];

/// [`HOW_TO_READ`], of images and classes where the data set is not MNIST.
pub(crate) fn how_to_read(report: &Report) -> Vec<String> {
    let mut lines = HOW_TO_READ.map(str::to_owned);
    if let Some(dataset) = &report.dataset {
        let classes = dataset.classes.iter().enumerate();
        let classes: Vec<String> = classes.map(|(label, name)| format!("{label} {name}")).collect();
        lines[0] = format!(
            "A network tells the images of {} apart, by these classes: {}. An attack changes the pixels of \
             an image a little, within a stated distance, so that the network takes it for one of \
             another class. Wherever this report speaks of digits, it means these images.",
            dataset.name,
            classes.join(", ")
        );
    }
    lines.into()
}

/// The name of the data set.
pub(crate) fn dataset(report: &Report) -> &str {
    report.dataset.as_ref().map_or("MNIST", |dataset| &dataset.name)
}

/// `table1` and its kin in words.
pub(crate) fn table_title(grid: &Grid<'_>) -> String {
    match grid.table {
        "table1" => "Table 1 in the paper's setting".to_owned(),
        "table1_strong" => "Table 1 in the strong setting".to_owned(),
        "table1_more" => "Other trainings in the paper's setting".to_owned(),
        "table1_more_strong" => "Other trainings in the strong setting".to_owned(),
        "table1_short_steps" => "A tenth of PGD's raw step, else the paper's setting".to_owned(),
        "trades_small" => "The network of the TRADES authors' program in its own norm".to_owned(),
        "single_step" => {
            "One step of length epsilon (FGSM), as single-step training meets it".to_owned()
        }
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
    let steps = cell.inner_steps.as_ref().map(|steps| format!(" ({steps} steps)"));
    let norm = match cell.training_norm {
        None => return defense.to_owned(),
        Some(TrainingNorm::L2) => "l2",
        Some(TrainingNorm::Linf) => "l-infinity",
        Some(TrainingNorm::Mix) => "l2 and l-infinity in turn",
    };
    format!("{defense}, trained with {norm}{}", steps.unwrap_or_default())
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

/// The paper's figure for the same setting, or a dash where it has none.
pub(crate) fn papers(cell: &Cell) -> String {
    cell.comparable().map_or_else(|| "–".to_owned(), |paper| format!("{} %", percent(paper)))
}

/// `≠` where the cell differs from the paper.
pub(crate) fn mark(cell: &Cell) -> &'static str {
    if Finding::of(cell).is_some() { "≠" } else { "" }
}

/// The mark with the side of the paper's figure on which ours lies, and whether the attack is broken.
pub(crate) fn marked_side(cell: &Cell) -> String {
    let side = match Finding::of(cell) {
        Some(finding) if finding.ours < finding.paper => "≠ below",
        Some(_) => "≠ above",
        None => "",
    };
    let broken = cell.weaker_than.as_ref();
    let broken = broken.map(|row| format!("broken: {} leave fewer", row_in_words(row)));
    format!("{side} {}", broken.unwrap_or_default()).trim().to_owned()
}

/// The notes on the attacks of one table.
pub(crate) fn notes<'a>(
    report: &'a Report,
    grid: &'a Grid<'_>,
) -> impl Iterator<Item = &'a AttackNote> {
    let notes = report.provenance.attacks.iter();
    notes.filter(|note| note.table == grid.table && note.setting == grid.setting)
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

pub(crate) const DIFFER: &str = "Where we differ from the paper";

/// What stands over the differences: what was compared and what was not corrected for.
pub(crate) fn differ_in_words(report: &Report) -> String {
    if let Some(dataset) = &report.dataset {
        let name = &dataset.name;
        return format!(
            "The paper's figures are of MNIST; what was measured on {name} is held against none."
        );
    }
    let compared = report.cells.iter().filter(|cell| {
        cell.comparable().is_some() && matches!(cell.shown(), Shown::Measured { .. })
    });
    let compared = compared.count();
    let found = report.findings().count();
    format!(
        "Of {compared} measured cells that the paper has too, {found} have a 95 % interval that excludes \
         the paper's figure. The interval covers the sampling of our digits alone: the paper's own \
         sampling error and the number of comparisons are not corrected for, so at least one cell in \
         twenty would be listed even if nothing differed. The strong setting is another \
         measurement and is not held against the paper."
    )
}

/// The differences by what they can mean, with a sentence for each group; empty groups are left out.
pub(crate) fn differences(report: &Report) -> Vec<(&'static str, Vec<String>)> {
    let groups = [
        (
            Side::Below,
            "Below the paper's figure: this attack on this network leaves less. The network was \
             trained anew, so it is not the paper's.",
        ),
        (
            Side::Above,
            "Above the paper's figure: no contradiction. Ours is an upper bound; the attack may be \
             weaker here, or the network another.",
        ),
        (
            Side::Natural,
            "Natural digits: no attack is involved. This is a difference of training recipes.",
        ),
    ];
    let of = |side| report.findings().filter(move |finding| finding.side() == side);
    groups
        .into_iter()
        .map(|(side, words)| (words, of(side).map(|found| finding(&found)).collect::<Vec<_>>()))
        .filter(|(_, found)| !found.is_empty())
        .collect()
}

/// A difference as a sentence.
fn finding(finding: &Finding<'_>) -> String {
    let cell = finding.cell;
    format!(
        "{}, {} ({} setting, seed {}): ours {} % (95 % interval {} %), the paper's {} %.",
        cell.network,
        row_in_words(&cell.row),
        setting(cell.setting),
        cell.seed,
        percent(finding.ours),
        interval(finding.interval),
        percent(finding.paper),
    )
}

/// A cell of the table at a glance: ours, the mark, and the paper's figure apart. Where nothing of the
/// network was measured the word `missing` stands once, at its name, and ours is left out.
pub(crate) fn at_a_glance(column: &Column<'_>, cell: &Cell) -> (String, Option<String>) {
    let ours = if column.is_missing() { String::new() } else { ours(cell) };
    let paper = cell.comparable().map(|_| format!("paper {}", papers(cell)));
    let broken = if cell.weaker_than.is_some() { "broken" } else { "" };
    let words = [ours.as_str(), mark(cell), broken].into_iter().filter(|word| !word.is_empty());
    (words.collect::<Vec<_>>().join(" "), paper)
}

/// The columns without any measurement, as `name (training)`.
pub(crate) fn unmeasured(grid: &Grid<'_>) -> Vec<String> {
    let empty = grid.columns.iter().filter(|column| column.is_missing());
    empty.map(|column| format!("{} ({})", column.network, training(column))).collect()
}

/// How much of the plan is there.
pub(crate) fn completeness(report: &Report) -> String {
    let [measured, missing, failed] = tally(&report.cells);
    format!("{measured} cells measured, {missing} missing, {failed} failed")
}

pub(crate) const FIGURE: &str = "Solid line: mean. Dashed line: median. Band: 5 % to 95 % of the \
     digits. The axis is logarithmic; a value too small for it lies on its lower edge.";

/// The head of the table under a figure.
pub(crate) const FIGURE_HEAD: [&str; 9] = [
    "series",
    "mean, start",
    "mean, end",
    "median, start",
    "median, end",
    "5 % to 95 %, start",
    "5 % to 95 %, end",
    "n",
    "seed",
];

/// A series of a figure as a line under [`FIGURE_HEAD`].
pub(crate) fn series(series: &Series) -> Vec<String> {
    let number = |value: Option<&f64>| {
        let finite = value.filter(|value| value.is_finite());
        finite.map_or_else(|| "–".to_owned(), |value| format!("{value:.3e}"))
    };
    let ends = |values: &[f64]| [number(values.first()), number(values.last())];
    let [low, high] = [ends(&series.low), ends(&series.high)];
    let mut line = vec![series.label.clone()];
    line.extend(ends(&series.mean));
    line.extend(ends(&series.median));
    line.extend((0..2).map(|end| format!("{} to {}", low[end], high[end])));
    line.extend([series.examples.to_string(), series.seed.to_string()]);
    line
}
