//! JSON without duplicate keys.
//!
//! Parsers differ in which of two values they keep, so a file could be one model to a scanner and another to its user.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::ModelError;

/// An object with values of one type, of at most `MAX` entries, and without duplicate keys.
#[derive(Debug)]
pub(super) struct Distinct<V, const MAX: usize>(pub(super) BTreeMap<String, V>);

/// The error for a duplicate key.
pub(super) fn duplicate_key<E: Error>(key: &str) -> E {
    E::custom(format_args!("duplicate key \"{key}\""))
}

impl<'de, V: Deserialize<'de>, const MAX: usize> Deserialize<'de> for Distinct<V, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V, const MAX: usize>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>, const MAX: usize> Visitor<'de> for Entries<V, MAX> {
            type Value = Distinct<V, MAX>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "an object of at most {MAX} entries")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
                let mut map = BTreeMap::new();
                while let Some(key) = access.next_key::<String>()? {
                    if map.contains_key(&key) {
                        return Err(duplicate_key(&key));
                    }
                    if map.len() == MAX {
                        return Err(Error::invalid_length(MAX + 1, &self));
                    }
                    map.insert(key, access.next_value()?);
                }
                Ok(Distinct(map))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// The largest accepted configuration file: a hundred thousand labels take six megabytes.
const MAX_SIZE: u64 = 16 << 20;

/// Reads a configuration file.
pub(crate) fn read_json(path: &Path) -> Result<Value, ModelError> {
    let problem = |problem: String| ModelError::Config { path: path.to_owned(), problem };
    let file = File::open(path).map_err(ModelError::io("read", path))?;
    let length = file.metadata().map_err(ModelError::io("read", path))?.len();
    let mut text = Vec::with_capacity(length.min(MAX_SIZE) as usize + 1);
    file.take(MAX_SIZE + 1).read_to_end(&mut text).map_err(ModelError::io("read", path))?;
    if text.len() as u64 > MAX_SIZE {
        return Err(problem(format!("it has more than {MAX_SIZE} bytes, more than any model's configuration")));
    }
    parse(&text).map_err(|error| problem(error.to_string()))
}

fn parse(text: &[u8]) -> Result<Value, serde_json::Error> {
    // A value takes about eighty bytes in memory, but a list element as little as two bytes in the file. Real files hold far
    // fewer values than that allows.
    let left = Cell::new(text.len() / 16 + 4096);
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = AnyValue(&left).deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Any JSON value, and how many more values the file may hold.
#[derive(Clone, Copy)]
struct AnyValue<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self
            .0
            .get()
            .checked_sub(1)
            .ok_or_else(|| D::Error::custom("more values than any model's configuration"))?;
        self.0.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(duplicate_key(&key));
            }
            let value = access.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_serde_json() {
        let text = r#"{"a": [1, -2, 0.5, true, null, "x"], "b": {"a": {}}}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(serde_json::from_str::<Distinct<u8, 2>>(r#"{"b": 1, "a": 2}"#).unwrap().0["a"], 2);
        assert!(serde_json::from_str::<Distinct<u8, 1>>(r#"{"b": 1, "a": 2}"#).is_err());
        assert!(parse(b"{} {}").is_err());
    }

    #[test]
    fn a_duplicate_key_is_rejected_at_any_depth() {
        for text in [r#"{"a": 1, "a": 1}"#, r#"[{"b": {"a": 1, "a": 2}}]"#] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("duplicate key \"a\""), "{error}");
        }
        assert!(serde_json::from_str::<Distinct<u8, 2>>(r#"{"a": 1, "a": 1}"#).is_err());
    }

    #[test]
    fn configurations_of_nothing_but_numbers_are_rejected() {
        let numbers = |count| format!("[{}0]", "0,".repeat(count));
        assert!(parse(numbers(4000).as_bytes()).is_ok());
        assert!(parse(numbers(10_000).as_bytes()).unwrap_err().to_string().contains("more values"));
    }
}
