//! Numbers on their way to JSON and to the eye. JSON knows no NaN: it is written as `null` and read
//! back as absent.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes a number that may be absent; what is not finite is absent.
pub(crate) fn option<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    value.filter(|value| value.is_finite()).serialize(to)
}

/// Writes and reads a list of numbers in which some may be NaN.
pub(crate) mod list {
    use super::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &[f64], to: S) -> Result<S::Ok, S::Error> {
        let values: Vec<_> = values.iter().map(|v| Some(*v).filter(|v| v.is_finite())).collect();
        values.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
        let values = Vec::<Option<f64>>::deserialize(from)?;
        Ok(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }
}

/// A fraction as a percentage with one decimal: `0.928` is `92.8`.
pub(crate) fn percent(fraction: f64) -> String {
    if fraction.is_finite() {
        format!("{:.1}", 100.0 * fraction)
    } else {
        "not a number".to_owned()
    }
}

/// An interval of fractions as percentages: `0.3 to 1.4`.
pub(crate) fn interval([low, high]: [f64; 2]) -> String {
    format!("{} to {}", percent(low), percent(high))
}

/// A count that may be a mean: no decimals when it is whole, one when it is not.
pub(crate) fn amount(value: f64) -> String {
    match value {
        value if !value.is_finite() => "not a number".to_owned(),
        value if value == value.round() => format!("{value:.0}"),
        value => format!("{value:.1}"),
    }
}

/// A p-value: three decimals, or its order of magnitude when it is small.
pub(crate) fn p_value(p: f64) -> String {
    match p {
        p if !p.is_finite() => "not a number".to_owned(),
        p if p >= 0.001 => format!("{p:.3}"),
        p if p < 1e-300 => "below 1e-300".to_owned(),
        p => format!("{p:.0e}"),
    }
}
