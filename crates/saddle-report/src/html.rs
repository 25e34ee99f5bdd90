//! The report as one HTML page: style and drawings inside, no script, nothing fetched. It follows the
//! reader's choice of light or dark; wide tables scroll on a phone, the page does not.

mod claims;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::cell::{Cell, Shown};
use crate::figure::Figure;
use crate::grid::{Column, Grid, grids};
use crate::paper::row_in_words;
use crate::plot::{self, Theme, color, css};
use crate::report::{Provenance, Report};
use crate::words;

mod curves;
mod ladder;
mod rivals;
mod verdicts;

const STYLE: &str = include_str!("style.css");

impl Report {
    /// The report as one HTML page that needs nothing else: no script, no font, no network.
    pub fn to_html(&self) -> String {
        render(self)
    }
}

/// A part of the page with a heading, which the contents point to.
struct Section {
    title: String,
    body: Markup,
}

impl Section {
    fn new(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), body }
    }

    /// The place to jump to: the title's letters and digits, hyphens for all else.
    fn anchor(&self) -> String {
        let words = self.title.split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        words.join("-").to_ascii_lowercase()
    }
}

fn sections(report: &Report) -> Vec<Section> {
    let mut all = Vec::new();
    if !report.claims.is_empty() {
        all.push(claims::verdicts(report));
    }
    all.extend([how_to_read(report), findings(report)]);
    all.extend(grids(&report.cells).iter().map(|grid| table(report, grid)));
    if !report.bounds.is_empty() {
        all.push(bounds(report));
    }
    all.extend(report.figures.iter().map(drawn));
    all.extend(curves::all(report));
    if !report.rivals.is_empty() {
        all.push(rivals::section(report));
    }
    all.extend(report.ladder.iter().map(ladder::section));
    all.extend(report.verdicts.iter().map(verdicts::section));
    all.extend(provenance(&report.provenance));
    all
}

fn render(report: &Report) -> String {
    let sections = sections(report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Saddle: " (words::TITLE) }
                style { (PreEscaped(colors())) (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (words::TITLE) }
                    p.faint {
                        "Profile " code { (report.profile) } ", seed " (report.seed) ", commit "
                        code { (report.commit) } ". " (words::completeness(report)) "."
                    }
                }
                nav aria-label="Contents" {
                    ol {
                        @for section in &sections {
                            li { a href={ "#" (section.anchor()) } { (section.title) } }
                        }
                    }
                }
                main {
                    @for section in &sections {
                        section id=(section.anchor()) { h2 { (section.title) } (section.body) }
                    }
                }
            }
        }
    };
    page.into_string()
}

/// The colours of the drawings as CSS variables, light and dark.
fn colors() -> String {
    let light = color::NAMES.map(|(color, name, _)| format!("--{name}: {};", css(color)));
    let dark = color::NAMES.map(|(_, name, dark)| format!("--{name}: {dark};"));
    format!(
        ":root {{ {} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {} }} }}\n",
        light.join(" "),
        dark.join(" ")
    )
}

fn how_to_read(report: &Report) -> Section {
    let lines = html! { ul { @for line in words::how_to_read(report) { li { (line) } } } };
    Section::new("How to read this", lines)
}

fn findings(report: &Report) -> Section {
    let body = html! {
        p { (words::differ_in_words(report)) }
        @for (words, found) in words::differences(report) {
            p { b { (words) } }
            @if report.differences.is_empty() {
                ul { @for finding in &found { li { (finding) } } }
            }
        }
        @if !report.differences.is_empty() { (claims::causes(report)) }
    };
    Section::new(words::DIFFER, body)
}

fn table(report: &Report, grid: &Grid<'_>) -> Section {
    let title = words::table_title(grid);
    let notes: Vec<_> = words::notes(report, grid).collect();
    let unmeasured = words::unmeasured(grid);
    let body = html! {
        p { (words::setting_in_words(grid.setting)) }
        figure.scroll role="img" aria-label=(title) {
            (PreEscaped(plot::accuracies(report, grid, Theme::Page)))
        }
        h3 { "At a glance" }
        div.scroll { (glance(grid)) }
        @if !notes.is_empty() {
            h3 { "The attacks behind the rows" }
            ul { @for note in notes { li { b { (row_in_words(&note.row)) } ": " (note.words) "." } } }
        }
        @for column in grid.columns.iter().filter(|column| !column.is_missing()) {
            (one_network(column))
        }
        @if !unmeasured.is_empty() { p.faint { "Not measured: " (unmeasured.join(", ")) "." } }
    };
    Section::new(title, body)
}

/// Networks down, attacks across.
fn glance(grid: &Grid<'_>) -> Markup {
    html! {
        table.glance {
            thead { tr { th { "network" } @for row in &grid.rows { th { (row_in_words(row)) } } } }
            tbody {
                @for column in &grid.columns {
                    tr.absent[column.is_missing()] {
                        td {
                            (column.network)
                            @if column.is_missing() { " " small { "missing" } }
                        }
                        @for row in &grid.rows {
                            td {
                                @for cell in column.row(row) {
                                    @let (ours, paper) = words::at_a_glance(column, cell);
                                    div { (ours) @if let Some(paper) = paper { small { (paper) } } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn one_network(column: &Column<'_>) -> Markup {
    html! {
        h3 { (column.network) " " small { (words::training(column)) } }
        div.scroll {
            table {
                thead {
                    tr {
                        th { "attack" } th { "accuracy" } th { "95 % interval" } th { "n" }
                        th { "passes" } th { "seed" } th { "paper" } th {}
                    }
                }
                tbody { @for cell in &column.cells { (one_cell(cell)) } }
            }
        }
    }
}

fn one_cell(cell: &Cell) -> Markup {
    let [interval, n, passes] = words::details(cell);
    let absent = !matches!(cell.shown(), Shown::Measured { .. });
    html! {
        tr {
            td { (row_in_words(&cell.row)) }
            td.number.absent[absent] { (words::ours(cell)) }
            td.number { (interval) }
            td.number { (n) }
            td.number { (passes) }
            td.number { (cell.seed) }
            td.number { (words::papers(cell)) }
            td.differs { (words::marked_side(cell)) }
        }
    }
}

fn drawn(figure: &Figure) -> Section {
    let body = html! {
        figure.scroll role="img" aria-label=(figure.title) {
            (PreEscaped(plot::curves(figure, Theme::Page)))
        }
        p { (figure.caption) }
        p.faint {
            (words::FIGURE)
            @for series in &figure.series {
                " " (series.label) ": " (series.examples) " digits, seed " (series.seed) "."
            }
        }
        (plain(&words::FIGURE_HEAD, figure.series.iter().map(words::series)))
    };
    Section::new(&figure.title, body)
}

fn bounds(report: &Report) -> Section {
    let (ours, papers) = (words::bounds::sides(report), words::bounds::paper_sides(report));
    let body = html! {
        @for paragraph in words::bounds::EXPLAINED { p { (paragraph) } }
        (plain(&words::bounds::HEAD, report.bounds.iter().map(words::bounds::line)))
        @if !ours.is_empty() {
            h3 { (words::bounds::SIDES) }
            (plain(&words::bounds::SIDES_HEAD, ours.into_iter()))
        }
        @if !papers.is_empty() {
            h3 { (words::bounds::PAPER_SIDES) }
            p { (words::bounds::paper_in_words(report)) }
            (plain(&words::bounds::SIDES_HEAD, papers.into_iter()))
        }
    };
    Section::new(words::bounds::TITLE, body)
}

/// A table of words and numbers.
fn plain(head: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for title in head { th { (title) } } } }
                tbody { @for row in rows { tr { @for cell in row { td.number { (cell) } } } } }
            }
        }
    }
}

/// A table in which the named columns hold sentences and may break.
fn sentences(head: &[&str], rows: impl Iterator<Item = Vec<String>>, long: &[usize]) -> Markup {
    html! {
        div.scroll {
            table.sentences {
                thead { tr { @for title in head { th { (title) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (place, cell) in row.into_iter().enumerate() {
                                @let words = long.contains(&place);
                                td.number[!words].words[words] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn provenance(from: &Provenance) -> Vec<Section> {
    let mut all = Vec::new();
    if !from.choices.is_empty() {
        let body = html! {
            div.scroll {
                table {
                    thead { tr { th { "choice" } th { "value" } th { "evidence" } } }
                    tbody {
                        @for choice in &from.choices {
                            tr { td.words { (choice.name) } td.words { (choice.value) }
                                td.words { (choice.evidence) } }
                        }
                    }
                }
            }
        };
        all.push(Section::new("What the paper leaves open and what was chosen", body));
    }
    if !from.failures.is_empty() {
        let body = html! {
            ul { @for failure in &from.failures { li { b { (failure.what) } ": " (failure.reason) } } }
        };
        all.push(Section::new("What failed", body));
    }
    if !from.notes.is_empty() {
        let body = html! { ul { @for note in &from.notes { li { (note) } } } };
        all.push(Section::new("Notes", body));
    }
    if !from.facts.is_empty() {
        let body = html! {
            div.scroll {
                table {
                    tbody {
                        @for fact in &from.facts {
                            tr { th { (fact.name) } td { code { (fact.value) } } }
                        }
                    }
                }
            }
        };
        all.push(Section::new("Where the numbers come from", body));
    }
    all
}
