//! How a text is cleaned before it is tokenized.

use std::path::Path;

use firebrand_pipeline::{Result, read_json, write_json};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::html;
use crate::replace::Replacements;

/// How texts are cleaned, the same way in training and in serving. Stored as `text.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextOptions {
    /// Remove HTML tags, comments, scripts and styles, and decode entities. Text that only looks like HTML (`I <3 you`) is kept.
    pub strip_html: bool,
    /// Unicode normalization form.
    pub unicode: Unicode,
    /// Remove control characters other than white space, and invisible characters (byte order mark, zero-width space, soft
    /// hyphen, direction marks). Joiners are kept: emoji and several scripts need them.
    pub strip_control: bool,
    /// Collapse every run of white space into one space, and trim both ends.
    pub collapse_whitespace: bool,
    /// Lower-case the text.
    pub lowercase: bool,
    /// Regular expressions to replace, applied after the other options. Omitted from the file if there are none.
    #[serde(default, skip_serializing_if = "Replacements::is_empty")]
    pub replace: Replacements,
    /// Whether the model was trained on pairs of texts, and so takes no single texts. Omitted from the file if false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pairs: bool,
}

/// A Unicode normalization form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unicode {
    /// Composed: a letter and its accent become one character.
    Nfc,
    /// Composed, with compatibility characters (`ﬁ`, `①`, full-width letters) replaced by their plain forms.
    Nfkc,
    /// Unchanged.
    None,
}

/// Passes after which a text must not change any more. Each removes one layer of escaping (`&amp;lt;br&amp;gt;` has two); real texts
/// have up to three.
const ROUNDS: usize = 8;

impl TextOptions {
    /// Leaves texts unchanged.
    pub const UNTOUCHED: Self = Self {
        strip_html: false,
        unicode: Unicode::None,
        strip_control: false,
        collapse_whitespace: false,
        lowercase: false,
        replace: Replacements::NONE,
        pairs: false,
    };

    /// Cleans a text. Cleaning the result again changes nothing.
    ///
    /// For that, HTML is removed layer by layer: `&lt;br&gt;` is an escaped tag and is removed too. Replacements are likewise
    /// repeated for as long as they make the text shorter.
    pub fn clean(&self, text: &str) -> String {
        let mut text = self.normalize(text);
        if self.replace.is_empty() {
            return text;
        }
        for round in 0..ROUNDS {
            let next = self.normalize(&self.replace.apply(&text));
            if next == text || (round > 0 && next.len() >= text.len()) {
                break;
            }
            text = next;
        }
        text
    }

    /// Applies all options other than the replacements.
    fn normalize(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for _ in 0..ROUNDS {
            let next = self.once(&text);
            if next == text {
                return text;
            }
            text = next;
        }
        // Only a hostile text is nested this deep. Without these two characters there is nothing left to decode.
        if self.strip_html {
            text.retain(|c| !matches!(c, '<' | '&'));
        }
        for _ in 0..ROUNDS {
            let next = self.once(&text);
            if next == text {
                break;
            }
            text = next;
        }
        text
    }

    fn once(&self, text: &str) -> String {
        let mut text = if self.strip_html { html::strip(text) } else { text.to_owned() };
        if self.strip_control {
            text.retain(|c| !is_noise(c));
        }
        text = match self.unicode {
            Unicode::Nfc => text.nfc().collect(),
            Unicode::Nfkc => text.nfkc().collect(),
            Unicode::None => text,
        };
        if self.lowercase {
            text = text.to_lowercase();
        }
        if self.collapse_whitespace {
            text = collapse(&text);
        }
        text
    }

    /// Reads `text.json`.
    ///
    /// # Errors
    /// When it cannot be read, or has missing or unknown keys.
    pub fn read(path: &Path) -> Result<Self> {
        read_json(path)
    }

    /// Writes `text.json`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        write_json(path, self)
    }
}

/// Whether a character is invisible. Control characters that are white space (tab, line feed, …) are not.
fn is_noise(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c,
            '\u{ad}' // soft hyphen
            | '\u{200b}' // zero-width space
            | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // marks of direction
            | '\u{2060}' // word joiner
            | '\u{feff}') // byte order mark
}

fn collapse(text: &str) -> String {
    let mut collapsed = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !collapsed.is_empty() {
            collapsed.push(' ');
        }
        collapsed.push_str(word);
    }
    collapsed
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ReplaceRule;

    const ALL: TextOptions = TextOptions {
        strip_html: true,
        unicode: Unicode::Nfc,
        strip_control: true,
        collapse_whitespace: true,
        lowercase: false,
        replace: Replacements::NONE,
        pairs: false,
    };

    fn rules(rules: &[(&str, &str)]) -> Replacements {
        let rule = |&(pattern, with): &(&str, &str)| ReplaceRule { pattern: pattern.to_owned(), with: with.to_owned() };
        Replacements::new(rules.iter().map(rule).collect()).unwrap()
    }

    #[test]
    fn rules_see_the_text_as_the_other_options_leave_it() {
        let replace = rules(&[("<url>", "LINK"), ("[😀😃]+", " glad "), ("\\[[^\\[\\]]*\\]", "")]);
        let options = TextOptions { replace, ..ALL };
        assert_eq!(options.clean("&lt;url&gt; &amp;lt;b>so😀😃 [edited [twice]]"), "LINK so glad");
        // Brackets in brackets go one layer a round.
        assert_eq!(options.clean("a[b[c[d]]]"), "a");
        let lower = TextOptions { replace: rules(&[("upper", "x")]), lowercase: true, ..TextOptions::UNTOUCHED };
        assert_eq!(lower.clean("UPPER case"), "x case");
    }

    /// A rule that writes what it finds would make the text grow with every round.
    #[test]
    fn rules_that_feed_themselves_are_applied_once() {
        let doubling = TextOptions { replace: rules(&[("(a)", "$1$1")]), ..TextOptions::UNTOUCHED };
        assert_eq!(doubling.clean("banana"), "baanaanaa");
    }

    #[test]
    fn rules_travel_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text.json");
        let options = TextOptions { replace: rules(&[("a+", "b")]), ..ALL };
        options.write(&path).unwrap();
        let read = TextOptions::read(&path).unwrap();
        assert_eq!(read, options);
        assert_eq!(read.clean("aaa"), "b");
        std::fs::write(&path, std::fs::read_to_string(&path).unwrap().replace("a+", "(")).unwrap();
        let error = TextOptions::read(&path).unwrap_err().render();
        assert!(error.contains("the pattern is not valid"), "{error}");
    }

    #[test]
    fn cleans_what_people_paste() {
        for (text, expected) in [
            ("  two\twords\r\n\u{a0}three ", "two words three"),
            ("Great movie!<br /><br />Loved it.", "Great movie! Loved it."),
            ("&amp;lt;p&amp;gt;twice escaped", "twice escaped"),
            ("#1 &quot;best&quot; &#39;ever&#39;", "#1 \"best\" 'ever'"),
            ("nul\0 bell\u{7} bom\u{feff} c1\u{85}x\u{9f}", "nul bell bom c1 x"),
            ("v\u{200b}i\u{ad}agra", "viagra"),
            ("👨\u{200d}👩\u{200d}👧 می\u{200c}خواهم", "👨\u{200d}👩\u{200d}👧 می\u{200c}خواهم"),
            ("cafe\u{301}", "café"),
            ("I <3 you, a < b and c > d", "I <3 you, a < b and c > d"),
            (" <p> </p> ", ""),
        ] {
            assert_eq!(ALL.clean(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_option_does_one_thing() {
        let none = TextOptions::UNTOUCHED;
        let text = " <b>Ａ\0</b>  ﬁ É e\u{301}";
        assert_eq!(none.clean(text), text);
        assert_eq!(TextOptions { strip_html: true, ..none.clone() }.clean(text), " Ａ\0  ﬁ É e\u{301}");
        assert_eq!(TextOptions { unicode: Unicode::Nfc, ..none.clone() }.clean(text), " <b>Ａ\0</b>  ﬁ É é");
        assert_eq!(TextOptions { unicode: Unicode::Nfkc, ..none.clone() }.clean(text), " <b>A\0</b>  fi É é");
        assert_eq!(TextOptions { strip_control: true, ..none.clone() }.clean(text), " <b>Ａ</b>  ﬁ É e\u{301}");
        assert_eq!(TextOptions { collapse_whitespace: true, ..none.clone() }.clean(text), "<b>Ａ\0</b> ﬁ É e\u{301}");
        assert_eq!(TextOptions { lowercase: true, ..none.clone() }.clean(text), " <b>ａ\0</b>  ﬁ é e\u{301}");
    }

    #[test]
    fn nesting_without_end_comes_to_rest() {
        for text in [
            "&amp;".repeat(10_000) + "lt;b>",
            "<".repeat(5_000) + &"b>".repeat(5_000),
            "&".to_owned() + &"amp;".repeat(10_000),
        ] {
            let cleaned = ALL.clean(&text);
            assert_eq!(ALL.clean(&cleaned), cleaned);
        }
    }

    #[test]
    fn file_round_trip_and_unknown_keys() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("text.json");
        ALL.write(&path).unwrap();
        assert_eq!(TextOptions::read(&path).unwrap(), ALL);
        assert!(!std::fs::read_to_string(&path).unwrap().contains("pairs"));
        let pairs = TextOptions { pairs: true, ..ALL };
        pairs.write(&path).unwrap();
        assert_eq!(TextOptions::read(&path).unwrap(), pairs);
        let text = std::fs::read_to_string(&path).unwrap().replace("lowercase", "lower_case");
        std::fs::write(&path, text).unwrap();
        assert_eq!(TextOptions::read(&path).unwrap_err().kind().exit_code(), 4);
    }

    /// Texts made of what makes trouble, alone and in odd company.
    fn awkward() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "<",
            ">",
            "&",
            ";",
            "#",
            "/",
            "=",
            "\"",
            "'",
            "!",
            "-",
            "amp;",
            "&lt;",
            "&gt",
            "&#60;",
            "&#x26;",
            "&#0;",
            "<b>",
            "</p>",
            "<br",
            "<a href=",
            "<!--",
            "-->",
            "<script>",
            "</script>",
            "b",
            "p",
            "script",
            " ",
            "\n",
            "\u{85}",
            "\0",
            "\u{7f}",
            "\u{200b}",
            "\u{200d}",
            "\u{feff}",
            "\u{338}",
            "\u{301}",
            "e",
            "É",
            "İ",
            "Σ",
            "ﬁ",
            "＜",
            "＆",
            "ｂ",
            "＞",
            "℡",
            "ẞ",
            "한",
            "\u{1100}",
            "\u{1161}",
            "😀",
            "&#97;",
            "&nbsp;",
            "&Sigma;",
        ]);
        let any = any::<char>().prop_map(String::from);
        prop::collection::vec(prop_oneof![8 => pieces.prop_map(str::to_owned), 1 => any], 0..40)
            .prop_map(|parts| parts.concat())
    }

    fn options() -> impl Strategy<Value = TextOptions> {
        let unicode = prop::sample::select(vec![Unicode::Nfc, Unicode::Nfkc, Unicode::None]);
        (any::<[bool; 4]>(), unicode).prop_map(
            |([strip_html, strip_control, collapse_whitespace, lowercase], unicode)| TextOptions {
                strip_html,
                unicode,
                strip_control,
                collapse_whitespace,
                lowercase,
                ..TextOptions::UNTOUCHED
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn cleaning_twice_is_cleaning_once(text in awkward(), options in options()) {
            let once = options.clean(&text);
            prop_assert_eq!(options.clean(&once), once);
        }

        #[test]
        fn cleaning_twice_is_cleaning_once_with_rules_too(text in awkward(), options in options()) {
            let replace = rules(&[("[0-9]", "0"), ("😀", " glad ")]);
            let options = TextOptions { replace, ..options };
            let once = options.clean(&text);
            prop_assert_eq!(options.clean(&once), once);
        }

        #[test]
        fn cleaned_text_has_no_noise_and_single_spaces(text in awkward()) {
            let cleaned = ALL.clean(&text);
            prop_assert!(!cleaned.contains(is_noise), "{:?}", cleaned);
            prop_assert!(!cleaned.contains("  ") && cleaned.trim() == cleaned, "{:?}", cleaned);
        }

        #[test]
        fn words_without_markup_are_untouched(words in prop::collection::vec("[a-zA-Z0-9.,!?()*$%:/@-]{1,12}", 0..20)) {
            let text = words.join(" ");
            prop_assert_eq!(ALL.clean(&text), text);
        }
    }
}
