//! Each indicator held against its threshold.

use super::{AtRadius, Indicators, Standing, Thresholds};
use crate::statistics::{holm, mcnemar, wilson};

/// What one indicator says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finding {
    /// Masking, and the attack that shows it, if one does.
    Beyond { sentence: String, attack: Option<String> },
    /// Not enough for a verdict, and too much for none.
    Between(String),
    /// It was not measured.
    Missing(String),
    /// Nothing.
    Within(String),
}

/// All findings; attacks that do better come first, the best of them before the others.
pub(super) fn findings(indicators: &Indicators, thresholds: &Thresholds) -> Vec<Finding> {
    let right = indicators.natural.iter().filter(|&&right| right).count() as u64;
    let mut found = attacks(indicators, thresholds);
    found.push(gradients(indicators, thresholds));
    found.extend(slopes(indicators, thresholds));
    found.push(radii(indicators, thresholds));
    if right < thresholds.fewest_digits {
        let needed = thresholds.fewest_digits;
        found.push(Finding::Missing(format!(
            "the network is right about {right} digits; a verdict needs {needed}"
        )));
    }
    found
}

fn gradients(indicators: &Indicators, thresholds: &Thresholds) -> Finding {
    let Some(signs) = indicators.gradients.filter(|signs| signs.total > 0) else {
        return Finding::Missing("gradients at natural images were not inspected".to_owned());
    };
    let zero = share(signs.zero, signs.total);
    let sentence = format!(
        "{} of the gradients at natural images are exactly zero, {} tiny, {} of the probabilities 1 in single precision",
        percent(zero),
        percent(share(signs.tiny, signs.total)),
        percent(share(signs.saturated, signs.total))
    );
    if zero >= thresholds.zero_gradients {
        Finding::Beyond { sentence, attack: None }
    } else {
        Finding::Within(sentence)
    }
}

fn slopes(indicators: &Indicators, thresholds: &Thresholds) -> Vec<Finding> {
    let Some(signs) = indicators.slopes.filter(|signs| signs.total > 0) else {
        return vec![Finding::Missing(
            "the loss beside natural images was not looked at".to_owned(),
        )];
    };
    let honest = share(signs.honest, signs.total);
    let promised = format!(
        "a short step along the gradient raises the loss as promised on {} of the digits",
        percent(honest)
    );
    let random = share(signs.random_is_better, signs.total);
    let sampled = format!(
        "random directions raise the loss more than the attack does on {} of the digits",
        percent(random)
    );
    let finding = |beyond: bool, sentence: String, attack: Option<&str>| {
        if beyond {
            Finding::Beyond { sentence, attack: attack.map(str::to_owned) }
        } else {
            Finding::Within(sentence)
        }
    };
    vec![
        finding(random >= thresholds.random_is_better, sampled, Some("random directions")),
        finding(honest < thresholds.honest_slopes, promised, None),
    ]
}

/// The other attacks against the one that follows gradients, on the same digits.
fn attacks(indicators: &Indicators, thresholds: &Thresholds) -> Vec<Finding> {
    let digits = indicators.natural.len();
    let measured = |standing: &Option<Standing>| -> Option<Standing> {
        standing.clone().filter(|standing| standing.robust.len() == digits)
    };
    let Some(own) = measured(&indicators.gradient_attack) else {
        return vec![Finding::Missing("no attack that follows gradients was run".to_owned())];
    };
    let others = [
        ("twice the steps", &indicators.more_steps),
        ("smoothed gradients", &indicators.smoothed),
        ("an attack without gradients", &indicators.black_box),
        ("images found on another network", &indicators.transfer),
    ];
    let mut found = Vec::new();
    let mut compared = Vec::new();
    for (what, standing) in others {
        match measured(standing) {
            Some(other) => compared.push(Compared::new(what, &own, other)),
            None => found.push(Finding::Missing(format!("not tried: {what}"))),
        }
    }
    let adjusted = holm(&compared.iter().map(|one| one.p).collect::<Vec<_>>());
    let mut pairs: Vec<(Compared, f64)> = compared.into_iter().zip(adjusted).collect();
    pairs.sort_by(|a, b| b.0.gain.total_cmp(&a.0.gain));
    let told = pairs.iter().map(|(one, p)| one.finding(*p, thresholds));
    told.chain(found).collect()
}

/// Another attack beside the one that follows gradients.
struct Compared {
    what: &'static str,
    attack: String,
    /// Shares of digits that stand under the gradients' attack and under this one.
    standing: [f64; 2],
    /// By how much fewer this one leaves.
    gain: f64,
    p: f64,
}

impl Compared {
    fn new(what: &'static str, own: &Standing, other: Standing) -> Self {
        let count = |robust: &[bool]| robust.iter().filter(|&&stands| stands).count() as f64;
        let only = |a: &[bool], b: &[bool]| {
            a.iter().zip(b).filter(|&(&first, &second)| first && !second).count() as u64
        };
        let total = own.robust.len().max(1) as f64;
        let standing = [count(&own.robust) / total, count(&other.robust) / total];
        let p = mcnemar(only(&own.robust, &other.robust), only(&other.robust, &own.robust));
        Self { what, attack: other.attack, standing, gain: standing[0] - standing[1], p }
    }

    fn finding(&self, p: f64, thresholds: &Thresholds) -> Finding {
        let [own, other] = self.standing.map(percent);
        let sentence = format!(
            "{}: {} leaves {other} of the digits standing where following gradients leaves {own} (McNemar, Holm: p = {p:.1e})",
            self.what, self.attack
        );
        let more_steps = self.what == "twice the steps";
        let large = self.gain >= thresholds.margin;
        match (large, p <= thresholds.significance) {
            // Not masked but too short: whatever it left says nothing yet.
            (true, true) if more_steps => Finding::Between(sentence),
            (true, true) => Finding::Beyond { sentence, attack: Some(self.attack.clone()) },
            (true, false) => Finding::Between(sentence),
            (false, _) => Finding::Within(sentence),
        }
    }
}

/// Whether the accuracy stays above what any classifier can have. A weak attack does that as well as a masked network, so it decides
/// only where more steps do not help.
fn radii(indicators: &Indicators, thresholds: &Thresholds) -> Finding {
    let low = |one: &AtRadius| wilson(one.standing, one.total).map(|[low, _]| low);
    let excess = |one: &AtRadius| low(one).map(|low| low - one.bound);
    let worst = indicators.radii.iter().filter_map(|one| Some((one, excess(one)?)));
    let Some((worst, excess)) = worst.max_by(|a, b| a.1.total_cmp(&b.1)) else {
        return Finding::Missing("the accuracy was not measured at radii with a bound".to_owned());
    };
    let sentence = format!(
        "at radius {} {} of the digits stand, where no classifier can keep more than {}",
        worst.epsilon,
        percent(share(worst.standing, worst.total)),
        percent(worst.bound)
    );
    if excess < thresholds.above_bound {
        return Finding::Within(sentence);
    }
    let rests = indicators.gradient_attack.as_ref().zip(indicators.more_steps.as_ref());
    let rests = rests.is_some_and(|(own, more)| {
        let compared = Compared::new("twice the steps", own, more.clone());
        compared.gain < thresholds.margin && own.robust.len() == more.robust.len()
    });
    if rests { Finding::Beyond { sentence, attack: None } } else { Finding::Between(sentence) }
}

fn share(part: u64, total: u64) -> f64 {
    part as f64 / total.max(1) as f64
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
