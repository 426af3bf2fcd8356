//! Parity with the reference implementation on small random models of every family, and equality of answers to the bit however
//! they are computed.
//!
//! The fixtures come from torch and transformers; `crates/model/tests/golden/README.md` says how.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../model/tests/support/fixtures.rs"]
mod fixtures;

use std::fmt::Write;
use std::num::NonZeroUsize;

use firebrand_infer::{Model, Options, Precision, Tokens};
use fixtures::{Fixture, fixtures, flat, near};

fn open(fixture: &Fixture, precision: Precision, threads: usize) -> Model {
    let options = Options { precision: Some(precision), threads: NonZeroUsize::new(threads), ..Options::default() };
    Model::open(&fixture.directory, &options).unwrap()
}

/// Each row by itself.
fn alone(model: &Model, rows: &[Tokens<'_>]) -> Vec<Vec<f32>> {
    rows.iter().flat_map(|row| model.logits(std::slice::from_ref(row)).unwrap()).collect()
}

#[test]
fn single_precision_equals_the_reference_packed_and_alone() {
    for fixture in fixtures() {
        let name = fixture.directory.display().to_string();
        let rows = fixture.rows();
        let rows = rows.tokens();
        for threads in [1, 3] {
            let model = open(&fixture, Precision::Fp32, threads);
            let found = alone(&model, &rows);
            near(&flat(&fixture.expected["logits_each_row_alone_unpadded"]), &found.concat(), 1e-4, &name);
            let packed = model.logits(&rows).unwrap();
            if !fixture.positions_count_padding() {
                near(&flat(&fixture.expected["logits"]), &packed.concat(), 1e-4, &name);
            }
            assert_eq!(packed, found, "{name}");
        }
    }
}

#[test]
fn int8_is_near_the_reference_and_equal_to_the_bit_packed_alone_and_shared() {
    for fixture in fixtures() {
        let name = fixture.directory.display().to_string();
        let rows = fixture.rows();
        let rows = rows.tokens();
        // Many rows, so that there are several units.
        let many: Vec<Tokens<'_>> = rows.iter().copied().cycle().take(60).collect();
        let one = open(&fixture, Precision::Int8, 1);
        let expected = alone(&one, &rows);
        let reference = flat(&fixture.expected["logits_each_row_alone_unpadded"]);
        // The fixtures' weights are drawn much larger than a trained model's: their logits are, and so is the error.
        let largest = reference.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
        near(&reference, &expected.concat(), 0.25 * largest, &name);
        for threads in [1, 2, 4] {
            let model = open(&fixture, Precision::Int8, threads);
            assert_eq!(alone(&model, &rows), expected, "{name}, {threads} threads");
            assert_eq!(model.logits(&rows).unwrap(), expected, "{name}, {threads} threads");
            for (index, found) in model.logits(&many).unwrap().iter().enumerate() {
                assert_eq!(found, &expected[index % rows.len()], "{name}, {threads} threads");
            }
        }
    }
}

/// FNV-1a of the numbers' bits.
fn hash(numbers: &[f32]) -> u64 {
    let bytes = numbers.iter().flat_map(|number| number.to_bits().to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The instruction sets of one machine are compared by the tests of `kernels`; this compares machines. `scripts/check_aarch64.sh` runs
/// it on an emulated ARM processor.
#[test]
fn logits_are_the_same_bits_on_every_machine() {
    let mut found = String::new();
    for fixture in fixtures() {
        let rows = fixture.rows();
        let [int8, fp32] = [Precision::Int8, Precision::Fp32]
            .map(|precision| hash(&alone(&open(&fixture, precision, 1), &rows.tokens()).concat()));
        let name = fixture.directory.file_name().unwrap().display();
        writeln!(found, "{name} int8 {int8:016x} fp32 {fp32:016x}").unwrap();
    }
    assert!(
        found == include_str!("logits.txt"),
        "if the arithmetic was changed on purpose, write this to crates/infer/tests/logits.txt:\n{found}"
    );
}

#[test]
fn rows_that_cannot_be_computed_are_refused() {
    let fixture = fixtures().into_iter().find(|fixture| fixture.directory.ends_with("bert")).unwrap();
    let model = open(&fixture, Precision::Int8, 1);
    let problem = |ids: &[u32], type_ids: &[u32]| model.logits(&[Tokens { ids, type_ids }]).unwrap_err().render();
    assert!(problem(&[], &[]).contains("it has no tokens"));
    assert!(problem(&[1, 2], &[0]).contains("2 tokens, but 1 type ids"));
    assert!(problem(&[1, 1_000_000], &[0, 0]).contains("the token 1000000"));
    assert!(problem(&[1], &[9]).contains("the type id 9"));
    assert!(problem(&[1; 5000], &[0; 5000]).contains("5000 tokens, but the model takes at most"));
    assert_eq!(model.logits(&[]).unwrap(), Vec::<Vec<f32>>::new());
}
