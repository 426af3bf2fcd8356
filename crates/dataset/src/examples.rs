//! Examples in Parquet.

use std::path::Path;

use firebrand_pipeline::Result;
use polars::prelude::Column;

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
/// When the file cannot be read, is not Parquet, lacks a column, or has a value that fits no [`Example`]; the message names
/// the file, the column and the row.
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

/// Writes examples; the same rows are always the same bytes.
///
/// # Errors
/// When the system refuses.
pub fn write_examples(path: &Path, rows: &[Example]) -> Result<()> {
    let ids: Vec<u64> = rows.iter().map(|row| row.id).collect();
    let texts: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    let pairs: Vec<Option<&str>> = rows.iter().map(|row| row.pair.as_deref()).collect();
    let groups: Vec<Option<&str>> = rows.iter().map(|row| row.group.as_deref()).collect();
    let weights: Vec<f32> = rows.iter().map(|row| row.weight).collect();
    let parts: Vec<Option<&str>> = rows.iter().map(|row| row.part.map(Part::name)).collect();
    let columns = vec![
        Column::new(ID.name.into(), ids),
        Column::new(TEXT.name.into(), texts),
        Column::new(PAIR.name.into(), pairs),
        write::integers(LABELS.name, rows.iter().map(|row| row.labels.as_slice())),
        Column::new(GROUP.name.into(), groups),
        Column::new(WEIGHT.name.into(), weights),
        Column::new(PART.name.into(), parts),
    ];
    write::write(path, rows.len(), columns)
}
