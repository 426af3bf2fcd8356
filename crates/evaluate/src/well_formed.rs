//! For tests: parses markup as browsers do, to check how names in it are shown.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

/// HTML elements without an end tag.
const VOID: [&str; 3] = ["meta", "link", "br"];

/// The content of a page.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The name of every element, in order.
    pub(crate) tags: Vec<String>,
    /// The name and value of every attribute, in order.
    pub(crate) attributes: Vec<(String, String)>,
    /// All text, including style sheets.
    pub(crate) text: String,
}

/// Tokenizes HTML as browsers do. Panics on parse errors and on elements that are not closed correctly.
#[track_caller]
pub(crate) fn parse_html(markup: &str) -> Page {
    #[derive(Default)]
    struct Sink {
        page: RefCell<Page>,
        open: RefCell<Vec<String>>,
    }

    impl TokenSink for Sink {
        type Handle = ();

        fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
            let mut page = self.page.borrow_mut();
            let mut open = self.open.borrow_mut();
            match token {
                Token::TagToken(tag) if tag.kind == TagKind::EndTag => {
                    assert_eq!(open.pop().as_deref(), Some(&*tag.name), "closed out of place");
                }
                Token::TagToken(tag) => {
                    page.tags.push(tag.name.to_string());
                    let attribute = |a: &html5ever::Attribute| (a.name.local.to_string(), a.value.to_string());
                    page.attributes.extend(tag.attrs.iter().map(attribute));
                    if !VOID.contains(&&*tag.name) {
                        open.push(tag.name.to_string());
                    }
                    if &*tag.name == "style" {
                        return TokenSinkResult::RawData(RawKind::Rawtext);
                    }
                }
                Token::CharacterTokens(text) => page.text.push_str(&text),
                Token::ParseError(error) => panic!("not HTML: {error}"),
                Token::NullCharacterToken => panic!("a NUL character"),
                Token::CommentToken(comment) => panic!("a comment: {comment}"),
                Token::DoctypeToken(_) | Token::EOFToken => {}
            }
            TokenSinkResult::Continue
        }
    }

    let input = BufferQueue::default();
    input.push_back(StrTendril::from(markup));
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts { exact_errors: true, ..Default::default() });
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let Sink { page, open } = tokenizer.sink;
    assert!(open.borrow().is_empty(), "never closed: {open:?}");
    page.into_inner()
}

/// All text of an SVG file, which must be well-formed XML.
#[track_caller]
pub(crate) fn parse_svg(markup: &str) -> String {
    let document = roxmltree::Document::parse(markup).unwrap_or_else(|error| panic!("not XML: {error}\n{markup:.300}"));
    document.descendants().filter(roxmltree::Node::is_text).filter_map(|node| node.text()).collect()
}

/// The widths of the rectangles of a class in an SVG file.
#[track_caller]
pub(crate) fn widths(markup: &str, class: &str) -> Vec<f64> {
    let document = roxmltree::Document::parse(markup).unwrap();
    let of_class = document.descendants().filter(|node| node.attribute("class") == Some(class));
    of_class.map(|node| node.attribute("width").unwrap().parse().unwrap()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_formed_is_found() {
        let page = parse_html("<!doctype html><p class=\"a\">x &amp; y<br></p>");
        assert_eq!((page.tags, page.text), (vec!["p".to_owned(), "br".to_owned()], "x & y".to_owned()));
        for broken in ["<p>", "<p></b>", "<p a=\"x></p>", "</p>", "<p a=<></p>", "<!-- a -->"] {
            assert!(std::panic::catch_unwind(|| parse_html(broken)).is_err(), "{broken}");
        }
        assert!(std::panic::catch_unwind(|| parse_svg("<g>\u{1b}</g>")).is_err());
    }
}
