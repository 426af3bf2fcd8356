//! JSON Lines, and arrays of objects.
//!
//! Every line is parsed by itself, so that an error has its line, and a label may be 1 in one row and "1" in the next.

use std::collections::HashSet;

use firebrand_pipeline::{Error, Result};
use serde_json::{Map, Value};

use super::{Table, number, parted, unit};
use crate::files::Kind;
use crate::nearest::short;

/// A file of JSON objects.
#[derive(Debug)]
pub(crate) struct Json {
    name: String,
    kind: Kind,
    /// Every key that occurs, in the order of its first appearance.
    names: Vec<String>,
    rows: Vec<(u64, Map<String, Value>)>,
}

impl Json {
    /// Reads a whole file. `.json` may be either; an array starts with its bracket.
    pub(crate) fn new(name: &str, text: &str, kind: Kind) -> Result<Self> {
        let kind = match (kind, text.trim_start().starts_with('[')) {
            (Kind::Json, true) => Kind::Json,
            _ => Kind::JsonLines,
        };
        let rows = if kind == Kind::Json { array(name, text)? } else { lines(name, text)? };
        if rows.is_empty() {
            return Err(Error::data(format!("{name} has no rows in it")));
        }
        let mut seen = HashSet::new();
        let keys = rows.iter().flat_map(|(_, row)| row.keys());
        let names = keys.filter(|key| seen.insert(key.as_str())).cloned().collect();
        Ok(Self { name: name.to_owned(), kind, names, rows })
    }
}

impl Table for Json {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn column(&self, column: usize) -> Result<Vec<Option<String>>> {
        let Some(key) = self.names.get(column) else { return Ok(vec![None; self.rows.len()]) };
        let value = |(place, row): &(u64, Map<String, Value>)| {
            let value = row.get(key).unwrap_or(&Value::Null);
            plain(value).map_err(|what| self.wrong(*place, key, what, value))
        };
        self.rows.iter().map(value).collect()
    }

    fn lists(&self, column: usize, separator: Option<&str>) -> Result<Vec<Vec<String>>> {
        let Some(key) = self.names.get(column) else { return Ok(vec![Vec::new(); self.rows.len()]) };
        let list = |(place, row): &(u64, Map<String, Value>)| match row.get(key).unwrap_or(&Value::Null) {
            Value::Array(values) => {
                let texts = values.iter().filter_map(|value| {
                    plain(value)
                        .map_err(|what| self.wrong(*place, key, &format!("a list with {what} in it"), value))
                        .transpose()
                });
                texts.collect()
            }
            value => Ok(parted(plain(value).map_err(|what| self.wrong(*place, key, what, value))?, separator)),
        };
        self.rows.iter().map(list).collect()
    }

    fn place(&self, row: usize) -> u64 {
        self.rows.get(row).map_or(0, |(place, _)| *place)
    }
}

impl Json {
    fn wrong(&self, place: u64, key: &str, what: &str, value: &Value) -> Error {
        let (unit, value) = (unit(self.kind), short(&value.to_string(), 60));
        Error::data(format!("{}, {unit} {place}: `{key}` is {what}: {value}", self.name))
            .hint("a value is a text, a number, a boolean or null; a row has one label")
            .hint("where rows have lists of labels: `multi_label = true` below [clean]")
    }
}

/// A plain value as a text, none for null; what it is instead where it is not plain.
fn plain(value: &Value) -> Result<Option<String>, &'static str> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(value) => Ok(Some(value.to_string())),
        Value::Number(value) => Ok(Some(match value.as_f64() {
            Some(float) if value.is_f64() => number(float),
            _ => value.to_string(),
        })),
        Value::Array(_) => Err("a list"),
        Value::Object(_) => Err("an object"),
    }
}

fn lines(name: &str, text: &str) -> Result<Vec<(u64, Map<String, Value>)>> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let parse = |(number, line): (u64, &str)| match serde_json::from_str(line) {
        Ok(Value::Object(row)) => Ok((number, row)),
        Ok(other) => Err(no_object(&format!("{name}, line {number}"), &other)),
        Err(error) => Err(reason(&error)
            .context(format!("{name}, line {number} is not valid JSON: {}", short(line, 60)))
            .hint("JSON Lines has one object per line: {\"text\": \"…\", \"label\": \"…\"}")),
    };
    lines.map(parse).collect()
}

fn array(name: &str, text: &str) -> Result<Vec<(u64, Map<String, Value>)>> {
    let values: Vec<Value> = serde_json::from_str(text).map_err(|error| {
        Error::data(format!("{name}, line {} is not valid JSON", error.line())).hint(format!(
            "it breaks at character {}: {}",
            error.column(),
            reason(&error)
        ))
    })?;
    let row = |(number, value): (u64, Value)| match value {
        Value::Object(row) => Ok((number, row)),
        other => Err(no_object(&format!("{name}, row {number}"), &other)),
    };
    (1..).zip(values).map(row).collect()
}

fn no_object(place: &str, found: &Value) -> Error {
    Error::data(format!("{place} is not a JSON object: {}", short(&found.to_string(), 60)))
        .hint("every row is an object: {\"text\": \"…\", \"label\": \"…\"}")
}

/// The parser's words without its own line: it may have seen one line only.
fn reason(error: &serde_json::Error) -> Error {
    let text = error.to_string();
    let words = text.split(" at line ").next().unwrap_or_default();
    Error::data(format!("{words}, at character {} of the line", error.column()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, kind: Kind) -> Result<Json, String> {
        Json::new("a.jsonl", text, kind).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn keys_may_come_late_and_values_may_be_of_any_plain_type() {
        let text =
            "{\"text\": \"a\", \"label\": 1}\n\n{\"label\": true, \"text\": null}\r\n{\"label\": 2.0, \"x\": [1]}\n";
        let json = read(text, Kind::JsonLines).unwrap();
        assert_eq!(json.names, ["text", "label", "x"]);
        assert_eq!(json.column(0).unwrap(), [Some("a".to_owned()), None, None]);
        assert_eq!(json.column(1).unwrap(), ["1", "true", "2"].map(|text| Some(text.to_owned())));
        assert_eq!(json.place(1), 3);
        let error = json.column(2).unwrap_err();
        assert_eq!(error.message(), "a.jsonl, line 4: `x` is a list: [1]");
    }

    #[test]
    fn an_array_is_read_by_its_bracket() {
        let json = read(" [{\"text\": \"a\"},\n{\"text\": \"b\"}]", Kind::Json).unwrap();
        assert_eq!((json.rows.len(), json.place(1)), (2, 2));
        assert_eq!(read("{\"text\": \"a\"}\n{\"text\": \"b\"}", Kind::Json).unwrap().rows.len(), 2);
    }

    #[test]
    fn what_is_broken_is_named_by_its_line() {
        for (text, kind, expected) in [
            (
                "{\"text\": \"a\"}\n{\"text\": \"b\n",
                Kind::JsonLines,
                "a.jsonl, line 2 is not valid JSON: {\"text\": \"b",
            ),
            ("{\"text\": \"a\"}\n[1]\n", Kind::JsonLines, "a.jsonl, line 2 is not a JSON object: [1]"),
            ("[{\"text\": \"a\"},\n{\"text\"]", Kind::Json, "a.jsonl, line 2 is not valid JSON"),
            ("[{\"text\": \"a\"}, 3]", Kind::Json, "a.jsonl, row 2 is not a JSON object: 3"),
            ("[]", Kind::Json, "a.jsonl has no rows in it"),
            ("\n", Kind::JsonLines, "a.jsonl has no rows in it"),
        ] {
            assert_eq!(read(text, kind).unwrap_err(), expected);
        }
    }
}
