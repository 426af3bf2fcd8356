//! Duplicates and conflicts.

use super::Bench;

const TEXT: &str = "text,label\nsame,a\nsame,a\n same ,a\nsame,b\ntie,a\ntie,b\nx,a\ny,b\n";

fn ids(duplicates: &str, conflicts: &str) -> (Vec<u64>, u64, u64) {
    let bench = Bench::csv(TEXT).with(|config| {
        (config.duplicates, config.conflicts) = (duplicates.to_owned(), conflicts.to_owned());
    });
    let bench = bench.done();
    assert_eq!(bench.report()["conflicting_texts"], 2);
    (bench.ids(), bench.dropped("duplicate"), bench.dropped("conflict"))
}

#[test]
fn every_choice() {
    assert_eq!(ids("drop", "drop"), (vec![6, 7], 2, 4));
    assert_eq!(ids("drop", "majority"), (vec![0, 6, 7], 2, 3));
    assert_eq!(ids("drop", "keep"), (vec![0, 3, 4, 5, 6, 7], 2, 0));
    assert_eq!(ids("keep", "drop"), (vec![6, 7], 0, 6));
    assert_eq!(ids("keep", "majority"), (vec![0, 1, 2, 6, 7], 0, 3));
    assert_eq!(ids("keep", "keep"), ((0..8).collect(), 0, 0));
}

#[test]
fn conflicts_may_be_an_error() {
    let error = Bench::csv(TEXT).with(|config| config.conflicts = "error".to_owned()).refused();
    assert!(error.contains("2 texts have two or more labels; the first, \"same\""), "{error}");
    assert!(error.contains("\"a\" (a.csv, line 2), \"b\" (a.csv, line 5)"), "{error}");
    let bench = Bench::csv("text,label\nx,a\nx,a\ny,b\n").with(|config| config.conflicts = "error".to_owned()).done();
    assert_eq!(bench.ids(), [0, 2]);
}

#[test]
fn reasons_are_reported() {
    let bench = Bench::csv(TEXT).with(|config| config.conflicts = "majority".to_owned()).done();
    let examples = bench.report()["dropped_examples"].clone();
    assert_eq!(examples["duplicate"][0]["why"], "duplicate of row 0");
    assert_eq!(examples["duplicate"][0]["id"], 1);
    assert_eq!(examples["conflict"][0]["why"], "\"b\", but most rows with this text have \"a\"");
    assert_eq!(examples["conflict"][1]["why"], "conflicting labels of the same text: \"a\" and \"b\"");
    assert_eq!(examples["conflict"][1]["place"], "a.csv, line 6");
}

#[test]
fn given_parts_are_kept_apart() {
    let table = b"text,label\nx,a\ny,b\nz,a\nz,a\n";
    let other = b"text,label\nx,a\ny,a\nw,b\n";
    let bench = Bench::new(&[("train.csv", table), ("test.csv", other)]);
    let bench = bench.with(|config| config.test_files = vec!["test.csv".to_owned()]).done();
    assert_eq!(bench.ids(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(bench.dropped("duplicate"), 1);
}
