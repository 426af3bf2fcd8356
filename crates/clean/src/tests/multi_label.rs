//! Multi-label data.

use std::collections::BTreeMap;

use firebrand_dataset::{LabelMap, Values, write_parquet};
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
    let texts = Values::Texts(["a", "b", "c", "d"].map(|text| Some(text.to_owned())).into());
    let items = Values::Integers([2, 10, 10, 2, 10].map(Some).into());
    let lists =
        Values::Lists { ends: vec![2, 2, 2, 5], present: vec![true, true, false, true], items: Box::new(items) };
    let parquet = write_parquet(vec![("text", texts), ("labels", lists)], &BTreeMap::new()).unwrap();

    let jsonl = b"{\"text\":\"a\",\"labels\":[2,\"10\"]}\n{\"text\":\"b\",\"labels\":[]}\n{\"text\":\"c\"}\n\
        {\"text\":\"d\",\"labels\":[10,2,null,\" \",10]}";
    for (name, content, separator) in [
        ("a.csv", &b"text,labels\na,\"[2, 10]\"\nb,[]\nc,\nd,\"['10', '2']\"\n"[..], ""),
        ("a.csv", b"text,labels\na,\"2,10\"\nb,\nc, \nd,\"10, 2 ,10,\"\n", ","),
        ("a.tsv", b"text\tlabels\na\t2|10\nb\t\nc\t|\nd\t10|2", "|"),
        ("a.jsonl", jsonl, ""),
        ("a.jsonl", b"{\"text\":\"a\",\"labels\":\"2;10\"}\n{\"text\":\"b\"}\n{\"text\":\"c\"}\n{\"text\":\"d\",\"labels\":[2,10]}", ";"),
        ("a.parquet", &parquet, ""),
    ] {
        let bench = several(Bench::new(&[(name, content)]));
        let bench = bench.with(|config| config.label_separator = separator.to_owned()).done();
        // In numeric order, not as strings.
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
fn labels_that_become_equal_are_kept_once() {
    let bench = several(Bench::csv("text,label\na,x|X\nb,x|y\nc,z\n")).with(|config| {
        config.label_separator = "|".to_owned();
        config.similar_labels = "merge".to_owned();
        config.rename_labels = [("z".to_owned(), "y".to_owned())].into();
    });
    let bench = bench.done();
    assert_eq!(named(&bench), rows(&[(0, &["x"]), (1, &["x", "y"]), (2, &["y"])]));
}

const REPEATED: &str = "text,label\na,x|y\na,y|x\na,z\nb,x\nb,\nc,y\nd,z\na,x|y\n";

fn resolved(conflicts: &str) -> Bench {
    several(Bench::csv(REPEATED))
        .with(|config| (config.label_separator, config.conflicts) = ("|".to_owned(), conflicts.to_owned()))
        .done()
}

#[test]
fn different_label_sets_conflict_regardless_of_order() {
    let bench = resolved("drop");
    assert_eq!(bench.ids(), [5, 6]);
    assert_eq!((bench.dropped("duplicate"), bench.dropped("conflict")), (2, 4));
    assert_eq!(resolved("keep").ids(), [0, 2, 3, 4, 5, 6]);
    let bench = resolved("majority");
    assert_eq!(named(&bench), rows(&[(0, &["x", "y"]), (5, &["y"]), (6, &["z"])]));
    let examples = bench.report()["dropped_examples"].clone();
    assert_eq!(examples["conflict"][0]["why"], "\"z\", but most rows with this text have \"x\", \"y\"");
    assert_eq!(examples["conflict"][2]["why"], "conflicting labels of the same text: no label and \"x\"");
}

#[test]
fn union_merges_one_row_per_label_into_one_per_text() {
    let bench = resolved("union");
    assert_eq!(named(&bench), rows(&[(0, &["x", "y", "z"]), (3, &["x"]), (5, &["y"]), (6, &["z"])]));
    assert_eq!((bench.dropped("joined"), bench.dropped("conflict")), (4, 0));
    assert_eq!(bench.report()["dropped_examples"]["joined"][0]["why"], "merged into row 0");
}

#[test]
fn multi_label_data_needs_two_labels_too() {
    let error = several(Bench::csv("text,label\na,x\nb,\n")).refused();
    assert!(error.contains("there is only one label: \"x\" (1 row)"), "{error}");
}

#[test]
fn lists_written_as_text_are_lists() {
    // A user who looks at the cells may set a separator, which lists do not need.
    let table = "text,labels\na,[]\nb,\"['war', 'sport']\"\nc,['war']\nd,\"['it\\'s', \"\"music\"\"]\"\n";
    let bench = several(Bench::csv(table)).with(|config| config.label_separator = ",".to_owned()).done();
    let expected = rows(&[(0, &[]), (1, &["sport", "war"]), (2, &["war"]), (3, &["it's", "music"])]);
    assert_eq!(named(&bench), expected);
}

#[test]
fn lists_without_the_key_are_refused_or_single_labels() {
    let error = Bench::csv("text,label\na,\"['war', 'sport']\"\nb,['war']\n").refused();
    assert!(error.contains("a.csv, line 2: `label` is a list written as text: ['war', 'sport']"), "{error}");
    assert!(error.contains("multi_label = true"), "{error}");
    let bench = Bench::csv("text,label\na,['war']\nb,['sport']\nc,\n").done();
    assert_eq!((bench.labels(), bench.dropped("missing_label")), (vec!["sport".to_owned(), "war".to_owned()], 1));
    assert!(bench.notes()[0].contains("`label` holds lists of one label each"));
}

#[test]
fn columns_of_zeros_and_ones_are_labels() {
    let table = "text,toxic,insult\na,0,1\nb,1.0,True\nc,0,\nd,,\ne,-1,-1\n";
    let of = |table: &str| {
        Bench::csv(table).with(|config| config.label_columns = vec!["toxic".to_owned(), "insult".to_owned()])
    };
    let bench = of(table).done();
    assert_eq!(named(&bench), rows(&[(0, &["insult"]), (1, &["insult", "toxic"]), (2, &[])]));
    assert_eq!((bench.dropped("missing_label"), bench.dropped("hidden_label")), (1, 1));
    assert_eq!(bench.report()["columns"][0]["label"], "toxic, insult");
    assert_eq!(bench.notes(), ["a.csv: in 1 row some of the `label_columns` have no value, which counts as 0"]);
    let bench = of("text,toxic,insult\na,0,1\nb,NULL,1\nc,\\N,N/A\nd,1,0\ne, None,0\n").done();
    assert_eq!(named(&bench), rows(&[(0, &["insult"]), (1, &["insult"]), (3, &["toxic"]), (4, &[])]));
    assert_eq!(bench.dropped("missing_label"), 1);
    assert_eq!(bench.report()["labels_read_as_missing"], json!({"N/A": 1, "NULL": 1, "None": 1, "\\N": 1}));
    assert!(bench.notes()[0].starts_with("a.csv: in 2 rows some of the `label_columns`"), "{:?}", bench.notes());
    let error = of("text,toxic,insult\na,0.7,1\n").refused();
    assert!(error.contains("a.csv, line 2: `toxic` of `label_columns` is \"0.7\", not 0 or 1"), "{error}");
    let error = of("text,toxic,insults\na,0,1\n").refused();
    assert!(error.contains("no column \"insult\" (`label_columns`)"), "{error}");
}

#[test]
fn vectors_without_names_are_refused() {
    let cells = "text,labels\na,\"[0, 1, 0]\"\nb,\"[1, 1, 0]\"\n";
    let separated = "text,labels\na,0|1\nb,1|0\n";
    for bench in [
        several(Bench::csv(cells)),
        several(Bench::new(&[("a.jsonl", b"{\"text\":\"a\",\"labels\":[0,1]}\n{\"text\":\"b\",\"labels\":[1,0]}")])),
        several(Bench::csv(separated)).with(|config| config.label_separator = "|".to_owned()),
    ] {
        let error = bench.refused();
        assert!(error.contains("nothing says which label each position stands for"), "{error}");
        assert!(error.contains("label_columns = ["), "{error}");
    }
}
