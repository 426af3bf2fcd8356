//! All integration tests of this crate, in one program: each program would link the tokenizers anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod case;
mod files;
mod minilm;
#[path = "../../../arch/tests/suite/random.rs"]
mod random;
mod reads;

mod agreement;
mod golden;
mod mutations;
mod sentencepiece;
mod vocabulary;
