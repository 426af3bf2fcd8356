//! Values of JSON as people and Python write them.

mod repair;

use serde_json::Value;

pub use repair::{Fixes, Repaired, repair};

/// A plain value as a text, `None` for null.
///
/// # Errors
/// When it is not plain: what it is instead.
pub fn plain(value: &Value) -> Result<Option<String>, &'static str> {
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

/// Parses a text as it is or, failing that, without what Python alone understands.
///
/// # Errors
/// When it is not JSON then either.
pub fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<(T, Fixes), serde_json::Error> {
    match serde_json::from_str(text) {
        Ok(value) => Ok((value, Fixes::default())),
        Err(error) => match repair(text) {
            Some(Repaired { text, fixes }) => Ok((serde_json::from_str(&text)?, fixes)),
            None => Err(error),
        },
    }
}

/// A number as a text; whole ones as integers, as some writers turn integers into floating point where values are missing.
pub fn number(float: f64) -> String {
    if float.fract() == 0.0 && float.abs() < 1e15 { format!("{float:.0}") } else { float.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_values_are_texts() {
        for (value, expected) in [
            (json!(null), Ok(None)),
            (json!("a"), Ok(Some("a"))),
            (json!(true), Ok(Some("true"))),
            (json!(7), Ok(Some("7"))),
            (json!(2.0), Ok(Some("2"))),
            (json!(0.5), Ok(Some("0.5"))),
            (json!([1]), Err("a list")),
            (json!({}), Err("an object")),
        ] {
            assert_eq!(plain(&value), expected.map(|text| text.map(str::to_owned)));
        }
    }

    #[test]
    fn what_python_writes_is_parsed() {
        let (value, fixes): (Value, Fixes) = parse("{\"a\": NaN}").unwrap();
        assert_eq!((value, fixes.numbers), (json!({ "a": null }), 1));
        assert!(parse::<Value>("{\"a\": nan}").is_err());
    }
}
