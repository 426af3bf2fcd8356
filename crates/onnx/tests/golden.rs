//! Parity with the reference implementation on small random models of every family, computed by `rten`, an ONNX engine in Rust. It
//! has no half precision: `scripts/check_onnx.py` tests that, and other engines.
//!
//! The fixtures come from torch and transformers; `crates/model/tests/golden/README.md` says how.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../model/tests/support/fixtures.rs"]
#[expect(dead_code, reason = "the tests of other crates use more of it")]
mod fixtures;

use std::path::Path;

use firebrand_arch::{ModelConfig, Tokens};
use firebrand_onnx::{Options, Precision, write};
use fixtures::{Fixture, fixtures, flat, near};
use rten::{Model, Value, ValueOrView};

/// Where the padding is, and how many tokens it adds to the longest row.
#[derive(Debug, Clone, Copy)]
enum Padding {
    Left(usize),
    Right(usize),
}

fn written(fixture: &Fixture, directory: &Path, precision: Precision, options: &Options) -> Model {
    let files = write(&fixture.directory, directory, precision, options).unwrap();
    Model::load_file(&files[0].path).unwrap()
}

/// The logits of a padded batch.
fn logits(model: &Model, rows: &[Tokens<'_>], padding: Padding, pad: u32) -> Vec<f32> {
    let (Padding::Left(more) | Padding::Right(more)) = padding;
    let length = rows.iter().map(|row| row.ids.len()).max().unwrap() + more;
    let tensor = |values: &dyn Fn(&Tokens<'_>) -> Vec<i32>, fill: i32| -> Value {
        let padded = rows.iter().flat_map(|row| {
            let values = values(row);
            let fill = vec![fill; length - values.len()];
            match padding {
                Padding::Left(_) => [fill, values].concat(),
                Padding::Right(_) => [values, fill].concat(),
            }
        });
        Value::from_shape(&[rows.len(), length], padded.collect::<Vec<i32>>()).unwrap()
    };
    let widen = |ids: &[u32]| ids.iter().map(|&id| id as i32).collect::<Vec<_>>();
    let mut inputs = Vec::new();
    for (name, value) in [
        ("input_ids", tensor(&|row| widen(row.ids), pad as i32)),
        ("attention_mask", tensor(&|row| vec![1; row.ids.len()], 0)),
        // Any segment will do for padding.
        ("token_type_ids", tensor(&|row| widen(row.type_ids), 1)),
    ] {
        if let Some(id) = model.find_node(name).filter(|id| model.input_ids().contains(id)) {
            inputs.push((id, ValueOrView::from(value)));
        }
    }
    let [output] = model.run_n(inputs, [model.node_id("logits").unwrap()], None).unwrap();
    output.into_shape_vec::<f32, 2>().unwrap().1
}

#[test]
fn single_precision_equals_the_reference_wherever_the_padding_is() {
    for fixture in fixtures() {
        let name = fixture.directory.display().to_string();
        let directory = tempfile::tempdir().unwrap();
        let model = written(&fixture, directory.path(), Precision::Fp32, &Options::default());
        let (_, config) = ModelConfig::read(&fixture.directory).unwrap();
        let rows = fixture.rows();
        let rows = rows.tokens();
        let expected = flat(&fixture.expected["logits_each_row_alone_unpadded"]);
        for padding in [Padding::Right(0), Padding::Left(0), Padding::Right(9), Padding::Left(9)] {
            let found = logits(&model, &rows, padding, config.pad_token_id);
            near(&expected, &found, 1e-4, &format!("{name}, {padding:?}"));
        }
        let alone = rows.chunks(1).flat_map(|row| logits(&model, row, Padding::Right(0), config.pad_token_id));
        near(&expected, &alone.collect::<Vec<_>>(), 1e-4, &name);
        // One token: the shortest text that there is.
        let short = rows[2].ids[0];
        let short = Tokens { ids: &[short], type_ids: &[0] };
        let found = logits(&model, &[short], Padding::Right(0), config.pad_token_id);
        let padded = logits(&model, &[short], Padding::Left(3), config.pad_token_id);
        near(&found.iter().map(|&x| x.into()).collect::<Vec<_>>(), &padded, 1e-4, &name);
    }
}

#[test]
fn answers_are_those_of_the_engine_for_texts_with_padding_tokens_too() {
    for fixture in fixtures() {
        let name = fixture.directory.display().to_string();
        let directory = tempfile::tempdir().unwrap();
        let model = written(&fixture, directory.path(), Precision::Fp32, &Options::default());
        let options =
            firebrand_infer::Options { precision: Some(firebrand_infer::Precision::Fp32), ..Default::default() };
        let engine = firebrand_infer::Model::open(&fixture.directory, &options).unwrap();
        let pad = engine.config().pad_token_id;
        let ids = [[7, 8, 9, 10, 11], [7, pad, 9, 10, pad], [pad; 5], [12, pad, pad, pad, pad]];
        let rows: Vec<Tokens<'_>> = ids.iter().map(|ids| Tokens { ids, type_ids: &[0; 5] }).collect();
        let expected: Vec<f64> = engine.logits(&rows).unwrap().concat().into_iter().map(f64::from).collect();
        for padding in [Padding::Right(0), Padding::Left(3), Padding::Right(3)] {
            near(&expected, &logits(&model, &rows, padding, pad), 1e-4, &format!("{name}, {padding:?}"));
        }
    }
}

#[test]
fn int8_is_near_the_reference() {
    for fixture in fixtures() {
        let name = fixture.directory.display().to_string();
        let directory = tempfile::tempdir().unwrap();
        let model = written(&fixture, directory.path(), Precision::Int8, &Options::default());
        let (_, config) = ModelConfig::read(&fixture.directory).unwrap();
        let rows = fixture.rows();
        let expected = flat(&fixture.expected["logits_each_row_alone_unpadded"]);
        // The fixtures' weights are drawn much larger than a trained model's: their logits are, and so is the error.
        let largest = expected.iter().fold(1.0f64, |largest, value| largest.max(value.abs()));
        let found = logits(&model, &rows.tokens(), Padding::Right(0), config.pad_token_id);
        near(&expected, &found, 0.25 * largest, &name);
    }
}

#[test]
fn constants_in_a_file_of_their_own_are_the_same() {
    let fixture = fixtures().into_iter().find(|fixture| fixture.directory.ends_with("bert")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let rows = fixture.rows();
    let ask = |model: &Model| logits(model, &rows.tokens(), Padding::Right(0), 0);
    let one = ask(&written(&fixture, directory.path(), Precision::Fp32, &Options::default()));
    let two = ask(&written(&fixture, directory.path(), Precision::Fp32, &Options { single_file_limit: 10_000 }));
    assert_eq!(one, two);
}
