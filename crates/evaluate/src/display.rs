//! Text for people: shortened and escaped names, formatted numbers.

use firebrand_pipeline::escape;
use maud::Markup;

pub(crate) use firebrand_pipeline::thousands as count;

/// A document as text. maud has escaped everything from the data except control characters, which neither HTML nor XML
/// may contain: they become U+FFFD.
pub(crate) fn document(markup: Markup) -> String {
    let forbidden = |c: char| (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{fffe}' | '\u{ffff}');
    let text = markup.into_string();
    if text.contains(forbidden) { text.replace(forbidden, "\u{fffd}") } else { text }
}

/// A label's name in a sentence: on one line, at most 40 characters, and safe on a terminal.
pub(crate) fn label_name(name: &str) -> String {
    format!("`{}`", shorten(&escape(name), 40))
}

/// Shortens a text to at most `limit` characters, including the ellipsis.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A share as percent with one decimal: `83.5 %`. A share below 1 is never shown as 100 %, nor one above 0 as 0 %.
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

/// A figure between 0 and 1 with four decimals.
pub(crate) fn figure(value: f64) -> String {
    format!("{value:.4}")
}

/// A figure with this many decimals; a dash if it is undefined.
pub(crate) fn optional(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
}

/// A p-value: `p = 0.03`, `p < 0.001`.
pub(crate) fn p_value(p: f64) -> String {
    match p {
        tiny if tiny < 0.001 => "p < 0.001".to_owned(),
        small if small < 0.1 => format!("p = {small:.3}"),
        _ => format!("p = {p:.2}"),
    }
}

/// `1 row`, `2 rows`.
pub(crate) fn rows(number: u64) -> String {
    if number == 1 { "1 row".to_owned() } else { format!("{} rows", count(number)) }
}

#[cfg(test)]
mod tests {
    use maud::html;
    use proptest::prelude::*;

    use super::*;
    use crate::well_formed::{parse_html, parse_svg};

    proptest! {
        #[test]
        fn any_text_is_safe_in_a_tag_and_in_an_attribute(text in "(\\PC|[<>&\"'\u{0}-\u{1f}]){0,40}", limit in 0_usize..40) {
            let text = shorten(&text, limit);
            prop_assert!(text.chars().count() <= limit.max(1));
            let page = document(html! { p title=(text) { (text) } });
            let shown = text.replace(|c: char| c.is_control() && !"\n\t".contains(c), "\u{fffd}");
            let parsed = parse_html(&page);
            prop_assert_eq!(&parsed.tags, &["p"]);
            prop_assert_eq!(parsed.text, shown.clone());
            prop_assert_eq!(&parsed.attributes, &[("title".to_owned(), shown)]);
            parse_svg(&page);
        }
    }

    #[test]
    fn a_label_in_a_sentence_stays_on_its_line() {
        assert_eq!(label_name("a\nb\u{1b}[2J\u{202e}"), r"`a\nb\u{1b}[2J\u{202e}`");
        assert_eq!(label_name(&"x".repeat(50)).chars().count(), 42);
    }

    #[test]
    fn long_texts_end_in_an_ellipsis_between_characters() {
        assert_eq!(shorten("naïve", 5), "naïve");
        assert_eq!(shorten("naïveté", 5), "naïv…");
    }

    #[test]
    fn numbers_are_formatted() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(22_700_000), "22,700,000");
        assert_eq!(percent(0.835), "83.5\u{a0}%");
        assert_eq!(percent(1.0), "100\u{a0}%");
        assert_eq!(percent(0.9999), ">99.9\u{a0}%");
        assert_eq!(percent(0.0001), "<0.1\u{a0}%");
        assert_eq!((rows(1), rows(1000)), ("1 row".to_owned(), "1,000 rows".to_owned()));
        assert_eq!((optional(Some(0.5), 3), optional(None, 3)), ("0.500".to_owned(), "–".to_owned()));
        assert_eq!([0.0004, 0.0312, 0.5].map(p_value), ["p < 0.001", "p = 0.031", "p = 0.50"]);
    }
}
