//! Token rows in Parquet.

use std::path::Path;

use firebrand_pipeline::Result;

use crate::examples::LABELS;
use crate::rows::TokenRow;
use crate::table::{Kind, Table, Wanted};
use crate::write;

const ID: Wanted = Wanted::optional("id", Kind::Integer);
const IDS: Wanted = Wanted::required("ids", Kind::Integers);
const TYPE_IDS: Wanted = Wanted::optional("type_ids", Kind::Integers);
const WEIGHT: Wanted = Wanted::optional("weight", Kind::Float);
const CUT: Wanted = Wanted::optional("cut", Kind::Integer);

/// Reads token rows.
///
/// # Errors
/// When the file cannot be read, is not Parquet, lacks a column, or has a value that is invalid in a [`TokenRow`]; the message
/// names the file, the column and the row.
pub fn read_tokens(path: &Path) -> Result<Vec<TokenRow>> {
    let table = Table::read(path, &[ID, IDS, TYPE_IDS, LABELS, WEIGHT, CUT])?;
    let ids = table.index_lists(IDS)?.unwrap_or_default();
    let type_ids = match table.index_lists(TYPE_IDS)? {
        Some(type_ids) => type_ids,
        None => ids.iter().map(|ids| vec![0; ids.len()]).collect(),
    };
    for (row, (ids, type_ids)) in ids.iter().zip(&type_ids).enumerate() {
        if ids.len() != type_ids.len() {
            let problem = format!("{} type ids for {} ids", type_ids.len(), ids.len());
            return Err(table.bad(TYPE_IDS.name, row, problem));
        }
    }
    let labels = table.index_lists(LABELS)?.unwrap_or_default();
    let tokens = table.ids(ID)?.into_iter().zip(ids).zip(type_ids);
    let rest = labels.into_iter().zip(table.weights(WEIGHT)?).zip(table.counts(CUT)?);
    let row = |(((id, ids), type_ids), ((labels, weight), cut))| TokenRow { id, ids, type_ids, labels, weight, cut };
    Ok(tokens.zip(rest).map(row).collect())
}

/// Writes token rows; equal rows are always written as equal bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write_tokens(path: &Path, rows: &[TokenRow]) -> Result<()> {
    let columns = vec![
        (ID.name, write::numbers(rows.iter().map(|row| row.id))),
        (IDS.name, write::lists(rows.iter().map(|row| row.ids.as_slice()))?),
        (TYPE_IDS.name, write::lists(rows.iter().map(|row| row.type_ids.as_slice()))?),
        (LABELS.name, write::lists(rows.iter().map(|row| row.labels.as_slice()))?),
        (WEIGHT.name, write::numbers(rows.iter().map(|row| row.weight))),
        (CUT.name, write::numbers(rows.iter().map(|row| row.cut))),
    ];
    write::write(path, columns)
}
