//! Predictions in Parquet.

use std::path::Path;

use firebrand_pipeline::Result;

use crate::examples::LABELS;
use crate::rows::Prediction;
use crate::table::{Kind, Table, Wanted};
use crate::write;

const ID: Wanted = Wanted::optional("id", Kind::Integer);
const PREDICTED: Wanted = Wanted::required("predicted", Kind::Integers);
const PROBABILITIES: Wanted = Wanted::required("probabilities", Kind::Floats);

/// Reads predictions.
///
/// # Errors
/// When the file cannot be read, is not Parquet, lacks a column, or has a value that is invalid in a [`Prediction`]; the message
/// names the file, the column and the row.
pub fn read_predictions(path: &Path) -> Result<Vec<Prediction>> {
    let table = Table::read(path, &[ID, LABELS, PREDICTED, PROBABILITIES])?;
    let labels = table.index_lists(LABELS)?.unwrap_or_default();
    let predicted = table.index_lists(PREDICTED)?.unwrap_or_default();
    let predicted = predicted.into_iter().zip(table.float_lists(PROBABILITIES)?);
    let row = |((id, labels), (predicted, probabilities))| Prediction { id, labels, predicted, probabilities };
    Ok(table.ids(ID)?.into_iter().zip(labels).zip(predicted).map(row).collect())
}

/// Writes predictions; equal rows are always written as equal bytes.
///
/// # Errors
/// When the file cannot be written.
pub fn write_predictions(path: &Path, rows: &[Prediction]) -> Result<()> {
    let columns = vec![
        (ID.name, write::numbers(rows.iter().map(|row| row.id))),
        (LABELS.name, write::lists(rows.iter().map(|row| row.labels.as_slice()))?),
        (PREDICTED.name, write::lists(rows.iter().map(|row| row.predicted.as_slice()))?),
        (PROBABILITIES.name, write::lists(rows.iter().map(|row| row.probabilities.as_slice()))?),
    ];
    write::write(path, columns)
}
