//! Whether the quotation marks of a tab-separated file quote.

use firebrand_pipeline::{Error, Result};

use super::split::{Record, split};
use crate::options::{BadRows, ReadOptions};
use crate::wording::counted;

/// The quote of a tab-separated file. Most are written without any quoting, so that a mark at the start of a field is only
/// text; spreadsheets and pandas quote where a field has a mark, a tab or a line break in it.
///
/// Marks are quotes if every one that opens a field is closed on its line. If not, and every line has as many fields as the
/// header, they are text. Otherwise a field really seems to run over lines: it may, if no tabs are in it.
pub(super) fn in_tsv(
    name: &str,
    text: &str,
    first_line: u64,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<Option<u8>> {
    if !text.starts_with('"') && !text.contains("\t\"") && !text.contains("\n\"") {
        return Ok(None);
    }
    let quoted = split(text, b'\t', Some(b'"'), first_line);
    let stray: Vec<&Record> = quoted.iter().filter(|record| record.problem.is_some() || record.lines > 1).collect();
    let Some(first) = stray.first() else { return Ok(Some(b'"')) };
    let plain = split(text, b'\t', None, first_line);
    let tabs = |record: &Record| {
        text.get(record.range.clone()).unwrap_or_default().bytes().filter(|byte| *byte == b'\t').count()
    };
    let expected = plain.first().map(tabs);
    if plain.iter().all(|record| Some(tabs(record)) == expected) {
        notes.push(format!(
            "{name}: quotation marks are read as text, because in {} one opens a field and none closes it on its line \
             (the first is line {})",
            counted(stray.len(), "row"),
            first.line
        ));
        return Ok(None);
    }
    // With as many tabs as the header, a record has none inside of its quotes.
    let sound = stray.iter().all(|record| record.problem.is_none() && Some(tabs(record)) == expected);
    let place = options.interface.place();
    let (as_text, as_quotes) = (options.interface.set("quote", "none"), options.interface.set("quote", "\""));
    match (sound, options.bad_rows) {
        (true, _) => Ok(Some(b'"')),
        (false, BadRows::Drop) => {
            notes.push(format!(
                "{name}: quotation marks are read as text, in good rows too, because they do not fit in {} (the first is \
                 line {}); {as_quotes}{place} reads them as quotes",
                counted(stray.len(), "row"),
                first.line
            ));
            Ok(None)
        }
        (false, BadRows::Error) => {
            let last = first.line + first.lines - 1;
            let what = match &first.problem {
                None => format!("lines {} to {last} are one row: a quote opens and closes only there", first.line),
                Some(_) => format!("line {}: a quote opens a field and nothing closes it", first.line),
            };
            Err(Error::data(format!("{name}, {what}; there are {} like it", counted(stray.len(), "row")))
                .hint(format!("{as_text}{place} reads quotation marks as text, {as_quotes} as quotes"))
                .hint(
                    "`bad_rows = \"drop\"` below [clean] leaves rows out that do not have as many fields as the header",
                ))
        }
    }
}
