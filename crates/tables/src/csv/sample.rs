//! How a file's rows are written, found out from its start.

use firebrand_pipeline::Result;

use super::split::{Problem, split};
use super::{Csv, separator_of, without_sep_line};
use crate::kind::Kind;
use crate::options::{BadRows, ReadOptions};

/// A quoted field that is still open at the end of a sample, and that opens this close to it, goes on behind the sample.
const LONGEST_FIELD: usize = 1 << 16;

/// How the rows of a CSV or TSV file are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What separates fields.
    pub separator: u8,
    /// What encloses fields; `None`: nothing does.
    pub quote: Option<u8>,
    /// Whether the first record names the columns.
    pub has_header: bool,
    /// Whether a first line such as `sep=;` comes before all records.
    pub has_separator_line: bool,
    /// Whether lines end with `\r` alone, as on old Macs.
    pub mac_lines: bool,
    /// The columns' names; without a header their numbers, from 1.
    pub names: Vec<String>,
    /// The columns of texts and labels, if the file does not name its columns and their content shows them.
    pub by_content: Option<(usize, usize)>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Layout {
    /// Finds out how a file called `name` is written from a sample of it: its start, or all of it. `named` are the columns
    /// that the user names.
    ///
    /// These are the rules for a whole [`Csv`], applied to the sample; rows that cannot be read say nothing.
    ///
    /// # Errors
    /// When there is no header that can be read, or only blank lines.
    pub fn of(
        name: &str,
        sample: &str,
        is_whole: bool,
        kind: Kind,
        options: &ReadOptions,
        named: &[&str],
    ) -> Result<Self> {
        let sample = if is_whole { sample } else { whole_rows(sample, kind, options) };
        let options = ReadOptions { bad_rows: BadRows::Drop, ..*options };
        let csv = Csv::read(name, sample, kind, &options, named)?;
        Ok(Self {
            separator: csv.separator,
            quote: csv.quote,
            has_header: csv.has_header,
            has_separator_line: without_sep_line(sample).1 > 1,
            mac_lines: sample.contains('\r') && !sample.contains('\n'),
            names: csv.names,
            by_content: csv.by_content,
            notes: csv.notes,
        })
    }
}

/// The sample without a last row that goes on behind it.
fn whole_rows<'a>(sample: &'a str, kind: Kind, options: &ReadOptions) -> &'a str {
    let lines = sample.rfind('\n').map_or(sample, |end| &sample[..=end]);
    let (text, first_line, declared) = without_sep_line(lines);
    let separator = separator_of(text, declared, kind, options);
    let records = split(text, separator, Some(b'"'), first_line);
    let open = records.iter().rfind(|record| record.problem == Some(Problem::Unclosed));
    match open.map(|record| record.range.start).filter(|start| *start > 0 && text.len() - start <= LONGEST_FIELD) {
        Some(start) => &lines[..lines.len() - text.len() + start],
        None => lines,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::Interface;

    fn layout(sample: &str, is_whole: bool, kind: Kind) -> Layout {
        Layout::of("a.csv", sample, is_whole, kind, &ReadOptions::detect(Interface::CommandLine), &[]).unwrap()
    }

    #[test]
    fn the_rules_are_those_for_whole_files() {
        let found = layout("sep=;\r\nid;Review\r\n1;a, b\r\n", true, Kind::Csv);
        assert_eq!((found.separator, found.quote, found.has_header), (b';', Some(b'"'), true));
        assert!(found.has_separator_line && !found.mac_lines);
        assert_eq!(found.names, ["id", "Review"]);
        let found = layout("a long text,x\nb,y\nc,x\nd,y\n", true, Kind::Csv);
        assert_eq!((found.has_header, found.names.len(), found.by_content), (false, 2, Some((0, 1))));
        assert!(layout("text\ra\rb", true, Kind::Csv).mac_lines);
        assert_eq!(layout("text,label\n", true, Kind::Csv).names, ["text", "label"]);
    }

    #[test]
    fn a_row_that_goes_on_behind_the_sample_says_nothing() {
        let text = "text\tlabel\n\"a\tb\"\tx\n\"c\nd\"\ty\n\"e\nf";
        assert_eq!(layout(text, false, Kind::Tsv).quote, Some(b'"'));
        assert_eq!(layout(text, true, Kind::Tsv).quote, None);
        assert_eq!(layout("text,label\na,x\nb", false, Kind::Csv).names.len(), 2);
    }
}
