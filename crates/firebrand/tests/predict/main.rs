//! `firebrand predict` as a process, on a tiny bundle.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod bad_texts;
#[path = "../common/mod.rs"]
mod common;
mod files;
mod inspect;
mod integrity;
mod onnx;
mod snapshots;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use common::{Answer, Bundle};
use firebrand_infer::{Model, Options, Tokens};
use serde_json::Value;

const TEXTS: [&str; 4] = ["a good film", "dull", "", "9 of 10"];

/// How far sums in another order may lead, as batches of another shape have them.
const ROUNDING: f64 = 1e-5;

#[track_caller]
fn same_scores(one: &[Value], other: &[Value]) {
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        assert_eq!(one["text"], other["text"]);
        assert_eq!(one["label"], other["label"]);
        for (one, other) in one["scores"].as_array().unwrap().iter().zip(other["scores"].as_array().unwrap()) {
            assert_eq!(one["label"], other["label"]);
            let (one, other) = (one["score"].as_f64().unwrap(), other["score"].as_f64().unwrap());
            assert!((one - other).abs() < ROUNDING, "{one} and {other}");
        }
    }
}

#[test]
fn arguments_and_stdin_are_answered_alike() {
    let bundle = Bundle::new();
    let mut arguments = vec!["--"];
    arguments.extend(TEXTS);
    let by_arguments = bundle.predict(&arguments, "").succeeded();
    let by_stdin = bundle.predict(&[], TEXTS.join("\n")).succeeded();
    let by_windows = bundle.predict(&[], TEXTS.map(|text| format!("{text}\r\n")).concat()).succeeded();
    assert_eq!(by_arguments.stdout, by_stdin.stdout);
    assert_eq!(by_arguments.stdout, by_windows.stdout);

    let lines: Vec<Vec<&str>> = by_stdin.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), TEXTS.len());
    for (line, text) in lines.iter().zip(TEXTS) {
        let [label, score, shown] = line[..] else { panic!("{line:?}") };
        assert!(["alpha", "beta", "gamma"].contains(&label), "{label}");
        assert!(score.len() == 6 && (1.0 / 3.0..=1.0).contains(&score.parse::<f64>().unwrap()), "{score}");
        assert_eq!(shown, text);
    }
    let empty = "warning: text 3 is empty after cleaning, so its label means nothing\n";
    assert_eq!((by_arguments.stderr.as_str(), by_stdin.stderr.as_str()), (empty, empty));
}

#[test]
fn any_number_of_labels_is_given_each_by_its_own_probability() {
    let bundle = Bundle::new();
    bundle.configure("problem_type", "multi_label_classification".into());
    let texts: Vec<String> = (0..20).map(|n| "word ".repeat(n % 5) + &n.to_string()).collect();
    let lines = bundle.predict(&[], texts.join("\n")).succeeded().stdout;
    let answers = bundle.predict(&["--json"], texts.join("\n")).succeeded().json();
    let mut numbers = std::collections::BTreeSet::new();
    for (line, answer) in lines.lines().zip(&answers) {
        assert!(answer.get("label").is_none(), "{answer}");
        let scores = answer["scores"].as_array().unwrap();
        let given: Vec<&Value> = scores
            .iter()
            .filter(|score| score["score"].as_f64().unwrap() >= 0.5)
            .map(|score| &score["label"])
            .collect();
        assert_eq!(answer["labels"].as_array().unwrap().iter().collect::<Vec<_>>(), given);
        assert_eq!(line.matches('*').count(), given.len(), "{line}");
        // Three labels with their scores, then the text.
        assert_eq!(line.split('\t').count(), 7, "{line}");
        numbers.insert(given.len());
    }
    assert!(numbers.len() > 1, "these texts must not all get as many labels: {numbers:?}");
}

#[test]
fn an_answer_does_not_depend_on_the_texts_beside_it() {
    let bundle = Bundle::new();
    let texts: Vec<String> = (0..40).map(|n| "word ".repeat(n % 5) + &n.to_string()).collect();
    let together = bundle.predict(&["--json"], texts.join("\n")).succeeded().json();
    let apart = bundle.predict(&["--json", "--batch-size", "1"], texts.join("\n")).succeeded().json();
    same_scores(&together, &apart);
    let distinct: std::collections::BTreeSet<String> = together.iter().map(|line| line["scores"].to_string()).collect();
    assert_eq!(distinct.len(), texts.len(), "these texts must not all look the same to the model");
    for index in [0, 4, 39] {
        same_scores(&bundle.predict(&["--json", "--", &texts[index]], "").succeeded().json(), &apart[index..=index]);
    }
}

#[cfg(unix)]
#[test]
fn a_file_is_answered_the_same_to_the_last_byte() {
    let bundle = Bundle::new();
    let lines: String = (0..50).map(|n| "word ".repeat(n % 5) + &n.to_string() + "\n").collect();
    bundle.write("texts", &lines);
    let runs = [(); 3].map(|()| {
        let stdin = fs::File::open(bundle.path("texts")).unwrap();
        bundle.command(&["--json", "--batch-size", "8"]).stdin(stdin).output().unwrap().stdout
    });
    assert_eq!(runs[0].iter().filter(|&&byte| byte == b'\n').count(), 50);
    assert!(runs.iter().all(|run| *run == runs[0]));
}

#[test]
fn json_has_every_label_most_likely_first() {
    let bundle = Bundle::new();
    let lines = bundle.predict(&["--json", "a \"good\"\nfilm"], "").succeeded().json();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["text", "label", "score", "scores"]);
    assert_eq!(line["text"], "a \"good\"\nfilm");
    let scores = line["scores"].as_array().unwrap();
    let mut labels: Vec<&str> = scores.iter().map(|score| score["label"].as_str().unwrap()).collect();
    labels.sort_unstable();
    assert_eq!(labels, ["alpha", "beta", "gamma"]);
    assert_eq!((&line["label"], &line["score"]), (&scores[0]["label"], &scores[0]["score"]));
    let values: Vec<f64> = scores.iter().map(|score| score["score"].as_f64().unwrap()).collect();
    assert!(values.is_sorted_by(|a, b| a >= b), "{values:?}");
    assert!((values.iter().sum::<f64>() - 1.0).abs() < ROUNDING, "{values:?}");
}

/// The scores are those of the model: asked directly, with the ids that the text must become.
#[test]
fn scores_are_those_of_the_model() {
    let bundle = Bundle::new();
    let model = Model::open(bundle.path(""), &Options::default()).unwrap();
    // [CLS] a ##b 1 [SEP]
    let ids = [2, 5, 5 + 36 + 1, 5 + 26 + 1, 3];
    let tokens = Tokens { ids: &ids, type_ids: &[0; 5] };
    let logits = model.logits(&[tokens]).unwrap().concat();
    let expected: Vec<f64> = firebrand_arch::softmax(&logits).into_iter().map(f64::from).collect();
    let line = bundle.predict(&["--json", "AB <b>1</b>"], "").succeeded().json().remove(0);
    for score in line["scores"].as_array().unwrap() {
        let index = model.config().labels.iter().position(|label| score["label"] == **label).unwrap();
        assert!((score["score"].as_f64().unwrap() - expected[index]).abs() < ROUNDING, "{score} {expected:?}");
    }
}

#[test]
fn top_k_limits_the_labels() {
    let bundle = Bundle::new();
    let line = bundle.predict(&["--json", "--top-k", "2", "film"], "").succeeded().json().remove(0);
    assert_eq!(line["scores"].as_array().unwrap().len(), 2);
    let columns = |count: &str| bundle.predict(&["--top-k", count, "film"], "").succeeded().stdout.split('\t').count();
    assert_eq!((columns("1"), columns("2"), columns("99")), (3, 5, 7));
}

#[test]
fn each_line_has_its_answer_empty_ones_too() {
    let bundle = Bundle::new();
    let answer = bundle.predict(&["--batch-size", "2"], "\n \na\n\n").succeeded();
    let shown: Vec<&str> = answer.stdout.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    assert_eq!(shown, ["", " ", "a", ""]);
    let empty: Vec<&str> = answer.stdout.lines().filter(|line| !line.ends_with('a')).map(str::trim_end).collect();
    assert!(empty.iter().all(|line| line == &empty[0]), "{empty:?}");
    assert_eq!(bundle.predict(&[], "").succeeded().stdout, "");
}

#[test]
fn a_line_is_answered_before_the_next_is_written() {
    let bundle = Bundle::new();
    let mut child = bundle.command(&[]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for text in ["first", "second"] {
        writeln!(stdin, "{text}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.ends_with(&format!("\t{text}\n")), "{line}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_quietly() {
    let bundle = Bundle::new();
    let mut child = bundle
        .command(&["--batch-size", "1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    drop(child.stdout.take());
    // The program may have ended before everything is written.
    let _ = stdin.write_all("a text\n".repeat(100).as_bytes());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
    drop(stdin);
}

#[test]
fn a_text_that_is_cut_is_told_once() {
    let bundle = Bundle::new();
    // 30 tokens and two special ones, of which 24 are taken.
    let long = "a ".repeat(30);
    let answer = bundle.predict(&["--batch-size", "1"], format!("short\n{long}\n{long}\n")).succeeded();
    assert_eq!(answer.stdout.lines().count(), 3);
    assert_eq!(answer.stderr.lines().count(), 1, "{}", answer.stderr);
    assert!(answer.stderr.contains("text 2 ") && answer.stderr.contains(" 8 were cut off"), "{}", answer.stderr);
}

#[test]
fn texts_are_cleaned_as_in_training() {
    let bundle = Bundle::new();
    let score = |answer: Answer| answer.succeeded().json()[0]["scores"].clone();
    let (plain, marked) = ("good film", "<p>good   film</p>");
    assert_eq!(score(bundle.predict(&["--json", plain], "")), score(bundle.predict(&["--json", marked], "")));

    fs::remove_file(bundle.path("text.json")).unwrap();
    let answer = bundle.predict(&["--json", marked], "").succeeded();
    assert_eq!(answer.stderr.matches("text.json: texts are not cleaned").count(), 1, "{}", answer.stderr);
    assert_ne!(score(bundle.predict(&["--json", plain], "")), score(answer));
}

#[test]
fn what_is_wrong_with_a_bundle_is_told() {
    let expect = |change: &dyn Fn(&Bundle), found: &str| {
        let bundle = Bundle::new();
        change(&bundle);
        let answer = bundle.predict(&["text"], "").failed(4);
        assert!(answer.stderr.contains(found), "expected `{found}` in\n{}", answer.stderr);
        assert_eq!(answer.stdout, "");
    };
    let hinted = |change: &dyn Fn(&Bundle), found: &str| {
        expect(change, found);
        expect(change, "hint: ");
    };
    let remove = |name: &'static str| move |bundle: &Bundle| fs::remove_file(bundle.path(name)).unwrap();
    hinted(&|bundle| fs::remove_dir_all(bundle.path("")).unwrap(), "there is no bundle ");
    hinted(
        &|bundle| {
            fs::remove_dir_all(bundle.path("")).unwrap();
            bundle.write("", "a file");
        },
        "is a file, not a bundle",
    );
    hinted(&remove("tokenizer.json"), "there is no tokenizer.json");
    hinted(&remove("config.json"), "there is no config.json");
    hinted(&remove("model.safetensors"), "no weights found: looked for `model.safetensors`");
    hinted(&|bundle| bundle.write("tokenizer.json", "{}"), "tokenizer.json is not a tokenizer's file");
    hinted(&|bundle| bundle.write("model.safetensors", "short"), "model.safetensors");
    hinted(&|bundle| bundle.write("config.json", "{"), "config.json");
    expect(&|bundle| bundle.write("text.json", "{\"strip_html\": true}"), "text.json is not valid");
    hinted(
        &|bundle| bundle.write("tokenizer_config.json", "{\"model_max_length\": 25}"),
        "the longest text: 25 in the tokenizer, 24 in the model",
    );
    hinted(&|bundle| bundle.add_tokens(120), "the number of tokens: 121 in the tokenizer, 120 in the model");
    hinted(
        &|bundle| bundle.configure("problem_type", "regression".into()),
        "`problem_type` is \"regression\": only classification is supported",
    );
    hinted(
        &|bundle| bundle.configure("id2label", serde_json::json!({ "0": "score" })),
        "a classifier needs at least two labels, found [\"score\"]",
    );
    // The directory around a bundle: the message names the right one.
    hinted(
        &|bundle| {
            fs::create_dir(bundle.path("bundle")).unwrap();
            fs::remove_file(bundle.path("config.json")).unwrap();
        },
        "did you mean ",
    );
}

#[test]
fn a_model_for_pairs_is_asked_about_pairs() {
    let bundle = Bundle::new();
    bundle.take_pairs();
    let by_option = bundle.predict(&["--json", "a", "c", "--pair", "<b>b</b>", "--pair=-"], "").succeeded().json();
    let by_tab = bundle.predict(&["--json", "a\t<b>b</b>", "c\t-"], "").succeeded().json();
    let by_stdin = bundle.predict(&["--json"], "a\t<b>b</b>\nc\t-\n").succeeded().json();
    assert_eq!(by_option, by_tab);
    same_scores(&by_option, &by_stdin);
    assert_eq!((&by_option[0]["text"], &by_option[0]["pair"]), (&"a".into(), &"<b>b</b>".into()));
    let columns = bundle.predict(&["a\tb"], "").succeeded().stdout;
    assert!(columns.ends_with("\ta\tb\n"), "{columns}");

    // [CLS] a [SEP] b [SEP], and the second text's segment.
    let model = Model::open(bundle.path(""), &Options::default()).unwrap();
    let tokens = Tokens { ids: &[2, 5, 3, 6, 3], type_ids: &[0, 0, 0, 1, 1] };
    let logits = model.logits(&[tokens]).unwrap().concat();
    let highest = firebrand_arch::softmax(&logits).into_iter().map(f64::from).fold(0.0, f64::max);
    assert!((by_option[0]["score"].as_f64().unwrap() - highest).abs() < ROUNDING);

    // Single texts are refused; the pairs beside them are answered.
    let answer = bundle.predict(&[], "a\tb\nalone\nc\td\n").failed(4);
    let shown: Vec<&str> = answer.stdout.lines().collect();
    assert!(shown.len() == 3 && shown[1] == "\t\talone", "{shown:?}");
    assert!(answer.stderr.contains("text 2 is a single text, but the model was trained on pairs"), "{}", answer.stderr);
    assert!(bundle.predict(&["alone"], "").failed(4).stderr.contains("text 1 is a single text"));
    let answer = bundle.predict(&["a", "b", "--pair", "c"], "").failed(2);
    assert!(answer.stderr.contains("`--pair` is given 1 times for 2 texts"), "{}", answer.stderr);
    bundle.predict(&["--pair", "c"], "").failed(2);
}

#[test]
fn a_model_for_single_texts_is_not_asked_about_pairs() {
    let bundle = Bundle::new();
    let answer = bundle.predict(&["a", "--pair", "b"], "").failed(4);
    assert!(
        answer.stderr.contains("text 1 is a pair of texts, but the model was trained on single texts"),
        "{}",
        answer.stderr
    );
    // A tab is then white space like any other.
    assert_eq!(bundle.predict(&["a\tb"], "").succeeded().stdout.lines().count(), 1);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let bundle = Bundle::new();
    for arguments in [&["--top-k", "0", "text"][..], &["--batch-size", "0", "text"], &["--jsn", "text"]] {
        assert!(bundle.predict(arguments, "").failed(2).stderr.contains("error: "), "{arguments:?}");
    }
    let help = bundle.predict(&["--help"], "").succeeded().stdout;
    for word in ["--json", "--precision", "--batch-size", "--top-k", "stdin", "Examples:"] {
        assert!(help.contains(word), "no `{word}` in\n{help}");
    }
}
