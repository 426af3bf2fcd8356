//! Classifies texts with a fine-tuned encoder, on a CPU, without Burn.
//!
//! ```no_run
//! use firebrand_infer::Classifier;
//!
//! # fn main() -> firebrand_infer::Result<()> {
//! let classifier = Classifier::open("bundle")?;
//! for answer in classifier.classify(&["a lovely film", "a dull plot"])? {
//!     println!("{} {:.3}", answer.scores[0].label, answer.scores[0].score);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A directory is a bundle made by `cargo xtask pipeline`, or any sequence classifier of the supported families in the Hugging
//! Face hub's layout: `config.json`, weights, and the tokenizer's files. It is computed in int8 or in single precision
//! ([`Precision`]).
//!
//! Invariants: a text's answer does not depend on the other texts of a call, on the number of threads, or, to the bit, on the
//! processor's instruction set ([`Isa`]); a text that cannot be classified does not fail the others; a damaged file is an
//! error.

mod classifier;
mod encode;
mod engine;
mod integrity;
mod model;
mod options;
mod refusal;
mod table;
mod weights;

pub use classifier::{Answer, Classifier, Query, Score};
pub use firebrand_arch::Tokens;
pub use firebrand_kernels::inference::Isa;
pub use firebrand_pipeline::{Error, ErrorKind, Result, ResultExt};
pub use integrity::{Checksums, check};
pub use model::Model;
pub use options::{Options, Precision};
pub use refusal::{InputKind, Refusal};
