use firebrand_pipeline::Slot;
use firebrand_pipeline::config::default_section;

use super::*;
use crate::Config;

type Globbed<'a> = [&'a [&'a str]; 3];

fn found(names: &[&str], [train, validation, test]: Globbed) -> Result<Found, String> {
    let home = tempfile::tempdir().unwrap();
    for name in names {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "x").unwrap();
    }
    let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect();
    let mut config: Config = default_section(Slot::Clean).unwrap();
    config.train_files = owned(train);
    config.validation_files = owned(validation);
    config.test_files = owned(test);
    find(home.path(), &Settings::new(&config).unwrap()).map_err(|error| error.render())
}

fn parts(found: &Found) -> Vec<(&str, Option<Part>)> {
    found.files.iter().map(|file| (file.name.as_str(), file.part)).collect()
}

#[test]
fn tables_are_taken_and_descriptions_left() {
    let found = found(&["README.md", "b.csv", "a.tsv.gz", "LICENSE.txt"], [&[], &[], &[]]).unwrap();
    assert_eq!(parts(&found), [("a.tsv.gz", None), ("b.csv", None)]);
    assert!(found.files[0].compressed);
    assert_eq!(found.ignored, ["LICENSE.txt", "README.md"]);
}

#[test]
fn a_folder_per_label_is_taken() {
    let found = found(&["README.TXT", "ham/1.txt", "spam/2.txt"], [&[], &[], &[]]).unwrap();
    assert_eq!(parts(&found), [("ham/1.txt", None), ("spam/2.txt", None)]);
}

#[test]
fn given_parts() {
    let names = ["dev.csv", "test.csv", "train.csv"];
    let with_test = found(&names[1..], [&[], &[], &["test.csv"]]).unwrap();
    assert_eq!(parts(&with_test), [("test.csv", Some(Part::Test)), ("train.csv", None)]);
    let all = found(&names, [&["train.csv"], &["dev.csv"], &["test.csv"]]).unwrap();
    let expected =
        [("dev.csv", Some(Part::Validation)), ("test.csv", Some(Part::Test)), ("train.csv", Some(Part::Train))];
    assert_eq!(parts(&all), expected);
    let only = found(&names, [&["train.csv"], &[], &[]]).unwrap();
    assert_eq!(parts(&only), [("train.csv", None)]);
}

#[test]
fn named_files_may_be_of_several_kinds() {
    let found = found(&["train.jsonl", "test.csv", "x.parquet"], [&["*.jsonl"], &[], &["*.csv"]]).unwrap();
    assert_eq!(found.files.len(), 2);
}

#[test]
fn a_file_that_looks_like_a_test_set_is_pointed_out() {
    let mixed = found(&["data/test-0.parquet", "data/train-0.parquet"], [&[], &[], &[]]).unwrap();
    assert!(mixed.warnings[0].1.contains("data/test-0.parquet looks like a test set"), "{:?}", mixed.warnings);
    let named = found(&["test.csv", "train.csv"], [&[], &[], &["test.csv"]]).unwrap();
    assert!(named.warnings.is_empty());
}

#[test]
fn what_cannot_be_right_is_refused() {
    for (names, globs, expected) in [
        (&[][..], [&[][..], &[], &[]], "the fetched data has no files in it"),
        (&["a.csv", "b.parquet"], [&[], &[], &[]], "mixes kinds of files: CSV or TSV (a.csv), Parquet (b.parquet)"),
        (&["a.csv", "notes.txt"], [&[], &[], &[]], "mixes kinds of files"),
        (&["a.txt"], [&[], &[], &[]], "lie in no label's folder"),
        (&["train.csv"], [&["trian.csv"], &[], &[]], "did you mean \"train.csv\"?"),
        (&["train.csv"], [&["x/*.tsv"], &[], &[]], "`train_files` = \"x/*.tsv\" matches none of the fetched files"),
        (&["test.csv"], [&[], &[], &["*.csv"]], "no training files are left"),
        (&["test.csv"], [&["*.csv"], &[], &["test.csv"]], "`test_files` and `train_files` both match test.csv"),
    ] {
        let error = found(names, globs).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    }
}
