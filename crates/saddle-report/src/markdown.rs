//! The report as Markdown, readable as plain text and on a code host. Pictures are linked by name:
//! `summary.svg` ([`Report::summary_svg`]) and the id of each figure ([`Figure::to_svg`]).
//!
//! [`Figure::to_svg`]: crate::Figure::to_svg

use std::fmt::Write as _;

use crate::grid::{Grid, grids};
use crate::paper::row_in_words;
use crate::report::Report;
use crate::words;

impl Report {
    /// The report as Markdown.
    pub fn to_markdown(&self) -> String {
        render(self)
    }
}

fn render(report: &Report) -> String {
    let mut text = format!(
        "# {}\n\nProfile `{}`, seed {}, commit `{}`. {}.\n",
        words::TITLE,
        escaped(&report.profile),
        report.seed,
        escaped(&report.commit),
        words::completeness(report),
    );
    section(&mut text, "How to read this");
    bullets(&mut text, words::HOW_TO_READ.iter().map(|line| (*line).to_owned()));

    let findings: Vec<String> = report.findings().map(|finding| words::finding(&finding)).collect();
    section(&mut text, "Where we contradict the paper");
    if findings.is_empty() {
        text.push_str("No measured cell excludes the paper's figure.\n");
    }
    bullets(&mut text, findings.into_iter());
    if !report.cells.is_empty() {
        text.push_str("\n![Table 1: ours beside the paper's](summary.svg)\n");
    }

    for grid in grids(&report.cells) {
        table(&mut text, report, &grid);
    }
    for figure in &report.figures {
        section(&mut text, &figure.title);
        let (title, id) = (escaped(&figure.title), escaped(&figure.id));
        let _ = writeln!(
            text,
            "![{title}]({id}.svg)\n\n{} {}\n",
            escaped(&figure.caption),
            words::FIGURE
        );
        let rows = figure.series.iter().map(|series| {
            let end = |values: &[f64]| {
                let ends = [values.first(), values.last()];
                ends.map(|value| {
                    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3e}"))
                })
            };
            let ([first, last], [median_first, median_last]) =
                (end(&series.mean), end(&series.median));
            let (n, seed) = (series.examples.to_string(), series.seed.to_string());
            vec![series.label.clone(), first, last, median_first, median_last, n, seed]
        });
        let head =
            ["series", "mean, start", "mean, end", "median, start", "median, end", "n", "seed"];
        rows_of(&mut text, &head, rows);
    }
    rivals(&mut text, report);
    provenance(&mut text, report);
    text
}

fn table(text: &mut String, report: &Report, grid: &Grid<'_>) {
    section(text, &words::table_title(grid));
    let _ = writeln!(text, "{}\n", words::setting_in_words(grid.setting));

    // At a glance: rows down, networks across, ours (paper's).
    let mut head = vec![""];
    head.extend(grid.columns.iter().map(|column| column.network));
    let rows = grid.rows.iter().map(|row| {
        let across = grid.columns.iter().map(|column| {
            let seeds = column.row(row).map(|cell| {
                let paper = cell.paper.map(|_| format!(" (paper {})", words::papers(cell)));
                format!("{}{} {}", words::ours(cell), paper.unwrap_or_default(), words::mark(cell))
                    .trim_end()
                    .to_owned()
            });
            seeds.collect::<Vec<_>>().join("; ")
        });
        std::iter::once(row_in_words(row).to_owned()).chain(across).collect()
    });
    rows_of(text, &head, rows);

    for column in &grid.columns {
        let _ = writeln!(text, "\n### {}: {}\n", escaped(column.network), words::training(column));
        let rows = column.cells.iter().map(|cell| {
            let [interval, n, passes] = words::details(cell);
            let row = row_in_words(&cell.row).to_owned();
            let (ours, paper, mark) = (words::ours(cell), words::papers(cell), words::mark(cell));
            vec![row, ours, interval, n, passes, cell.seed.to_string(), paper, mark.to_owned()]
        });
        let head = ["attack", "accuracy", "95 % interval", "n", "passes", "seed", "paper", ""];
        rows_of(text, &head, rows);
    }

    let attacks = report.provenance.attacks.iter().filter(|note| note.setting == grid.setting);
    let attacks = attacks.map(|note| format!("{}: {}.", row_in_words(&note.row), note.words));
    let attacks: Vec<String> = attacks.collect();
    if !attacks.is_empty() {
        text.push_str("\nThe attacks behind the rows:\n\n");
        bullets(text, attacks.into_iter());
    }
}

fn rivals(text: &mut String, report: &Report) {
    if report.rivals.is_empty() {
        return;
    }
    section(text, "S-O against its rivals");
    let _ = writeln!(text, "{}\n", words::RIVALS);
    let rows = words::sorted_rivals(&report.rivals).into_iter().map(|row| {
        vec![
            row.network.clone(),
            words::threat(row),
            row.training_seed.to_string(),
            row.attack.clone(),
            words::role(row.role).to_owned(),
            format!("≤ {} %", crate::number::percent(row.accuracy)),
            format!("{} %", crate::number::interval(row.wilson95)),
            row.total.to_string(),
            row.passes_per_example.map_or_else(|| "–".to_owned(), crate::number::amount),
            words::test(row),
        ]
    });
    let head = [
        "network",
        "threat",
        "seed",
        "attack",
        "role",
        "accuracy",
        "95 % interval",
        "n",
        "passes",
        "p against the best rival",
    ];
    rows_of(text, &head, rows);
}

fn provenance(text: &mut String, report: &Report) {
    let from = &report.provenance;
    if !from.choices.is_empty() {
        section(text, "What the paper leaves open and what was chosen");
        let rows = from
            .choices
            .iter()
            .map(|choice| vec![choice.name.clone(), choice.value.clone(), choice.evidence.clone()]);
        rows_of(text, &["choice", "value", "evidence"], rows);
    }
    if !from.failures.is_empty() {
        section(text, "What failed");
        let lines = from.failures.iter();
        bullets(text, lines.map(|failure| format!("{}: {}", failure.what, failure.reason)));
    }
    if !from.notes.is_empty() {
        section(text, "Notes");
        bullets(text, from.notes.iter().cloned());
    }
    if !from.facts.is_empty() {
        section(text, "Where the numbers come from");
        let rows = from.facts.iter().map(|fact| vec![fact.name.clone(), fact.value.clone()]);
        rows_of(text, &["", ""], rows);
    }
}

fn section(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n## {}\n", escaped(title));
}

fn bullets(text: &mut String, lines: impl Iterator<Item = String>) {
    for line in lines {
        let _ = writeln!(text, "- {}", escaped(&line));
    }
}

fn rows_of(text: &mut String, head: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let line = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.map(|cell| escaped(&cell)).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text.push_str(&line(&mut head.iter().map(|cell| (*cell).to_owned())));
    text.push_str(&line(&mut head.iter().map(|_| "---".to_owned())));
    for row in rows {
        text.push_str(&line(&mut row.into_iter()));
    }
}

/// One line, in which neither a table nor a tag can begin.
fn escaped(words: &str) -> String {
    words.replace(['\n', '\r'], " ").replace('|', "\\|").replace('<', "&lt;")
}
