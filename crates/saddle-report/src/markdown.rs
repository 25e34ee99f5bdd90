//! The report as Markdown, readable as plain text and on a code host. Pictures are linked by name:
//! `summary.svg` ([`Report::summary_svg`]) and the id of each figure ([`Figure::to_svg`]).
//!
//! [`Figure::to_svg`]: crate::Figure::to_svg

mod claims;

use std::fmt::Write as _;

use crate::grid::{Grid, grids};
use crate::paper::row_in_words;
use crate::report::Report;
use crate::words;

mod curves;
mod ladder;
mod verdicts;

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
    claims::verdicts(&mut text, report);
    section(&mut text, "How to read this");
    bullets(&mut text, words::how_to_read(report).into_iter());

    section(&mut text, words::DIFFER);
    let _ = writeln!(text, "{}", words::differ_in_words(report));
    for (words, found) in words::differences(report) {
        let _ = writeln!(text, "\n{words}");
        if report.differences.is_empty() {
            text.push('\n');
            bullets(&mut text, found.into_iter());
        }
    }
    claims::causes(&mut text, report);
    if !report.cells.is_empty() {
        text.push_str("\n![Table 1: ours beside the paper's](summary.svg)\n");
    }

    for grid in grids(&report.cells) {
        table(&mut text, report, &grid);
    }
    bounds(&mut text, report);
    for figure in &report.figures {
        section(&mut text, &figure.title);
        let (title, id) = (escaped(&figure.title), escaped(&figure.id));
        let _ = writeln!(
            text,
            "![{title}]({id}.svg)\n\n{} {}\n",
            escaped(&figure.caption),
            words::FIGURE
        );
        rows_of(&mut text, &words::FIGURE_HEAD, figure.series.iter().map(words::series));
    }
    curves::all(&mut text, report);
    rivals(&mut text, report);
    ladder::ladder(&mut text, report);
    verdicts::verdicts(&mut text, report);
    provenance(&mut text, report);
    text
}

fn table(text: &mut String, report: &Report, grid: &Grid<'_>) {
    section(text, &words::table_title(grid));
    let _ = writeln!(text, "{}\n", words::setting_in_words(grid.setting));

    // At a glance: networks down, attacks across, ours (paper's).
    let labels: Vec<String> = grid.rows.iter().map(|row| row_in_words(row)).collect();
    let mut head = vec!["network"];
    head.extend(labels.iter().map(String::as_str));
    let rows = grid.columns.iter().map(|column| {
        let across = grid.rows.iter().map(|row| {
            let seeds = column.row(row).map(|cell| {
                let (ours, paper) = words::at_a_glance(column, cell);
                let paper = paper.map(|paper| format!(" ({paper})")).unwrap_or_default();
                format!("{ours}{paper}").trim().to_owned()
            });
            seeds.collect::<Vec<_>>().join("; ")
        });
        let missing = if column.is_missing() { " (missing)" } else { "" };
        std::iter::once(format!("{}{missing}", column.network)).chain(across).collect()
    });
    rows_of(text, &head, rows);

    for column in grid.columns.iter().filter(|column| !column.is_missing()) {
        let _ = writeln!(text, "\n### {}: {}\n", escaped(column.network), words::training(column));
        let rows = column.cells.iter().map(|cell| {
            let [interval, n, passes] = words::details(cell);
            let row = row_in_words(&cell.row);
            let (ours, paper, mark) =
                (words::ours(cell), words::papers(cell), words::marked_side(cell));
            vec![row, ours, interval, n, passes, cell.seed.to_string(), paper, mark.to_owned()]
        });
        let head = ["attack", "accuracy", "95 % interval", "n", "passes", "seed", "paper", ""];
        rows_of(text, &head, rows);
    }

    let unmeasured = words::unmeasured(grid);
    if !unmeasured.is_empty() {
        let _ = writeln!(text, "\nNot measured: {}.", escaped(&unmeasured.join(", ")));
    }

    let attacks = words::notes(report, grid);
    let attacks = attacks.map(|note| format!("{}: {}.", row_in_words(&note.row), note.words));
    let attacks: Vec<String> = attacks.collect();
    if !attacks.is_empty() {
        text.push_str("\nThe attacks behind the rows:\n\n");
        bullets(text, attacks.into_iter());
    }
}

fn bounds(text: &mut String, report: &Report) {
    if report.bounds.is_empty() {
        return;
    }
    section(text, words::bounds::TITLE);
    for paragraph in words::bounds::EXPLAINED {
        let _ = writeln!(text, "{paragraph}\n");
    }
    rows_of(text, &words::bounds::HEAD, report.bounds.iter().map(words::bounds::line));
    let sides = words::bounds::sides(report);
    if !sides.is_empty() {
        let _ = writeln!(text, "\n### {}\n", words::bounds::SIDES);
        rows_of(text, &words::bounds::SIDES_HEAD, sides.into_iter());
    }
    let sides = words::bounds::paper_sides(report);
    if !sides.is_empty() {
        let words = words::bounds::paper_in_words(report);
        let _ = writeln!(text, "\n### {}\n\n{words}\n", words::bounds::PAPER_SIDES);
        rows_of(text, &words::bounds::SIDES_HEAD, sides.into_iter());
    }
}

fn rivals(text: &mut String, report: &Report) {
    if report.rivals.is_empty() {
        return;
    }
    section(text, "S-O against its rivals");
    let _ = writeln!(text, "{}\n", words::rivals::how_to_read(&report.rivals));
    let (head, rows) = words::rivals::by_seed(&report.rivals);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    rows_of(text, &head, rows.into_iter());
    text.push('\n');
    let rows = words::rivals::sorted(&report.rivals).into_iter().map(|row| {
        let [rival, whole] = words::rivals::untested(row);
        let told = |test, none: &str, other| match test {
            Some(test) => {
                let [p, counts] = words::rivals::test(test, other);
                format!("{p}; {counts}")
            }
            None => none.to_owned(),
        };
        vec![
            row.network.clone(),
            words::rivals::threat(row),
            row.training_seed.to_string(),
            row.attack.clone(),
            words::rivals::role(row.role).to_owned(),
            format!("≤ {} %", crate::number::percent(row.accuracy)),
            format!("{} %", crate::number::interval(row.wilson95)),
            row.total.to_string(),
            row.passes_per_example.map_or_else(|| "–".to_owned(), crate::number::amount),
            told(row.mcnemar, rival, "rival"),
            told(row.against_so, whole, "S-O"),
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
        "mean passes",
        "p against the best rival",
        "p against S-O",
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
