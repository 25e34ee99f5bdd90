//! What the report says of gradient masking. Every sentence with a result in it is made of the verdicts behind it.

use crate::masking::{AtRadius, GradientSigns, Masking, SlopeSigns, Standing, Thresholds};
use crate::number::{interval, percent};
use crate::verdicts::{Calibration, Judged, KnownJudged, Planned, Score, Verdicts};
use crate::words::ladder::threat;

pub(crate) const TITLE: &str = "Are the gradients masked?";

pub(crate) const VERDICTS_HEAD: [&str; 4] = ["network", "threat", "verdict", "why"];

pub(crate) const FIGURES_HEAD: [&str; 13] = [
    "network",
    "threat",
    "read rightly",
    "stand under gradients",
    "twice the steps",
    "smoothed",
    "no gradients",
    "from another network",
    "beyond the bound",
    "zero",
    "tiny, saturated",
    "honest slopes",
    "random is better",
];

pub(crate) const KNOWN_HEAD: [&str; 7] =
    ["case", "network", "threat", "is", "verdict", "why", "right"];

/// What a reader needs to know before the first verdict.
pub(crate) fn explained(verdicts: &Verdicts) -> Vec<String> {
    vec![
        format!(
            "An attack that follows gradients leaves digits standing for one of two reasons: there is nothing to find, or the \
             gradients do not lead there. The second, masking, shows itself without any knowledge of the defence: gradients that \
             are zero or promise what a small step does not keep, random directions or other attacks that do better, an accuracy \
             above what any classifier can have. {}",
            verdicts.caption
        ),
        "Masked: at least one of these signs is beyond its threshold, and the first is named. Not shown: all were measured and \
         none is; that is no proof. Undecided: something is missing, lies between the thresholds, or the attack had not come to \
         rest."
            .to_owned(),
        thresholds(&verdicts.thresholds),
    ]
}

fn thresholds(by: &Thresholds) -> String {
    let stated = if *by == Thresholds::STATED {
        "They were stated before any network was judged by them."
    } else {
        "They are the plan's own."
    };
    let share = percent;
    format!(
        "The thresholds: at least {} digits read rightly; zero gradients on {} % of them; honest slopes on less than {} %; random \
         directions that do better on {} %; another attack that leaves at least {} points fewer at a level of {} (McNemar, Holm); \
         {} points above a bound. {stated}",
        by.fewest_digits,
        share(by.zero_gradients),
        share(by.honest_slopes),
        share(by.random_is_better),
        share(by.margin),
        by.significance,
        share(by.above_bound),
    )
}

/// The verdicts on networks in one sentence.
pub(crate) fn summary(verdicts: &Verdicts) -> String {
    let count = |masking| {
        let own = verdicts.networks.iter().filter(|one| one.verdict.masking == masking);
        own.count()
    };
    format!(
        "{} of {} planned verdicts: {} masked, {} not shown, {} undecided.",
        verdicts.networks.len(),
        verdicts.planned,
        count(Masking::Masked),
        count(Masking::NotShown),
        count(Masking::Undecided)
    )
}

pub(crate) fn word(masking: Masking) -> &'static str {
    match masking {
        Masking::Masked => "masked",
        Masking::NotShown => "not shown",
        Masking::Undecided => "undecided",
    }
}

/// Why, in one sentence: the strongest reason, or how many signs there were and none of them speaks.
pub(crate) fn reason(judged: &Judged) -> String {
    let reasons = &judged.verdict.reasons;
    match judged.verdict.masking {
        Masking::NotShown => {
            format!("none of the {} signs is beyond its threshold", reasons.len())
        }
        _ => reasons.first().cloned().unwrap_or_default(),
    }
}

fn place(judged: &Judged) -> [String; 2] {
    let network = format!("{} (seed {})", judged.network, judged.training_seed);
    [network, threat(&judged.norm, judged.epsilon)]
}

pub(crate) fn verdict(judged: &Judged) -> Vec<String> {
    let [network, threat] = place(judged);
    vec![network, threat, word(judged.verdict.masking).to_owned(), reason(judged)]
}

/// A known case beside its verdict.
pub(crate) fn known(case: &KnownJudged) -> Vec<String> {
    let [network, threat] = place(&case.judged);
    let is = if case.masked { "masked" } else { "sound" };
    let verdict = word(case.judged.verdict.masking);
    let right = if case.is_right() { "yes" } else { "no" };
    let words = [is, verdict].map(str::to_owned);
    let [is, verdict] = words;
    vec![case.name.clone(), network, threat, is, verdict, reason(&case.judged), right.to_owned()]
}

/// What was measured, in per cent.
pub(crate) fn figures(judged: &Judged) -> Vec<String> {
    let of = &judged.indicators;
    let total = of.natural.len() as u64;
    let standing = |one: &Option<Standing>| {
        one.as_ref().map_or_else(absent, |one| share(one.count(), one.robust.len() as u64))
    };
    let [network, threat] = place(judged);
    let right = of.natural.iter().filter(|&&right| right).count() as u64;
    let signs = of.gradients.filter(|signs| signs.total > 0);
    let slopes = of.slopes.filter(|signs| signs.total > 0);
    let gradient = |part: fn(GradientSigns) -> u64| {
        signs.map_or_else(absent, |signs| share(part(signs), signs.total))
    };
    let slope = |part: fn(SlopeSigns) -> u64| {
        slopes.map_or_else(absent, |signs| share(part(signs), signs.total))
    };
    vec![
        network,
        threat,
        share(right, total),
        standing(&of.gradient_attack),
        standing(&of.more_steps),
        standing(&of.smoothed),
        standing(&of.black_box),
        standing(&of.transfer),
        radii(&of.radii),
        gradient(|signs| signs.zero),
        format!("{}, {}", gradient(|signs| signs.tiny), gradient(|signs| signs.saturated)),
        slope(|signs| signs.honest),
        slope(|signs| signs.random_is_better),
    ]
}

/// `50.0 of 44.0 at 4`: what stands, what can, and where.
fn radii(radii: &[AtRadius]) -> String {
    if radii.is_empty() {
        return absent();
    }
    let one = |one: &AtRadius| {
        format!("{} of {} at {}", share(one.standing, one.total), percent(one.bound), one.epsilon)
    };
    radii.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn share(part: u64, of: u64) -> String {
    percent(part as f64 / of.max(1) as f64)
}

fn absent() -> String {
    "–".to_owned()
}

pub(crate) const FIGURES: &str = "All in per cent: of the digits, how many are read rightly and how many stand under each attack \
     (each an upper bound), and at growing radii beside what any classifier can keep; of the digits read rightly, how many gradients are \
     exactly zero, are lost in single precision, how many probabilities are 1, on how many a short step keeps what the \
     gradient promises, and on how many the best of some random directions does better than the attack.";

/// How the verdict did on the known cases: the held-out half first, then the one that thresholds may be set on.
pub(crate) fn scores(calibration: &Calibration) -> Vec<String> {
    let halves = [
        ("Held-out cases, on which no threshold was set", true, calibration.planned_held_out),
        ("Cases on which thresholds may be set", false, calibration.planned_thresholds),
    ];
    let halves = halves.into_iter();
    halves.map(|(name, out, planned)| score(name, calibration.score(out), planned)).collect()
}

fn score(name: &str, score: Score, planned: Planned) -> String {
    let told = |share: Option<(f64, [f64; 2])>, part: u64, of: u64| match share {
        Some((share, range)) => {
            format!("{} % ({part} of {of}; 95 % interval {} %)", percent(share), interval(range))
        }
        None => "not measured".to_owned(),
    };
    let measured = (score.masked, score.sound);
    let missing = if measured == (planned.masked, planned.sound) {
        String::new()
    } else {
        let (masked, sound) = (planned.masked, planned.sound);
        format!(" Planned were {masked} masked and {sound} sound ones.")
    };
    format!(
        "{name}: sensitivity {}, false alarms {}. Undecided: {} of the masked, {} of the sound.{missing}",
        told(score.sensitivity(), score.found, score.masked),
        told(score.false_alarms(), score.alarms, score.sound),
        score.masked_undecided,
        score.sound_undecided
    )
}

pub(crate) const KNOWN: &str = "Networks of this plan, disguised on purpose, and the same disguises in doses that hide nothing. Several \
     cases stand on one network and are not independent, so the intervals are too narrow.";

/// The cases of one half.
pub(crate) fn half(calibration: &Calibration, held_out: bool) -> Vec<Vec<String>> {
    calibration.cases.iter().filter(|case| case.held_out == held_out).map(known).collect()
}

/// Titles of the two halves, the held-out one first.
pub(crate) const HALVES: [(bool, &str); 2] =
    [(true, "Known cases, held out"), (false, "Known cases, for thresholds")];
