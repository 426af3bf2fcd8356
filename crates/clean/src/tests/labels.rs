//! Labels: renamed, merged, in order.

use serde_json::json;

use super::Bench;

fn rename(from: &str, to: &str) -> (String, String) {
    (from.to_owned(), to.to_owned())
}

#[test]
fn labels_are_renamed_as_texts() {
    let bench = Bench::new(&[(
        "a.jsonl",
        b"{\"text\":\"a\",\"label\":1}\n{\"text\":\"b\",\"label\":0}\n{\"text\":\"c\",\"label\":\" 1\"}",
    )]);
    let bench = bench.with(|config| {
        config.rename_labels = [rename("0", "negative"), rename("1", "positive"), rename("2", "neutral")].into();
    });
    let bench = bench.done();
    assert_eq!(bench.labels(), ["negative", "positive"]);
    assert_eq!(bench.report()["labels"], json!({"negative": 1, "positive": 2}));
    assert_eq!(bench.report()["labels_renamed"], 3);
    let warnings = bench.warnings();
    assert!(warnings[0].starts_with("`rename_labels` renames \"2\", which no row has"), "{warnings:?}");
    assert_eq!(warnings.len(), 1);
}

#[test]
fn a_misspelt_rename_is_pointed_out() {
    let bench = Bench::csv("text,label\na,sport\nb,news\n");
    let bench = bench.with(|config| config.rename_labels = [rename("sprot", "x")].into()).done();
    assert!(bench.warnings()[0].ends_with("did you mean \"sport\"?"), "{:?}", bench.warnings());
}

#[test]
fn renaming_into_one_makes_one_label() {
    let bench = Bench::csv("text,label\na,1\nb,2\nc,3\n");
    let bench = bench.with(|config| config.rename_labels = [rename("1", "low"), rename("2", "low")].into()).done();
    assert_eq!(bench.report()["labels"], json!({"3": 1, "low": 2}));
}

#[test]
fn similar_labels_are_refused_or_merged() {
    let text = "text,label\na,Sport\nb,sport\nc,sport\nd, sport \ne,news\n";
    let error = Bench::csv(text).refused();
    assert!(error.contains("\" sport \" (1 row), \"Sport\" (1 row), \"sport\" (2 rows)"), "{error}");
    assert!(error.contains("similar_labels = \"merge\""), "{error}");
    let bench = Bench::csv(text).with(|config| config.similar_labels = "merge".to_owned()).done();
    assert_eq!(bench.labels(), ["news", "sport"]);
    assert_eq!(bench.report()["labels"]["sport"], 4);
    assert_eq!(
        bench.report()["labels_merged"],
        json!([
            {"from": " sport ", "to": "sport", "rows": 1},
            {"from": "Sport", "to": "sport", "rows": 1},
        ])
    );
}

#[test]
fn merged_labels_make_duplicates() {
    let bench = Bench::csv("text,label\na,Sport\na,sport\nb,news\nc,sport\n");
    let bench = bench.with(|config| config.similar_labels = "merge".to_owned()).done();
    assert_eq!((bench.dropped("duplicate"), bench.dropped("conflict")), (1, 0));
}

#[test]
fn the_order_is_by_value_or_by_unicode() {
    let labels = |text: &str| Bench::csv(text).done().labels();
    assert_eq!(labels("text,label\na,10\nb,9\nc,-1\n"), ["-1", "9", "10"]);
    assert_eq!(labels("text,label\na,10\nb,9\nc,x\n"), ["10", "9", "x"]);
    assert_eq!(labels("text,label\nc,é\na,z\nb,B\n"), ["B", "z", "é"]);
}
