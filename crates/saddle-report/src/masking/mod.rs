//! Are a network's gradients masked? A verdict from measured indicators, with its reason and the attack that shows it.
//!
//! A high accuracy under an attack that follows gradients has two possible causes: there is nothing to find, or the gradients
//! do not lead there. The second one, masking, shows itself in ways that need no knowledge of the defence: gradients that are
//! exactly zero, that promise what a small step does not keep, or that lead no further than random directions; an attack without
//! gradients, from another network or with smoothed ones that does better; an accuracy that stays above what any
//! classifier can have. Each is an indicator here; [`judge`] weighs them by the [`Thresholds`].
//!
//! - **Masked**: at least one indicator is beyond its threshold. What shows it is named.
//! - **Not shown**: everything was measured, and none is. It is no proof: a masking that all these attacks fall for stays unseen.
//! - **Undecided**: something is missing, or lies between the thresholds, or the attack had not come to rest.
//!
//! # What is deliberately absent
//!
//! Weights and sums of indicators: a score hides which of them spoke. Whoever doubts a verdict reads one sentence and one number.
//!
//! # Sources
//!
//! Athalye, Carlini and Wagner (ICML 2018), section 3.1: five signs of obfuscated gradients. Carlini et al., "On Evaluating
//! Adversarial Robustness" (2019), section 5: the same as a list of checks, and more steps.

mod evidence;
mod fates;
mod thresholds;

use serde::{Deserialize, Serialize};

use evidence::{Finding, findings};
pub use thresholds::Thresholds;

/// What was measured of one network under one threat model, always on the same digits in the same order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indicators {
    /// For each digit whether the network is right about the natural image; in JSON a text of `1` and `0`.
    #[serde(with = "fates")]
    pub natural: Vec<bool>,
    /// The gradients at natural images.
    pub gradients: Option<GradientSigns>,
    /// The loss beside natural images.
    pub slopes: Option<SlopeSigns>,
    /// The attack that follows gradients, with steps enough and normalised: the one whose word is doubted.
    pub gradient_attack: Option<Standing>,
    /// The same with twice its steps.
    pub more_steps: Option<Standing>,
    /// Smoothed gradients (S-O), at equal passes.
    pub smoothed: Option<Standing>,
    /// No gradients at all, such as Square.
    pub black_box: Option<Standing>,
    /// Images found on another network.
    pub transfer: Option<Standing>,
    /// The attack that follows gradients at growing radii, each with what no classifier can exceed there.
    pub radii: Vec<AtRadius>,
}

/// Which digits stand after an attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    /// The attack in words.
    pub attack: String,
    /// For each digit whether it is right and stays right; in JSON a text of `1` and `0`.
    #[serde(with = "fates")]
    pub robust: Vec<bool>,
}

impl Standing {
    /// How many digits stand.
    pub fn count(&self) -> u64 {
        self.robust.iter().filter(|&&stands| stands).count() as u64
    }
}

/// Counts over the natural images that the network is right about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientSigns {
    /// Images looked at.
    pub total: u64,
    /// Their gradients that are exactly zero, of every loss that was tried.
    pub zero: u64,
    /// Those that are not zero and so small that single precision loses them on the way: raw steps of them go nowhere.
    pub tiny: u64,
    /// Images whose probability is 1 in single precision: cross-entropy has nothing left to say.
    pub saturated: u64,
}

/// Counts over the natural images that the network is right about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlopeSigns {
    /// Images looked at.
    pub total: u64,
    /// Those where a short step along the gradient raises the loss by what the gradient promises, within a half.
    pub honest: u64,
    /// Those where the best of some random directions, of the length that the attack travels, raises the loss more than the attack does.
    pub random_is_better: u64,
}

/// How many digits stand at a radius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AtRadius {
    /// Radius of the threat model.
    pub epsilon: f64,
    /// Digits that stand.
    pub standing: u64,
    /// Digits attacked.
    pub total: u64,
    /// The share of these digits that no classifier can exceed.
    pub bound: f64,
}

/// What is said of a network's gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Masking {
    /// They are masked.
    Masked,
    /// Nothing shows that they are.
    NotShown,
    /// The measurements do not say.
    Undecided,
}

/// A verdict with everything that speaks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaskingVerdict {
    /// The verdict.
    pub masking: Masking,
    /// Why, one sentence for each indicator that spoke; the strongest first.
    pub reasons: Vec<String>,
    /// The attack that shows it, if an attack does.
    pub shown_by: Option<String>,
}

/// The verdict on a network by some thresholds; [`Thresholds::STATED`] are the ones to use.
///
/// Indicators on fewer digits than the natural images tell of count as missing, for nothing can be said of different digits.
pub fn judge(indicators: &Indicators, thresholds: &Thresholds) -> MaskingVerdict {
    let found = findings(indicators, thresholds);
    let sentences = |wanted: fn(&Finding) -> Option<&str>| -> Vec<String> {
        found.iter().filter_map(wanted).map(str::to_owned).collect()
    };
    let masked = sentences(|finding| match finding {
        Finding::Beyond { sentence, .. } => Some(sentence),
        _ => None,
    });
    let open = sentences(|finding| match finding {
        Finding::Between(sentence) | Finding::Missing(sentence) => Some(sentence),
        _ => None,
    });
    let shown_by = found.iter().find_map(|finding| match finding {
        Finding::Beyond { attack, .. } => attack.clone(),
        _ => None,
    });
    let (masking, reasons) = match (masked.is_empty(), open.is_empty()) {
        (false, _) => (Masking::Masked, masked),
        (true, false) => (Masking::Undecided, open),
        (true, true) => (
            Masking::NotShown,
            sentences(|finding| match finding {
                Finding::Within(sentence) => Some(sentence),
                _ => None,
            }),
        ),
    };
    MaskingVerdict { masking, reasons, shown_by }
}
