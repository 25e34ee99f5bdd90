//! Table 1 of "On Norm-Agnostic Robustness of Adversarial Training" (Li, Chen, Wang, Carin, 2019),
//! as printed: accuracy in percent on MNIST, l2 within 4.0 and l-infinity within 0.3.
//!
//! It is here to stand beside what was measured. No code may put one of these figures where a
//! measurement is missing.

use serde::{Deserialize, Serialize};

/// The norm of the perturbations that a network was trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrainingNorm {
    /// Euclidean.
    L2,
    /// Largest pixel.
    Linf,
    /// Both, in turn.
    Mix,
}

impl TrainingNorm {
    /// The name in `report.json`: `l2`, `linf` or `mix`.
    pub fn name(self) -> &'static str {
        match self {
            Self::L2 => "l2",
            Self::Linf => "linf",
            Self::Mix => "mix",
        }
    }
}

/// Defences in the order of the paper's columns.
pub const DEFENSES: [&str; 4] = ["madry", "trades", "ensemble", "atda"];

/// Rows in the paper's order.
pub const ROWS: [&str; 5] = ["natural", "pgd_l2", "pgd_linf", "so_l2", "so_linf"];

/// Rows of [`ROWS`]; columns: every defence of [`DEFENSES`] trained with l2, l-infinity and mix.
#[rustfmt::skip]
pub const TABLE1: [[f64; 12]; 5] = [
    // madry             trades              ensemble            atda
    [98.2, 98.8, 98.7,   99.4, 99.5, 99.4,   99.4, 99.0, 98.7,   99.2, 98.8, 99.0],
    [97.0, 92.8, 73.2,   91.7, 91.7, 90.4,   99.0, 65.3, 58.2,   98.8, 63.6, 57.9],
    [ 0.4, 92.5, 82.2,   19.7, 95.6, 15.3,    0.0, 90.2, 81.4,    0.0, 62.6, 81.3],
    [96.6,  0.0, 18.3,   81.7,  3.2, 84.2,   98.9, 65.8, 58.4,   97.2, 64.0, 56.8],
    [ 0.0, 91.3, 84.2,   16.9, 94.7, 14.5,    0.0, 88.9, 82.1,    0.0, 61.3, 83.4],
];

/// Section 5: the accuracy that S-O leaves within l2 [`SECTION5_RADIUS`], as a fraction. The paper names
/// neither the network nor the number of steps.
pub const SECTION5: f64 = 0.410_4;

/// Radius of section 5 and of Figure 2, in l2.
pub const SECTION5_RADIUS: f64 = 2.0;

/// Half a unit of the last printed digit, as a fraction.
pub const ROUNDING: f64 = 0.000_5;

/// The columns: each defence with each norm of training, in the paper's order.
pub fn columns() -> impl Iterator<Item = (&'static str, TrainingNorm)> {
    let norms = [TrainingNorm::L2, TrainingNorm::Linf, TrainingNorm::Mix];
    DEFENSES.into_iter().flat_map(move |defense| norms.map(|norm| (defense, norm)))
}

/// The paper's figure as a fraction, or none where the paper has no such cell.
pub fn accuracy(defense: &str, norm: Option<TrainingNorm>, row: &str) -> Option<f64> {
    let defense = DEFENSES.iter().position(|known| *known == defense)?;
    let norm = match norm? {
        TrainingNorm::L2 => 0,
        TrainingNorm::Linf => 1,
        TrainingNorm::Mix => 2,
    };
    let row = ROWS.iter().position(|known| *known == row)?;
    // Tenths of a percent are whole: dividing them gives the fraction that the digits say.
    Some((10.0 * TABLE1[row][3 * defense + norm]).round() / 1000.0)
}

/// Who attacks in a row, by its name; decides label and colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Natural,
    Pgd,
    SecondOrder,
    /// A digit stands only if it stands under every attack of the table.
    Union,
    Other,
}

impl Family {
    pub(crate) fn of(row: &str) -> Self {
        match row.split(['_', ' ']).next() {
            Some("natural") if row == "natural" => Self::Natural,
            Some("pgd") => Self::Pgd,
            Some("so") => Self::SecondOrder,
            Some("union") => Self::Union,
            _ => Self::Other,
        }
    }
}

/// A row's name in words, with its threat model: `pgd_l2` is `PGD, l2 within 4.0`, `union_l2_2` is
/// `worst of all, l2 within 2.0`, `so_sigma_0_1 at l2 2.0` is `S-O sigma 0.1, l2 within 2.0`.
///
/// A radius that the name leaves out is the paper's in rows of known families, else unsaid.
pub fn row_in_words(row: &str) -> String {
    if row == "union" {
        return "worst of all, l2 within 4.0 and l-infinity within 0.3".to_owned();
    }
    let (who, threat) = parts(row);
    match threat {
        Some((norm, Some(radius))) => format!("{who}, {norm} within {radius}"),
        Some((norm, None)) => format!("{who}, {norm}"),
        None if who == "natural" => "natural digits".to_owned(),
        None => who,
    }
}

/// The same for narrow places: the radius only where it is not the paper's.
pub(crate) fn row_in_short(row: &str) -> String {
    let (who, threat) = parts(row);
    match threat {
        Some((norm, Some(radius))) if row.contains([' ', '.']) || !is_papers(norm, &radius) => {
            format!("{who} {norm} {radius}")
        }
        Some((norm, _)) => format!("{who} {norm}"),
        None if who == "natural" => "no attack".to_owned(),
        None => who,
    }
}

fn is_papers(norm: &str, radius: &str) -> bool {
    matches!((norm, radius), ("l2", "4.0") | ("l-infinity", "0.3"))
}

/// Who attacks, and norm and radius as far as the name tells them.
fn parts(row: &str) -> (String, Option<(&'static str, Option<String>)>) {
    let words: Vec<&str> = row.split(['_', ' ']).filter(|word| !word.is_empty()).collect();
    let norm = |word: &&str| match *word {
        "l1" => Some("l1"),
        "l2" => Some("l2"),
        "linf" => Some("l-infinity"),
        _ => None,
    };
    let place = words.iter().rposition(|word| norm(word).is_some()).filter(|place| *place > 0);
    let Some(place) = place else { return (spoken(&words), None) };
    let Some(norm) = norm(&words[place]) else { return (spoken(&words), None) };
    let tail = words[place + 1..].join(".");
    let radius = match tail.parse::<f64>() {
        Ok(radius) if radius.is_finite() => Some(format!("{radius:?}")),
        _ if !tail.is_empty() => return (spoken(&words), None),
        _ => match (Family::of(row), norm) {
            (_, "l1") => None,
            (Family::Natural | Family::Other, _) if words[0] != "nearest" => None,
            (_, "l2") => Some("4.0".to_owned()),
            _ => Some("0.3".to_owned()),
        },
    };
    let who = words[..place].strip_suffix(&["at"]).unwrap_or(&words[..place]);
    (spoken(who), Some((norm, radius)))
}

/// Words of an identifier as a person writes them: `so sigma 0 1` is `S-O sigma 0.1`, `apgd ce` is `APGD-CE`.
fn spoken(words: &[&str]) -> String {
    let number = |word: &str| word.chars().all(|c| c.is_ascii_digit());
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        let decimal = index > 0 && number(word) && number(words[index - 1]);
        let apgd = index == 1 && words[0] == "apgd" && matches!(*word, "ce" | "dlr" | "t");
        text.push_str(if index == 0 {
            ""
        } else if decimal {
            "."
        } else if apgd {
            "-"
        } else {
            " "
        });
        text.push_str(match (index, *word) {
            (0, "pgd") => "PGD",
            (0, "so") => "S-O",
            (0, "fgsm") => "FGSM",
            (0, "union") => "worst of all",
            (0, "nearest") => "nearest digits",
            (0, "apgd") => "APGD",
            (1, "ce") if apgd => "CE",
            (1, "dlr") if apgd => "DLR",
            (1, "t") if apgd => "T",
            (0, "square") => "Square",
            (0, "ddn") => "DDN",
            (0, "standard") => "standard suite",
            (_, word) => word,
        });
    }
    text
}
