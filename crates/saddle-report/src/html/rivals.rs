//! The section on S-O and its rivals.

use maud::{Markup, PreEscaped, html};

use super::Section;
use crate::number::{amount, interval, percent};
use crate::plot::{self, Theme};
use crate::report::Report;
use crate::rivals::McNemar;
use crate::words::rivals as words;

/// The comparison: a drawing, accuracies by seed, and every attack with its tests.
pub(super) fn section(report: &Report) -> Section {
    let rows = words::sorted(&report.rivals);
    let (head, lines) = words::by_seed(&report.rivals);
    let group = |index: usize| {
        let row = rows[index];
        (&row.network, &row.norm, row.epsilon.to_bits(), row.training_seed)
    };
    let body = html! {
        p { (words::how_to_read(&report.rivals)) }
        figure.scroll role="img" aria-label="Accuracy left by S-O, its parts and the best rival" {
            (PreEscaped(plot::seeds(&report.rivals, Theme::Page)))
        }
        div.scroll {
            table {
                thead { tr { @for title in &head { th { (title) } } } }
                tbody { @for line in &lines { tr { @for cell in line { td { (cell) } } } } }
            }
        }
        h3 { "Every attack" }
        div.scroll {
            table {
                thead {
                    tr {
                        th { "network" } th { "threat" } th { "seed" } th { "attack" } th { "role" }
                        th { "accuracy" } th { "95 % interval" } th { "n" } th { "mean passes" }
                        th { "p against the best rival" } th { "p against S-O" }
                    }
                }
                tbody {
                    @for (index, row) in rows.iter().enumerate() {
                        tr.apart[index > 0 && group(index) != group(index - 1)] {
                            td { (row.network) }
                            td.number { (words::threat(row)) }
                            td.number { (row.training_seed) }
                            td.words { (row.attack) }
                            td.number { (words::role(row.role)) }
                            td.number { "≤ " (percent(row.accuracy)) " %" }
                            td.number { (interval(row.wilson95)) " %" }
                            td.number { (row.total) }
                            td.number {
                                @match row.passes_per_example {
                                    Some(passes) => (amount(passes)),
                                    None => "–",
                                }
                            }
                            (tested(row.mcnemar, words::untested(row)[0], "rival"))
                            (tested(row.against_so, words::untested(row)[1], "S-O"))
                        }
                    }
                }
            }
        }
    };
    Section::new("S-O against its rivals", body)
}

fn tested(test: Option<McNemar>, none: &str, other: &str) -> Markup {
    let told = test.map(|test| words::test(test, other));
    html! {
        td.number {
            @match told {
                Some([p, counts]) => { (p) small { (counts) } }
                None => (none),
            }
        }
    }
}
