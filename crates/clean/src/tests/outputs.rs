//! The output for each kind of file and each cleaning step.

use std::collections::BTreeMap;

use firebrand_dataset::{Part, Values, write_parquet};
use firebrand_text::{ReplaceRule, TextOptions, Unicode};
use serde_json::json;

use super::Bench;

fn row(id: u64, text: &str, label: &str) -> (u64, String, String) {
    (id, text.to_owned(), label.to_owned())
}

#[test]
fn every_kind_of_table_gives_the_same_rows() {
    use std::io::Write;

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"text,label\ngood,1\nbad,0\n").unwrap();
    let packed = packed.finish().unwrap();
    for (name, content) in [
        ("a.csv", &b"text,label\ngood,1\nbad,0\n"[..]),
        ("a.csv", b"\xef\xbb\xbftext;label\r\n\"good\";1\r\nbad;0\r\n"),
        ("a.csv.gz", &packed),
        ("a.tsv", b"Text\tLabel\ngood\t1\nbad\t0"),
        ("a.jsonl", b"{\"text\":\"good\",\"label\":1}\n{\"text\":\"bad\",\"label\":0}\n"),
        ("a.ndjson", b"{\"label\":\"1\",\"text\":\"good\"}\n{\"text\":\"bad\",\"label\":\"0\"}"),
        ("a.json", b"[{\"text\":\"good\",\"label\":1},{\"text\":\"bad\",\"label\":0}]"),
        ("1/a.txt", b"good"),
    ] {
        let second = if name == "1/a.txt" { ("0/b.txt", &b"bad"[..]) } else { ("README.md", &b"#"[..]) };
        let bench = Bench::new(&[(name, content), second]).done();
        let mut rows = bench.rows();
        // Documents are read in the order of their names.
        rows.sort_by(|a, b| b.1.cmp(&a.1));
        let texts: Vec<_> = rows.iter().map(|(_, text, label)| (text.as_str(), label.as_str())).collect();
        assert_eq!(texts, [("good", "1"), ("bad", "0")], "{name}");
        assert_eq!(bench.labels(), ["0", "1"], "{name}");
    }
}

#[test]
fn parquet() {
    let texts = Values::Texts(["good", "", "bad"].map(|text| (!text.is_empty()).then(|| text.to_owned())).into());
    let flags = Values::Booleans(vec![Some(true), Some(true), Some(false)]);
    let mut bytes = write_parquet(vec![("sentence", texts), ("target", flags)], &BTreeMap::new()).unwrap();
    let bench = Bench::new(&[("a.parquet", &bytes)]).done();
    assert_eq!(bench.rows(), [row(0, "good", "true"), row(2, "bad", "false")]);
    assert_eq!(bench.report()["dropped_examples"]["missing_text"][0]["place"], "a.parquet, row 2");
    bytes.truncate(bytes.len() - 20);
    assert!(Bench::new(&[("a.parquet", &bytes)]).refused().contains("a.parquet is cut off after"));
}

#[test]
fn documents_of_other_encodings_are_counted() {
    let bench =
        Bench::new(&[("ham/1", b"\xef\xbb\xbfgr\xc3\xbc\xc3\x9fe"), ("spam/2", b"10 \x80"), ("spam/3", b" \n")]).done();
    assert_eq!(bench.rows(), [row(0, "grüße", "ham"), row(1, "10 €", "spam")]);
    assert_eq!(bench.report()["files"]["not_utf8"], 1);
    assert_eq!(bench.dropped("missing_text"), 1);
    assert_eq!(bench.report()["dropped_examples"]["missing_text"][0]["place"], "spam/3");
}

#[test]
fn steps_are_counted_with_ids_of_source_rows() {
    let bench = Bench::csv(
        "text,label,source,author\n\
         no,a,web,x\n\
         ,a,book,x\n\
         some,  ,book,x\n\
         <p>&nbsp;</p>,a,book,x\n\
         ab,a,book,x\n\
         kept &amp; <b>clean</b>,a,book,x\n\
         other,b,book,\n",
    );
    let bench = bench
        .with(|config| {
            config.filter.insert("source".to_owned(), json!("book"));
            config.group_column = "author".to_owned();
            config.min_characters = 3;
        })
        .done();
    assert_eq!(bench.rows(), [row(5, "kept & clean", "a"), row(6, "other", "b")]);
    let groups: Vec<_> = bench.examples().into_iter().map(|row| row.group).collect();
    assert_eq!(groups, [Some("x".to_owned()), None]);
    let report = bench.report();
    let counts = json!({"bad_row": 0, "filter": 1, "missing_text": 1, "missing_label": 1, "hidden_label": 0, "too_short": 2, "duplicate": 0, "conflict": 0, "joined": 0});
    assert_eq!(report["rows"], json!({"read": 7, "kept": 2, "dropped": counts}));
    assert_eq!(
        report["dropped_examples"]["filter"],
        json!([{"id": 0, "place": "a.csv, line 2", "why": "source is \"web\""}])
    );
    assert_eq!(report["dropped_examples"]["too_short"][1]["why"], "2 characters after cleaning");
    assert_eq!(
        report["columns"],
        json!([
            {"text": "text", "pair": null, "label": "label", "group": "author", "weight": null}
        ])
    );
}

#[test]
fn text_options_are_applied_and_written() {
    let text = "text,label\n\" <b>ＡB</b>\t c\u{0}\",1\nx,0\n";
    let bench = Bench::csv(text).with(|config| (config.unicode, config.lowercase) = ("nfkc".to_owned(), true)).done();
    assert_eq!(bench.rows()[0].1, "ab c");
    let options = TextOptions::read(&bench.path("out/text.json")).unwrap();
    assert!(options.lowercase && options.strip_html && options.unicode == Unicode::Nfkc);
    let bench = Bench::csv(text)
        .with(|config| {
            config.strip_html = false;
            config.strip_control = false;
            config.collapse_whitespace = false;
            config.unicode = "none".to_owned();
        })
        .done();
    assert_eq!(bench.rows()[0].1, " <b>ＡB</b>\t c\u{0}");
    assert_eq!(TextOptions::read(&bench.path("out/text.json")).unwrap(), TextOptions::UNTOUCHED);
}

/// Emoji that a vocabulary lacks become words, and the same rules are part of the bundle.
#[test]
fn unwanted_characters_are_replaced() {
    let bench = Bench::csv("text,label\nfine 😀😀,a\nbad 😡 day 12,b\n")
        .with(|config| {
            let rule = |pattern: &str, with: &str| ReplaceRule { pattern: pattern.to_owned(), with: with.to_owned() };
            config.replace = vec![rule("😀+", " glad "), rule("😡", "angry"), rule("[0-9]", "0")];
        })
        .done();
    let texts: Vec<_> = bench.rows().into_iter().map(|row| row.1).collect();
    assert_eq!(texts, ["fine glad", "bad angry day 00"]);
    let options = TextOptions::read(&bench.path("out/text.json")).unwrap();
    assert_eq!(options.clean("so 😀 on day 3"), "so glad on day 0");
}

#[test]
fn given_parts_are_noted_and_ids_run_on() {
    let files: [(&str, &[u8]); 3] = [
        ("dev.tsv", b"label\ttext\na\tone\n"),
        ("test.jsonl", b"{\"text\":\"two\",\"label\":\"b\"}"),
        ("train.csv", b"text,label\nthree,a\nfour,b\n"),
    ];
    let bench = Bench::new(&files).with(|config| {
        config.train_files = vec!["train.*".to_owned()];
        config.validation_files = vec!["dev.*".to_owned()];
        config.test_files = vec!["test.*".to_owned()];
    });
    let bench = bench.done();
    let parts: Vec<_> = bench.examples().iter().map(|row| (row.id, row.part)).collect();
    let [train, validation, test] = Part::ALL.map(Some);
    assert_eq!(parts, [(0, validation), (1, test), (2, train), (3, train)]);
    assert_eq!(bench.report()["given_parts"], json!({"test": 1, "train": 2, "validation": 1}));
}

#[test]
fn the_same_input_is_the_same_bytes() {
    let text = "text,label\na,x\na,y\nb,x\nb,x\nc,y\nd,X\n";
    let bytes = |_| {
        let bench = Bench::csv(text).with(|config| config.similar_labels = "merge".to_owned()).done();
        ["examples.parquet", "labels.json", "text.json", "report.json"]
            .map(|name| std::fs::read(bench.path("out").join(name)).unwrap())
    };
    let [first, second] = [0, 1].map(bytes);
    assert_eq!(first, second);
}

#[test]
fn a_filter_may_ask_for_rows_without_a_value() {
    let bench = Bench::csv("text,label,flag\na,x,\nb,y,bad\nc,y,\n");
    let bench = bench.with(|config| _ = config.filter.insert("flag".to_owned(), json!(""))).done();
    assert_eq!((bench.ids(), bench.warnings()), (vec![0, 2], vec![]));
}

#[test]
fn a_hundred_thousand_rows() {
    let line =
        |row: u32| format!("\"text {row}, with \"\"quotes\"\" and commas, about row {row}\",label {}\n", row % 7);
    let table = (0..100_000).fold("text,label\n".to_owned(), |table, row| table + &line(row));
    let bench = Bench::csv(&table).done();
    assert_eq!((bench.ids().len(), bench.labels().len()), (100_000, 7));
}
