//! CSV and TSV.

use firebrand_pipeline::{Error, Result};

use super::records::{Problem, Record, Records};
use super::{Cells, Choose, empty, header};
use crate::files::{Kind, SourceFile};

/// Reads the chosen columns.
pub(super) fn read(text: &str, file: &SourceFile, quotes: bool, choose: Choose<'_>) -> Result<Vec<Cells>> {
    let name = &file.name;
    let delimiter = if file.kind == Kind::Tsv { '\t' } else { delimiter(text, quotes) };
    let mut records = Records::new(text, delimiter, quotes);
    let failed = |problem| explain(problem, name);
    let first = records.next().transpose().map_err(failed)?.ok_or_else(|| empty(name))?;
    let names = header(first.fields.iter().map(|field| &field.text), name)?;
    let columns = choose(&names).map_err(|error| if looks_like_data(&names) { error.hint(NO_HEADER) } else { error })?;
    let mut rows = Vec::new();
    for record in records {
        let record = record.map_err(failed)?;
        if record.fields.len() != names.len() {
            return Err(ragged(&record, names.len(), delimiter, name));
        }
        let cell = |column: &usize| {
            let field = record.fields.get(*column)?;
            (field.quoted || !field.text.is_empty()).then(|| field.text.to_string())
        };
        rows.push(Cells { place: record.line, cells: columns.iter().map(cell).collect() });
    }
    Ok(rows)
}

/// A CSV file's delimiter: a comma, unless its first line has none but has others.
fn delimiter(text: &str, quotes: bool) -> char {
    let fields = |delimiter| match Records::new(text, delimiter, quotes).next() {
        Some(Ok(record)) => record.fields.len(),
        _ => 0,
    };
    if fields(',') != 1 {
        return ',';
    }
    let (fields, delimiter) =
        [';', '\t', '|'].map(|delimiter| (fields(delimiter), delimiter)).into_iter().max().unwrap_or((0, ','));
    if fields > 1 { delimiter } else { ',' }
}

const NO_HEADER: &str = "the first line looks like a row of data: the file needs a header line above it, such as text,label";

/// Whether a header's names are none: numbers, nothing at all, or whole sentences.
fn looks_like_data(names: &[String]) -> bool {
    names.iter().any(|name| {
        name.is_empty() || name.parse::<f64>().is_ok() || name.split_whitespace().count() > 3 || name.chars().count() > 40
    })
}

fn ragged(record: &Record<'_>, expected: usize, delimiter: char, name: &str) -> Error {
    let found = record.fields.len();
    let what = match delimiter {
        ',' => "comma",
        ';' => "semicolon",
        '\t' => "tab",
        _ => "bar",
    };
    let fields = if found == 1 { "1 field".to_owned() } else { format!("{found} fields") };
    let error = Error::data(format!("{name}:{}: {fields}, but the header has {expected}", record.line));
    if found > expected {
        error.hint(format!("a text with a {what} in it must stand in double quotes"))
    } else {
        error.hint("the row is cut off, or a text with a line break in it does not stand in double quotes")
    }
}

fn explain(problem: Problem, name: &str) -> Error {
    const PLAIN: &str = "if quotes are ordinary characters in this file, set `quotes = false` below [clean]";
    match problem {
        Problem::Unclosed(line) => Error::data(format!("{name}:{line}: a field's double quote is never closed"))
            .hint("the file is cut off, or a quote inside a text is not doubled (\"\")")
            .hint(PLAIN),
        Problem::AfterQuote(line, start) => {
            let since = if start == line { String::new() } else { format!(" (of the field that starts on line {start})") };
            Error::data(format!("{name}:{line}: text follows a closing double quote{since}"))
                .hint("a quote inside a text must be doubled (\"\")")
                .hint(PLAIN)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(name: &str, text: &str, quotes: bool) -> Result<Vec<(u64, Vec<Option<String>>)>, String> {
        let (kind, compressed) = Kind::of(name);
        let file = SourceFile { path: name.into(), name: name.to_owned(), kind, compressed, part: None };
        let rows = read(text, &file, quotes, &mut |names| {
            if names.iter().any(|name| name == "text") { Ok((0..names.len()).collect()) } else { Err(Error::data("no text")) }
        });
        rows.map(|rows| rows.into_iter().map(|row| (row.place, row.cells)).collect()).map_err(|error| error.render())
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn delimiters_are_recognised() {
        for text in ["text,label\na,1", "text;label\na;1", "text\tlabel\na\t1", "text|label\na|1"] {
            assert_eq!(read_all("a.csv", text, true).unwrap(), [(2, vec![some("a"), some("1")])]);
        }
        assert_eq!(read_all("a.tsv", "text\tlabel\na,b\t\n", true).unwrap(), [(2, vec![some("a,b"), None])]);
        assert_eq!(read_all("a.csv", "text\na;b\n", true).unwrap(), [(2, vec![some("a;b")])]);
    }

    #[test]
    fn quoted_line_breaks_are_part_of_the_text() {
        let rows = read_all("a.csv", "text,label\n\"a\nb\",1\n\"\",2\n", true).unwrap();
        assert_eq!(rows, [(2, vec![some("a\nb"), some("1")]), (4, vec![some(""), some("2")])]);
    }

    #[test]
    fn plain_quotes() {
        let rows = read_all("a.tsv", "text\tlabel\n\"oh\t1\n", false).unwrap();
        assert_eq!(rows, [(2, vec![some("\"oh"), some("1")])]);
    }

    #[test]
    fn damage_names_the_line() {
        for (text, expected) in [
            ("", "a.csv is empty"),
            ("\n\n", "a.csv is empty"),
            ("text,label\na,1\nb,2,3\n", "a.csv:3: 3 fields, but the header has 2"),
            ("text,label\n\"a\nb\",1\nc\n", "a.csv:4: 1 field, but the header has 2"),
            ("text,label\na,1\n\"b,2\nc,3\n", "a.csv:3: a field's double quote is never closed"),
            ("text,label\n\"a\nb\" c,1\n", "a.csv:3: text follows a closing double quote (of the field that starts on line 2)"),
            ("text,label,text\n", "two columns called \"text\""),
            ("what a fine film this is,1\nbad,0\n", NO_HEADER),
        ] {
            let error = read_all("a.csv", text, true).expect_err(text);
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("hint: "), "{error}");
        }
    }
}
