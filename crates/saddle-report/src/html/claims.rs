//! Claims and causes on the page.

use maud::{Markup, html};

use super::{Section, sentences};
use crate::claims::{Decided, Verdict};
use crate::report::Report;
use crate::words::{claims, differences};

/// The verdicts in one table, with what is behind each of them below it.
pub(super) fn verdicts(report: &Report) -> Section {
    let body = html! {
        @for paragraph in claims::in_words(report) { p { (paragraph) } }
        div.scroll {
            table.verdicts {
                thead { tr { @for title in claims::HEAD { th { (title) } } } }
                tbody {
                    @for row in &report.claims {
                        tr {
                            td { b { (row.id) } }
                            td.words { (row.claim) }
                            td.number.absent[row.verdict == Verdict::Open]
                                .settled[row.verdict != Verdict::Open] {
                                (claims::verdict(row.verdict))
                            }
                            td.words { (row.decided_by) }
                        }
                    }
                }
            }
        }
        @for row in &report.claims { (details(row)) }
    };
    Section::new(claims::TITLE, body)
}

fn details(row: &Decided) -> Markup {
    html! {
        details {
            summary { b { (row.id) } " " (claims::verdict(row.verdict)) ": the evidence" }
            p { (row.claim) }
            @if !row.why.is_empty() { p.faint { (row.why) } }
            p { (claims::needs(row)) }
            @for tested in &row.tests {
                h3 {
                    (claims::test(&tested.test)) ": "
                    small { (claims::outcome(tested.outcome)) }
                }
                @if !tested.absent.is_empty() {
                    p.faint { "Not there: " (claims::absent(&tested.absent)) "." }
                }
                @if !tested.evidence.is_empty() {
                    (sentences(
                        &claims::EVIDENCE_HEAD,
                        tested.evidence.iter().map(claims::evidence),
                        &[0, 3],
                    ))
                }
            }
        }
    }
}

/// The table of differences with their causes.
pub(super) fn causes(report: &Report) -> Markup {
    html! {
        h3 { (differences::TITLE) }
        p { (differences::in_words(report)) }
        (sentences(&differences::HEAD, report.differences.iter().map(differences::line), &[0, 1, 6]))
    }
}
