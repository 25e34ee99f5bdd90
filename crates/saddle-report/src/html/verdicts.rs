//! The verdicts on gradient masking on the page: the networks, what was measured, the known cases.

use maud::{Markup, html};

use super::{Section, plain, sentences};
use crate::verdicts::{Calibration, Verdicts};
use crate::words::verdicts as words;

pub(super) fn section(verdicts: &Verdicts) -> Section {
    let body = html! {
        @for paragraph in words::explained(verdicts) { p { (paragraph) } }
        p { b { (words::summary(verdicts)) } }
        (sentences(&words::VERDICTS_HEAD, verdicts.networks.iter().map(words::verdict), &[3]))
        details {
            summary { "What was measured" }
            p.faint { (words::FIGURES) }
            (plain(&words::FIGURES_HEAD, verdicts.networks.iter().map(words::figures)))
            @for judged in &verdicts.networks {
                p {
                    b { (judged.network) " (seed " (judged.training_seed) "), "
                        (crate::words::ladder::threat(&judged.norm, judged.epsilon)) ": "
                        (words::word(judged.verdict.masking)) }
                }
                ul { @for reason in &judged.verdict.reasons { li { (reason) } } }
            }
        }
        details {
            summary { "The attacks" }
            ul { @for attack in &verdicts.attacks { li { (attack) } } }
        }
        @if let Some(calibration) = &verdicts.calibration { (known(calibration)) }
    };
    Section::new(words::TITLE, body)
}

fn known(calibration: &Calibration) -> Markup {
    html! {
        h3 { "How far the verdict can be trusted" }
        p { (words::KNOWN) }
        ul { @for line in words::scores(calibration) { li { (line) } } }
        @for (held_out, title) in words::HALVES {
            h3 { (title) }
            (sentences(&words::KNOWN_HEAD, words::half(calibration, held_out).into_iter(), &[0, 5]))
        }
    }
}
