//! One layer of settings, and where each of them was set.

use std::collections::BTreeMap;

use firebrand_pipeline::{Error, Result};
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

/// A file's settings, or one `--set`.
#[derive(Debug)]
pub(crate) struct Layer {
    /// Sections of keys.
    pub(crate) table: Table,
    /// Where each dotted key was set: `train.epochs` → `configs/my.toml:12`. Tables have a place too.
    pub(crate) places: BTreeMap<String, String>,
    /// The place of keys that have none of their own.
    pub(crate) name: String,
    /// The dotted key whose value this layer replaces as a whole instead of merging tables.
    pub(crate) whole: Option<String>,
}

impl Layer {
    /// The settings of a TOML document; `name` is the file's name in messages.
    pub(crate) fn of_file(text: &str, name: &str) -> Result<Self> {
        let invalid = |error: toml::de::Error| {
            let line = error.span().map(|span| format!(":{}", line_of(text, span.start))).unwrap_or_default();
            Error::config(format!("{name}{line}: this is not valid TOML: {}", error.message()))
                .hint("texts stand in double quotes, keys below a `[section]`; `configs/default.toml` shows every key")
        };
        let spans = DeTable::parse(text).map_err(invalid)?;
        let table = text.parse().map_err(invalid)?;
        let mut places = BTreeMap::new();
        note(spans.get_ref(), "", &mut places, &|offset| format!("{name}:{}", line_of(text, offset)));
        Ok(Self { table, places, name: name.to_owned(), whole: None })
    }

    /// Where a dotted key was set: its own place, or that of the nearest table around it.
    pub(crate) fn place(&self, key: &str) -> &str {
        let mut key = key;
        loop {
            match (self.places.get(key), key.rsplit_once('.')) {
                (Some(place), _) => return place,
                (None, Some((parent, _))) => key = parent,
                (None, None) => return &self.name,
            }
        }
    }

    /// Overrides what `under` sets, and records where.
    pub(crate) fn lay_over(self, under: &mut Table, places: &mut BTreeMap<String, String>) {
        if let Some(whole) = &self.whole {
            // The places of the old value's keys are no longer valid.
            let inside = format!("{whole}.");
            places.retain(|key, _| key != whole && !key.starts_with(&inside));
        }
        merge(self.table, under, "", self.whole.as_deref());
        places.extend(self.places);
    }
}

/// The keys that say where data or a model come from; a source has one of them.
const SOURCES: [&str; 5] = ["path", "url", "hub", "pypi", "npm"];

fn merge(over: Table, under: &mut Table, prefix: &str, whole: Option<&str>) {
    for (key, value) in over {
        let dotted = join(prefix, &key);
        // `package` and `command` exclude each other, and the later one wins.
        match dotted.split_once('.') {
            Some((_, "package")) => {
                under.remove("command");
                under.remove("watch");
            }
            Some((_, "command")) => drop(under.remove("package")),
            _ => {}
        }
        match (value, under.get_mut(&key)) {
            (Value::Table(over), Some(Value::Table(under))) if whole != Some(&dotted) => {
                if names_another_source(&dotted, &over, under) {
                    under.clear();
                }
                merge(over, under, &dotted, whole);
            }
            (value, _) => drop(under.insert(key, value)),
        }
    }
}

/// Whether data or a model come from another kind of source than before, so that the keys of the old one do not apply.
fn names_another_source(dotted: &str, over: &Table, under: &Table) -> bool {
    let kinds = |table: &Table| SOURCES.iter().filter(|kind| table.contains_key(**kind)).count();
    let shared = SOURCES.iter().any(|kind| over.contains_key(*kind) && under.contains_key(*kind));
    matches!(dotted, "fetch.data" | "fetch.model") && kinds(over) > 0 && kinds(under) > 0 && !shared
}

/// `prefix.key`, or `key` without a prefix.
pub(crate) fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn note(table: &DeTable<'_>, prefix: &str, places: &mut BTreeMap<String, String>, place: &impl Fn(usize) -> String) {
    for (key, value) in table {
        let dotted = join(prefix, key.get_ref());
        if let DeValue::Table(inner) = value.get_ref() {
            note(inner, &dotted, places, place);
        }
        places.insert(dotted, place(key.span().start));
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.as_bytes().iter().take(offset).filter(|&&byte| byte == b'\n').count()
}
