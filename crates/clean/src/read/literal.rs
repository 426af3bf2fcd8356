//! Lists that were written into a cell as text, as `pandas.to_csv` does: `['war', 'sport']`.

use std::str::CharIndices;

use firebrand_tables::json::number;

/// The items of a list literal of Python or JSON, or of NumPy's, which has no commas; `None` if the text is no such literal.
///
/// Items are texts in quotes or numbers, booleans and missing values, of which the last are left out. A word without quotes
/// makes the text no list, so that a label may be called `[deleted]`; in parentheses and braces every item must be in quotes.
pub(crate) fn list(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if text == "set()" {
        return Some(Vec::new());
    }
    let end = match text.chars().next()? {
        '[' => ']',
        '(' => ')',
        '{' => '}',
        _ => return None,
    };
    let mut rest = text.get(1..)?.strip_suffix(end)?;
    let mut items = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(items);
        }
        let item;
        (item, rest) = match rest.chars().next()? {
            quote @ ('\'' | '"') => quoted(rest.get(1..)?, quote)?,
            _ if end == ']' => bare(rest)?,
            _ => return None,
        };
        items.extend(item);
        let after = rest.trim_start();
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            // NumPy parts its items by space.
            None if after.len() < rest.len() || after.is_empty() => rest = after,
            None => return None,
        }
    }
}

/// An item in quotes, of which the first is taken already, and what follows it.
fn quoted(text: &str, quote: char) -> Option<(Option<String>, &str)> {
    let mut item = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                'n' => item.push('\n'),
                't' => item.push('\t'),
                'r' => item.push('\r'),
                code @ ('x' | 'u' | 'U') => {
                    let digits = match code {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let mut code = hexadecimal(&mut chars, digits)?;
                    if (0xd800..0xdc00).contains(&code) {
                        // JSON writes an emoji as a pair of surrogates.
                        let mut ahead = chars.clone();
                        if let (Some((_, '\\')), Some((_, 'u')), Some(low @ 0xdc00..=0xdfff)) =
                            (ahead.next(), ahead.next(), hexadecimal(&mut ahead, 4))
                        {
                            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                            chars = ahead;
                        }
                    }
                    item.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                other => item.push(other),
            },
            c if c == quote => return Some((Some(item), text.get(at + c.len_utf8()..)?)),
            c => item.push(c),
        }
    }
    None
}

/// The number that is written in the next characters.
fn hexadecimal(chars: &mut CharIndices<'_>, digits: u32) -> Option<u32> {
    (0..digits).try_fold(0, |code, _| Some((code << 4) | chars.next()?.1.to_digit(16)?))
}

/// An item without quotes, and what follows it; no item for a missing value.
fn bare(text: &str) -> Option<(Option<String>, &str)> {
    let end = text.find(|c: char| c == ',' || c.is_whitespace()).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let item = match word {
        "None" | "null" | "nan" | "NaN" => None,
        "True" | "true" => Some("true".to_owned()),
        "False" | "false" => Some("false".to_owned()),
        word => Some(number(word.parse().ok().filter(|float: &f64| float.is_finite())?)),
    };
    Some((item, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_of_python_json_and_numpy_are_lists() {
        for (text, expected) in [
            ("['war', 'sport']", &["war", "sport"][..]),
            (" [\"war\",\"it's\"] ", &["war", "it's"]),
            ("['it\\'s', \"caf\\u00e9\"]", &["it's", "café"]),
            ("[\"\\ud83d\\ude00\", \"\\ud83d\\ude21!\"]", &["😀", "😡!"]),
            ("['\\ud83d', '\\ud83d\\u0041', '\\ude00', '\\U0001f600']", &["\u{fffd}", "\u{fffd}A", "\u{fffd}", "😀"]),
            ("['war' 'sport']", &["war", "sport"]),
            ("[1, 2.0, None, True]", &["1", "2", "true"]),
            ("[0. 1.]", &["0", "1"]),
            ("('war',)", &["war"]),
            ("{'war', 'sport'}", &["war", "sport"]),
            ("[]", &[]),
            ("set()", &[]),
        ] {
            assert_eq!(
                list(text).as_deref(),
                Some(expected.iter().map(|&item| item.to_owned()).collect::<Vec<_>>().as_slice()),
                "{text}"
            );
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "war",
            "[deleted]",
            "[war, sport]",
            "['a'b']",
            "['a'",
            "{'a': 1}",
            "(1)",
            "[[1]]",
            "['a', ['b']]",
            "(",
            "[",
        ] {
            assert_eq!(list(text), None, "{text}");
        }
    }
}
