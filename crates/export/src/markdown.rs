//! Markdown with escaped text: labels and names are shown literally, whatever they contain.

use std::fmt::{self, Display};

/// Inline Markdown that is safe in a line, a table cell or a list item. Only this file converts text to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Markdown(String);

impl Display for Markdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Markdown {
    /// Text that is shown literally, on one line.
    pub(crate) fn text(text: &str) -> Self {
        let text = one_line(text);
        let mut escaped = String::with_capacity(text.len());
        let mut before = "";
        for (place, c) in text.char_indices() {
            if is_markup(c) || starts_block(before, c, &text[place + c.len_utf8()..]) || starts_link(before, c) {
                escaped.push('\\');
            }
            escaped.push(c);
            before = &text[..place + c.len_utf8()];
        }
        Self(escaped)
    }

    /// Bold text.
    pub(crate) fn strong(text: &str) -> Self {
        Self(format!("**{}**", Self::text(text)))
    }

    /// Text in a code span. Not for table cells, where `|` cannot be escaped in code.
    pub(crate) fn code(text: &str) -> Self {
        let text = one_line(text);
        let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
        let fence = "`".repeat(longest + 1);
        // Parsers strip one space from each end if both ends have one.
        let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) || text.is_empty() { " " } else { "" };
        Self(format!("{fence}{pad}{text}{pad}{fence}"))
    }

    /// A link with this text.
    pub(crate) fn link(text: &str, address: &str) -> Self {
        Self(format!("[{}](<{}>)", Self::text(text), encode(address)))
    }

    /// A link that shows its address.
    pub(crate) fn address(address: &str) -> Self {
        Self(format!("<{}>", encode(address)))
    }

    /// Trusted Markdown from this program, not escaped.
    pub(crate) fn own(markdown: &'static str) -> Self {
        Self(markdown.to_owned())
    }

    /// Concatenates the parts.
    pub(crate) fn concat(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect())
    }

    /// Joins the parts with commas.
    pub(crate) fn list(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(parts.into_iter().map(|part| part.0).collect::<Vec<_>>().join(", "))
    }
}

/// A table with a left-aligned column of names and right-aligned columns of numbers.
#[derive(Debug)]
pub(crate) struct Table(String);

impl Table {
    /// A table with these column headings.
    pub(crate) fn new(names: &str, numbers: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row([names].iter().chain(numbers).map(|heading| Markdown::text(heading)));
        let right = numbers.iter().map(|_| Markdown::own("---:"));
        table.row(std::iter::once(Markdown::own("---")).chain(right));
        table
    }

    /// Adds a row with one cell per column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Markdown>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.0).collect();
        self.0.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Collapses white space into single spaces, and replaces other control characters by U+FFFD.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace(char::is_control, "\u{fffd}")
}

/// Characters that can begin or end markup anywhere, including the hub's extensions (`$` and `^`, `:emoji:`, `@name`).
fn is_markup(c: char) -> bool {
    matches!(
        c,
        '\\' | '`'
            | '*'
            | '_'
            | '{'
            | '}'
            | '['
            | ']'
            | '<'
            | '>'
            | '#'
            | '!'
            | '|'
            | '~'
            | '&'
            | '$'
            | '^'
            | '@'
            | ':'
    )
}

/// Whether a character at the start of a line begins a list, a rule or an underlined heading. `before` is the line so far.
fn starts_block(before: &str, c: char, after: &str) -> bool {
    let ends_number = matches!(c, '.' | ')') && !before.is_empty() && before.bytes().all(|byte| byte.is_ascii_digit());
    (before.is_empty() && matches!(c, '-' | '+' | '=')) || (ends_number && (after.is_empty() || after.starts_with(' ')))
}

/// Whether a dot turns an address without a scheme into a link.
fn starts_link(before: &str, c: char) -> bool {
    c == '.' && before.len() >= 3 && before.as_bytes()[before.len() - 3..].eq_ignore_ascii_case(b"www")
}

/// Percent-encodes the characters that would end an address.
fn encode(address: &str) -> String {
    let mut encoded = String::with_capacity(address.len());
    for c in address.chars() {
        if c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '\\' | '&' | '`') {
            let mut bytes = [0; 4];
            c.encode_utf8(&mut bytes).bytes().for_each(|byte| encoded.push_str(&format!("%{byte:02X}")));
        } else {
            encoded.push(c);
        }
    }
    encoded
}

#[cfg(test)]
pub(crate) mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;

    /// Labels and names that contain markup.
    pub(crate) const HOSTILE: [&str; 32] = [
        "a|b",
        "| --- |",
        "*bold* and __bold__",
        "`code`",
        "``a`",
        "[link](https://example.org)",
        "![image](x.png)",
        "<script>alert(1)</script>",
        "<!-- comment",
        "&lt;b&gt; &amp; &#65;",
        "# heading #",
        "C# and C++ #",
        "- item",
        "+ item",
        "=",
        "---",
        "1. item",
        "12) item",
        "3.",
        "> quote",
        "~~gone~~",
        "$x^2$ and $$y$$",
        "[^1]",
        "back\\slash \\* \\",
        "www.example.org",
        "https://example.org/?a=b&c=d",
        "me@example.org :smile:",
        "null",
        "1.0",
        ": #",
        "'quotes' \"and\" more",
        "grüße 🙂 – über",
    ];

    /// Parses with all extensions of the parser except typographic quotes.
    fn parse(markdown: &str) -> Vec<Event<'_>> {
        Parser::new_ext(markdown, Options::all() - Options::ENABLE_SMART_PUNCTUATION).collect()
    }

    /// The text of an element that must contain only text.
    #[track_caller]
    fn literal(markdown: &str, start: impl Fn(&Tag<'_>) -> bool, end: TagEnd) -> String {
        let events = parse(markdown);
        let first = events.iter().position(|event| matches!(event, Event::Start(tag) if start(tag)));
        let first = first.unwrap_or_else(|| panic!("no such element in {markdown:?}: {events:?}"));
        let inside = events[first + 1..].iter().take_while(|event| **event != Event::End(end));
        let texts = inside.map(|event| match event {
            Event::Text(text) => text.to_string(),
            other => panic!("{other:?} in {markdown:?}"),
        });
        texts.collect()
    }

    #[test]
    fn hostile_text_is_literal_everywhere() {
        for text in HOSTILE {
            let markdown = Markdown::text(text);
            let heading = literal(
                &format!("# {markdown}\n"),
                |tag| matches!(tag, Tag::Heading { .. }),
                TagEnd::Heading(pulldown_cmark::HeadingLevel::H1),
            );
            assert_eq!(heading, text);
            let paragraph = literal(&markdown.to_string(), |tag| *tag == Tag::Paragraph, TagEnd::Paragraph);
            assert_eq!(paragraph, text);
            let item = literal(&format!("- {markdown}\n"), |tag| *tag == Tag::Item, TagEnd::Item);
            assert_eq!(item, text);
            let mut table = Table::new("a", &["b"]);
            table.row([markdown, Markdown::text("last")]);
            table.row([Markdown::text("next"), Markdown::text("last")]);
            assert_eq!(cells(&table.to_string()), ["a", "b", text, "last", "next", "last"]);
        }
    }

    /// The cells of a document that is a single table.
    pub(crate) fn cells(markdown: &str) -> Vec<String> {
        let mut cells = Vec::new();
        for event in parse(markdown) {
            match event {
                Event::Start(Tag::TableCell) => cells.push(String::new()),
                Event::Text(text) => cells.last_mut().unwrap().push_str(&text),
                Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableRow) | Event::End(_) => (),
                other => panic!("{other:?} in {markdown:?}"),
            }
        }
        cells
    }

    #[test]
    fn text_becomes_one_line() {
        assert_eq!(Markdown::text(" a\r\n\n b\u{2028}c\td\u{1b} ").to_string(), "a b c d\u{fffd}");
    }

    #[test]
    fn ordinary_names_stay_readable() {
        for name in ["all-MiniLM-L6-v2", "83.5 %", "bbc news, 2nd try (small)", "0.5", "C++"] {
            assert_eq!(Markdown::text(name).to_string(), name);
        }
    }

    #[test]
    fn code_is_literal() {
        for text in HOSTILE {
            let code = Markdown::code(text).to_string();
            let paragraph = format!("before {code} behind");
            let found: Vec<Event<'_>> = parse(&paragraph);
            assert!(found.contains(&Event::Code(text.into())), "{code}: {found:?}");
            assert_eq!(found.len(), 5, "{code}: {found:?}");
        }
    }

    #[test]
    fn an_address_cannot_be_ended() {
        for (address, expected) in [
            ("https://example.org/a.csv", "https://example.org/a.csv"),
            ("https://example.org/a b>(<c", "https://example.org/a%20b%3E(%3Cc"),
            ("https://example.org/&lt;\\", "https://example.org/%26lt;%5C"),
        ] {
            for markdown in [Markdown::address(address), Markdown::link("[x](y)", address)] {
                let markdown = markdown.to_string();
                let links: Vec<String> = parse(&markdown)
                    .into_iter()
                    .filter_map(|event| match event {
                        Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.to_string()),
                        _ => None,
                    })
                    .collect();
                assert_eq!(links, [expected], "{markdown}");
            }
        }
    }
}
