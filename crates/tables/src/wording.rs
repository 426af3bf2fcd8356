//! Lists, excerpts and counts in messages.

use firebrand_pipeline::thousands;

/// The first few names, quoted, and how many more there are.
pub fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<_> = names.into_iter().collect();
    if names.is_empty() {
        return "none".to_owned();
    }
    let mut text: Vec<_> = names.iter().take(SHOWN).map(|name| format!("\"{}\"", short(name, 60))).collect();
    if names.len() > SHOWN {
        text.push(format!("and {} more", names.len() - SHOWN));
    }
    text.join(", ")
}

/// The start of a text, on one line.
pub fn short(text: &str, characters: usize) -> String {
    let line = |c: char| if c.is_whitespace() || c.is_control() { ' ' } else { c };
    let start: String = text.chars().take(characters).map(line).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}

/// A count of things: `1 row`, `2 rows`.
pub fn counted(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", thousands(number as u64), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_texts_are_cut() {
        let names: Vec<_> = (0..15).map(|number| number.to_string()).collect();
        assert!(listed(names.iter().map(String::as_str)).ends_with("\"11\", and 3 more"));
        assert_eq!(listed([]), "none");
        assert_eq!(short("a\nbc", 2), "a …");
        assert_eq!(short("äö", 2), "äö");
    }

    #[test]
    fn counts_have_thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(counted(1, "row"), "1 row");
    }
}
