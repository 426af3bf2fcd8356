//! Where `tokenizer_config.json`, `special_tokens_map.json` and `tokenizer.json` disagree or are silent, what is written says one
//! thing.

use std::fs;

use firebrand_text::TextTokenizer;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::files::{directory, fixtures, read_json};

/// A fixture's `tokenizer.json`, changed, beside these files.
fn with(name: &str, change: impl Fn(&mut Value), files: &[(&str, Value)]) -> TempDir {
    let mut tokenizer = read_json(&fixtures().join(name).join("tokenizer.json"));
    change(&mut tokenizer);
    let mut all = vec![("tokenizer.json", tokenizer.to_string())];
    all.extend(files.iter().map(|(name, value)| (*name, value.to_string())));
    directory(&all)
}

fn read(home: &TempDir) -> TextTokenizer {
    TextTokenizer::read(home.path(), Some(64)).unwrap()
}

/// What is written: `tokenizer_config.json` and `tokenizer.json`. It tokenizes as the source, without a warning.
fn written(tokenizer: &TextTokenizer) -> (Value, Value) {
    let home = tempfile::tempdir().unwrap();
    tokenizer.write(home.path()).unwrap();
    let again = TextTokenizer::read(home.path(), None).unwrap();
    assert_eq!(again.warnings(), &[] as &[String]);
    for text in ["UPPER café 日本 the end", " leading", "[MASK] <mask> [PAD]"] {
        assert_eq!(again.encode(text).unwrap(), tokenizer.encode(text).unwrap());
    }
    (read_json(&home.path().join("tokenizer_config.json")), read_json(&home.path().join("tokenizer.json")))
}

fn bert() -> (&'static str, Value) {
    ("config.json", json!({ "model_type": "bert" }))
}

/// huggingface/transformers #10650: a cased model was lower-cased, and the other way round.
#[test]
fn an_explicit_flag_takes_precedence_and_contradictions_are_warnings() {
    let cased = json!({ "tokenizer_class": "BertTokenizer", "do_lower_case": false });
    let home = with("wordpiece-uncased", |_| (), &[bert(), ("tokenizer_config.json", cased)]);
    let tokenizer = read(&home);
    assert_eq!(
        tokenizer.warnings(),
        [
            "tokenizer_config.json has `do_lower_case` = false, but tokenizer.json has true: using false, as transformers does"
        ]
    );
    assert_ne!(tokenizer.encode("E").unwrap(), tokenizer.encode("e").unwrap());
    let (config, json) = written(&tokenizer);
    assert_eq!((&config["do_lower_case"], &json["normalizer"]["lowercase"]), (&false.into(), &false.into()));
    assert_eq!(config["tokenizer_class"], "PreTrainedTokenizerFast");
}

#[test]
fn silence_leaves_tokenizer_json_as_it_is_and_is_no_warning() {
    let cased = |tokenizer: &mut Value| tokenizer["normalizer"]["lowercase"] = false.into();
    for files in [vec![], vec![bert()], vec![bert(), ("tokenizer_config.json", json!({ "do_lower_case": null }))]] {
        let tokenizer = read(&with("wordpiece-uncased", cased, &files));
        assert!(tokenizer.warnings().is_empty());
        assert_ne!(tokenizer.encode("E").unwrap(), tokenizer.encode("e").unwrap());
        let (config, _) = written(&tokenizer);
        assert_eq!(config["do_lower_case"], false);
        assert_eq!((&config["tokenize_chinese_chars"], &config["strip_accents"]), (&true.into(), &Value::Null));
    }
}

#[test]
fn every_flag_is_applied() {
    let settings = |value: Value| [bert(), ("tokenizer_config.json", value)];
    let ids = |value: Value, text: &str| {
        let tokenizer = read(&with("wordpiece-uncased", |_| (), &settings(value)));
        _ = written(&tokenizer);
        (tokenizer.encode(text).unwrap().ids, tokenizer.warnings().len())
    };
    let (plain, warnings) = ids(json!({}), "É");
    assert_eq!(warnings, 0);
    let (kept, warnings) = ids(json!({ "strip_accents": false }), "É");
    assert_eq!((kept != plain, warnings), (true, 1));
    // What amounts to the same is no contradiction.
    assert_eq!(ids(json!({ "strip_accents": true }), "É"), (plain, 0));
    assert_eq!(ids(json!({}), "日本").0.len(), 4);
    let (joined, warnings) = ids(json!({ "tokenize_chinese_chars": false }), "日本");
    assert_eq!((joined.len(), warnings), (3, 1));

    let roberta = |settings: Value| {
        let files = [("config.json", json!({ "model_type": "roberta" })), ("tokenizer_config.json", settings)];
        read(&with("bpe-roberta", |_| (), &files))
    };
    let spaced = roberta(json!({ "add_prefix_space": true }));
    assert_eq!(spaced.warnings().len(), 1);
    assert_eq!(spaced.encode("the end").unwrap(), roberta(json!({})).encode(" the end").unwrap());
    assert_eq!(written(&spaced).0["add_prefix_space"], true);

    let albert = |settings: Value| {
        let files = [("config.json", json!({ "model_type": "albert" })), ("tokenizer_config.json", settings)];
        let tokenizer = read(&with("unigram-albert", |_| (), &files));
        _ = written(&tokenizer);
        (tokenizer.encode("E").unwrap() == tokenizer.encode("e").unwrap(), tokenizer.warnings().len())
    };
    assert_eq!(albert(json!({})), (true, 0));
    assert_eq!(albert(json!({ "do_lower_case": true })), (true, 0));
    assert_eq!(albert(json!({ "do_lower_case": false })), (false, 1));
}

/// transformers takes `tokenizer.json` as it is for these classes, whatever the flags say.
#[test]
fn a_generic_class_keeps_tokenizer_json() {
    for files in [
        vec![(
            "tokenizer_config.json",
            json!({ "tokenizer_class": "PreTrainedTokenizerFast", "do_lower_case": false }),
        )],
        vec![
            ("config.json", json!({ "model_type": "modernbert" })),
            ("tokenizer_config.json", json!({ "do_lower_case": false })),
        ],
    ] {
        let tokenizer = read(&with("wordpiece-uncased", |_| (), &files));
        assert_eq!(tokenizer.encode("E").unwrap(), tokenizer.encode("e").unwrap());
        assert!(tokenizer.warnings()[0].ends_with("using true, its class uses tokenizer.json unchanged"));
        assert_eq!(written(&tokenizer).0["do_lower_case"], true);
    }
}

/// transformers finds every token that its configuration names whole in a text, and adds it if need be.
#[test]
fn named_tokens_are_special() {
    let plain = |tokenizer: &mut Value| tokenizer["added_tokens"] = json!([]);
    let named = json!({ "pad_token": "[PAD]", "mask_token": "[MASK]", "bos_token": "<nowhere>" });
    for files in [[bert(), ("tokenizer_config.json", named.clone())], [bert(), ("special_tokens_map.json", named)]] {
        let tokenizer = read(&with("wordpiece-uncased", plain, &files));
        assert_eq!(tokenizer.encode("[MASK][PAD]").unwrap().ids, [2, 4, 0, 3]);
        let (config, json) = written(&tokenizer);
        assert_eq!(json["added_tokens"].as_array().unwrap().len(), 2);
        assert_eq!((&config["mask_token"], config.get("bos_token")), (&"[MASK]".into(), None));
    }
}

/// Nothing in the written configuration makes transformers build another tokenizer, or leave out an input.
#[test]
fn what_is_written_is_complete_and_nothing_else() {
    let settings = json!({
        "tokenizer_class": "BertTokenizer", "auto_map": { "AutoTokenizer": ["x.Y", null] }, "split_special_tokens": true,
        "add_bos_token": true, "name_or_path": "/home/somebody", "clean_up_tokenization_spaces": true,
    });
    let home = with("wordpiece-uncased", |_| (), &[bert(), ("tokenizer_config.json", settings)]);
    fs::write(home.path().join("vocab.txt"), "[PAD]\n").unwrap();
    let (config, json) = written(&read(&home));
    let keys: Vec<&str> = config.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "tokenizer_class",
            "model_max_length",
            "model_input_names",
            "padding_side",
            "truncation_side",
            "clean_up_tokenization_spaces",
            "do_lower_case",
            "strip_accents",
            "tokenize_chinese_chars",
            "pad_token"
        ]
    );
    assert_eq!(config["model_input_names"], json!(["input_ids", "token_type_ids", "attention_mask"]));
    assert_eq!((&json["padding"], &json["truncation"]), (&Value::Null, &Value::Null));
    let distilbert = with("wordpiece-uncased", |_| (), &[("config.json", json!({ "model_type": "distilbert" }))]);
    assert_eq!(written(&read(&distilbert)).0["model_input_names"], json!(["input_ids", "attention_mask"]));
}

/// cl-tohoku/bert-japanese #24: read as plain BERT, nearly every word was unknown.
#[test]
fn vocabularies_that_need_a_segmenter_are_refused() {
    let vocabulary = ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n日本\n".to_owned());
    for (settings, model, expected) in [
        (
            json!({ "word_tokenizer_type": "mecab" }),
            json!({ "model_type": "bert" }),
            "MeCab has segmented into words (`word_tokenizer_type` is \"mecab\")",
        ),
        (json!({ "word_tokenizer_type": "jumanpp" }), json!({}), "Juman++"),
        (json!({ "sudachi_kwargs": { "sudachi_split_mode": "A" } }), json!({ "model_type": "bert" }), "Sudachi"),
        (json!({}), json!({ "model_type": "bert", "tokenizer_class": "BertJapaneseTokenizer" }), "MeCab"),
        (json!({ "tokenizer_class": "RoFormerTokenizer" }), json!({ "model_type": "roformer" }), "Jieba"),
    ] {
        let files =
            [vocabulary.clone(), ("tokenizer_config.json", settings.to_string()), ("config.json", model.to_string())];
        let error = TextTokenizer::read(directory(&files).path(), Some(64)).unwrap_err();
        assert_eq!(error.kind().exit_code(), 4);
        let error = error.render();
        assert!(error.contains(expected) && error.contains("xlm-roberta-base"), "{error}");
        assert!(!error.contains("save_pretrained"), "that does not help: {error}");
    }
    let basic = json!({ "word_tokenizer_type": "basic", "mecab_kwargs": {} }).to_string();
    let files =
        [vocabulary, ("tokenizer_config.json", basic), ("config.json", "{\"model_type\": \"bert\"}".to_owned())];
    assert!(TextTokenizer::read(directory(&files).path(), Some(64)).is_ok());
    // With a tokenizer.json there is a way to tokenize, if perhaps not the model's.
    let home = with(
        "wordpiece-cased",
        |_| (),
        &[bert(), ("tokenizer_config.json", json!({ "word_tokenizer_type": "mecab" }))],
    );
    assert!(
        read(&home).warnings()[0].contains("MeCab segments texts into words first"),
        "{:?}",
        read(&home).warnings()
    );
}
