//! Rows on their way from the input to the output.

use std::borrow::Cow;

use firebrand_tables::json::plain;
use serde_json::Value;

use firebrand_infer::Refusal;

/// A row of the input.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// Its texts, or why it has none.
    pub(super) texts: Result<Texts, String>,
    /// Its columns.
    pub(super) kept: Kept,
    /// About how much memory it takes.
    pub(super) bytes: usize,
}

/// What is to be classified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) text: String,
    pub(super) pair: Option<String>,
}

/// A row's columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kept {
    /// A cell for each column.
    Cells(Vec<Cell>),
    /// A JSON object as it was written, without its closing brace.
    Object(String),
    /// The output copies the columns itself.
    Elsewhere,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    /// Missing.
    Null,
    /// A field of a CSV file, not empty.
    Text(Vec<u8>),
    /// A value of JSON or Parquet, not null.
    Value(Value),
}

impl Cell {
    /// A field of a CSV file.
    pub(super) fn field(bytes: Vec<u8>) -> Self {
        if bytes.is_empty() { Self::Null } else { Self::Text(bytes) }
    }

    pub(super) fn value(value: Value) -> Self {
        if value.is_null() { Self::Null } else { Self::Value(value) }
    }

    /// As a field of a CSV file; lists and objects as JSON.
    pub(super) fn to_field(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Null => Cow::Borrowed(b""),
            Self::Text(bytes) => Cow::Borrowed(bytes),
            Self::Value(Value::String(text)) => Cow::Borrowed(text.as_bytes()),
            Self::Value(value) => Cow::Owned(value.to_string().into_bytes()),
        }
    }

    /// As a value of JSON.
    pub(super) fn to_json(&self) -> Cow<'_, Value> {
        match self {
            Self::Null => Cow::Owned(Value::Null),
            Self::Text(bytes) => Cow::Owned(Value::String(String::from_utf8_lossy(bytes).into_owned())),
            Self::Value(value) => Cow::Borrowed(value),
        }
    }

    /// As the text that is classified.
    pub(super) fn to_text(&self, most_bytes: usize) -> Result<String, String> {
        match self {
            Self::Null => Err(NO_TEXT.to_owned()),
            Self::Text(bytes) => text(bytes, most_bytes),
            Self::Value(value) => match plain(value) {
                Ok(Some(value)) => text(value.as_bytes(), most_bytes),
                Ok(None) => Err(NO_TEXT.to_owned()),
                Err(what) => Err(format!("the text is {what}")),
            },
        }
    }
}

/// Why a row without a text has no prediction.
pub(super) const NO_TEXT: &str = "there is no text";

/// Bytes as the text that is classified.
pub(super) fn text(bytes: &[u8], most_bytes: usize) -> Result<String, String> {
    if bytes.len() > most_bytes {
        return Err(format!("the text {}", Refusal::TooLong(most_bytes)));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if text.trim().is_empty() => Err(NO_TEXT.to_owned()),
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(format!("the text {}", Refusal::NotUtf8(error.valid_up_to() + 1))),
    }
}

/// The texts of a row from its cells.
pub(super) fn texts(text: Option<&Cell>, pair: Option<Option<&Cell>>, most_bytes: usize) -> Result<Texts, String> {
    let read = |cell: Option<&Cell>| cell.unwrap_or(&Cell::Null).to_text(most_bytes);
    let text = read(text)?;
    let pair = pair.map(|cell| read(cell).map_err(second)).transpose()?;
    Ok(Texts { text, pair })
}

/// What is wrong with the second text of a pair.
pub(super) fn second(why: String) -> String {
    match why.strip_prefix("the text ") {
        Some(rest) => format!("the second text {rest}"),
        None => "there is no second text".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_no_text_says_why() {
        assert_eq!(Cell::field(b"a".to_vec()).to_text(9), Ok("a".to_owned()));
        assert_eq!(Cell::value(json!(2.0)).to_text(9), Ok("2".to_owned()));
        for (cell, why) in [
            (Cell::field(Vec::new()), NO_TEXT),
            (Cell::field(b" \t".to_vec()), NO_TEXT),
            (Cell::value(Value::Null), NO_TEXT),
            (Cell::field(b"caf\xe9".to_vec()), "the text is not UTF-8: byte 4 cannot be read"),
            (Cell::field(b"0123456789".to_vec()), "the text is longer than 9 bytes"),
            (Cell::value(json!(["a"])), "the text is a list"),
        ] {
            assert_eq!(cell.to_text(9), Err(why.to_owned()));
        }
        let pair = Some(Some(&Cell::Null));
        assert_eq!(texts(Some(&Cell::field(b"a".to_vec())), pair, 9), Err("there is no second text".to_owned()));
        assert_eq!(second("the text is a list".to_owned()), "the second text is a list");
    }

    #[test]
    fn cells_are_fields_and_values() {
        let nested = Cell::value(json!({ "a": [1, null] }));
        assert_eq!(nested.to_field().as_ref(), b"{\"a\":[1,null]}");
        assert_eq!(Cell::value(json!(0.1)).to_field().as_ref(), b"0.1");
        assert_eq!(*Cell::field(b"\xff".to_vec()).to_json(), json!("\u{fffd}"));
    }
}
