//! Any bytes as a SentencePiece model: an error or a tokenizer, and nothing else.
//!
//! The first byte says for which family. A panic, a crash, or more memory than `-malloc_limit_mb` allows is a finding.

#![no_main]

#[path = "../../tests/suite/reads.rs"]
mod reads;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some((family, bytes)) = input.split_first() {
        reads::read(usize::from(*family), bytes);
    }
});
