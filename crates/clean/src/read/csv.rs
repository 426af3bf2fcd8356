//! CSV and TSV, as RFC 4180 has them: a quoted field may hold separators, line breaks and doubled quotes.
//!
//! Read here and not by polars (0.55), which names no line in its errors, takes a row with too few fields without a word,
//! and refuses a file with one quote inside an unquoted field (`a 5" pipe`).

use std::collections::HashSet;

use firebrand_pipeline::{Error, Result};

use super::Table;
use crate::files::Kind;
use crate::nearest::{counted, listed, short};

/// A file of fields between separators, its first line the header.
#[derive(Debug)]
pub(crate) struct Csv {
    names: Vec<String>,
    /// The fields of all rows, row after row.
    fields: Vec<String>,
    lines: Vec<u64>,
}

impl Csv {
    /// Reads a whole file.
    pub(crate) fn new(name: &str, text: &str, kind: Kind) -> Result<Self> {
        let separator = if kind == Kind::Tsv { '\t' } else { separator(text) };
        let mut records = Records { name, rest: text, line: 1, separator };
        let mut names = Vec::new();
        let header = records.next_into(&mut names)?;
        if header.is_none() {
            return Err(Error::data(format!("{name} has only blank lines")));
        }
        check_header(name, &mut names)?;
        let mut fields = Vec::new();
        let mut lines = Vec::new();
        while let Some((line, count)) = records.next_into(&mut fields)? {
            if count != names.len() {
                return Err(ragged(name, line, count, names.len(), separator));
            }
            lines.push(line);
        }
        if lines.is_empty() {
            return Err(Error::data(format!("{name} has a header and no rows"))
                .hint("the first line names the columns; rows follow below it"));
        }
        Ok(Self { names, fields, lines })
    }
}

impl Table for Csv {
    fn names(&self) -> &[String] {
        &self.names
    }

    fn column(&self, column: usize) -> Result<Vec<Option<String>>> {
        let values = self.fields.iter().skip(column).step_by(self.names.len());
        Ok(values.map(|value| (!value.is_empty()).then(|| value.clone())).collect())
    }

    fn place(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or_default()
    }
}

/// The separator: what the header has most of outside quotes. Spreadsheets of many countries write semicolons.
fn separator(text: &str) -> char {
    let mut quoted = false;
    let mut counts = [(',', 0), (';', 0), ('\t', 0)];
    for c in text.trim_start().chars() {
        match c {
            '"' => quoted = !quoted,
            '\n' if !quoted => break,
            _ if !quoted => counts.iter_mut().filter(|(known, _)| *known == c).for_each(|(_, count)| *count += 1),
            _ => {}
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    counts.iter().find(|(_, count)| *count == most).map_or(',', |(separator, _)| *separator)
}

fn check_header(name: &str, names: &mut [String]) -> Result<()> {
    names.iter_mut().for_each(|column| *column = column.trim().to_owned());
    let mut seen = HashSet::new();
    // pandas leaves the name of its index column empty: such columns can be there, and cannot be asked for.
    match names.iter().find(|column| !column.is_empty() && !seen.insert(column.as_str())) {
        Some(twice) => Err(Error::data(format!(
            "{name} names two columns \"{}\": {}",
            short(twice, 60),
            listed(names.iter().map(String::as_str))
        ))
        .hint("rename one of them in the header")),
        None => Ok(()),
    }
}

fn ragged(name: &str, line: u64, found: usize, expected: usize, separator: char) -> Error {
    let separator = if separator == '\t' { "tab".to_owned() } else { format!("`{separator}`") };
    Error::data(format!("{name}, line {line} has {}, the header has {expected}", counted(found, "field")))
        .hint(format!("the separator is a {separator}; a field that has one in it stands in double quotes"))
}

/// The records of a file, one by one.
struct Records<'a> {
    name: &'a str,
    rest: &'a str,
    line: u64,
    separator: char,
}

impl<'a> Records<'a> {
    /// Appends the fields of the next record; its first line and how many fields it has. Blank lines are no records.
    fn next_into(&mut self, fields: &mut Vec<String>) -> Result<Option<(u64, usize)>> {
        while let Some(rest) = self.rest.strip_prefix('\n').or_else(|| self.rest.strip_prefix("\r\n")) {
            self.rest = rest;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (line, before) = (self.line, fields.len());
        loop {
            let field = match self.rest.strip_prefix('"') {
                Some(rest) => self.quoted(rest)?,
                None => self.plain(),
            };
            fields.push(field);
            if let Some(rest) = self.rest.strip_prefix(self.separator) {
                self.rest = rest;
                continue;
            }
            if let Some(rest) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
                self.rest = rest;
                self.line += 1;
            }
            return Ok(Some((line, fields.len() - before)));
        }
    }

    /// A field up to the next separator or line end; a quote in it is a character like any other.
    fn plain(&mut self) -> String {
        let end = self.rest.find([self.separator, '\n']).unwrap_or(self.rest.len());
        let (field, rest) = self.rest.split_at(end);
        if let (Some(field), true) = (field.strip_suffix('\r'), rest.starts_with('\n') || rest.is_empty()) {
            self.rest = rest;
            return field.to_owned();
        }
        self.rest = rest;
        field.to_owned()
    }

    /// A field in quotes, of which the first is taken already.
    fn quoted(&mut self, mut rest: &'a str) -> Result<String> {
        let opened = self.line;
        let mut field = String::new();
        loop {
            let Some((part, after)) = rest.split_once('"') else {
                return Err(Error::data(format!(
                    "{}, line {opened}: a quote opens a field and nothing closes it",
                    self.name
                ))
                .hint("a quote inside a quoted field is written twice: \"he said \"\"no\"\"\""));
            };
            field.push_str(part);
            self.line += part.bytes().filter(|byte| *byte == b'\n').count() as u64;
            rest = after;
            let Some(after) = rest.strip_prefix('"') else { break };
            field.push('"');
            rest = after;
        }
        let ends = rest.is_empty() || rest.starts_with([self.separator, '\n']) || rest.starts_with("\r\n");
        if !ends {
            let next: String = rest.chars().take(20).collect();
            return Err(Error::data(format!(
                "{}, line {}: after the quote that ends a field stands \"{}\"",
                self.name,
                self.line,
                short(&next, 20)
            ))
            .hint("a quote inside a quoted field is written twice: \"he said \"\"no\"\"\""));
        }
        self.rest = rest;
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Columns = Vec<Vec<Option<String>>>;

    fn rows(text: &str) -> Result<(Columns, Vec<u64>), String> {
        let csv = Csv::new("a.csv", text, Kind::Csv).map_err(|error| error.message().to_owned())?;
        Ok(((0..csv.names.len()).map(|column| csv.column(column).unwrap()).collect(), csv.lines))
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| (!value.is_empty()).then(|| (*value).to_owned())).collect()
    }

    #[test]
    fn quotes_hold_separators_breaks_and_quotes() {
        let text = "text,label\r\n\"a, \"\"b\"\"\nc\",1\r\n\r\na 5\" pipe,2\n,3\n\"\",\n";
        let (columns, lines) = rows(text).unwrap();
        assert_eq!(columns, [some(&["a, \"b\"\nc", "a 5\" pipe", "", ""]), some(&["1", "2", "3", ""])]);
        assert_eq!(lines, [2, 5, 6, 7]);
    }

    #[test]
    fn the_separator_is_found() {
        assert_eq!(rows("text;label\na, b;1").unwrap().0, [some(&["a, b"]), some(&["1"])]);
        assert_eq!(rows("text\tlabel\na, b\t1\r\n").unwrap().0, [some(&["a, b"]), some(&["1"])]);
        let tsv = Csv::new("a.tsv", "text,x\tlabel\na\t1\r", Kind::Tsv).unwrap();
        assert_eq!(tsv.names, ["text,x", "label"]);
        assert_eq!(tsv.column(1).unwrap(), some(&["1"]));
    }

    #[test]
    fn what_is_broken_is_named_by_its_line() {
        for (text, expected) in [
            ("text,label\na,1\nb,2,3\n", "a.csv, line 3 has 3 fields, the header has 2"),
            ("text,label\n\"a\n\",1\nb\n", "a.csv, line 4 has 1 field, the header has 2"),
            ("text,label\na,1\n\"b\n,2\n", "a.csv, line 3: a quote opens a field and nothing closes it"),
            ("text,label\n\"a\" b,1\n", "a.csv, line 2: after the quote that ends a field stands \" b,1 \""),
            ("text,label,text\na,1,b", "a.csv names two columns \"text\": \"text\", \"label\", \"text\""),
            ("text,label\n\n", "a.csv has a header and no rows"),
            ("\n\n", "a.csv has only blank lines"),
        ] {
            assert_eq!(rows(text).unwrap_err(), expected);
        }
        assert!(rows(",,text\n0,1,a\n").is_ok());
    }
}
