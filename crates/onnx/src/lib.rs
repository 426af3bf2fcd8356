//! Writes a fine-tuned classifier as ONNX, for every family that [`firebrand_arch`] knows.
//!
//! ```no_run
//! use firebrand_onnx::{Options, Precision, write};
//!
//! # fn main() -> firebrand_pipeline::Result<()> {
//! for file in write("bundle".as_ref(), "bundle/onnx".as_ref(), Precision::Int8, &Options::default())? {
//!     println!("{} {}", file.path.display(), file.bytes);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Interface.** Inputs are `input_ids`, `attention_mask` and, where the family has segments, `token_type_ids`: int64,
//! `[batch_size, sequence_length]`, both of any size. The output is `logits`: float32, `[batch_size, labels]`. Padding, on the left
//! or on the right, is hidden by the mask and counts in no position. `metadata_props` hold the label maps (JSON), the family, the
//! pooling, the kind of problem, the padding token, the longest row and the precision.
//!
//! **Opset 17** with IR version 8. It is the first with `LayerNormalization`, without which half precision would overflow in a
//! norm's squares; everything else exists since 14 or earlier. Later opsets would add `Gelu` (20) and `Attention` (23), which would
//! make the files smaller but shut out engines: 17 is read by ONNX Runtime since 1.12 (2022), in the browser too, OpenVINO, and
//! `rten`. Engines fuse GELU and attention themselves; the nodes have the shape that ONNX Runtime's fusions look for.
//!
//! **Precisions.** [`Precision`] says what each is; `convert` says what stays float32 and why.
//!
//! Invariants: nothing is computed here but constants; no tensor library; what a family consists of is known by
//! [`firebrand_arch`] alone; a file appears as a whole or not at all.

mod convert;
mod file;
mod graph;
mod metadata;
mod network;
mod parts;
mod precision;
mod proto;
mod source;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use firebrand_pipeline::{Error, Result};

pub use file::WrittenFile;
pub use precision::Precision;

use proto::{ModelProto, OperatorSetIdProto};
use source::Source;

/// See the crate's documentation.
const OPSET: i64 = 17;

/// The version of the file format that came with [`OPSET`].
const IR_VERSION: i64 = 8;

/// How a model is written. The default is right for all uses but tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes above which the large constants go to a file of their own, `MODEL.onnx_data`: protocol buffers end at 2 GiB.
    pub single_file_limit: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { single_file_limit: 2_000_000_000 }
    }
}

/// Writes the classifier in the directory `model` (a bundle, or one in the hub's layout) into the directory `output`, which is made
/// if need be, as [`Precision::file_name`]. Returns the files: one, or two for a model above the
/// [limit](Options::single_file_limit). Each appears as a whole or not at all.
///
/// # Errors
/// When the model cannot be read, a weight does not fit the precision, or the system refuses to write.
pub fn write(model: &Path, output: &Path, precision: Precision, options: &Options) -> Result<Vec<WrittenFile>> {
    let source = Source::open(model, precision)?;
    let (graph, constants) = network::build(&source, precision)?;
    let description = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "firebrand".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        graph: None,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata::metadata(source.config(), precision)?,
    };
    fs::create_dir_all(output).map_err(|error| Error::io("create", output, &error))?;
    file::write(&output.join(precision.file_name()), &description, &graph, &constants, options.single_file_limit)
}
