//! The ladder as Markdown; the picture is a file of its own.

use std::fmt::Write as _;

use super::{bullets, escaped, rows_of, section};
use crate::ladder::FILE;
use crate::report::Report;
use crate::words::ladder as words;

pub(super) fn ladder(text: &mut String, report: &Report) {
    let Some(ladder) = &report.ladder else { return };
    section(text, words::TITLE);
    for paragraph in words::explained(ladder) {
        let _ = writeln!(text, "{}\n", escaped(&paragraph));
    }
    let _ = writeln!(text, "![{}]({FILE})\n\n### What it says\n", escaped(words::TITLE));
    bullets(text, words::conclusions(ladder).into_iter());
    let _ = writeln!(text, "\n{}\n\n### Rung by rung\n", escaped(&words::rules(ladder)));
    let questions = ladder.rungs.iter().map(|rung| words::question(ladder, rung));
    rows_of(text, &words::QUESTIONS_HEAD, questions);
    text.push_str("\n### Accuracy in %, the mean of the seeds and their range\n\n");
    let (head, lines) = words::glance(ladder);
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    rows_of(text, &head, lines.into_iter());
    let _ = writeln!(text, "\n{}", words::COSINES);
    for group in ladder.groups() {
        let threat = words::threat(group.norm, group.epsilon);
        let _ = writeln!(text, "\n### {}, {threat}: every row\n", escaped(group.network));
        rows_of(text, &words::ROWS_HEAD, words::rows(ladder, &group).into_iter());
    }
}
