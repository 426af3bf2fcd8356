//! Configuration: the embedded defaults, the user's file over them, `--set` over both.

use serde::de::DeserializeOwned;

use crate::{Result, ResultExt, Slot};

/// `configs/default.toml`: every key with its default and its comment.
pub const DEFAULTS: &str = include_str!("../../../configs/default.toml");

/// A slot's section of the embedded defaults, as its stage's configuration type.
///
/// # Errors
/// When the section and the type disagree: a mistake in this project, which each stage's tests exclude.
pub fn default_section<C: DeserializeOwned>(slot: Slot) -> Result<C> {
    let mut table: toml::Table = DEFAULTS.parse().or_other(|| "the embedded defaults are not valid TOML".to_owned())?;
    let section = table.remove(slot.name()).unwrap_or_else(|| toml::Value::Table(toml::Table::new()));
    section.try_into().or_other(|| format!("the embedded defaults of [{slot}] do not fit its stage"))
}
