//! Attacks of other papers in words: what a legend calls them, and all that decides what they can find.
//!
//! Projected ascents, the attacks of the paper that is reproduced, have their words in [`crate::paper`].

use saddle_attacks::{Apgd, Method, Standard};
use saddle_model::LossKind;

/// What a legend calls an attack that is no ascent.
pub(crate) fn family(method: &Method) -> &'static str {
    match method {
        Method::Ascent(_) => "ascent",
        Method::Apgd(apgd) => apgd_family(apgd),
        Method::Square(_) => "Square",
        Method::Ddn(_) => "DDN",
        Method::Standard(_) => "standard suite",
    }
}

fn apgd_family(apgd: &Apgd) -> &'static str {
    match (apgd.targets, apgd.loss) {
        (Some(_), _) => "APGD-T",
        (None, LossKind::CrossEntropy) => "APGD-CE",
        (None, LossKind::Dlr) => "APGD-DLR",
        (None, LossKind::Margin) => "APGD with the CW margin",
    }
}

/// The settings of an attack that is no ascent.
pub(crate) fn settings(method: &Method, restarts: u32) -> String {
    let mut words = match method {
        Method::Ascent(_) => String::new(),
        Method::Apgd(apgd) => apgd_settings(apgd),
        Method::Square(square) => format!(
            "no gradient, {} queries, squares from a share of {} of the pixels on",
            square.queries, square.share
        ),
        Method::Ddn(ddn) => {
            let rounding = ddn.levels.map(|levels| format!(", pixels rounded to {levels} levels"));
            format!(
                "the nearest image that fools, held against the radius; {} steps, the norm changed by {} of itself at each{}",
                ddn.steps,
                ddn.gamma,
                rounding.unwrap_or_default()
            )
        }
        Method::Standard(standard) => standard_settings(standard),
    };
    if restarts > 1 {
        words.push_str(&format!(", {restarts} restarts"));
    }
    words
}

fn apgd_settings(apgd: &Apgd) -> String {
    let loss = match apgd.loss {
        LossKind::CrossEntropy => "cross-entropy",
        LossKind::Margin => "CW margin",
        LossKind::Dlr => "DLR loss",
    };
    let steps = format!("{} steps that choose their own size, from a random start", apgd.steps);
    match apgd.targets {
        None => format!("{loss}, {steps}"),
        Some(1) => format!("{loss} toward the likeliest wrong class, {steps}"),
        Some(targets) => {
            format!("{loss} toward each of the {targets} likeliest wrong classes in turn, {steps}")
        }
    }
}

fn standard_settings(standard: &Standard) -> String {
    let mut words =
        "APGD-CE, APGD-T, APGD-DLR, Square and S-O in turn, each on what those before it left standing"
            .to_owned();
    if let Some(steps) = standard.steps {
        words.push_str(&format!(", {steps} steps of APGD"));
    }
    if let Some(targets) = standard.targets {
        words.push_str(&format!(", {targets} targets"));
    }
    if let Some(restarts) = standard.restarts {
        words.push_str(&format!(", {restarts} starts of APGD-CE and APGD-DLR"));
    }
    if let Some(queries) = standard.queries {
        words.push_str(&format!(", {queries} queries"));
    }
    if let Some(ascent) = &standard.second_order {
        words.push_str(&format!("; {}", crate::paper::ascent_in_words(ascent, 1)));
    }
    words
}
