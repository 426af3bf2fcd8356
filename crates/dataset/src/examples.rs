//! Examples in Parquet.

use std::path::Path;

use firebrand_pipeline::Result;

use crate::rows::{Example, Part};
use crate::table::{Kind, Table, Wanted};
use crate::write;

const ID: Wanted = Wanted::optional("id", Kind::Integer);
const TEXT: Wanted = Wanted::required("text", Kind::Text);
const PAIR: Wanted = Wanted::optional("pair", Kind::Text);
pub(crate) const LABELS: Wanted = Wanted::required("labels", Kind::Integers).or("label");
const GROUP: Wanted = Wanted::optional("group", Kind::Name);
const WEIGHT: Wanted = Wanted::optional("weight", Kind::Float);
const PART: Wanted = Wanted::optional("part", Kind::Text);

/// Reads examples.
///
/// # Errors
/// When the file cannot be read, is not Parquet, lacks a column, or has a value that is invalid in an [`Example`]; the message
/// names the file, the column and the row.
pub fn read_examples(path: &Path) -> Result<Vec<Example>> {
    let table = Table::read(path, &[ID, TEXT, PAIR, LABELS, GROUP, WEIGHT, PART])?;
    let labels = table.index_lists(LABELS)?.unwrap_or_default();
    let texts = table.texts(TEXT)?.into_iter().zip(table.names(PAIR)?);
    let rows = table.ids(ID)?.into_iter().zip(texts).zip(labels);
    let rest = table.names(GROUP)?.into_iter().zip(table.weights(WEIGHT)?).zip(table.parts(PART)?);
    let example = |(((id, (text, pair)), labels), ((group, weight), part))| Example {
        id,
        text,
        pair,
        labels,
        group,
        weight,
        part,
    };
    Ok(rows.zip(rest).map(example).collect())
}

/// Writes examples; equal rows are always written as equal bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write_examples(path: &Path, rows: &[Example]) -> Result<()> {
    let columns = vec![
        (ID.name, write::numbers(rows.iter().map(|row| row.id))),
        (TEXT.name, write::texts(rows.iter().map(|row| Some(row.text.as_str())))),
        (PAIR.name, write::texts(rows.iter().map(|row| row.pair.as_deref()))),
        (LABELS.name, write::lists(rows.iter().map(|row| row.labels.as_slice()))?),
        (GROUP.name, write::texts(rows.iter().map(|row| row.group.as_deref()))),
        (WEIGHT.name, write::numbers(rows.iter().map(|row| row.weight))),
        (PART.name, write::texts(rows.iter().map(|row| row.part.map(Part::name)))),
    ];
    write::write(path, columns)
}
