//! Claims and causes as Markdown.

use std::fmt::Write as _;

use super::{escaped, rows_of, section};
use crate::report::Report;
use crate::words::{claims, differences};

/// The verdicts in one table, then what is behind each of them.
pub(super) fn verdicts(text: &mut String, report: &Report) {
    if report.claims.is_empty() {
        return;
    }
    section(text, claims::TITLE);
    for paragraph in claims::in_words(report) {
        let _ = writeln!(text, "{paragraph}\n");
    }
    rows_of(text, &claims::HEAD, report.claims.iter().map(claims::line));
    for row in &report.claims {
        let (id, verdict) = (escaped(&row.id), claims::verdict(row.verdict));
        let _ = writeln!(text, "\n### {id}: {verdict}\n\n{}\n", escaped(&row.claim));
        if !row.why.is_empty() {
            let _ = writeln!(text, "{}\n", escaped(&row.why));
        }
        let _ = writeln!(text, "{}", claims::needs(row));
        for tested in &row.tests {
            let test = escaped(&claims::test(&tested.test));
            let _ = writeln!(text, "\n{test}: {}.\n", claims::outcome(tested.outcome));
            if !tested.absent.is_empty() {
                let absent = escaped(&claims::absent(&tested.absent));
                let _ = writeln!(text, "Not there: {absent}.\n");
            }
            if !tested.evidence.is_empty() {
                let lines = tested.evidence.iter().map(claims::evidence);
                rows_of(text, &claims::EVIDENCE_HEAD, lines);
            }
        }
    }
}

/// The table of differences with their causes.
pub(super) fn causes(text: &mut String, report: &Report) {
    if report.differences.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n### {}\n", differences::TITLE);
    let _ = writeln!(text, "{}\n", differences::in_words(report));
    rows_of(text, &differences::HEAD, report.differences.iter().map(differences::line));
}
