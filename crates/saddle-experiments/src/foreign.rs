//! Networks that others trained: name maps as text.

use saddle_model::NameMap;

use crate::{Error, Result};

/// Reads a name map from TOML; [`NameMap`] shows its form.
///
/// # Errors
///
/// [`Error::Format`] for text that is no TOML or holds a field that no map has.
pub fn name_map(text: &str) -> Result<NameMap> {
    toml::from_str(text).map_err(|error| Error::format("name map", error))
}
