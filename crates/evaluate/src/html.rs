//! Text for people inside HTML and SVG: escaped, shortened, and numbers as they are read.

pub(crate) use firebrand_pipeline::thousands as count;

/// Text that is safe between tags and inside quoted attributes, of HTML and of XML.
///
/// Control characters, which neither format may hold, become U+FFFD.
pub(crate) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            _ if character.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(character),
        }
    }
    safe
}

/// The first characters of a text, with an ellipsis where something was left out; `limit` in all.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A share as percent with one digit: `83.5 %`. A share that is not quite all of it never reads as 100 %.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    let text = match text.as_str() {
        "100.0" if share < 1.0 => ">99.9".to_owned(),
        "0.0" | "-0.0" if share > 0.0 => "<0.1".to_owned(),
        "100.0" => "100".to_owned(),
        _ => text,
    };
    format!("{text}\u{a0}%")
}

/// A figure between 0 and 1 with four digits.
pub(crate) fn figure(value: f64) -> String {
    format!("{value:.4}")
}

/// `1 row`, `2 rows`.
pub(crate) fn rows(number: u64) -> String {
    if number == 1 { "1 row".to_owned() } else { format!("{} rows", count(number)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::well_formed::assert_balanced;

    proptest! {
        #[test]
        fn any_text_is_safe_in_a_tag_and_in_an_attribute(text in "(\\PC|[<>&\"'\u{0}-\u{1f}]){0,40}", limit in 0_usize..40) {
            let safe = escape(&shorten(&text, limit));
            assert_balanced(&format!("<p title=\"{safe}\">{safe}</p>"));
            prop_assert!(!safe.chars().any(|character| character.is_control() && !"\n\t".contains(character)));
            prop_assert!(shorten(&text, limit).chars().count() <= limit.max(1));
        }
    }

    #[test]
    fn nothing_hostile_passes() {
        assert_eq!(
            escape("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;"
        );
        assert_eq!(escape("a\u{0}b\u{1b}\nc\u{ffff}"), "a\u{fffd}b\u{fffd}\nc\u{fffd}");
    }

    #[test]
    fn long_texts_end_in_an_ellipsis_between_characters() {
        assert_eq!(shorten("naïve", 5), "naïve");
        assert_eq!(shorten("naïveté", 5), "naïv…");
    }

    #[test]
    fn numbers_as_they_are_read() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(22_700_000), "22,700,000");
        assert_eq!(percent(0.835), "83.5\u{a0}%");
        assert_eq!(percent(1.0), "100\u{a0}%");
        assert_eq!(percent(0.9999), ">99.9\u{a0}%");
        assert_eq!(percent(0.0001), "<0.1\u{a0}%");
        assert_eq!((rows(1), rows(1000)), ("1 row".to_owned(), "1,000 rows".to_owned()));
    }
}
