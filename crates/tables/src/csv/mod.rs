//! CSV and TSV.
//!
//! The fields are the `csv` crate's work. What is decided here is what the file does not say: its separator, whether quotation
//! marks quote, whether its first line is a header; and which rows cannot be right.

mod cells;
mod fields;
mod quotes;
mod sample;
mod split;
mod stream;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use firebrand_pipeline::{Error, Result};

use self::cells::Cells;
use self::split::{Problem, Record, split};
use crate::columns::is_usual;
use crate::interface::Interface;
use crate::kind::Kind;
use crate::options::{BadRows, Quote, ReadOptions};
use crate::wording::{counted, listed, short};

pub use self::fields::fields;
pub use self::sample::Layout;
pub use self::stream::{RawRecord, Records};

/// A row that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRow {
    /// Its place in the file, from 1: see [`Kind::unit`].
    pub number: u64,
    /// Why.
    pub why: String,
}

/// A file of fields between separators, in memory.
#[derive(Debug)]
pub struct Csv {
    separator: u8,
    quote: Option<u8>,
    has_header: bool,
    names: Vec<String>,
    cells: Cells,
    /// The places in `cells` of the rows that are good.
    rows: Vec<usize>,
    /// The first line of each of these rows.
    lines: Vec<u64>,
    bad: Vec<BadRow>,
    notes: Vec<String>,
    /// The columns with the texts and the labels, by their content, where no header names them.
    by_content: Option<(usize, usize)>,
}

impl Csv {
    /// Reads a whole file, called `name` in messages. `named` are the columns that the user names.
    ///
    /// # Errors
    /// When there are no rows, or rows that cannot be read and are not to be left out.
    pub fn new(name: &str, text: &str, kind: Kind, options: &ReadOptions, named: &[&str]) -> Result<Self> {
        let csv = Self::read(name, text, kind, options, named)?;
        if csv.rows.is_empty() {
            return Err(Error::data(format!("{name} has a header and no rows"))
                .hint("the first line names the columns; rows follow below it"));
        }
        Ok(csv)
    }

    /// Reads a file that may have no rows below its header.
    fn read(name: &str, text: &str, kind: Kind, options: &ReadOptions, named: &[&str]) -> Result<Self> {
        // Line ends of old Macs.
        let converted = (text.contains('\r') && !text.contains('\n')).then(|| text.replace('\r', "\n"));
        let text = converted.as_deref().unwrap_or(text);
        let (text, first_line, declared) = without_sep_line(text);
        let separator = separator_of(text, declared, kind, options);
        let mut notes = Vec::new();
        let quote = match options.quote {
            Quote::Is(quote) => Some(quote),
            Quote::None => None,
            Quote::Detect if separator == b'\t' => quotes::in_tsv(name, text, first_line, options, &mut notes)?,
            Quote::Detect => Some(b'"'),
        };
        let records = split(text, separator, quote, first_line);
        if records.is_empty() {
            return Err(Error::data(format!("{name} has only blank lines")));
        }
        // What has no sound quotes is not decoded: the decoder would read on into the next record.
        let content = |record: &Record| match record.problem {
            None => text.get(record.range.clone()).unwrap_or_default(),
            Some(_) => "?",
        };
        let cells = Cells::decode(records.iter().map(content), separator, quote);
        if cells.rows() != records.len() {
            return Err(Error::other(format!("{name}: {} records became {} rows", records.len(), cells.rows()))
                .hint("this is a mistake in this program: please report it"));
        }
        let mut csv = Self {
            separator,
            quote,
            has_header: false,
            names: Vec::new(),
            cells,
            rows: Vec::new(),
            lines: Vec::new(),
            bad: Vec::new(),
            notes,
            by_content: None,
        };
        let first = csv.header(name, options, named, &records)?;
        csv.has_header = first == 1;
        if csv.has_header
            && let Some(Record { line, problem: Some(problem), .. }) = records.first()
        {
            let header = [BadRow { number: *line, why: why(problem, text) }];
            return Err(bad_rows(name, &header, separator, options.interface));
        }
        csv.check_rows(
            text,
            separator,
            options.quote == Quote::Detect,
            records.get(first..).unwrap_or_default(),
            first,
        );
        if options.bad_rows == BadRows::Error && !csv.bad.is_empty() {
            return Err(bad_rows(name, &csv.bad, separator, options.interface));
        }
        if first == 0 && !csv.rows.is_empty() {
            csv.name_by_content(name);
        }
        Ok(csv)
    }

    /// Decides whether the first record is the header, and takes the columns' names from it, or numbers as many columns as most
    /// rows have. Returns where the rows start.
    fn header(&mut self, name: &str, options: &ReadOptions, named: &[&str], records: &[Record]) -> Result<usize> {
        let names: Vec<String> = self.cells.row(0).map(|column| column.trim().to_owned()).collect();
        if options.header.unwrap_or_else(|| self.has_header(&names, named)) {
            check_header(name, &names, options.interface)?;
            self.names = names;
            return Ok(1);
        }
        let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
        for (row, _) in records.iter().enumerate().filter(|(_, record)| record.problem.is_none()) {
            *widths.entry(self.cells.width(row)).or_default() += 1;
        }
        let width = widths.into_iter().max_by_key(|(_, rows)| *rows).map_or(names.len(), |(width, _)| width);
        self.names = (1..=width).map(|number| number.to_string()).collect();
        Ok(0)
    }

    /// Whether the first record names columns. One that names a wanted or usual column does. Otherwise it is a row when one
    /// of its values is what other rows repeat in that column, as labels are.
    fn has_header(&self, first: &[String], named: &[&str]) -> bool {
        // Numbers ask for the columns of a file without a header.
        let is_number = |column: &str| column.parse::<usize>().is_ok_and(|number| (1..=first.len()).contains(&number));
        let is_named = |column: &str| named.contains(&column) && !is_number(column);
        if first.iter().any(|column| is_usual(column) || is_named(column)) {
            return true;
        }
        let rows: Vec<usize> = (0..self.cells.rows()).collect();
        let repeats = |(column, value): (usize, &String)| self.cells.profile(column, &rows).repeats(value);
        !first.iter().enumerate().any(repeats)
    }

    /// Tells good rows from bad ones.
    fn check_rows(&mut self, text: &str, separator: u8, detect: bool, records: &[Record], first: usize) {
        let expected = self.names.len();
        let swallowed = if detect { self.swallowed(separator, records, first) } else { BTreeSet::new() };
        for (index, record) in records.iter().enumerate() {
            let found = self.cells.width(first + index);
            let why = match &record.problem {
                Some(problem) => Some(why(problem, text)),
                None if found != expected => {
                    let like = if first == 0 { "most rows have" } else { "the header has" };
                    Some(format!("has {}, {like} {expected}", counted(found, "field")))
                }
                None if swallowed.contains(&index) => {
                    let last = record.line + record.lines - 1;
                    Some(format!("a quote opens a field that ends in line {last}, and what it holds looks like rows"))
                }
                None => None,
            };
            match why {
                Some(why) => self.bad.push(BadRow { number: record.line, why }),
                None => {
                    self.rows.push(first + index);
                    self.lines.push(record.line);
                }
            }
        }
    }

    /// The records that seem to have swallowed others: a line in one of their fields has as many separators as a row has
    /// there, and a value between them is one that other rows repeat in its column.
    fn swallowed(&self, separator: u8, records: &[Record], first: usize) -> BTreeSet<usize> {
        let long: Vec<usize> =
            records.iter().enumerate().filter(|(_, record)| record.lines > 1).map(|(index, _)| index).collect();
        if long.is_empty() || self.names.len() < 2 {
            return BTreeSet::new();
        }
        let short: Vec<usize> = records
            .iter()
            .enumerate()
            .filter(|(_, record)| record.lines == 1 && record.problem.is_none())
            .map(|(index, _)| first + index)
            .collect();
        let profiles: Vec<_> = (0..self.names.len()).map(|column| self.cells.profile(column, &short)).collect();
        let holds_a_row = |(column, cell): (usize, &str)| {
            let lines: Vec<&str> = cell.split('\n').collect();
            let last = lines.len() - 1;
            last > 0
                && lines.iter().enumerate().any(|(index, line)| {
                    // The quote opens in the first of the lines and closes in the last, both in this column.
                    let columns = match index {
                        0 => column..profiles.len(),
                        _ if index == last => 0..column + 1,
                        _ => 0..profiles.len(),
                    };
                    let columns = profiles.get(columns).unwrap_or_default();
                    let values: Vec<&str> = line.trim_end_matches('\r').split(char::from(separator)).collect();
                    values.len() > 1
                        && values.len() == columns.len()
                        && values.iter().zip(columns).any(|(value, profile)| profile.repeats(value.trim_matches('"')))
                })
        };
        let swallows = |index: &usize| self.cells.row(first + *index).enumerate().any(holds_a_row);
        long.into_iter().filter(swallows).collect()
    }

    /// Finds texts and labels where no header names them: the longest values, and the only others that repeat.
    fn name_by_content(&mut self, name: &str) {
        let profiles: Vec<_> = (0..self.names.len()).map(|column| self.cells.profile(column, &self.rows)).collect();
        let longest = (0..profiles.len()).max_by(|a, b| profiles[*a].mean_length.total_cmp(&profiles[*b].mean_length));
        let labels: Vec<usize> = (0..profiles.len())
            .filter(|column| Some(*column) != longest && profiles[*column].is_categorical())
            .collect();
        let mut note = format!("{name} has no header: its columns are called 1 to {}", self.names.len());
        if let (Some(text), [label]) = (longest, labels.as_slice()) {
            self.by_content = Some((text, *label));
            note.push_str(&format!("; by their content, {} holds the texts and {} the labels", text + 1, label + 1));
        }
        self.notes.push(note);
    }

    /// The names of the columns, in the file's order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The values of a column; none where a field is empty. `column` is an index in [`names`](Self::names).
    pub fn column(&self, column: usize) -> Vec<Option<String>> {
        let values = self.rows.iter().map(|row| self.cells.get(*row, column));
        values.map(|value| (!value.is_empty()).then(|| value.to_owned())).collect()
    }

    /// The line where a row starts, from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.lines.get(row).copied().unwrap_or_default()
    }

    /// The rows that could not be read and are left out, in their order.
    pub fn bad_rows(&self) -> &[BadRow] {
        &self.bad
    }

    /// What the user should know about how the file was read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The columns of texts and labels, if the file does not name its columns and their content shows them.
    pub fn by_content(&self) -> Option<(usize, usize)> {
        self.by_content
    }
}

/// The text after a first line such as `sep=;`, which spreadsheets write; the line that it starts with, and the separator.
fn without_sep_line(text: &str) -> (&str, u64, Option<u8>) {
    let Some((line, rest)) = text.split_once('\n') else { return (text, 1, None) };
    let line = line.trim_end_matches('\r').trim_matches('"');
    let separator = line.get(..4).filter(|start| start.eq_ignore_ascii_case("sep=")).and_then(|_| line.get(4..));
    match separator.map(str::as_bytes) {
        Some([separator]) => (rest, 2, Some(*separator)),
        _ => (text, 1, None),
    }
}

/// The separator: what the user or the file says, or else what the first line has most of.
fn separator_of(text: &str, declared: Option<u8>, kind: Kind, options: &ReadOptions) -> u8 {
    options.separator.or(declared).unwrap_or_else(|| match kind {
        Kind::Tsv => b'\t',
        _ => sniff_separator(text),
    })
}

/// The separator: what the first line has most of outside quotes. Spreadsheets of many countries write semicolons.
fn sniff_separator(text: &str) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for byte in text.trim_start_matches(['\r', '\n']).bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            _ if !quoted => counts.iter_mut().filter(|(known, _)| *known == byte).for_each(|(_, count)| *count += 1),
            _ => {}
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or_default();
    counts.iter().find(|(_, count)| *count == most).map_or(b',', |(separator, _)| *separator)
}

fn check_header(name: &str, names: &[String], interface: Interface) -> Result<()> {
    let mut seen = HashSet::new();
    // pandas leaves the name of its index column empty: such columns can be there, and cannot be asked for.
    match names.iter().find(|column| !column.is_empty() && !seen.insert(column.as_str())) {
        Some(twice) => Err(Error::data(format!(
            "{name} names two columns \"{}\": {}",
            short(twice, 60),
            listed(names.iter().map(String::as_str))
        ))
        .hint("rename one of them in the header")
        .hint(format!(
            "if the first line is a row and not a header: {}{}",
            interface.set("header", "false"),
            interface.place()
        ))),
        None => Ok(()),
    }
}

/// A problem in words.
fn why(problem: &Problem, text: &str) -> String {
    match problem {
        Problem::Unclosed => "a quote opens a field and nothing closes it".to_owned(),
        Problem::TextAfter(at) => {
            let next: String = text.get(*at..).unwrap_or_default().chars().take(20).collect();
            format!("after the quote that ends a field stands \"{}\"", short(&next, 20))
        }
    }
}

/// The error for rows that cannot be read: the first with its reason, the others by their lines.
fn bad_rows(name: &str, bad: &[BadRow], separator: u8, interface: Interface) -> Error {
    const SHOWN: usize = 5;
    let (number, why) = bad.first().map_or((0, ""), |row| (row.number, row.why.as_str()));
    let more = bad.get(1..).unwrap_or_default();
    let colon = if why.starts_with("has ") { "" } else { ":" };
    let mut message = format!("{name}, line {number}{colon} {why}");
    if !more.is_empty() {
        let lines: Vec<_> = more.iter().take(SHOWN).map(|row| row.number.to_string()).collect();
        let rest = if more.len() > SHOWN { ", …" } else { "" };
        message.push_str(&format!(
            " (the first of {} that cannot be read; the others: line {}{rest})",
            counted(bad.len(), "row"),
            lines.join(", ")
        ));
    }
    let separator = if separator == b'\t' { "tab".to_owned() } else { format!("`{}`", char::from(separator)) };
    let error = Error::data(message);
    let place = interface.place();
    let error = if colon.is_empty() {
        error.hint(format!(
            "the separator is a {separator} ({}{place} names another); a field that has one in it stands in double quotes",
            interface.key("separator")
        ))
    } else {
        let (none, quote) = (interface.set("quote", "none"), interface.set("quote", "\""));
        error
            .hint("a quote inside a quoted field is written twice: \"he said \"\"no\"\"\"")
            .hint(format!("{none}{place} reads quotation marks as text, {quote} says that they are quotes"))
    };
    match interface {
        Interface::Configuration => {
            error.hint("`bad_rows = \"drop\"` below [clean] leaves such rows out, and counts them")
        }
        Interface::CommandLine => error,
    }
}
