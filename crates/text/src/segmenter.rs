//! Tokenizers that need a word segmenter, which is not available here: MeCab, Juman++, Jieba and others.
//!
//! Without it their vocabulary is of little use: most words would be split into single characters or be unknown.

use std::path::Path;

use firebrand_pipeline::Error;
use serde_json::{Map, Value};

use crate::class::declared_class;

/// Classes of transformers, and of packages that extend it, with the segmenter each of them uses.
const CLASSES: &[(&str, &str)] = &[
    ("BertJapanese", "MeCab"),
    ("MecabBert", "MeCab"),
    ("BertSudachipy", "Sudachi"),
    ("ElectraSudachipy", "Sudachi"),
    ("JapaneseBert", "MeCab"),
    ("NagisaBert", "Nagisa"),
    ("RoFormer", "Jieba"),
    ("Cpm", "Jieba"),
    ("CpmAnt", "Jieba"),
    ("XLM", "Moses"),
    ("Flaubert", "Moses"),
];

/// The segmenter that this tokenizer needs, and the setting that says so; `None` if it needs none.
pub(crate) fn find(config: &Map<String, Value>, model: &Map<String, Value>) -> Option<(String, String)> {
    let by_key = |key: &str| {
        let name = config.get(key)?.as_str().filter(|name| *name != "basic")?;
        Some((display_name(name), format!("`{key}` is \"{name}\"")))
    };
    let by_settings = |key: &str| {
        let name = key.trim_end_matches("_kwargs");
        config.get(key).filter(|value| value.is_object()).map(|_| (display_name(name), format!("there is `{key}`")))
    };
    let by_class = || {
        let class = declared_class(config, model)?;
        let name = class.trim_end_matches("Fast").trim_end_matches("Tokenizer");
        let (_, program) = CLASSES.iter().find(|(known, _)| *known == name)?;
        Some(((*program).to_owned(), format!("`tokenizer_class` is \"{class}\"")))
    };
    by_key("word_tokenizer_type")
        .or_else(|| {
            ["mecab_kwargs", "sudachi_kwargs", "sudachipy_kwargs", "jumanpp_kwargs"].into_iter().find_map(by_settings)
        })
        .or_else(by_class)
}

/// The error for a vocabulary that needs a segmenter.
pub(crate) fn refuse(directory: &Path, program: &str, why: &str) -> Error {
    Error::data(format!(
        "the vocabulary in {} is for texts that {program} has segmented into words ({why}), which is not supported",
        directory.display()
    ))
    .hint(
        "use a model with a tokenizer.json or a SentencePiece model, which handle text without spaces too, for example \
         `fetch.model = { hub = \"FacebookAI/xlm-roberta-base\" }` (100 languages)",
    )
    .hint("transformers cannot convert this one: it has no fast version of the tokenizer, and so writes no tokenizer.json")
}

/// The warning that `tokenizer.json` is used although the files name a segmenter.
pub(crate) fn warning(program: &str, why: &str) -> String {
    format!(
        "the tokenizer's files say that {program} segments texts into words first ({why}), but tokenizer.json is used \
         without it: check that the model was trained on such tokens"
    )
}

fn display_name(name: &str) -> String {
    match name {
        "mecab" => "MeCab".to_owned(),
        "jumanpp" => "Juman++".to_owned(),
        "sudachi" | "sudachipy" => "Sudachi".to_owned(),
        "jieba" => "Jieba".to_owned(),
        other => format!("\"{other}\""),
    }
}
