//! Checks sections, keys and types of values against the defaults.

use std::collections::BTreeSet;

use firebrand_pipeline::{Error, Result, Slot, suggest};
use toml::{Table, Value};

use super::extends::EXTENDS;
use super::layer::{Layer, join};

/// The slots that are not filled by the built-in package. Only their own stage knows their keys.
pub(crate) fn custom_slots(layers: &[Layer]) -> Result<BTreeSet<Slot>> {
    let mut custom = BTreeSet::new();
    for layer in layers {
        for slot in Slot::ALL {
            let Some(section) = layer.table.get(slot.name()).and_then(Value::as_table) else { continue };
            let place = |key: &str| layer.place(&format!("{slot}.{key}"));
            if section.get("watch").is_some_and(|watch| !is_list_of_texts(watch)) {
                return Err(Error::config(format!("{}: `{slot}.watch` is not a list of paths", place("watch")))
                    .hint(format!("for example `watch = [\"{slot}.py\", \"lib/**\"]`")));
            }
            match (section.get("package"), section.get("command")) {
                (Some(_), Some(_)) => {
                    return Err(Error::config(format!(
                        "{}: `{slot}` has both `package` and `command`",
                        place("command")
                    ))
                    .hint("a stage is filled by one or the other: remove one of the two lines"));
                }
                (Some(Value::String(package)), None) if !package.is_empty() => {
                    if *package != slot.default_package() {
                        custom.insert(slot);
                    }
                }
                (None, Some(words)) if is_list_of_texts(words) => {
                    custom.insert(slot);
                }
                (None, None) => {}
                (Some(_), None) => {
                    return Err(Error::config(format!(
                        "{}: `{slot}.package` is not a package's name",
                        place("package")
                    ))
                    .hint(format!("for example `package = \"my-{slot}\"`")));
                }
                (None, Some(_)) => {
                    return Err(Error::config(format!(
                        "{}: `{slot}.command` is not a list of words",
                        place("command")
                    ))
                    .hint(format!("for example `command = [\"python3\", \"{slot}.py\"]`")));
                }
            }
        }
    }
    Ok(custom)
}

fn is_list_of_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|values| !values.is_empty() && values.iter().all(Value::is_str))
}

/// Checks a layer, and turns integers into floats if the default is one.
pub(crate) fn layer(layer: &mut Layer, defaults: &Table, custom: &BTreeSet<Slot>) -> Result<()> {
    let mut table = std::mem::take(&mut layer.table);
    for (name, value) in &mut table {
        let place = layer.place(name);
        let Some(Value::Table(keys)) = defaults.get(name) else {
            return Err(unknown_section(name, value, place, defaults));
        };
        let Value::Table(section) = value else {
            return Err(Error::config(format!("{place}: `{name}` must be a section, but is {}", describe(value)))
                .hint(format!("write `[{name}]` on a line of its own, and its keys below it")));
        };
        let slot = name.parse::<Slot>().ok();
        let own = slot.is_some_and(|slot| custom.contains(&slot));
        for (key, value) in section {
            let filler = slot.is_some() && matches!(key.as_str(), "package" | "command" | "watch");
            if !filler && !own {
                entry(name, key, value, keys, layer, defaults)?;
            }
        }
    }
    layer.table = table;
    Ok(())
}

fn entry(prefix: &str, key: &str, value: &mut Value, keys: &Table, layer: &Layer, all: &Table) -> Result<()> {
    let dotted = join(prefix, key);
    let place = layer.place(&dotted);
    let Some(default) = keys.get(key) else {
        return Err(unknown_key(prefix, key, place, keys, all));
    };
    match (default, &mut *value) {
        (Value::Table(keys), Value::Table(values)) if !keys.is_empty() => {
            for (key, value) in values {
                entry(&dotted, key, value, keys, layer, all)?;
            }
            return Ok(());
        }
        // As the stages read it, so that `3` and `3.0` are the same setting.
        (Value::Float(_), &mut Value::Integer(whole)) => *value = Value::Float(whole as f64),
        _ => {}
    }
    if default.same_type(value) {
        return Ok(());
    }
    Err(Error::config(format!("{place}: `{dotted}` must be {}, but is {}", type_name(default), describe(value)))
        .hint(format!("the default is `{key} = {default}`")))
}

fn unknown_section(name: &str, value: &Value, place: &str, defaults: &Table) -> Error {
    if !value.is_table() {
        let error = Error::config(format!("{place}: `{name}` stands outside of every section"));
        if suggest(name, [EXTENDS]).is_some() {
            return error.hint(format!("did you mean `{EXTENDS}`?"));
        }
        return match sections_with(name, defaults) {
            sections if sections.is_empty() => error.hint(format!("the sections are: {}", list(defaults))),
            sections => error.hint(format!("write it below {sections}")),
        };
    }
    let error = Error::config(format!("{place}: there is no section `[{name}]`"));
    match suggest(name, defaults.keys().map(String::as_str)) {
        Some(section) => error.hint(format!("did you mean `[{section}]`?")),
        None => error.hint(format!("the sections are: {}", list(defaults))),
    }
}

fn unknown_key(prefix: &str, key: &str, place: &str, keys: &Table, all: &Table) -> Error {
    let error = Error::config(format!("{place}: there is no key `{}`", join(prefix, key)));
    match (suggest(key, keys.keys().map(String::as_str)), sections_with(key, all)) {
        (Some(near), _) => error.hint(format!("did you mean `{near}`?")),
        (None, sections) if sections.is_empty() => error.hint(format!("the keys of `[{prefix}]` are: {}", list(keys))),
        (None, sections) => error.hint(format!("`{key}` is a key of {sections}")),
    }
}

/// The sections that have this key: `[split]`, `[train]`.
fn sections_with(key: &str, defaults: &Table) -> String {
    let sections = defaults.iter().filter(|(_, section)| section.get(key).is_some());
    sections.map(|(name, _)| format!("`[{name}]`")).collect::<Vec<_>>().join(", ")
}

fn list(table: &Table) -> String {
    table.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::String(_) => format!("the text {value}"),
        Value::Integer(_) | Value::Float(_) => format!("the number {value}"),
        Value::Boolean(_) => value.to_string(),
        Value::Datetime(_) => format!("the date {value}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}
