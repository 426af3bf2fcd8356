//! Texts and labels that nothing sensible can be said about, and texts that cannot be classified at all.

use serde_json::{Value, json};

use crate::common::{Answer, Bundle};

/// Lines from a search box: nothing is left of any but the sixth. A joiner is kept by cleaning and ignored by the tokenizer.
const EMPTY_QUERIES: &str = "\n   \n<br>\n\u{200b}\n&nbsp;\nthe film was good\n\u{200d}\n";

fn flags(answer: &Answer) -> Vec<bool> {
    answer.json().iter().map(|object| object["empty"] == true).collect()
}

#[test]
fn empty_texts_are_flagged() {
    let bundle = Bundle::new();
    let answer = bundle.predict(&[], EMPTY_QUERIES).succeeded();
    assert_eq!(answer.stdout.lines().count(), 7);
    assert_eq!(answer.stderr, "warning: texts 1 to 5, 7 are empty after cleaning, so their labels mean nothing\n");
    // A batch for each line changes nothing.
    assert_eq!(bundle.predict(&["--batch-size", "1"], EMPTY_QUERIES).succeeded().stderr, answer.stderr);

    let answer = bundle.predict(&["--json"], EMPTY_QUERIES).succeeded();
    assert_eq!(flags(&answer), [true, true, true, true, true, false, true]);
    assert!(answer.json()[5].get("empty").is_none());

    let answer = bundle.predict(&["", "the film was good"], "").succeeded();
    assert_eq!(answer.stdout.lines().count(), 2);
    assert!(answer.stderr.starts_with("warning: text 1 is empty after cleaning"), "{}", answer.stderr);
    let answer = bundle.predict(&[], "").succeeded();
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("", ""));
}

#[test]
fn a_pair_is_empty_if_either_text_is() {
    let bundle = Bundle::new();
    bundle.take_pairs();
    let answer = bundle.predict(&["--json"], "a\tb\n\tb\na\t<br>\n\t\n").succeeded();
    assert_eq!(flags(&answer), [false, true, true, true]);
    assert!(answer.stderr.starts_with("warning: texts 2 to 4 are empty"), "{}", answer.stderr);
}

#[test]
fn labels_and_texts_with_line_breaks_stay_on_one_line() {
    let bundle = Bundle::new();
    let labels = ["sport\nnews", "a\tb", "x\r\n\u{2028}y"];
    bundle.configure("id2label", json!({ "0": labels[0], "1": labels[1], "2": labels[2] }));
    bundle.configure("label2id", json!({ labels[0]: 0, labels[1]: 1, labels[2]: 2 }));
    let texts = ["a film", "tab\tin it", "a\u{b}b\u{85}c"];
    let answer = bundle.predict(&["--top-k", "3"], texts.join("\n")).succeeded();
    let lines: Vec<Vec<&str>> = answer.stdout.lines().map(|line| line.split('\t').collect()).collect();
    assert_eq!(lines.len(), 3, "{}", answer.stdout);
    for (line, shown) in lines.iter().zip(["a film", "tab in it", "a b c"]) {
        assert_eq!((line.len(), line[6]), (7, shown));
        let mut found = [line[0], line[2], line[4]];
        found.sort_unstable();
        assert_eq!(found, ["a b", "sport news", "x y"]);
    }

    let answers = bundle.predict(&["--json"], texts.join("\n")).succeeded().json();
    assert_eq!(answers.len(), 3);
    for (answer, text) in answers.iter().zip(texts) {
        assert_eq!(answer["text"], text);
        assert!(labels.iter().any(|label| answer["label"] == *label), "{answer}");
    }
}

#[test]
fn a_line_that_is_not_utf8_does_not_fail_the_others() {
    let bundle = Bundle::new();
    let stdin = b"one\ntwo\ncaf\xe9\nfour\n";
    let answer = bundle.predict(&[], stdin).failed(4);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", answer.stdout);
    assert_eq!(lines[2], "\t\tcaf\u{fffd}");
    assert!(lines[3].ends_with("\tfour") && !lines[3].starts_with('\t'), "{}", lines[3]);
    assert!(answer.stderr.contains("error: text 3 is not UTF-8: byte 4 cannot be read\n"), "{}", answer.stderr);
    assert!(answer.stderr.contains("error: 1 of 4 texts could not be classified\n\nhint: "), "{}", answer.stderr);

    let answers = bundle.predict(&["--json"], stdin).failed(4).json();
    assert_eq!(answers[2], json!({ "text": "caf\u{fffd}", "error": "the text is not UTF-8: byte 4 cannot be read" }));
    assert!(answers.iter().enumerate().all(|(row, answer)| answer["label"].is_string() == (row != 2)), "{answers:?}");
}

#[test]
fn a_text_that_the_tokenizer_has_no_token_for_does_not_fail_the_others() {
    let bundle = Bundle::new();
    let text = std::fs::read_to_string(bundle.path("tokenizer.json")).unwrap();
    let mut tokenizer: Value = serde_json::from_str(&text).unwrap();
    // Without its unknown token the vocabulary has nothing for the Greek letter.
    tokenizer["model"]["unk_token"] = "[NONE]".into();
    bundle.write("tokenizer.json", &tokenizer.to_string());
    let answers = bundle.predict(&["--json", "one", "α", "two"], "").failed(4).json();
    assert_eq!(answers.len(), 3);
    assert!(answers[1]["error"].as_str().unwrap().starts_with("the text cannot be tokenized: "), "{}", answers[1]);
    assert!(answers[0]["label"].is_string() && answers[2]["label"].is_string(), "{answers:?}");
}

#[test]
fn json_says_how_much_was_truncated() {
    let bundle = Bundle::new();
    let answers = bundle.predict(&["--json", &"a ".repeat(30), "a"], "").succeeded().json();
    assert_eq!(answers[0]["truncated_tokens"], 8);
    assert!(answers[1].get("truncated_tokens").is_none());
}
