//! Label names: renaming, merging, order.

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
    assert!(warnings[0].starts_with("`rename_labels` renames \"2\", but no row has this label"), "{warnings:?}");
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

#[test]
fn one_number_in_two_spellings_is_one_label() {
    let years: [(&str, &[u8]); 2] =
        [("2023.csv", b"text,label\na,0\nb,1\nc,10\n"), ("2024.csv", b"text,label\nd,0.0\ne,1.0\nf,10.0\ng,\n")];
    let bench = Bench::new(&years).done();
    assert_eq!(bench.labels(), ["0", "1", "10"]);
    assert_eq!((bench.dropped("missing_label"), bench.warnings()), (1, vec![]));
    assert_eq!(bench.report()["labels_cleaned"][0], json!({"from": "0.0", "to": "0", "rows": 1}));
    let names = [rename("0", "no"), rename("1", "yes"), rename("10", "ten")].into();
    assert_eq!(Bench::new(&years).with(|config| config.rename_labels = names).done().labels(), ["no", "ten", "yes"]);
    // Half-point ratings are numbers, as in JSON; versions are names.
    assert_eq!(Bench::csv("text,label\na,1.0\nb,1.5\n").done().labels(), ["1", "1.5"]);
    assert_eq!(Bench::csv("text,label\na,v1\nb,2.0\n").done().labels(), ["2.0", "v1"]);
}

#[test]
fn null_markers_are_not_labels() {
    let table = "text,label\na,x\nb,NaN\nc,NULL\nd,\\N\ne,None\nf,y\ng,none\nNaN,x\n";
    let bench = Bench::csv(table).done();
    assert_eq!(bench.labels(), ["none", "x", "y"]);
    assert_eq!((bench.dropped("missing_label"), bench.dropped("missing_text")), (4, 1));
    assert_eq!(bench.report()["labels_read_as_missing"], json!({"NULL": 1, "NaN": 1, "None": 1, "\\N": 1}));
    assert!(bench.notes()[0].contains("\"None\" (1 row)"), "{:?}", bench.notes());
    let bench = Bench::csv(table).with(|config| {
        config.null_values = vec!["x".to_owned()];
        config.similar_labels = "merge".to_owned();
    });
    assert_eq!(bench.done().labels(), ["NULL", "NaN", "None", "\\N", "y"]);
    let kept = [rename("None", "no topic")].into();
    assert_eq!(
        Bench::csv(table).with(|config| config.rename_labels = kept).done().labels(),
        ["no topic", "none", "x", "y"]
    );
    let json = Bench::new(&[(
        "a.jsonl",
        b"{\"text\":\"None\",\"label\":\"a\"}\n{\"text\":\"b\",\"label\":\"b\"}\n{\"text\":\"c\",\"label\":\"nan\"}\n",
    )])
    .done();
    assert_eq!((json.labels().len(), json.ids()), (2, vec![0, 1]));
}

#[test]
fn white_space_inside_a_label_becomes_one_space() {
    let lines = "{\"text\":\"a\",\"label\":\"sci/tech\\tnews\"}\n{\"text\":\"b\",\"label\":\"questions\\nand\\u0000 answers\"}\n\
        {\"text\":\"c\",\"label\":\"sci/tech news\"}\n{\"text\":\"d\",\"label\":\"\\u200b\\n\"}\n{\"text\":\"e\",\"label\":\"cafe\\u0301\\r\"}\n";
    let bench = Bench::new(&[("a.jsonl", lines.as_bytes())]).done();
    assert_eq!(bench.labels(), ["café", "questions and answers", "sci/tech news"]);
    assert_eq!((bench.report()["labels"]["sci/tech news"].as_u64(), bench.dropped("missing_label")), (Some(2), 1));
    assert_eq!(bench.report()["labels_cleaned"].as_array().unwrap().len(), 3);
}
