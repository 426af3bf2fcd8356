//! The rows that stages exchange, as plain Rust types: examples, token rows, predictions, and the label map.
//!
//! Invariants: only this crate knows the columns of the Parquet files between stages, and its API exposes no polars types. Equal
//! rows are always written as equal bytes.
//!
//! | file | column | type | if missing |
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
//! A stage in any language can write these files: integers may have any width, signed or unsigned, and other columns are
//! ignored. The writers write every column, with the types of the structs.
//!
//! [`ColumnarFile`] reads Parquet and Arrow files from other sources. Damaged files are errors, never panics.

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

pub use columnar::{ColumnInfo, ColumnType, ColumnarFile, Damage, Values, write_parquet};
pub use examples::{read_examples, write_examples};
pub use label_map::LabelMap;
pub use predictions::{read_predictions, write_predictions};
pub use rows::{Example, Part, Prediction, TokenRow};
pub use tokens::{read_tokens, write_tokens};
