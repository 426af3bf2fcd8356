//! Records of fields between delimiters (RFC 4180).
//!
//! Written out here since readers of tables repair in silence what must be an error where every row counts: a quote that
//! is never closed swallows rows, and a row with too few fields gets missing ones.

use std::borrow::Cow;

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record<'a> {
    /// The line it starts on, from 1.
    pub(super) line: u64,
    pub(super) fields: Vec<Field<'a>>,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field<'a> {
    pub(super) text: Cow<'a, str>,
    /// An empty field in quotes is an empty text; without them it is missing.
    pub(super) quoted: bool,
}

/// What a record cannot be read for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Problem {
    /// A quote opened on this line is never closed.
    Unclosed(u64),
    /// On this line something other than a delimiter follows a closing quote; the field started on the other line.
    AfterQuote(u64, u64),
}

/// Reads records one after the other. Blank lines are none.
#[derive(Debug)]
pub(super) struct Records<'a> {
    rest: &'a str,
    delimiter: char,
    quotes: bool,
    line: u64,
}

impl<'a> Records<'a> {
    /// The records of a text. `delimiter` is one ASCII character.
    pub(super) fn new(text: &'a str, delimiter: char, quotes: bool) -> Self {
        Self { rest: text, delimiter, quotes, line: 1 }
    }

    /// Ends a line, if one ends here: `\n`, `\r\n` or `\r`.
    fn end_of_line(&mut self) -> bool {
        let ended = ["\r\n", "\n", "\r"].into_iter().find_map(|end| self.rest.strip_prefix(end));
        if let Some(rest) = ended {
            self.rest = rest;
            self.line += 1;
        }
        ended.is_some()
    }

    fn field(&mut self) -> Result<Field<'a>, Problem> {
        if self.quotes && self.rest.starts_with('"') {
            return self.quoted();
        }
        let delimiter = self.delimiter;
        let end = self.rest.find(|c| c == delimiter || c == '\n' || c == '\r').unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(Field { text: Cow::Borrowed(text), quoted: false })
    }

    fn quoted(&mut self) -> Result<Field<'a>, Problem> {
        let start = self.line;
        let mut text = Cow::Borrowed("");
        let mut rest = self.rest.get(1..).unwrap_or_default();
        loop {
            let end = rest.find('"').ok_or(Problem::Unclosed(start))?;
            let (piece, after) = rest.split_at(end);
            self.line += piece.matches('\n').count() as u64;
            text += piece;
            rest = after.get(1..).unwrap_or_default();
            // A doubled quote stands for one.
            match rest.strip_prefix('"') {
                Some(after) => {
                    text += "\"";
                    rest = after;
                }
                None => break,
            }
        }
        self.rest = rest;
        let ends = rest.is_empty() || rest.starts_with([self.delimiter, '\n', '\r']);
        if ends { Ok(Field { text, quoted: true }) } else { Err(Problem::AfterQuote(self.line, start)) }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.end_of_line() {}
        if self.rest.is_empty() {
            return None;
        }
        let line = self.line;
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok(field) => fields.push(field),
                Err(problem) => {
                    // Where it goes on is anybody's guess.
                    self.rest = "";
                    return Some(Err(problem));
                }
            }
            match self.rest.strip_prefix(self.delimiter) {
                Some(rest) => self.rest = rest,
                None => break,
            }
        }
        self.end_of_line();
        Some(Ok(Record { line, fields }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<Result<(u64, Vec<String>), Problem>> {
        let owned = |record: Record<'_>| {
            (record.line, record.fields.into_iter().map(|field| field.text.into_owned()).collect())
        };
        Records::new(text, ',', true).map(|record| record.map(owned)).collect()
    }

    fn row(line: u64, fields: &[&str]) -> Result<(u64, Vec<String>), Problem> {
        Ok((line, fields.iter().map(|field| (*field).to_owned()).collect()))
    }

    #[test]
    fn fields_quotes_and_line_ends() {
        assert_eq!(read("a,b\nc,\n\n\"d\"\"e\n,\",f\r\ng"), [
            row(1, &["a", "b"]),
            row(2, &["c", ""]),
            row(4, &["d\"e\n,", "f"]),
            row(6, &["g"])
        ]);
        assert_eq!(read("a,b\rc,d\r"), [row(1, &["a", "b"]), row(2, &["c", "d"])]);
        // Inside a plain field a quote is a character like any other.
        assert_eq!(read("5\" tv,1"), [row(1, &["5\" tv", "1"])]);
        assert_eq!(read(",\n"), [row(1, &["", ""])]);
    }

    #[test]
    fn bad_quotes_are_found() {
        assert_eq!(read("a,b\nc,\"d\ne\n"), [row(1, &["a", "b"]), Err(Problem::Unclosed(2))]);
        assert_eq!(read("\"a\nb\"c,d"), [Err(Problem::AfterQuote(2, 1))]);
        let plain: Vec<_> = Records::new("\"a,b\"", ',', false).map(|record| record.unwrap().fields.len()).collect();
        assert_eq!(plain, [2]);
    }

    #[test]
    fn only_quotes_make_an_empty_field_a_text() {
        let record = Records::new("\"\",", ',', true).next().unwrap().unwrap();
        assert_eq!(record.fields.iter().map(|field| field.quoted).collect::<Vec<_>>(), [true, false]);
    }

    proptest! {
        /// Whatever is written in quotes is read back.
        #[test]
        fn what_is_quoted_comes_back(rows in prop::collection::vec(prop::collection::vec("[ab,\"\\n\\r;é]{0,6}", 2), 1..8)) {
            let quote = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let lines: Vec<_> = rows.iter().map(|row| row.iter().map(quote).collect::<Vec<_>>().join(",")).collect();
            let read: Vec<_> = read(&lines.join("\r\n")).into_iter().map(|row| row.unwrap().1).collect();
            prop_assert_eq!(read, rows);
        }

        /// No text makes it panic or go on for ever.
        #[test]
        fn any_text_is_read(text in "[ab,\"\\n\\r]{0,30}") {
            prop_assert!(Records::new(&text, ',', true).count() <= 31);
        }
    }
}
