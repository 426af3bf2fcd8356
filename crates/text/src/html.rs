//! Strips HTML from texts that may or may not be HTML.
//!
//! A browser's parser would take `<john@example.com>` and `List<String>` for elements and swallow the rest of a text after
//! an unclosed comment. Classifiers read mail, reviews and posts, so only what is certainly markup is removed: tags of known
//! HTML elements (or with an XML prefix, such as `<o:p>` from office programs), complete comments, and declarations. Everything
//! else is kept as written.

/// Elements that may occur inside a word or a sentence; every other tag separates words.
const INLINE: &[&str] = &[
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "blink", "cite", "code", "data", "del", "dfn", "em", "font", "i",
    "ins", "kbd", "label", "mark", "nobr", "q", "rb", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub",
    "sup", "time", "tt", "u", "var", "wbr",
];

/// The other elements of HTML, past and present.
const SEPARATING: &[&str] = &[
    "address",
    "applet",
    "area",
    "article",
    "aside",
    "audio",
    "base",
    "basefont",
    "bgsound",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "circle",
    "col",
    "colgroup",
    "datalist",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "iframe",
    "image",
    "img",
    "input",
    "isindex",
    "layer",
    "legend",
    "li",
    "link",
    "main",
    "map",
    "marquee",
    "math",
    "menu",
    "meta",
    "meter",
    "nav",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "output",
    "p",
    "param",
    "path",
    "picture",
    "pre",
    "progress",
    "rp",
    "rt",
    "script",
    "search",
    "section",
    "select",
    "slot",
    "source",
    "spacer",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "track",
    "ul",
    "video",
    "xml",
    "xmp",
];

/// Removes tags, comments, declarations, and the content of `script` and `style`, then decodes entities. A tag that separates
/// words is replaced by a space.
///
/// This is a single pass: markup that decoding reveals (`&lt;p&gt;`) is left for the next call. Takes linear time, for hostile
/// texts too.
pub(crate) fn strip(text: &str) -> String {
    let mut scanner = Scanner::new(text);
    let mut kept = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some(found) = text[rest..].find('<') {
        let start = rest + found;
        kept.push_str(&text[rest..start]);
        if let Some(markup) = scanner.markup(start) {
            if markup.separates {
                kept.push(' ');
            }
            rest = markup.end;
        } else {
            kept.push('<');
            rest = start + 1;
        }
    }
    kept.push_str(&text[rest..]);
    // The rules for attributes keep `?a=1&copy=2` and `&notit;`-like text whole where those for content would not.
    htmlize::unescape_attribute(kept).into_owned()
}

/// A piece of markup to remove.
struct Markup {
    /// Offset of the first byte after it.
    end: usize,
    /// Whether it is replaced by a space.
    separates: bool,
}

/// Finds the ends of tags. Remembers which searches reached the end of the text without success, which keeps the total time
/// linear.
struct Scanner<'a> {
    text: &'a str,
    last_comment_end: Option<usize>,
    last_bracket: Option<usize>,
    last_quotes: [Option<usize>; 2],
    /// For `script` and `style`: the offset after which there is no closing tag.
    no_closing_tag_after: [usize; 2],
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text,
            last_comment_end: text.rfind("-->"),
            last_bracket: text.rfind('>'),
            last_quotes: [text.rfind('"'), text.rfind('\'')],
            no_closing_tag_after: [usize::MAX; 2],
        }
    }

    /// The markup that starts with the `<` at `start`; `None` if that is plain text.
    fn markup(&mut self, start: usize) -> Option<Markup> {
        if self.last_bracket? < start {
            return None;
        }
        let after = &self.text[start + 1..];
        if after.starts_with("!--") {
            let from = start + 4;
            if self.last_comment_end? < from {
                return None;
            }
            return self.text[from..].find("-->").map(|at| Markup { end: from + at + 3, separates: false });
        }
        if starts_with_ignoring_case(after, "!doctype") || after.starts_with("![") || is_instruction(after) {
            return after.find('>').map(|at| Markup { end: start + 1 + at + 1, separates: true });
        }
        self.tag(start, after)
    }

    /// An opening or closing tag.
    fn tag(&mut self, start: usize, after: &str) -> Option<Markup> {
        let closing = after.starts_with('/');
        let name_start = start + 1 + usize::from(closing);
        let rest = &self.text[name_start..];
        let length =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_'))).unwrap_or(rest.len());
        // The longest known name is far shorter; what is longer need not be copied.
        if length == 0 || length > 40 {
            return None;
        }
        let name = rest[..length].to_ascii_lowercase();
        let inline = INLINE.binary_search(&name.as_str()).is_ok();
        if !(inline || SEPARATING.binary_search(&name.as_str()).is_ok() || has_xml_prefix(&name)) {
            return None;
        }
        if !rest[length..].starts_with(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>')) {
            return None;
        }
        let end = self.tag_end(name_start + length)?;
        let raw = match name.as_str() {
            "script" => Some(0),
            "style" => Some(1),
            _ => None,
        };
        let end = match raw {
            Some(which) if !closing => self.raw_end(end, which, &name).unwrap_or(end),
            _ => end,
        };
        Some(Markup { end, separates: !inline })
    }

    /// Offset after the `>` that ends a tag. A `<` before it, outside of quotes, means that this is no tag.
    fn tag_end(&self, mut at: usize) -> Option<usize> {
        let bytes = self.text.as_bytes();
        let mut after_equals = false;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'>' => return Some(at + 1),
                b'<' => return None,
                b'"' | b'\'' if after_equals => {
                    after_equals = false;
                    let last = self.last_quotes[usize::from(byte == b'\'')];
                    if last.is_some_and(|last| last > at) {
                        at += 1 + self.text[at + 1..].find(char::from(byte))?;
                    }
                }
                b'=' => after_equals = true,
                _ if byte.is_ascii_whitespace() => {}
                _ => after_equals = false,
            }
            at += 1;
        }
        None
    }

    /// Offset after the closing tag of a `script` or `style`.
    fn raw_end(&mut self, from: usize, which: usize, name: &str) -> Option<usize> {
        if from >= self.no_closing_tag_after[which] {
            return None;
        }
        let mut at = from;
        while let Some(found) = self.text[at..].find("</") {
            at += found + 2;
            if starts_with_ignoring_case(&self.text[at..], name) {
                if let Some(bracket) = self.text[at..].find('>') {
                    return Some(at + bracket + 1);
                }
                break;
            }
        }
        self.no_closing_tag_after[which] = from;
        None
    }
}

fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.as_bytes().get(..start.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(start.as_bytes()))
}

/// `?xml …>` and the like.
fn is_instruction(after: &str) -> bool {
    after.strip_prefix('?').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

/// `o:p`, `st1:place`: a short prefix, as of an XML namespace; `http://…` is not one.
fn has_xml_prefix(name: &str) -> bool {
    name.split_once(':').is_some_and(|(prefix, name)| {
        (1..=3).contains(&prefix.len())
            && prefix.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_for_the_search() {
        assert!(INLINE.is_sorted() && SEPARATING.is_sorted());
    }

    #[test]
    fn text_that_only_looks_like_markup_is_kept() {
        for text in [
            "a < b and c > d",
            "I <3 you",
            "<john@example.com> wrote:",
            "see <http://example.com/a?b=1>",
            "List<String> and vec<int>",
            "2<3 and x<y",
            "an unclosed <b tag",
            "an unclosed <!-- comment",
            "<",
            "<>",
            "</>",
            "< b >",
            "<bé>",
            "AT&T, R&D & more",
            "?a=1&copy=2",
            "5 > 4",
        ] {
            assert_eq!(strip(text), text);
        }
    }

    #[test]
    fn markup_is_removed() {
        for (text, expected) in [
            ("<b>bold</b>ly", "boldly"),
            ("one<br />two<BR>three<p>four</p>", "one two three four "),
            ("a<!-- <b>hidden</b> -->b", "ab"),
            ("<!DOCTYPE html><p>x", "  x"),
            ("<?xml version=\"1.0\"?>x", " x"),
            ("a<![if !mso]>b", "a b"),
            ("<o:p>x</o:p>", " x "),
            ("<a href=\"x>y\" title='<b>'>link</a>", "link"),
            ("<a href=\"x>broken", "broken"),
            ("x<script type=a>if (a<b) {}</SCRIPT >y<style>p{}</style>z", "x y z"),
            ("I hate <script> tags", "I hate   tags"),
            ("&lt;&amp;&quot;&#39;&#x41;&nbsp;&eacute;&lt", "<&\"'A\u{a0}é<"),
            ("<b and <i>x</i>", "<b and x"),
        ] {
            assert_eq!(strip(text), expected, "{text}");
        }
    }

    #[test]
    fn hostile_texts_take_linear_time() {
        let start = std::time::Instant::now();
        for piece in
            ["<a ", "<a b=\"", "<a b=\"<a b='", "<!--", "<script>", "<script></", "<![", "<a>", "</a b='>", "&amp;"]
        {
            let text = piece.repeat(400_000);
            assert!(strip(&text).len() <= text.len());
        }
        // Ten texts of a megabyte or two; anything quadratic would take hours.
        assert!(start.elapsed().as_secs() < 60);
    }
}
