//! Tokenizers made of SentencePiece models equal transformers' AutoTokenizer.
//!
//! The models are tiny; `tests/golden/make_sentencepiece.py` trained them and wrote what AutoTokenizer makes of the strings.

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_text::{Side, TextTokenizer};
use serde_json::json;
use tempfile::TempDir;

use crate::case::Case;
use crate::files::{directory, fixtures, read_json};

fn models() -> Vec<PathBuf> {
    let places = fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path());
    let models: Vec<_> =
        places.filter(|place| place.file_name().unwrap().to_string_lossy().starts_with("spm-")).collect();
    assert_eq!(models.len(), 9);
    models
}

/// A copy of a fixture's model files, some of them under other names or with other content.
fn copy(name: &str, changes: &[(&str, &str)]) -> TempDir {
    let home = directory(&[]);
    for entry in fs::read_dir(fixtures().join(name)).unwrap() {
        let path = entry.unwrap().path();
        fs::write(home.path().join(path.file_name().unwrap()), fs::read(&path).unwrap()).unwrap();
    }
    for (name, text) in changes {
        fs::write(home.path().join(name), text).unwrap();
    }
    home
}

fn ids(home: &Path, text: &str) -> Vec<u32> {
    TextTokenizer::read(home, Some(1000)).unwrap().encode(text).unwrap().ids
}

#[test]
fn every_family_equals_auto_tokenizer() {
    for place in models() {
        Case::new(place.clone(), read_json(&place.join("expected.json"))).check();
    }
}

/// The written `tokenizer.json` is the same tokenizer, without the SentencePiece model and the model's configuration.
#[test]
fn what_is_written_equals_auto_tokenizer_too() {
    for place in models() {
        let written = tempfile::tempdir().unwrap();
        let tokenizer = TextTokenizer::read(&place, Some(100)).unwrap();
        assert!(tokenizer.is_built_from_vocabulary() && tokenizer.warnings().is_empty());
        tokenizer.write(written.path()).unwrap();
        Case::new(written.path().to_owned(), read_json(&place.join("expected.json"))).check();
        let read = TextTokenizer::read(written.path(), None).unwrap();
        assert!(!read.is_built_from_vocabulary() && read.warnings().is_empty(), "{:?}", read.warnings());
        assert_eq!((read.padding(), read.unknown_id()), (tokenizer.padding(), tokenizer.unknown_id()));
    }
}

#[test]
fn families_have_their_own_ids_and_padding() {
    let read = |name: &str| TextTokenizer::read(&fixtures().join(name), Some(64)).unwrap();
    let xlnet = read("spm-xlnet");
    assert_eq!((xlnet.padding().side, xlnet.padding().type_id), (Side::Left, 3));
    assert_eq!(xlnet.encode("").unwrap().type_ids, [0, 2]);
    // A user-defined piece such as the full stop is a token of its own, but not a special one.
    let written = tempfile::tempdir().unwrap();
    xlnet.write(written.path()).unwrap();
    let json = read_json(&written.path().join("tokenizer.json"));
    let added = json["added_tokens"].as_array().unwrap();
    let special = |content: &str| added.iter().find(|token| token["content"] == content).unwrap()["special"].clone();
    assert_eq!((special("."), special("<sep>")), (false.into(), true.into()));
    // fairseq's own tokens come first.
    let special = |name: &str, role: &str| {
        let tokenizer = read(name);
        tokenizer.special_tokens().iter().find(|token| token.role == role).unwrap().id
    };
    assert_eq!(["bos_token", "pad_token", "unk_token"].map(|role| special("spm-xlm-roberta", role)), [0, 1, 3]);
    assert_eq!(["bos_token", "pad_token", "unk_token"].map(|role| special("spm-camembert", role)), [5, 1, 3]);
    assert_eq!(read("spm-xlm-roberta").unknown_id(), Some(3));
    assert_eq!(read("spm-deberta-v3").unknown_id(), Some(3));
}

#[test]
fn settings_in_tokenizer_config_count() {
    let cased = copy("spm-albert", &[("tokenizer_config.json", "{\"do_lower_case\": false, \"keep_accents\": true}")]);
    assert_eq!(ids(cased.path(), "UPPER and café"), ids(&fixtures().join("spm-albert-cased"), "UPPER and café"));
    assert_ne!(ids(cased.path(), "UPPER and café"), ids(&fixtures().join("spm-albert"), "UPPER and café"));
    let joined = copy("spm-xlm-roberta", &[("tokenizer_config.json", "{\"add_prefix_space\": false}")]);
    assert_ne!(ids(joined.path(), "the cat"), ids(&fixtures().join("spm-xlm-roberta"), "the cat"));
}

#[test]
fn a_bpe_model_is_not_read_as_unigram() {
    let home = copy("spm-bpe", &[]);
    fs::rename(home.path().join("tokenizer.model"), home.path().join("sentencepiece.bpe.model")).unwrap();
    fs::write(home.path().join("config.json"), "{\"model_type\": \"xlm-roberta\"}").unwrap();
    fs::remove_file(home.path().join("tokenizer_config.json")).unwrap();
    let error = TextTokenizer::read(home.path(), Some(64)).unwrap_err().render();
    assert!(error.contains("is a BPE model, but XLMRobertaTokenizer supports unigram models only"), "{error}");
    // The hint works.
    fs::rename(home.path().join("sentencepiece.bpe.model"), home.path().join("tokenizer.model")).unwrap();
    fs::write(
        home.path().join("tokenizer_config.json"),
        json!({ "tokenizer_class": "PreTrainedTokenizerFast" }).to_string(),
    )
    .unwrap();
    assert!(ids(home.path(), "the old gardener").len() > 1);
}

/// Texts that begin with what the charsmap takes out, which moves every offset.
#[test]
fn texts_may_begin_with_what_is_taken_out() {
    for place in models() {
        for text in ["\u{200b}", "\u{feff}word", "\u{200b}\u{200b}\u{ad}a b", "\u{200b} ｗ"] {
            _ = ids(&place, text);
        }
    }
}
