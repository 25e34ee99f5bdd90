//! Charts of accuracies and Figure 2 on the page.

use maud::{PreEscaped, html};

use super::{Section, plain};
use crate::curves::{Chart, DigitFigure};
use crate::plot::{self, Theme};
use crate::report::Report;
use crate::words::curves as words;

/// All of them, in the order of the report.
pub(super) fn all(report: &Report) -> impl Iterator<Item = Section> {
    report.curves.iter().map(one_chart).chain(report.figure2.iter().map(digits))
}

fn one_chart(chart: &Chart) -> Section {
    let (head, lines) = words::table(chart);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let crossings = words::crossings(chart);
    let body = html! {
        figure.scroll role="img" aria-label=(chart.title) {
            (PreEscaped(plot::accuracy(chart, Theme::Page)))
        }
        p { (chart.caption) }
        ul { @for line in words::legend(chart) { li { (line) } } }
        @if !crossings.is_empty() { ul { @for line in &crossings { li { (line) } } } }
        p.faint { (words::how_to_read(chart)) }
        (plain(&head, lines.into_iter()))
    };
    Section::new(&chart.title, body)
}

fn digits(figure: &DigitFigure) -> Section {
    let lines = figure.pairs.iter().map(|pair| words::digit(figure, pair));
    let body = html! {
        figure.scroll role="img" aria-label=(figure.title) {
            (PreEscaped(plot::digits(figure, Theme::Page)))
        }
        p { (figure.caption) }
        (plain(&words::DIGITS_HEAD, lines))
    };
    Section::new(&figure.title, body)
}
