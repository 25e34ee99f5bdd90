//! The verdicts on gradient masking as Markdown.

use std::fmt::Write as _;

use super::{bullets, escaped, rows_of, section};
use crate::report::Report;
use crate::words::verdicts as words;

pub(super) fn verdicts(text: &mut String, report: &Report) {
    let Some(verdicts) = &report.verdicts else { return };
    section(text, words::TITLE);
    for paragraph in words::explained(verdicts) {
        let _ = writeln!(text, "{}\n", escaped(&paragraph));
    }
    let _ = writeln!(text, "{}\n", escaped(&words::summary(verdicts)));
    rows_of(text, &words::VERDICTS_HEAD, verdicts.networks.iter().map(words::verdict));
    let _ = writeln!(text, "\n### What was measured\n\n{}\n", words::FIGURES);
    rows_of(text, &words::FIGURES_HEAD, verdicts.networks.iter().map(words::figures));
    text.push_str("\nThe attacks:\n\n");
    bullets(text, verdicts.attacks.iter().cloned());
    let Some(calibration) = &verdicts.calibration else { return };
    let _ = writeln!(text, "\n### How far the verdict can be trusted\n\n{}\n", words::KNOWN);
    bullets(text, words::scores(calibration).into_iter());
    for (held_out, title) in words::HALVES {
        let _ = writeln!(text, "\n### {title}\n");
        rows_of(text, &words::KNOWN_HEAD, words::half(calibration, held_out).into_iter());
    }
}
