//! The rows that cross stages, as plain Rust: examples, token rows, predictions, and the label map.
//!
//! Invariants: only this crate knows the columns of the Parquet files between stages, and no type of polars leaves it. The
//! same rows are always the same bytes.
//!
//! | file | column | type | where missing |
//! | --- | --- | --- | --- |
//! | all | `id` | integer | the row's number, from 0 |
//! | all | `labels` | list of integers, or an integer (also called `label`) | an error |
//! | examples | `text` | string | an error |
//! | | `pair` | string, may be null | no second text |
//! | | `group` | string or integer, may be null | no group |
//! | | `weight` | floating point, at least 0 | 1.0 |
//! | | `part` | `train`, `validation` or `test`, may be null | no given part |
//! | tokens | `ids` | list of integers | an error |
//! | | `type_ids` | list of integers, as long as `ids` | all 0 |
//! | | `weight` | as above | 1.0 |
//! | | `cut` | integer | 0 |
//! | predictions | `predicted` | list of integers, or an integer | an error |
//! | | `probabilities` | list of floating point | an error |
//!
//! That is what the readers accept, so that a stage in any language can write these files; integers may have 32 or 64
//! bits, with a sign or without, and other columns are ignored. What the writers write has every column, with the types of
//! the structs.
//!
//! Damaged files end in errors: [`calmly`] is for whoever else asks polars to read what may be damaged.

mod calm;
mod columnar;
mod examples;
mod label_map;
mod predictions;
#[cfg(test)]
mod properties;
mod rows;
mod seal;
mod table;
#[cfg(test)]
mod tests;
mod tokens;
mod values;
mod write;

pub use calm::calmly;
pub use columnar::{ColumnInfo, ColumnType, ColumnarFile, Damage, Values, write_parquet};
pub use examples::{read_examples, write_examples};
pub use label_map::LabelMap;
pub use predictions::{read_predictions, write_predictions};
pub use rows::{Example, Part, Prediction, TokenRow};
pub use tokens::{read_tokens, write_tokens};
