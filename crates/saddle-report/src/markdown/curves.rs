//! Charts of accuracies and Figure 2 in Markdown; the pictures are files of their own.

use std::fmt::Write as _;

use super::{bullets, escaped, rows_of, section};
use crate::report::Report;
use crate::words::curves as words;

/// All of them, in the order of the report.
pub(super) fn all(text: &mut String, report: &Report) {
    for chart in &report.curves {
        section(text, &chart.title);
        picture(text, &chart.title, &chart.file());
        let _ = writeln!(text, "{}\n", escaped(&chart.caption));
        for lines in [words::legend(chart), words::crossings(chart)] {
            if !lines.is_empty() {
                bullets(text, lines.into_iter());
                text.push('\n');
            }
        }
        let _ = writeln!(text, "{}\n", escaped(&words::how_to_read(chart)));
        let (head, lines) = words::table(chart);
        let head: Vec<&str> = head.iter().map(String::as_str).collect();
        rows_of(text, &head, lines.into_iter());
    }
    if let Some(figure) = &report.figure2 {
        section(text, &figure.title);
        picture(text, &figure.title, &format!("{}.svg", figure.id));
        let _ = writeln!(text, "{}\n", escaped(&figure.caption));
        let lines = figure.pairs.iter().map(|pair| words::digit(figure, pair));
        rows_of(text, &words::DIGITS_HEAD, lines);
    }
}

fn picture(text: &mut String, title: &str, file: &str) {
    let _ = writeln!(text, "![{}]({})\n", escaped(title), escaped(file));
}
