//! Text from outside (labels, file names, rows) made safe to print on a terminal.

use std::borrow::Cow;

/// The text on one line, with nothing in it that a terminal acts upon: control characters (ANSI escapes begin with one),
/// line breaks and marks that reorder bidirectional text become visible escapes such as `\n` and `\u{1b}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(acts_on_terminal) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if acts_on_terminal(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Like [`escape`], but keeps line feeds: each line after the first is indented, so that none can pass for a line of our
/// own, such as `hint: …`.
pub(crate) fn escape_lines(text: &str) -> String {
    text.trim_end().lines().map(escape).collect::<Vec<_>>().join("\n    ")
}

fn acts_on_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' // direction marks
            | '\u{2028}' | '\u{2029}') // line and paragraph separator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_upon_becomes_visible() {
        for (text, expected) in [
            ("spam\nhint: all is well", r"spam\nhint: all is well"),
            ("\r\t\0\u{7f}", r"\r\t\u{0}\u{7f}"),
            ("\u{1b}[2J\u{1b}]0;title\u{7}", r"\u{1b}[2J\u{1b}]0;title\u{7}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("safe\u{202e}exe.txt\u{2066}", r"safe\u{202e}exe.txt\u{2066}"),
            ("a\u{2028}b", r"a\u{2028}b"),
        ] {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["Größe 🙂 C:\\temp \"quoted\"", "👨\u{200d}👩\u{200d}👧 می\u{200c}خواهم", "日本語", ""]
        {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn later_lines_are_indented() {
        assert_eq!(escape_lines("a\r\nhint: b\n\u{1b}c\n"), "a\n    hint: b\n    \\u{1b}c");
    }
}
