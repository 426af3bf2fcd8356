//! Rows with any number of labels.

use firebrand_dataset::LabelMap;
use serde_json::json;

use super::Bench;

/// Id and the labels' names of every row.
fn named(bench: &Bench) -> Vec<(u64, Vec<String>)> {
    let names = bench.labels();
    let name = |label: &u32| names[*label as usize].clone();
    bench.examples().iter().map(|row| (row.id, row.labels.iter().map(name).collect())).collect()
}

fn rows(expected: &[(u64, &[&str])]) -> Vec<(u64, Vec<String>)> {
    expected.iter().map(|(id, labels)| (*id, labels.iter().map(|&label| label.to_owned()).collect())).collect()
}

fn several(bench: Bench) -> Bench {
    bench.with(|config| config.multi_label = true)
}

#[test]
fn every_kind_of_table_gives_the_same_labels() {
    use polars::prelude::{DataFrame, IntoColumn, ListPrimitiveChunkedBuilder, NamedFrom, ParquetWriter, Series};
    use polars::prelude::{DataType, Int64Type, IntoSeries, ListBuilderTrait};

    let mut parquet = Vec::new();
    let texts = Series::new("text".into(), ["a", "b", "c", "d"]).into_column();
    let mut lists = ListPrimitiveChunkedBuilder::<Int64Type>::new("labels".into(), 4, 8, DataType::Int64);
    lists.append_slice(&[2, 10]);
    lists.append_slice(&[]);
    lists.append_null();
    lists.append_slice(&[10, 2, 10]);
    let lists = lists.finish().into_series().into_column();
    ParquetWriter::new(&mut parquet).finish(&mut DataFrame::new(4, vec![texts, lists]).unwrap()).unwrap();

    let jsonl = b"{\"text\":\"a\",\"labels\":[2,\"10\"]}\n{\"text\":\"b\",\"labels\":[]}\n{\"text\":\"c\"}\n\
        {\"text\":\"d\",\"labels\":[10,2,null,\" \",10]}";
    for (name, content, separator) in [
        ("a.csv", &b"text,labels\na,\"2,10\"\nb,\nc, \nd,\"10, 2 ,10,\"\n"[..], ","),
        ("a.tsv", b"text\tlabels\na\t2|10\nb\t\nc\t|\nd\t10|2", "|"),
        ("a.jsonl", jsonl, ""),
        ("a.jsonl", b"{\"text\":\"a\",\"labels\":\"2;10\"}\n{\"text\":\"b\"}\n{\"text\":\"c\"}\n{\"text\":\"d\",\"labels\":[2,10]}", ";"),
        ("a.parquet", &parquet, ""),
    ] {
        let bench = several(Bench::new(&[(name, content)]));
        let bench = bench.with(|config| config.label_separator = separator.to_owned()).done();
        // By value, and not as texts would be.
        assert_eq!(bench.labels(), ["2", "10"], "{name}");
        assert_eq!(named(&bench), rows(&[(0, &["2", "10"]), (1, &[]), (2, &[]), (3, &["2", "10"])]), "{name}");
        assert!(LabelMap::read(&bench.path("out/labels.json")).unwrap().is_multi_label());
        let report = bench.report();
        assert_eq!((&report["multi_label"], &report["rows_without_label"]), (&json!(true), &json!(2)));
        assert_eq!(report["labels"], json!({"2": 2, "10": 2}));
        assert_eq!(bench.warnings(), Vec::<String>::new());
    }
}

#[test]
fn without_the_key_lists_are_refused_and_the_key_is_named() {
    let error = Bench::new(&[("a.jsonl", b"{\"text\":\"a\",\"label\":[\"x\"]}\n")]).refused();
    assert!(error.contains("`label` is a list: [\"x\"]") && error.contains("multi_label = true"), "{error}");
    let error = several(Bench::new(&[("a.jsonl", b"{\"text\":\"a\",\"label\":[[1]]}\n")])).refused();
    assert!(error.contains("a.jsonl, line 1: `label` is a list with a list in it: [1]"), "{error}");
}

#[test]
fn a_forgotten_separator_is_pointed_out() {
    let bench = several(Bench::csv("text,label\na,x|y\nb,x\nc,y\n")).done();
    assert_eq!(bench.labels(), ["x", "x|y", "y"]);
    let expected = "`multi_label` is set, but no row has more than one label; is `label_separator` missing?";
    assert_eq!(bench.warnings(), [expected]);
}

#[test]
fn names_that_become_one_are_there_once() {
    let bench = several(Bench::csv("text,label\na,x|X\nb,x|y\nc,z\n")).with(|config| {
        config.label_separator = "|".to_owned();
        config.similar_labels = "merge".to_owned();
        config.rename_labels = [("z".to_owned(), "y".to_owned())].into();
    });
    let bench = bench.done();
    assert_eq!(named(&bench), rows(&[(0, &["x"]), (1, &["x", "y"]), (2, &["y"])]));
}

const REPEATED: &str = "text,label\na,x|y\na,y|x\na,z\nb,x\nb,\nc,y\nd,z\na,x|y\n";

fn settled(conflicts: &str) -> Bench {
    several(Bench::csv(REPEATED))
        .with(|config| (config.label_separator, config.conflicts) = ("|".to_owned(), conflicts.to_owned()))
        .done()
}

#[test]
fn other_sets_of_labels_are_conflicts_and_the_order_in_a_set_is_not() {
    let bench = settled("drop");
    assert_eq!(bench.ids(), [5, 6]);
    assert_eq!((bench.dropped("duplicate"), bench.dropped("conflict")), (2, 4));
    assert_eq!(settled("keep").ids(), [0, 2, 3, 4, 5, 6]);
    let bench = settled("majority");
    assert_eq!(named(&bench), rows(&[(0, &["x", "y"]), (5, &["y"]), (6, &["z"])]));
    let examples = bench.report()["dropped_examples"].clone();
    assert_eq!(examples["conflict"][0]["why"], "\"z\", but most rows of this text are \"x\", \"y\"");
    assert_eq!(examples["conflict"][2]["why"], "the same text under no label and \"x\"");
}

#[test]
fn a_row_for_each_text_and_label_becomes_a_row_for_each_text() {
    let bench = settled("union");
    assert_eq!(named(&bench), rows(&[(0, &["x", "y", "z"]), (3, &["x"]), (5, &["y"]), (6, &["z"])]));
    assert_eq!((bench.dropped("joined"), bench.dropped("conflict")), (4, 0));
    assert_eq!(bench.report()["dropped_examples"]["joined"][0]["why"], "joined with row 0");
}

#[test]
fn a_classifier_needs_two_labels_all_the_same() {
    let error = several(Bench::csv("text,label\na,x\nb,\n")).refused();
    assert!(error.contains("there is only one label: \"x\" (1 row)"), "{error}");
}
