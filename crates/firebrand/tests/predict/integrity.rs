//! A bundle with checksums is refused when one of its files is not the one that it was made with.

use std::fs;

use firebrand_infer::Checksums;

use crate::common::Bundle;

/// A bundle with checksums, weights in int8 and a model card.
fn sealed() -> Bundle {
    let bundle = Bundle::new();
    bundle.add_int8();
    bundle.write("README.md", "# A model card\n");
    Checksums::write(&bundle.path("")).unwrap();
    bundle
}

/// Files that every precision reads.
const READ: [&str; 4] = ["config.json", "text.json", "tokenizer.json", "tokenizer_config.json"];

#[track_caller]
fn refused(bundle: &Bundle, precision: &str, file: &str, why: &str) {
    let answer = bundle.predict(&["--precision", precision, "text"], "").failed(4);
    assert!(answer.stderr.contains(file) && answer.stderr.contains(why), "{file}: {}", answer.stderr);
    assert!(answer.stderr.contains("hint: copy the bundle again"), "{}", answer.stderr);
    assert_eq!(answer.stdout, "");
}

#[test]
fn a_file_that_is_truncated_edited_or_missing_is_named() {
    for precision in ["int8", "fp32"] {
        let weights = if precision == "int8" { "int8/model.safetensors" } else { "model.safetensors" };
        for file in READ.into_iter().chain([weights]) {
            let bundle = sealed();
            let whole = fs::read(bundle.path(file)).unwrap();
            bundle.predict(&["--precision", precision, "text"], "").succeeded();

            fs::write(bundle.path(file), &whole[..whole.len() - 1]).unwrap();
            refused(&bundle, precision, file, "bytes, but had");
            // One bit in the middle: the file may still be valid.
            let mut edited = whole.clone();
            edited[whole.len() / 2] ^= 1;
            fs::write(bundle.path(file), &edited).unwrap();
            refused(&bundle, precision, file, "its checksum differs");
            if file != "config.json" {
                fs::remove_file(bundle.path(file)).unwrap();
                if file != "int8/model.safetensors" {
                    refused(&bundle, precision, file, "is not complete");
                }
            }
            fs::write(bundle.path(file), &whole).unwrap();
            bundle.predict(&["--precision", precision, "text"], "").succeeded();
        }
    }
}

#[test]
fn files_of_another_bundle_are_not_mixed_in() {
    let bundle = sealed();
    bundle.add_tokens(119);
    refused(&bundle, "fp32", "tokenizer.json", "bytes, but had");
}

#[test]
fn what_is_not_read_may_be_missing_and_the_card_edited() {
    let bundle = sealed();
    bundle.write("README.md", "# Another card\n");
    fs::remove_file(bundle.path("model.safetensors")).unwrap();
    bundle.predict(&["text"], "").succeeded();
    let answer = bundle.predict(&["--precision", "fp32", "text"], "").failed(4);
    assert!(answer.stderr.contains("there is no model.safetensors"), "{}", answer.stderr);
}

#[test]
fn damaged_checksums_are_told() {
    let bundle = sealed();
    bundle.write(Checksums::FILE, "{}");
    let answer = bundle.predict(&["text"], "").failed(4);
    assert!(answer.stderr.contains("checksums.json is damaged"), "{}", answer.stderr);
}
