//! `predict` over files: every format in and out, bad rows, kills, shards.

use std::collections::BTreeMap;
use std::fs;
use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

use crate::common::{Answer, Bundle};

impl Bundle {
    /// Predicts from one file of the bundle's directory into another.
    fn predict_file(&self, input: &str, output: &str, arguments: &[&str]) -> Answer {
        let (input, output) = (self.path(input), self.path(output));
        let files = ["--input", input.to_str().unwrap(), "--output", output.to_str().unwrap()];
        self.predict(&[&files, arguments].concat(), "")
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn json_lines(&self, name: &str) -> Vec<Value> {
        self.text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The label and score of each text, as stdin gets them.
    fn expected(&self, texts: &[&str]) -> Vec<(Value, Value)> {
        let answers = self.predict(&["--json"], texts.join("\n")).json();
        answers.iter().map(|answer| (answer["label"].clone(), answer["score"].clone())).collect()
    }

    fn start(&self, input: &str, output: &str, arguments: &[&str]) -> Child {
        let mut command = self.command(&["--input", self.path(input).to_str().unwrap()]);
        command.arg("--output").arg(self.path(output)).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }
}

/// Rows of a Parquet file as JSON.
fn records(path: &Path) -> Vec<Value> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_json_value()).collect()
}

fn near(one: &Value, other: &Value) -> bool {
    (one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-5
}

const TEXTS: [&str; 3] = ["a good film", "dull", "9 of 10"];

#[test]
fn a_csv_keeps_its_columns_and_gets_further_ones() {
    let bundle = Bundle::new();
    bundle.write("a.csv", "id;Review;x\n007;\"a good film\";\"a \"\"b\"\";\r\nc\"\n2;dull;\n3;9 of 10;é\n");
    let answer = bundle.predict_file("a.csv", "b.csv", &[]).succeeded();
    assert_eq!(answer.stdout, "");
    assert!(answer.stderr.contains("3 rows written to "), "{}", answer.stderr);
    let text = bundle.text("b.csv");
    let expected = bundle.expected(&TEXTS);
    let cells = ["007,a good film,\"a \"\"b\"\";\r\nc\"", "2,dull,", "3,9 of 10,é"];
    assert!(text.starts_with("id,Review,x,label,score,error\n"), "{text}");
    let mut rest = text.split_once('\n').unwrap().1;
    for (cells, (label, score)) in cells.iter().zip(&expected) {
        rest = rest.strip_prefix(cells).unwrap_or_else(|| panic!("{rest}"));
        let line = rest.split_once('\n').unwrap();
        let [empty, found, number, error] = line.0.split(',').collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert_eq!((empty, found, error), ("", label.as_str().unwrap(), ""));
        assert!(near(&json!(number.parse::<f64>().unwrap()), score));
        rest = line.1;
    }
    assert_eq!(rest, "");
    assert!(!bundle.path("b.csv.partial").exists());
}

#[test]
fn every_format_becomes_every_other() {
    let bundle = Bundle::new();
    let label: Vec<Value> = bundle.expected(&TEXTS).into_iter().map(|(label, _)| label).collect();
    bundle.write("a.jsonl", "{\"text\":\"a good film\",\"n\":1,\"x\":0.5,\"l\":[1,2]}\n{\"text\":\"dull\",\"n\":2,\"x\":null}\n{\"text\":\"9 of 10\",\"b\":true,\"x\":1}\n");
    for output in ["1.jsonl", "1.parquet", "1.csv", "1.tsv"] {
        bundle.predict_file("a.jsonl", output, &[]).succeeded();
        // And from there again into each: what is kept is the same, whatever the way.
        for next in ["jsonl", "parquet", "csv", "tsv"] {
            let again = format!("{output}.{next}");
            bundle.predict_file(output, &again, &["--text-column", "text"]).succeeded();
            bundle.predict_file(&again, &format!("{again}.jsonl"), &["--text-column", "text", "--restart"]).failed(4);
        }
    }
    let rows = bundle.json_lines("1.jsonl");
    let keys: Vec<&String> = rows[1].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["text", "n", "x", "label", "score"]);
    assert_eq!((&rows[0]["l"], &rows[2]["b"]), (&json!([1, 2]), &json!(true)));
    let rows = records(&bundle.path("1.parquet"));
    assert_eq!((&rows[0]["n"], &rows[0]["x"], &rows[0]["l"]), (&json!(1), &json!(0.5), &json!("[1,2]")));
    assert_eq!((&rows[2]["n"], &rows[2]["x"], &rows[2]["b"]), (&Value::Null, &json!(1.0), &json!(true)));
    for name in ["1.jsonl.parquet", "1.csv.parquet", "1.tsv.parquet", "1.parquet.parquet"] {
        let found: Vec<Value> = records(&bundle.path(name)).iter().map(|row| row["predicted_label"].clone()).collect();
        assert_eq!(found, label, "{name}");
        let kept: Vec<Value> = records(&bundle.path(name)).iter().map(|row| row["label"].clone()).collect();
        assert_eq!(kept, label, "{name}");
    }
}

/// A Parquet file with every kind of nesting, in row groups of three rows.
fn nested(path: &Path, groups: i32) {
    let schema = parse_message_type(
        "message schema { required binary text (UTF8); optional int32 n; \
         optional group tags (LIST) { repeated group list { optional binary element (UTF8); } } \
         optional group where { optional int32 x; optional group more (LIST) { repeated group list { required int32 element; } } } }",
    )
    .unwrap();
    let properties = Arc::new(WriterProperties::default());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), Arc::new(schema), properties).unwrap();
    for number in 0..groups {
        let mut group = writer.next_row_group().unwrap();
        let mut texts = |values: &[&str]| {
            let mut column = group.next_column().unwrap().unwrap();
            let values: Vec<ByteArray> = values.iter().map(|text| text.as_bytes().to_vec().into()).collect();
            column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
            column.close().unwrap();
        };
        texts(&[&format!("text {number}"), "dull", "9 of 10"]);
        let mut numbers = |values: &[i32], definition: &[i16], repetition: Option<&[i16]>| {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int32Type>().write_batch(values, Some(definition), repetition).unwrap();
            column.close().unwrap();
        };
        numbers(&[number], &[1, 0, 0], None);
        let mut column = group.next_column().unwrap().unwrap();
        let values: Vec<ByteArray> = ["a", "b"].iter().map(|text| text.as_bytes().to_vec().into()).collect();
        // ["a", null, "b"], [] and no list.
        column.typed::<ByteArrayType>().write_batch(&values, Some(&[3, 2, 3, 1, 0]), Some(&[0, 1, 1, 0, 0])).unwrap();
        column.close().unwrap();
        let mut numbers = |values: &[i32], definition: &[i16], repetition: Option<&[i16]>| {
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int32Type>().write_batch(values, Some(definition), repetition).unwrap();
            column.close().unwrap();
        };
        numbers(&[7], &[2, 0, 1], None);
        numbers(&[number, 5], &[3, 3, 0, 1], Some(&[0, 1, 0, 0]));
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn nested_columns_are_kept() {
    let bundle = Bundle::new();
    nested(&bundle.path("a.parquet"), 100);
    let before = records(&bundle.path("a.parquet"));
    assert_eq!(before[0]["tags"], json!(["a", null, "b"]));
    // The second part starts inside of a row group of the input.
    bundle.predict_file("a.parquet", "b.parquet", &["--part-rows", "1"]).succeeded();
    bundle.predict_file("a.parquet", "b.jsonl", &[]).succeeded();
    bundle.predict_file("a.parquet", "b.csv", &[]).succeeded();
    let (parquet, lines) = (records(&bundle.path("b.parquet")), bundle.json_lines("b.jsonl"));
    assert_eq!((parquet.len(), lines.len()), (300, 300));
    for (row, before) in before.iter().enumerate() {
        for (name, value) in before.as_object().unwrap() {
            assert_eq!((&parquet[row][name], &lines[row][name]), (value, value), "{row} {name}");
        }
        assert_eq!(parquet[row]["label"], lines[row]["label"]);
        assert!(near(&parquet[row]["score"], &lines[row]["score"]) && parquet[row]["error"].is_null());
    }
    assert!(bundle.text("b.csv").contains(",\"[\"\"a\"\",null,\"\"b\"\"]\","), "{}", bundle.text("b.csv"));
    let answer = bundle.predict_file("a.parquet", "c.csv", &["--text-column", "tags"]).failed(4);
    assert!(answer.stderr.contains("column `tags` does not hold texts"), "{}", answer.stderr);
}

#[test]
fn a_bad_row_does_not_fail_the_others() {
    let bundle = Bundle::new();
    let csv = b"text,n\na good film,1\ncaf\xe9,2\n,3\ndull\n\"x\" y,5\nok,6\n";
    fs::write(bundle.path("a.csv"), csv).unwrap();
    let answer = bundle.predict_file("a.csv", "b.jsonl", &[]).failed(4);
    assert!(
        answer.stderr.contains("error: row 2: the text is not UTF-8: byte 4 cannot be read\n"),
        "{}",
        answer.stderr
    );
    assert!(answer.stderr.contains("error: 4 of 6 rows could not be classified\n\nhint: "), "{}", answer.stderr);
    let rows = bundle.json_lines("b.jsonl");
    let errors: Vec<Option<&str>> = rows.iter().map(|row| row["error"].as_str()).collect();
    assert_eq!(
        errors,
        [
            None,
            Some("the text is not UTF-8: byte 4 cannot be read"),
            Some("there is no text"),
            Some("line 5 has 1 field, the header has 2"),
            Some("line 6: after the quote that ends a field stands \" y,5\""),
            None,
        ]
    );
    assert_eq!(rows[1]["label"], Value::Null);
    assert_eq!((&rows[1]["text"], &rows[2]["n"]), (&json!("caf\u{fffd}"), &json!("3")));
    assert!(rows[5]["label"].is_string() && rows[5].get("error").is_none());
    bundle.predict_file("a.csv", "b.csv", &[]).failed(4);
    assert!(fs::read(bundle.path("b.csv")).unwrap().windows(11).any(|bytes| bytes == b"\ncaf\xe9,2,,,t"));
}

/// 3,000 rows of 1 to 6 words, some of them empty.
fn many(bundle: &Bundle) {
    let row = |n: usize| {
        format!("{n},{}\n", if n % 97 == 5 { String::new() } else { "word ".repeat(n % 6) + &n.to_string() })
    };
    bundle.write("many.csv", &("id,text\n".to_owned() + &(0..3000).map(row).collect::<String>()));
}

fn parts(bundle: &Bundle, output: &str) -> u64 {
    let journal = fs::read_to_string(bundle.path(&format!("{output}.partial/journal.json")));
    let journal: Option<Value> = journal.ok().and_then(|text| serde_json::from_str(&text).ok());
    journal.and_then(|journal| journal["progress"]["parts"].as_u64()).unwrap_or_default()
}

#[test]
fn a_killed_run_continues_without_loss_or_doubling() {
    let bundle = Bundle::new();
    many(&bundle);
    for (straight, killed) in [("a.csv", "b.csv"), ("a.jsonl", "b.jsonl"), ("a.parquet", "b.parquet")] {
        let options = ["--part-rows", "300"];
        bundle.predict_file("many.csv", straight, &options).failed(4);
        let mut kills = 0;
        loop {
            let before = parts(&bundle, killed);
            let mut child = bundle.start("many.csv", killed, &options);
            let started = Instant::now();
            while child.try_wait().unwrap().is_none() && parts(&bundle, killed) < before + 2 {
                assert!(started.elapsed() < Duration::from_secs(120));
                sleep(Duration::from_millis(1));
            }
            if let Some(status) = child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(4));
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        assert!(kills >= 2, "{kills}");
        assert!(fs::read(bundle.path(straight)).unwrap() == fs::read(bundle.path(killed)).unwrap(), "{killed}");
        assert!(!bundle.path(&format!("{killed}.partial")).exists());
    }
}

#[test]
fn what_an_interrupted_run_left_is_not_mixed_with_another() {
    let bundle = Bundle::new();
    many(&bundle);
    let mut child = bundle.start("many.csv", "b.csv", &["--part-rows", "100"]);
    while parts(&bundle, "b.csv") == 0 {
        sleep(Duration::from_millis(1));
    }
    let answer = bundle.predict_file("many.csv", "b.csv", &["--part-rows", "100"]);
    // Unless the first has just finished.
    if child.try_wait().unwrap().is_none() {
        assert!(answer.failed(2).stderr.contains("another process works on"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let answer = bundle.predict_file("many.csv", "b.csv", &["--part-rows", "200"]).failed(2);
    assert!(answer.stderr.contains("that differs: part_rows (was 100, is 200)"), "{}", answer.stderr);
    let changed = bundle.text("many.csv").replacen("word", "wort", 1);
    bundle.write("many.csv", &changed);
    let answer = bundle.predict_file("many.csv", "b.csv", &["--part-rows", "100"]).failed(2);
    assert!(answer.stderr.contains("input (was {"), "{}", answer.stderr);
    bundle.predict_file("many.csv", "b.csv", &["--part-rows", "100", "--restart"]).failed(4);
    assert_eq!(bundle.text("b.csv").lines().count(), 3001);
    let answer = bundle.predict_file("many.csv", "b.csv", &[]).failed(2);
    assert!(answer.stderr.contains("exists already"), "{}", answer.stderr);
    bundle.predict_file("many.csv", "b.csv", &["--restart"]).failed(4);
}

#[test]
fn three_shards_are_one_run() {
    let bundle = Bundle::new();
    many(&bundle);
    bundle.predict_file("many.csv", "in.parquet", &["--part-rows", "700"]).failed(4);
    for (input, whole) in [("many.csv", "all.csv"), ("many.csv", "all.jsonl"), ("in.parquet", "all.parquet")] {
        let column = ["--text-column", "text"];
        bundle.predict_file(input, whole, &column).failed(4);
        let names: Vec<String> = (1..=3).map(|index| format!("{index}-{whole}")).collect();
        for (name, shard) in names.iter().zip(["1/3", "2/3", "3/3"]) {
            let options = [&column[..], &["--shard", shard, "--part-rows", "300"]].concat();
            bundle.predict_file(input, name, &options).failed(4);
        }
        if whole.ends_with("parquet") {
            let shards: Vec<Value> = names.iter().flat_map(|name| records(&bundle.path(name))).collect();
            assert!(shards == records(&bundle.path(whole)));
            continue;
        }
        let header = usize::from(whole.ends_with("csv"));
        let bodies = names.iter().map(|name| bundle.text(name).split_inclusive('\n').skip(header).collect::<String>());
        let body = bundle.text(whole).split_inclusive('\n').skip(header).collect::<String>();
        assert!(bodies.collect::<String>() == body, "{whole}");
        assert_eq!(body.lines().count(), 3000);
    }
}

#[test]
fn more_labels_and_all_scores_have_columns() {
    let bundle = Bundle::new();
    bundle.write("a.csv", "text\na good film\ndull\n");
    bundle.predict_file("a.csv", "b.csv", &["--top-k", "2", "--scores"]).succeeded();
    let header = "text,label,score,label_2,score_2,score_alpha,score_beta,score_gamma,error\n";
    assert!(bundle.text("b.csv").starts_with(header), "{}", bundle.text("b.csv"));
    assert!(bundle.text("b.csv").lines().skip(1).all(|line| line.split(',').count() == 9));
    let answer = bundle.predict_file("a.csv", "c.csv", &["--threshold", "0.4"]).failed(2);
    assert!(answer.stderr.contains("the model assigns exactly one label"), "{}", answer.stderr);
}

#[test]
fn several_labels_are_lists() {
    let bundle = Bundle::new();
    bundle.configure("problem_type", "multi_label_classification".into());
    bundle.write("a.csv", "text,labels\na good film,x\ndull,y\n");
    let labels = |threshold: &str| {
        let output = format!("{threshold}.jsonl");
        bundle.predict_file("a.csv", &output, &["--threshold", threshold, "--top-k", "2"]).succeeded();
        let rows = bundle.json_lines(&output);
        let lists = rows.iter().map(|row| {
            let list = |key: &str| row[key].as_array().unwrap().len();
            assert_eq!(list("predicted_labels"), list("predicted_scores"));
            list("predicted_labels")
        });
        lists.collect::<Vec<_>>()
    };
    assert_eq!((labels("0"), labels("1")), (vec![2, 2], vec![0, 0]));
    bundle.predict_file("a.csv", "b.csv", &["--threshold", "0"]).succeeded();
    assert!(bundle.text("b.csv").lines().nth(1).unwrap().contains(",\"[\"\""), "{}", bundle.text("b.csv"));
    bundle.predict_file("a.csv", "b.parquet", &["--threshold", "0"]).succeeded();
    assert_eq!(records(&bundle.path("b.parquet"))[0]["predicted_labels"].as_array().unwrap().len(), 3);
    bundle.predict(&["--threshold", "1.5", "a"], "").failed(2);
    assert_eq!(bundle.predict(&["--threshold", "0", "a"], "").succeeded().stdout.matches('*').count(), 3);
}

#[test]
fn pairs_come_from_two_columns() {
    let bundle = Bundle::new();
    bundle.take_pairs();
    bundle.write("a.jsonl", "{\"sentence\":\"a\",\"other\":\"b\"}\n{\"sentence\":\"c\"}\n");
    let answer = bundle.predict_file("a.jsonl", "b.jsonl", &[]).failed(2);
    assert!(answer.stderr.contains("hint: name it: --pair-column NAME"), "{}", answer.stderr);
    bundle.predict_file("a.jsonl", "b.jsonl", &["--pair-column", "other"]).failed(4);
    let rows = bundle.json_lines("b.jsonl");
    let expected = bundle.predict(&["--json", "a\tb"], "").succeeded().json().remove(0);
    assert_eq!(rows[0]["label"], expected["label"]);
    assert_eq!(rows[1]["error"], "there is no second text");
    let answer = bundle.predict_file("a.jsonl", "c.jsonl", &["--pair-column", "sentence"]).failed(4);
    assert!(answer.stderr.contains("none of its columns is known to hold the texts"), "{}", answer.stderr);
}

#[test]
fn columns_are_found_as_in_training_or_named() {
    let bundle = Bundle::new();
    bundle.write("a.csv", "x,Message\n1,a\n");
    bundle.predict_file("a.csv", "b.csv", &[]).succeeded();
    bundle.predict_file("a.csv", "c.csv", &["--text-column", "x"]).succeeded();
    assert_ne!(bundle.text("b.csv"), bundle.text("c.csv"));
    let answer = bundle.predict_file("a.csv", "d.csv", &["--text-column", "y"]).failed(4);
    assert!(
        answer.stderr.contains("has no column \"y\" (`--text-column`); it has: \"x\", \"Message\""),
        "{}",
        answer.stderr
    );
    // Without a header, and with options for what would not be found out.
    bundle.write("a.tsv", "a \"good\" film\tx\ndull\ty\n");
    let options = ["--header", "false", "--text-column", "1", "--quote", "none"];
    bundle.predict_file("a.tsv", "d.csv", &options).succeeded();
    assert!(bundle.text("d.csv").starts_with("1,2,label,score,error\n\"a \"\"good\"\" film\",x,"));
    bundle.predict_file("a.csv", "e.csv", &["--quote", "”"]).failed(2);
}

#[test]
fn files_that_cannot_be_read_or_written_are_refused_before_anything_is_done() {
    let bundle = Bundle::new();
    bundle.write("a.csv", "text\na\n");
    bundle.write("a.json", "[{\"text\": \"a\"}]");
    bundle.write("cut.parquet", "PAR1 and nothing else");
    let refused = |input: &str, output: &str, code: i32, found: &str| {
        let answer = bundle.predict_file(input, output, &[]).failed(code);
        assert!(answer.stderr.contains(found), "expected `{found}` in\n{}", answer.stderr);
        assert!(!bundle.path(&format!("{output}.partial")).exists());
    };
    refused("a.csv", "b.xlsx", 2, "does not say how to write it");
    refused("a.csv", "b.csv.gz", 2, "is not written compressed");
    refused("a.csv", "no/b.csv", 2, "there is no directory");
    refused("a.csv", "a.csv", 2, "is the input");
    refused("nothing.csv", "b.csv", 4, "cannot read");
    refused("a.json", "b.csv", 4, "is a JSON array");
    refused("cut.parquet", "b.csv", 4, "is not a Parquet file that can be read");
    assert!(bundle.predict(&["--input", "a"], "").failed(2).stderr.contains("--output"));
    for shard in ["0/3", "4/3", "1", "a/b"] {
        bundle.predict_file("a.csv", "b.csv", &["--shard", shard]).failed(2);
    }
    // A damaged page is told of when it is reached.
    nested(&bundle.path("whole.parquet"), 3);
    let mut bytes = fs::read(bundle.path("whole.parquet")).unwrap();
    bytes[4..60].fill(0xff);
    fs::write(bundle.path("damaged.parquet"), bytes).unwrap();
    bundle.predict_file("damaged.parquet", "b.parquet", &[]).failed(4);
}

#[test]
fn an_empty_table_gives_an_empty_table() {
    let bundle = Bundle::new();
    bundle.write("a.csv", "text,n\n");
    bundle.predict_file("a.csv", "b.csv", &[]).succeeded();
    assert_eq!(bundle.text("b.csv"), "text,n,label,score,error\n");
    bundle.predict_file("a.csv", "b.parquet", &[]).succeeded();
    assert_eq!(records(&bundle.path("b.parquet")), Vec::<Value>::new());
    bundle.predict_file("b.parquet", "c.jsonl", &["--text-column", "text"]).succeeded();
    assert_eq!(bundle.text("c.jsonl"), "");
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_rows() {
    let bundle = Bundle::new();
    let peak = |rows: usize| {
        // Every text is missing, so that the model has nothing to do.
        let line = format!("{{\"text\":null,\"id\":\"{}\"}}\n", "x".repeat(300));
        bundle.write("a.jsonl", &line.repeat(rows));
        let child = bundle.start("a.jsonl", &format!("{rows}.parquet"), &[]);
        let status = format!("/proc/{}/status", child.id());
        let mut child = child;
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let fields: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
            let found = fields.get("VmHWM").and_then(|value| value.trim().trim_end_matches(" kB").parse().ok());
            peak = peak.max(found.unwrap_or(0_u64));
            sleep(Duration::from_millis(2));
        }
        assert!(bundle.path(&format!("{rows}.parquet")).exists());
        peak
    };
    let (few, many) = (peak(30_000), peak(300_000));
    // 90 MB of rows, of which 81 MB are further ones.
    assert!(many < few + 8_000, "{few} kB and {many} kB");
}
