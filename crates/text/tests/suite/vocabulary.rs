//! Tokenizers made of `vocab.txt`, or of `vocab.json` and `merges.txt`, equal the reference implementation too.
//!
//! The vocabularies are those in the fixtures' `tokenizer.json`, and so are the expected ids.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use firebrand_text::TextTokenizer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::case::Case;
use crate::files::{directory, fixtures, read_json};
use crate::minilm::minilm;

type Files = Vec<(&'static str, String)>;

fn model(name: &str) -> Value {
    read_json(&fixtures().join(name).join("tokenizer.json"))["model"].clone()
}

/// `vocab.txt` of a fixture, with some tokens under other names.
fn vocab_txt(name: &str, renamed: &[(&str, &str)]) -> Files {
    let vocabulary: BTreeMap<String, usize> = serde_json::from_value(model(name)["vocab"].clone()).unwrap();
    let mut tokens: Vec<(usize, String)> = vocabulary.into_iter().map(|(token, id)| (id, token)).collect();
    tokens.sort_unstable();
    let lines = tokens.into_iter().enumerate().map(|(line, (id, token))| {
        assert_eq!(line, id);
        renamed.iter().find(|(from, _)| *from == token).map_or(token, |(_, to)| (*to).to_owned()) + "\n"
    });
    vec![("vocab.txt", lines.collect())]
}

/// `vocab.json` and `merges.txt` of a fixture.
fn byte_pairs(name: &str) -> Files {
    let model = model(name);
    let merges = model["merges"].as_array().unwrap().iter().map(|merge| match merge {
        Value::String(merge) => format!("{merge}\n"),
        pair => format!("{} {}\n", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()),
    });
    vec![
        ("vocab.json", model["vocab"].to_string()),
        ("merges.txt", "#version: 0.2\n".to_owned() + &merges.collect::<String>()),
    ]
}

fn with(mut files: Files, more: &[(&'static str, Value)]) -> TempDir {
    files.extend(more.iter().map(|(name, value)| (*name, value.to_string())));
    directory(&files)
}

fn family(name: &str) -> (&'static str, Value) {
    ("config.json", json!({ "model_type": name }))
}

fn check(name: &str, home: &TempDir) {
    Case::new(home.path().to_owned(), read_json(&fixtures().join(name).join("expected.json"))).check();
}

/// RoBERTa's older files say so; nothing in the class does.
fn mask() -> (&'static str, Value) {
    let mask =
        json!({ "content": "<mask>", "single_word": false, "lstrip": true, "rstrip": false, "normalized": false });
    ("special_tokens_map.json", json!({ "mask_token": mask }))
}

#[test]
fn word_pieces_equal_the_reference() {
    for (name, lower) in [("wordpiece-uncased", true), ("wordpiece-cased", false)] {
        let settings = ("tokenizer_config.json", json!({ "do_lower_case": lower }));
        for model in ["bert", "distilbert", "electra"] {
            check(name, &with(vocab_txt(name, &[]), &[family(model), settings.clone()]));
        }
        let settings = json!({ "do_lower_case": lower, "tokenizer_class": "ElectraTokenizerFast" });
        check(name, &with(vocab_txt(name, &[]), &[("tokenizer_config.json", settings)]));
    }
}

#[test]
fn byte_pairs_equal_the_reference() {
    check("bpe-roberta", &with(byte_pairs("bpe-roberta"), &[family("roberta"), mask()]));
    check("bpe-gpt2", &with(byte_pairs("bpe-gpt2"), &[family("gpt2")]));
}

#[test]
fn the_vocabulary_of_minilm_equals_the_reference() {
    let vocabulary = minilm().join("vocab.txt");
    if !vocabulary.exists() {
        eprintln!("left out: `cargo xtask stage fetch` brings {}", vocabulary.display());
        return;
    }
    let files = vec![("vocab.txt", fs::read_to_string(vocabulary).unwrap())];
    check("minilm", &with(files, &[family("bert")]));
}

/// MPNet has BERT's pieces in RoBERTa's frame.
#[test]
fn mpnet_has_its_own_frame() {
    let renamed = [("[PAD]", "<pad>"), ("[CLS]", "<s>"), ("[SEP]", "</s>"), ("[MASK]", "<mask>")];
    let home = with(vocab_txt("wordpiece-uncased", &renamed), &[family("mpnet")]);
    let tokenizer = TextTokenizer::read(home.path(), Some(1000)).unwrap();
    let expected = read_json(&fixtures().join("wordpiece-uncased/expected.json"));
    let mut checked = Vec::new();
    for single in expected["singles"].as_array().unwrap() {
        let text = single["text"].as_str().unwrap();
        // Others have special tokens in them, of which there are different ones here.
        if !text.contains(['<', '[']) {
            let found = tokenizer.encode(text).unwrap();
            assert_eq!(json!(found.ids), single["full"]["ids"], "{text:?}");
            checked.push(text);
        }
    }
    assert!(checked.len() > 20);
    let inner = |text: &str| {
        let ids = tokenizer.encode(text).unwrap().ids;
        ids[1..ids.len() - 1].to_vec()
    };
    let pair = tokenizer.encode_pair(checked[0], checked[1]).unwrap();
    assert_eq!(pair.ids, [&[2][..], &inner(checked[0]), &[3, 3], &inner(checked[1]), &[3]].concat());
    assert!(pair.type_ids.iter().all(|&segment| segment == 0));
    // `<mask>` takes the space before it along.
    assert_eq!(tokenizer.encode("a <mask>").unwrap().ids, [2, 43, 4, 3]);
}

#[test]
fn settings_in_the_files_count() {
    let ids = |more: &[(&'static str, Value)], text: &str| {
        let home = with(vocab_txt("wordpiece-uncased", &[]), more);
        TextTokenizer::read(home.path(), Some(64)).unwrap().encode(text).unwrap().ids
    };
    let config = |value: Value| [family("bert"), ("tokenizer_config.json", value)];
    let plain = ids(&config(json!({})), "e");
    assert_eq!(ids(&config(json!({})), "É"), plain);
    assert_ne!(ids(&config(json!({ "strip_accents": false })), "É"), plain);
    assert_eq!(ids(&config(json!({ "do_lower_case": false, "strip_accents": true })), "é"), plain);
    assert_ne!(ids(&config(json!({ "do_lower_case": false })), "E"), plain);
    assert_eq!(ids(&config(json!({})), "日本").len(), 4);
    assert_eq!(ids(&config(json!({ "tokenize_chinese_chars": false })), "日本").len(), 3);
    // Tokens beyond the vocabulary, in transformers' order: added, then additional special ones.
    let added = json!({ "additional_special_tokens": ["<e1>", "<e2>"] });
    let more =
        [family("bert"), ("tokenizer_config.json", added), ("added_tokens.json", json!({ "<e1>": 800, "@user": 801 }))];
    assert_eq!(ids(&more, "<e2>@user<e1>"), [2, 802, 801, 800, 3]);
    let decoder = json!({ "800": { "content": "<url>", "lstrip": false, "normalized": true, "rstrip": false,
        "single_word": false, "special": false } });
    assert_eq!(ids(&config(json!({ "added_tokens_decoder": decoder })), "<URL>"), [2, 800, 3]);

    // A token with two roles has the flags of the later one: here `cls_token` takes the space before it along.
    let first = json!({ "content": "<s>", "single_word": false, "lstrip": true, "rstrip": false, "normalized": false });
    let map = ("special_tokens_map.json", json!({ "cls_token": first }));
    let home = with(byte_pairs("bpe-roberta"), &[family("roberta"), map]);
    assert_eq!(TextTokenizer::read(home.path(), Some(64)).unwrap().encode(" <s>").unwrap().ids, [0, 0, 2]);

    let space = json!({ "add_prefix_space": true });
    let home = with(byte_pairs("bpe-roberta"), &[family("roberta"), ("tokenizer_config.json", space)]);
    let plain = with(byte_pairs("bpe-roberta"), &[family("roberta")]);
    let encode = |home: &TempDir, text: &str| TextTokenizer::read(home.path(), Some(64)).unwrap().encode(text).unwrap();
    assert_eq!(encode(&home, "the end"), encode(&plain, " the end"));
    assert_ne!(encode(&plain, "the end"), encode(&plain, " the end"));
    let bos = json!({ "add_bos_token": true });
    let home = with(byte_pairs("bpe-gpt2"), &[family("gpt2"), ("tokenizer_config.json", bos)]);
    assert_eq!(encode(&home, "").ids, [0]);
    assert_eq!(encode(&home, "a").ids.len(), 2);
}

/// What is written has a `tokenizer.json`, and says what only the model's `config.json` said.
#[test]
fn what_is_written_reads_back_alone() {
    for (name, files, model) in [
        ("wordpiece-uncased", vocab_txt("wordpiece-uncased", &[]), "bert"),
        ("bpe-roberta", byte_pairs("bpe-roberta"), "roberta"),
        ("bpe-gpt2", byte_pairs("bpe-gpt2"), "gpt2"),
    ] {
        let home =
            if model == "roberta" { with(files, &[family(model), mask()]) } else { with(files, &[family(model)]) };
        let written = tempfile::tempdir().unwrap();
        TextTokenizer::read(home.path(), Some(77)).unwrap().write(written.path()).unwrap();
        if model == "gpt2" {
            let settings = read_json(&written.path().join("tokenizer_config.json"));
            assert_eq!(settings["pad_token"], "<|endoftext|>");
            // The class that takes tokenizer.json as it is.
            assert_eq!(settings["tokenizer_class"], "PreTrainedTokenizerFast");
        }
        assert_eq!(TextTokenizer::read(written.path(), None).unwrap().max_length(), 77);
        check(name, &written);
    }
}

#[test]
fn padding_is_that_of_the_files_or_the_end_of_a_text() {
    let padding = |files: Files, more: &[(&'static str, Value)]| {
        let home = with(files, more);
        let tokenizer = TextTokenizer::read(home.path(), Some(64)).unwrap();
        let padding = tokenizer.padding().clone();
        let token = padding.token.unwrap();
        (token.content, token.id, padding.is_end)
    };
    assert_eq!(padding(byte_pairs("bpe-gpt2"), &[family("gpt2")]), ("<|endoftext|>".to_owned(), 0, true));
    let own = ("tokenizer_config.json", json!({ "pad_token": "<|pad|>" }));
    assert_eq!(padding(byte_pairs("bpe-gpt2"), &[family("gpt2"), own]), ("<|pad|>".to_owned(), 900, false));
    assert_eq!(padding(byte_pairs("bpe-roberta"), &[family("roberta")]), ("<pad>".to_owned(), 1, false));
    // Said by the files, it is the model's own.
    let said = ("tokenizer_config.json", json!({ "pad_token": "<|endoftext|>" }));
    assert_eq!(padding(byte_pairs("bpe-gpt2"), &[family("gpt2"), said]), ("<|endoftext|>".to_owned(), 0, false));
    let model = ("config.json", json!({ "model_type": "gpt2", "pad_token_id": 0 }));
    assert_eq!(padding(byte_pairs("bpe-gpt2"), &[model]), ("<|endoftext|>".to_owned(), 0, false));
}

fn refused(files: Files, more: &[(&'static str, Value)]) -> String {
    let home = with(files, more);
    TextTokenizer::read(home.path(), Some(64)).unwrap_err().render()
}

#[test]
fn what_cannot_be_read_is_named_with_a_way_out() {
    for name in ["spiece.model", "spm.model", "sentencepiece.bpe.model"] {
        let error = refused(vec![(name, "\u{1}".to_owned())], &[family("albert")]);
        assert!(error.contains(&format!("{name} is not a SentencePiece model")), "{error}");
        let error = refused(vec![(name, String::new())], &[family("t5")]);
        assert!(error.contains("vocabularies for \"t5\" are not supported"), "{error}");
        assert!(error.contains("save_pretrained(\"DIR\")"), "{error}");
    }
    let error = refused(vocab_txt("wordpiece-uncased", &[]), &[]);
    assert!(error.contains("its files do not name a tokenizer class"), "{error}");
    let error = refused(byte_pairs("bpe-gpt2"), &[family("deberta")]);
    assert!(error.contains("vocabularies for \"deberta\" are not supported"), "{error}");
    let error = refused(vec![("vocab.txt", "a\nb\n".to_owned())], &[family("bert")]);
    assert!(error.contains("vocab.txt has no unknown token \"[UNK]\""), "{error}");
    let error = refused(vec![("vocab.json", "{}".to_owned())], &[family("roberta")]);
    assert!(error.contains("merges.txt"), "{error}");
    let files =
        |merges: &str| vec![("vocab.json", "{\"a\": 0, \"b\": 1}".to_owned()), ("merges.txt", merges.to_owned())];
    let error = refused(files("#version: 0.2\na b\n"), &[family("gpt2")]);
    assert!(error.contains("merges \"a\" and \"b\", but \"ab\" is not in"), "{error}");
    let error = refused(files("a b c\n"), &[family("gpt2")]);
    assert!(error.contains("is not valid"), "{error}");
    let home = directory(&[]);
    fs::write(home.path().join("vocab.txt"), b"[UNK]\n\xff\n").unwrap();
    fs::write(home.path().join("config.json"), "{\"model_type\": \"bert\"}").unwrap();
    let error = TextTokenizer::read(Path::new(home.path()), Some(64)).unwrap_err().render();
    assert!(error.contains("vocab.txt is not a vocabulary"), "{error}");
}
