//! A text into records, before any of them is decoded.
//!
//! The `csv` crate decodes fields, but it reads on past a quote that nothing closes, to the end of the file if need be, and
//! says nothing. So the records are found here first, and each is known to be sound before it is decoded.

use std::collections::HashMap;
use std::ops::Range;

/// A record: one row's bytes, without the line end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    /// Its first line in the file, from 1.
    pub(super) line: u64,
    /// How many lines it runs over.
    pub(super) lines: u64,
    pub(super) range: Range<usize>,
    /// What is wrong with its quotes, if anything is.
    pub(super) problem: Option<Problem>,
}

/// What can be wrong with quotes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Problem {
    /// A quote opens a field, and no quote closes it.
    Unclosed,
    /// After the quote that closes a field there is something else, which starts at this position in the file.
    TextAfter(usize),
}

/// The records of a text. Blank lines are skipped. Without a `quote`, every line is a record.
///
/// A record whose quotes are not sound ends with its first line: what comes after it may be rows of their own.
pub(super) fn split(text: &str, separator: u8, quote: Option<u8>, first_line: u64) -> Vec<Record> {
    let bytes = text.as_bytes();
    let failed = HashMap::new();
    let mut scan = Scan { bytes, base: 0, at: 0, line: first_line, separator, quote, failed, added: Vec::new() };
    let mut records = Vec::new();
    while let Some(record) = scan.next() {
        records.push(record);
    }
    records
}

pub(super) struct Scan<'a> {
    pub(super) bytes: &'a [u8],
    /// Position of `bytes` in the file.
    pub(super) base: usize,
    /// Where the next record starts in `bytes`.
    pub(super) at: usize,
    pub(super) line: u64,
    pub(super) separator: u8,
    pub(super) quote: Option<u8>,
    /// Where quoted fields open from which the rest of a record is known not to be sound. Without it, a file in which every
    /// line has a stray quote would be read to its end once for each of them. By position in the file.
    pub(super) failed: HashMap<usize, Problem>,
    /// Keys that were added to `failed`.
    pub(super) added: Vec<usize>,
}

impl Scan<'_> {
    /// The next record; `None` if there are only blank lines.
    pub(super) fn next(&mut self) -> Option<Record> {
        while let Some(length) = self.line_end() {
            self.at += length;
            self.line += 1;
        }
        if matches!(self.bytes.get(self.at..), None | Some(b"" | b"\r")) {
            return None;
        }
        let (start, line) = (self.at, self.line);
        let problem = self.fields().err();
        if problem.is_some() {
            (self.at, self.line) = (start, line);
            self.plain(false);
        }
        let mut record = Record { line, lines: self.line - line + 1, range: start..self.at, problem };
        if let Some(length) = self.line_end() {
            self.at += length;
            self.line += 1;
        } else if let Some(b"\r") = self.bytes.get(self.at..) {
            // The last line of a file with Windows line ends, of which only half is left.
            self.at += 1;
        } else if self.bytes.get(record.range.end - 1) == Some(&b'\r') {
            record.range.end -= 1;
        }
        Some(record)
    }

    /// Moves over the fields of a record, up to its line end.
    fn fields(&mut self) -> Result<(), Problem> {
        let mut opened = Vec::new();
        loop {
            match self.quote {
                Some(quote) if self.bytes.get(self.at) == Some(&quote) => {
                    opened.push(self.base + self.at);
                    let known = self.failed.get(&(self.base + self.at)).cloned();
                    if let Err(problem) = known.map_or_else(|| self.quoted(quote), Err) {
                        for position in opened {
                            if self.failed.insert(position, problem.clone()).is_none() {
                                self.added.push(position);
                            }
                        }
                        return Err(problem);
                    }
                }
                _ => self.plain(true),
            }
            if self.bytes.get(self.at) != Some(&self.separator) {
                return Ok(());
            }
            self.at += 1;
        }
    }

    /// Moves to the next line end or, if asked, separator.
    fn plain(&mut self, separators: bool) {
        while let Some(byte) = self.bytes.get(self.at) {
            if self.line_end().is_some() || separators && *byte == self.separator {
                return;
            }
            self.at += 1;
        }
    }

    /// Moves over a field in quotes.
    fn quoted(&mut self, quote: u8) -> Result<(), Problem> {
        self.at += 1;
        loop {
            match self.bytes.get(self.at) {
                None => return Err(Problem::Unclosed),
                Some(b'\n') => self.line += 1,
                Some(byte) if *byte == quote => {
                    self.at += 1;
                    if self.bytes.get(self.at) != Some(&quote) {
                        break;
                    }
                }
                Some(_) => {}
            }
            self.at += 1;
        }
        let rest = &self.bytes[self.at..];
        let ends =
            rest.first().is_none_or(|byte| *byte == self.separator) || rest == b"\r" || self.line_end().is_some();
        if ends { Ok(()) } else { Err(Problem::TextAfter(self.base + self.at)) }
    }

    /// The length of the line end here, if there is one.
    fn line_end(&self) -> Option<usize> {
        match self.bytes.get(self.at) {
            Some(b'\n') => Some(1),
            Some(b'\r') if self.bytes.get(self.at + 1) == Some(&b'\n') => Some(2),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, quote: Option<u8>) -> Vec<(u64, u64, &str, Option<Problem>)> {
        let records = split(text, b',', quote, 1).into_iter();
        records.map(|record| (record.line, record.lines, &text[record.range], record.problem)).collect()
    }

    #[test]
    fn sound_records_may_run_over_lines() {
        let text = "a,b\r\n\r\n\"x\n\"\"y\"\"\",1\nz,\"2\"\r";
        let expected = [(1, 1, "a,b", None), (3, 2, "\"x\n\"\"y\"\"\",1", None), (5, 1, "z,\"2\"", None)];
        assert_eq!(found(text, Some(b'"')), expected);
        assert_eq!(found(text, None).len(), 4);
    }

    #[test]
    fn a_record_with_a_stray_quote_ends_with_its_line() {
        let text = "\"a,1\nb,2\n";
        assert_eq!(found(text, Some(b'"')), [(1, 1, "\"a,1", Some(Problem::Unclosed)), (2, 1, "b,2", None)]);
        let text = "\"a\" b,1\nc,2";
        assert_eq!(
            found(text, Some(b'"')),
            [(1, 1, text[..7].as_ref(), Some(Problem::TextAfter(3))), (2, 1, "c,2", None)]
        );
        let text = "\"a,1\nb\"c,2\nd,3";
        assert_eq!(found(text, Some(b'"')).len(), 3);
    }

    #[test]
    fn many_lines_with_stray_quotes_take_no_longer_than_others() {
        let lines = 200_000;
        let text = "some text\",\"label\n".repeat(lines);
        let problems = |text: &str| -> Vec<Option<Problem>> {
            split(text, b',', Some(b'"'), 1).into_iter().map(|record| record.problem).collect()
        };
        assert_eq!(problems(&text), vec![Some(Problem::Unclosed); lines]);
        let mut expected = vec![Some(Problem::TextAfter(text.len() + 4)); lines];
        expected.push(None);
        assert_eq!(problems(&(text + "end\" of it")), expected);
    }
}
