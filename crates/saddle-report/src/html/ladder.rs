//! The ladder on the page: what it is, what it says, the drawing, the questions, every number.

use maud::{PreEscaped, html};

use super::{Section, plain};
use crate::ladder::Ladder;
use crate::plot::{self, Theme};
use crate::words::ladder as words;

pub(super) fn section(ladder: &Ladder) -> Section {
    let (head, lines) = words::glance(ladder);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    let body = html! {
        @for paragraph in words::explained(ladder) { p { (paragraph) } }
        figure.scroll role="img" aria-label=(words::TITLE) {
            (PreEscaped(plot::ladder(ladder, Theme::Page)))
        }
        h3 { "What it says" }
        ul { @for line in words::conclusions(ladder) { li { (line) } } }
        p.faint { (words::rules(ladder)) }
        h3 { "Rung by rung" }
        div.scroll {
            table.sentences {
                thead { tr { @for title in words::QUESTIONS_HEAD { th { (title) } } } }
                tbody {
                    @for rung in &ladder.rungs {
                        tr { @for cell in words::question(ladder, rung) { td.words { (cell) } } }
                    }
                }
            }
        }
        h3 { "Accuracy in %, the mean of the seeds and their range" }
        (plain(&head, lines.into_iter()))
        p.faint { (words::COSINES) }
        @for group in ladder.groups() {
            details {
                summary {
                    b { (group.network) ", " (words::threat(group.norm, group.epsilon)) }
                    ": every row"
                }
                (plain(&words::ROWS_HEAD, words::rows(ladder, &group).into_iter()))
            }
        }
    };
    Section::new(words::TITLE, body)
}
