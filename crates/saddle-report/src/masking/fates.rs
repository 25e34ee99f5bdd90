//! What became of each digit as one text, `1` for those that stand: a list in JSON takes a line for each.

use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

pub(super) fn serialize<S: Serializer>(fates: &[bool], to: S) -> Result<S::Ok, S::Error> {
    let text: String = fates.iter().map(|&stands| if stands { '1' } else { '0' }).collect();
    to.serialize_str(&text)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<bool>, D::Error> {
    let fate = |letter| match letter {
        '1' => Ok(true),
        '0' => Ok(false),
        other => Err(D::Error::custom(format!(
            "`{other}` among the fates of digits, which are 1 or 0 each"
        ))),
    };
    String::deserialize(from)?.chars().map(fate).collect()
}
