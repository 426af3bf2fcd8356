//! Errors about the inputs say what was found and where, and have the right kind.

use std::collections::HashMap;
use std::fs;

use firebrand_arch::{SafetensorsFile, write_safetensors};
use firebrand_dataset::TokenRow;
use firebrand_pipeline::ErrorKind;
use firebrand_train::{Config, train};

use crate::support::{World, config, rows};

#[track_caller]
fn refused(world: &World, config: &Config, kind: ErrorKind, words: &[&str]) {
    let error = train(config, &world.io("run", config, false), |_| false).unwrap_err();
    let text = error.render();
    assert_eq!(error.kind(), kind, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    assert!(!world.path("run/model").exists());
}

/// Rows of which the third is changed.
fn with_row(change: impl Fn(&mut TokenRow)) -> Vec<TokenRow> {
    let mut rows = rows(20, 1);
    change(&mut rows[2]);
    rows
}

#[test]
fn rows_that_cannot_be_trained_on() {
    type Change = fn(&mut TokenRow);
    let cases: [(Change, &[&str]); 7] = [
        (|row| row.labels = vec![7], &["train row 2: has the label 7", "labels.json has 3"]),
        (|row| row.labels = vec![0, 1], &["train row 2: has 2 labels [0, 1]", "clean.multi_label = true"]),
        (|row| row.labels = vec![], &["train row 2: has no label", "clean.multi_label = true"]),
        (|row| row.ids[0] = 120, &["train row 2: token id 120", "120 entries", "tokenizer is not this model's"]),
        (|row| row.type_ids[0] = 2, &["train row 2: segment 2", "has 2"]),
        (
            |row| (row.ids, row.type_ids) = (vec![5; 25], vec![0; 25]),
            &["train row 2: 25 tokens", "takes 24", "tokenize.max_length"],
        ),
        (|row| (row.ids, row.type_ids) = (vec![], vec![]), &["train row 2", "0 ids"]),
    ];
    for (change, words) in cases {
        let world = World::new();
        world.write("train", &with_row(change));
        refused(&world, &config(), ErrorKind::Data, words);
    }
}

#[test]
fn parts_without_rows() {
    for part in ["train", "validation"] {
        let world = World::new();
        world.write(part, &[]);
        refused(&world, &config(), ErrorKind::Data, &[&format!("the {part} split has no rows")]);
    }
}

#[test]
fn files_that_are_missing_or_damaged() {
    for file in ["clean/labels.json", "tokenize/train.parquet", "tokenize/validation.parquet"] {
        let world = World::new();
        fs::write(world.path(file), "PAR1").unwrap();
        refused(&world, &config(), ErrorKind::Data, &[file.split('/').next_back().unwrap()]);
        fs::remove_file(world.path(file)).unwrap();
        refused(&world, &config(), ErrorKind::Data, &[file.split('/').next_back().unwrap(), "--force"]);
    }
    for file in ["config.json", "model.safetensors"] {
        let world = World::new();
        let path = world.path("fetch/pretrained").join(file);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
        refused(&world, &config(), ErrorKind::Data, &["cannot load the pretrained model", file]);
    }
}

/// Weights so large that the products of queries and keys overflow.
#[test]
fn training_that_breaks_down_says_at_which_step() {
    let world = World::new();
    let path = world.path("fetch/pretrained/model.safetensors");
    let file = SafetensorsFile::read(&path).unwrap();
    let grow = |name: String| {
        let mut tensor = file.floats(&name).unwrap();
        let factor = if name.contains("query") || name.contains("key") { 1e25f32 } else { 1.0 };
        tensor.values.iter_mut().for_each(|value| *value *= factor);
        (name, tensor)
    };
    let tensors: Vec<_> = file.shapes().into_keys().map(grow).collect();
    let views = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.view()));
    write_safetensors(&path, views, HashMap::new()).unwrap();
    refused(&world, &config(), ErrorKind::Other, &["training broke down in step 1", "learning rate", "hint: "]);
}
