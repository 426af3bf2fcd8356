//! JSON Lines, and arrays of objects.
//!
//! Every line is parsed by itself, so that an error has its line, and a label may be 1 in one row and "1" in the next.

use std::collections::HashSet;

use firebrand_pipeline::{Error, Result};
use firebrand_tables::json::{Fixes, parse, plain};
use firebrand_tables::wording::{counted, short};
use firebrand_tables::{BadRow, BadRows, Kind};
use serde_json::{Map, Value};

use super::{Table, parted};

/// A file of JSON objects.
#[derive(Debug)]
pub(crate) struct Json {
    name: String,
    kind: Kind,
    /// Every key that occurs, in the order of its first appearance.
    names: Vec<String>,
    rows: Vec<(u64, Map<String, Value>)>,
    bad: Vec<BadRow>,
    notes: Vec<String>,
}

/// The rows of a file, and what was wrong with it.
#[derive(Debug, Default)]
struct Parsed {
    rows: Vec<(u64, Map<String, Value>)>,
    bad: Vec<(BadRow, Error)>,
    fixes: Fixes,
}

impl Json {
    /// Reads a whole file. `.json` may be either; an array starts with its bracket.
    pub(crate) fn new(name: &str, text: &str, kind: Kind, bad_rows: BadRows) -> Result<Self> {
        let kind = match (kind, text.trim_start().starts_with('[')) {
            (Kind::Json, true) => Kind::Json,
            _ => Kind::JsonLines,
        };
        let Parsed { rows, mut bad, fixes } = if kind == Kind::Json { array(name, text)? } else { lines(name, text) };
        if bad_rows == BadRows::Error && !bad.is_empty() {
            let others = bad.len() - 1;
            let (_, first) = bad.swap_remove(0);
            let first = first.hint("`bad_rows = \"drop\"` below [clean] leaves such rows out, and counts them");
            return Err(match others {
                0 => first,
                others => first.hint(format!("{} cannot be read either", counted(others, "other row"))),
            });
        }
        if rows.is_empty() {
            return Err(Error::data(format!("{name} has no rows in it")));
        }
        let mut seen = HashSet::new();
        let keys = rows.iter().flat_map(|(_, row)| row.keys());
        let names = keys.filter(|key| seen.insert(key.as_str())).cloned().collect();
        let bad = bad.into_iter().map(|(row, _)| row).collect();
        Ok(Self { name: name.to_owned(), kind, names, rows, bad, notes: notes(name, fixes) })
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

    fn bad_rows(&self) -> &[BadRow] {
        &self.bad
    }

    fn notes(&self) -> &[String] {
        &self.notes
    }
}

fn notes(name: &str, fixes: Fixes) -> Vec<String> {
    let mut notes = Vec::new();
    let count = |number: u64, thing: &str| counted(usize::try_from(number).unwrap_or(usize::MAX), thing);
    if fixes.numbers > 0 {
        notes.push(format!(
            "{name}: NaN or Infinity, which JSON does not know and Python writes, is read as a missing value ({})",
            count(fixes.numbers, "time")
        ));
    }
    if fixes.surrogates > 0 {
        notes.push(format!(
            "{name}: half a surrogate pair, which is no character, is read as U+FFFD ({})",
            count(fixes.surrogates, "time")
        ));
    }
    notes
}

impl Json {
    fn wrong(&self, place: u64, key: &str, what: &str, value: &Value) -> Error {
        let (unit, value) = (self.kind.unit(), short(&value.to_string(), 60));
        Error::data(format!("{}, {unit} {place}: `{key}` is {what}: {value}", self.name))
            .hint("a value is a text, a number, a boolean or null; a row has one label")
            .hint("where rows have lists of labels: `multi_label = true` below [clean]")
    }
}

fn lines(name: &str, text: &str) -> Parsed {
    let mut parsed = Parsed::default();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let error = match parse(line) {
            Ok((Value::Object(row), fixes)) => {
                parsed.fixes += fixes;
                parsed.rows.push((number, row));
                continue;
            }
            Ok((other, _)) => no_object(&format!("{name}, line {number}"), &other),
            Err(error) => reason(&error)
                .context(format!("{name}, line {number} is not valid JSON: {}", short(line, 60)))
                .hint("JSON Lines has one object per line: {\"text\": \"…\", \"label\": \"…\"}"),
        };
        parsed.bad.push((BadRow { number, why: format!("it is not a JSON object: {}", short(line, 60)) }, error));
    }
    parsed
}

fn array(name: &str, text: &str) -> Result<Parsed> {
    let (values, fixes): (Vec<Value>, Fixes) = parse(text).map_err(|error| {
        Error::data(format!("{name}, line {} is not valid JSON", error.line())).hint(format!(
            "it breaks at character {}: {}",
            error.column(),
            reason(&error)
        ))
    })?;
    let mut parsed = Parsed { fixes, ..Parsed::default() };
    for (number, value) in (1..).zip(values) {
        match value {
            Value::Object(row) => parsed.rows.push((number, row)),
            other => {
                let why = format!("it is not a JSON object: {}", short(&other.to_string(), 60));
                parsed.bad.push((BadRow { number, why }, no_object(&format!("{name}, row {number}"), &other)));
            }
        }
    }
    Ok(parsed)
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
        Json::new("a.jsonl", text, kind, BadRows::Error).map_err(|error| error.message().to_owned())
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

    #[test]
    fn what_python_writes_is_read() {
        let json =
            read("{\"text\": NaN, \"n\": -Infinity}\n{\"text\": \"a\\ud83d\", \"n\": 1}\n", Kind::JsonLines).unwrap();
        assert_eq!(json.column(0).unwrap(), [None, Some("a\u{fffd}".to_owned())]);
        assert_eq!(json.notes.len(), 2);
        assert!(json.notes[0].ends_with("is read as a missing value (2 times)"), "{:?}", json.notes);
        assert_eq!(read("[{\"text\": \"NaN\", \"n\": NaN}]", Kind::Json).unwrap().notes.len(), 1);
    }

    #[test]
    fn bad_lines_may_be_left_out() {
        let text = "{\"text\": \"a\"}\nnonsense\n[1]\n{\"text\": \"b\"}\n";
        let json = Json::new("a.jsonl", text, Kind::JsonLines, BadRows::Drop).unwrap();
        assert_eq!((json.rows.len(), json.place(1)), (2, 4));
        assert_eq!(json.bad.iter().map(|row| row.number).collect::<Vec<_>>(), [2, 3]);
        let error = Json::new("a.jsonl", text, Kind::JsonLines, BadRows::Error).unwrap_err();
        assert!(error.render().ends_with("hint: 1 other row cannot be read either"), "{}", error.render());
    }

    fn value() -> impl proptest::strategy::Strategy<Value = Option<String>> {
        proptest::option::of(proptest::arbitrary::any::<String>())
    }

    proptest::proptest! {
        /// Whatever texts hold, they come back, from lines and from an array.
        #[test]
        fn tables_come_back(table in proptest::collection::vec((value(), value()), 1..12)) {
            let object = |(text, label): &(Option<String>, Option<String>)| {
                serde_json::json!({"text": text, "label": label}).to_string()
            };
            let objects: Vec<String> = table.iter().map(object).collect();
            for (file, kind) in [(objects.join("\n"), Kind::JsonLines), (format!("[{}]", objects.join(",")), Kind::Json)] {
                let json = read(&file, kind).unwrap();
                let (texts, labels): (Vec<_>, Vec<_>) = table.iter().cloned().unzip();
                proptest::prop_assert_eq!((json.column(0).unwrap(), json.column(1).unwrap()), (texts, labels));
                proptest::prop_assert!(json.notes.is_empty());
            }
        }
    }
}
