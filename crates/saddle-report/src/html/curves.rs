//! Charts of accuracies and Figure 2 on the page.

use maud::{Markup, PreEscaped, html};

use super::plain;
use crate::curves::{Chart, DigitFigure};
use crate::plot::{self, Theme};
use crate::report::Report;
use crate::words::curves as words;

/// All of them, in the order of the report.
pub(super) fn all(report: &Report) -> Markup {
    html! {
        @for chart in &report.curves { (one_chart(chart)) }
        @if let Some(figure) = &report.figure2 { (digits(figure)) }
    }
}

fn one_chart(chart: &Chart) -> Markup {
    let (head, lines) = words::table(chart);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let crossings = words::crossings(chart);
    html! {
        h2 { (chart.title) }
        figure.scroll role="img" aria-label=(chart.title) {
            (PreEscaped(plot::accuracy(chart, Theme::Page)))
        }
        p { (chart.caption) }
        ul { @for line in words::legend(chart) { li { (line) } } }
        @if !crossings.is_empty() { ul { @for line in &crossings { li { (line) } } } }
        p.faint { (words::how_to_read(chart)) }
        (plain(&head, lines.into_iter()))
    }
}

fn digits(figure: &DigitFigure) -> Markup {
    let lines = figure.pairs.iter().map(|pair| words::digit(figure, pair));
    html! {
        h2 { (figure.title) }
        figure.scroll role="img" aria-label=(figure.title) {
            (PreEscaped(plot::digits(figure, Theme::Page)))
        }
        p { (figure.caption) }
        (plain(&words::DIGITS_HEAD, lines))
    }
}
