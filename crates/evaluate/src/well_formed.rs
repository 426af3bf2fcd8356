//! For tests: whether markup is well-formed, as far as what this crate writes goes.

/// Elements of HTML that have no end tag.
const VOID: [&str; 3] = ["meta", "link", "br"];

/// Every tag ends in its place, every attribute is quoted, no `<` or `&` stands free.
#[track_caller]
pub(crate) fn assert_balanced(markup: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = markup;
    while let Some(start) = rest.find('<') {
        assert_text(&rest[..start]);
        let end =
            start + rest[start..].find('>').unwrap_or_else(|| panic!("a tag without end: {:.80}", &rest[start..]));
        let tag = &rest[start + 1..end];
        rest = &rest[end + 1..];
        if tag.starts_with('!') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> before {:.80}", rest);
            continue;
        }
        let name = tag.split([' ', '/', '\n']).next().unwrap_or_default();
        assert_attributes(tag);
        if name == "style" {
            rest = &rest[rest.find("</style>").expect("an end of the style")..];
        }
        if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    assert_text(rest);
    assert!(open.is_empty(), "never closed: {open:?}");
}

#[track_caller]
fn assert_attributes(tag: &str) {
    assert!(!tag.contains('<'), "`<` in a tag: {tag}");
    assert_eq!(tag.matches('"').count() % 2, 0, "quotes do not match: {tag}");
    // Outside of quotes an equals sign stands before a quote, and nowhere else.
    let outside: Vec<&str> = tag.split('"').step_by(2).collect();
    let signs = outside.iter().map(|part| part.matches('=').count()).sum::<usize>();
    let before_quotes = outside.iter().filter(|part| part.ends_with('=')).count();
    assert_eq!((signs, before_quotes), (outside.len() - 1, outside.len() - 1), "an attribute without quotes: {tag}");
    tag.split('"').skip(1).step_by(2).for_each(assert_text);
}

#[track_caller]
fn assert_text(text: &str) {
    assert!(!text.contains('>'), "a free `>`: {text:.120}");
    for (at, _) in text.match_indices('&') {
        let entity = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"].iter().any(|entity| text[at..].starts_with(entity));
        assert!(entity, "a free `&`: {:.40}", &text[at..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_formed_is_found() {
        assert_balanced("<!doctype html><p class=\"a\">x &amp; y<br></p><path d=\"M0\"/>");
        for broken in ["<p>", "<p></b>", "a & b", "<p a=\"x></p>", "</p>", "<p a=\"<\"></p>", "a > b"] {
            assert!(std::panic::catch_unwind(|| assert_balanced(broken)).is_err(), "{broken}");
        }
    }
}
