//! What Python writes as JSON and JSON does not know: `NaN`, `Infinity`, and halves of surrogate pairs.

/// A text that is JSON now, and what it took.
#[derive(Debug, PartialEq)]
pub struct Repaired {
    /// The text.
    pub text: String,
    /// What was replaced.
    pub fixes: Fixes,
}

/// How many of each were replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fixes {
    /// `NaN`, `Infinity` and `-Infinity` that became `null`.
    pub numbers: u64,
    /// Halves of surrogate pairs that became U+FFFD.
    pub surrogates: u64,
}

impl std::ops::AddAssign for Fixes {
    fn add_assign(&mut self, more: Self) {
        self.numbers += more.numbers;
        self.surrogates += more.surrogates;
    }
}

/// Replaces what JSON does not allow. `None` if the text needs no repair.
pub fn repair(text: &str) -> Option<Repaired> {
    let mut fixed = String::with_capacity(text.len());
    let mut fixes = Fixes::default();
    let mut rest = text;
    let mut in_string = false;
    while let Some(c) = rest.chars().next() {
        let (taken, written) = match c {
            '"' => {
                in_string = !in_string;
                (1, "\"")
            }
            '\\' if in_string => match surrogate(rest) {
                Some(Surrogate::Pair) => (12, rest.get(..12)?),
                Some(Surrogate::Half) => {
                    fixes.surrogates += 1;
                    (6, "\\ufffd")
                }
                // The escape and what it escapes, which may be a quote.
                None => {
                    let length = 1 + rest.chars().nth(1).map_or(0, char::len_utf8);
                    (length, rest.get(..length)?)
                }
            },
            _ if in_string => (c.len_utf8(), rest.get(..c.len_utf8())?),
            _ => match ["NaN", "-Infinity", "Infinity"].into_iter().find(|name| rest.starts_with(name)) {
                Some(name) => {
                    fixes.numbers += 1;
                    (name.len(), "null")
                }
                None => (c.len_utf8(), rest.get(..c.len_utf8())?),
            },
        };
        fixed.push_str(written);
        rest = rest.get(taken..)?;
    }
    (fixes != Fixes::default()).then_some(Repaired { text: fixed, fixes })
}

enum Surrogate {
    Pair,
    Half,
}

/// What the escape at the start of a text is, if it is of a surrogate.
fn surrogate(text: &str) -> Option<Surrogate> {
    let code = |text: &str| u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    match code(text)? {
        0xd800..0xdc00 => match text.get(6..).and_then(code) {
            Some(0xdc00..0xe000) => Some(Surrogate::Pair),
            _ => Some(Surrogate::Half),
        },
        0xdc00..0xe000 => Some(Surrogate::Half),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_of_strings_and_half_pairs_are_replaced() {
        let text = r#"{"a": NaN, "NaN": "-Infinity \"NaN", "b": [-Infinity,Infinity], "c": "\ud83d\ude00 \ud83d \ude00\\ud83d"}"#;
        let expected =
            r#"{"a": null, "NaN": "-Infinity \"NaN", "b": [null,null], "c": "\ud83d\ude00 \ufffd \ufffd\\ud83d"}"#;
        let repaired = repair(text).unwrap();
        assert_eq!((repaired.text.as_str(), repaired.fixes), (expected, Fixes { numbers: 3, surrogates: 2 }));
        assert!(serde_json::from_str::<serde_json::Value>(&repaired.text).is_ok());
    }

    #[test]
    fn what_is_json_or_broken_otherwise_is_left() {
        for text in [r#"{"a": "NaN \ud83d\ude00"}"#, "{\"a\": \"b", "\"\\", "{\"ä\": \"\\ä\"}"] {
            assert_eq!(repair(text), None, "{text}");
        }
    }
}
