//! `--set key=value`.

use std::collections::BTreeMap;

use firebrand_pipeline::config::DEFAULTS;
use firebrand_pipeline::{Error, Result};
use toml::{Table, Value};

use super::layer::{Layer, join};

/// What messages name as the place of a key set on the command line.
const PLACE: &str = "--set";

/// The layer of one `key=value`. The value is TOML; anything that is not valid TOML is a text.
pub(crate) fn parse(argument: &str) -> Result<Layer> {
    let malformed = || {
        Error::usage(format!("--set: expected `section.key=value`, found `{argument}`"))
            .hint("for example `--set train.learning_rate=3e-5`")
    };
    let (key, value) = argument.split_once('=').ok_or_else(malformed)?;
    let path = key_path(key).filter(|path| path.len() > 1).ok_or_else(malformed)?;
    let value = value_at(&path, value.trim());
    let mut places = BTreeMap::new();
    let mut dotted = String::new();
    for key in &path {
        dotted = join(&dotted, key);
        places.insert(dotted.clone(), PLACE.to_owned());
    }
    note_inside(&value, &dotted, &mut places);
    let mut value = value;
    for key in path.iter().rev() {
        value = Value::Table(Table::from_iter([(key.clone(), value)]));
    }
    match value {
        Value::Table(table) => Ok(Layer { table, places, name: PLACE.to_owned(), whole: Some(dotted) }),
        _ => Err(malformed()),
    }
}

/// `clean.rename_labels."1"` as its parts.
fn key_path(key: &str) -> Option<Vec<String>> {
    let mut table: Table = format!("{key} = 0").parse().ok()?;
    let mut path = Vec::new();
    loop {
        if table.len() != 1 {
            return None;
        }
        let (key, value) = table.into_iter().next()?;
        path.push(key);
        match value {
            Value::Table(inner) => table = inner,
            _ => return Some(path),
        }
    }
}

fn value_at(path: &[String], text: &str) -> Value {
    let literal = || Value::String(text.to_owned());
    let parsed = format!("v = {text}").parse::<Table>().ok().filter(|table| table.len() == 1);
    let parsed = parsed.and_then(|mut table| table.remove("v")).unwrap_or_else(literal);
    // If the default is a text, `--set run.name=2026` means the text.
    let mut default = DEFAULTS.parse::<Table>().ok().map(Value::Table);
    for key in path {
        default = default.and_then(|value| value.get(key).cloned());
    }
    let text_expected = matches!(default, Some(Value::String(_))) || path.last().is_some_and(|key| key == "package");
    if text_expected && !parsed.is_str() && !parsed.is_table() && !parsed.is_array() { literal() } else { parsed }
}

fn note_inside(value: &Value, prefix: &str, places: &mut BTreeMap<String, String>) {
    for (key, value) in value.as_table().into_iter().flatten() {
        let dotted = join(prefix, key);
        note_inside(value, &dotted, places);
        places.insert(dotted, PLACE.to_owned());
    }
}
