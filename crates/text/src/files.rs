//! The tokenizer's files in the hub's layout.

use std::path::Path;

use firebrand_pipeline::{Error, Result, ResultExt};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use crate::Side;

/// The one file that is needed.
const TOKENIZER: &str = "tokenizer.json";
/// Facts for transformers: the class, the longest row, sides.
const CONFIG: &str = "tokenizer_config.json";
/// Files that some tokenizer classes of transformers also look for; copied as they are.
const COMPANIONS: &[&str] = &[
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "spm.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
];
/// Longest row that is believed: "no limit" is written as a number with thirty digits.
const SENTINEL: f64 = 1e9;

/// What `tokenizer.json` says that the library does not hand out.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The length of its own truncation.
    pub(crate) truncated_to: Option<usize>,
    /// The unknown token's id (Unigram).
    pub(crate) unknown_id: Option<u32>,
    /// The unknown token's name (WordPiece, BPE, WordLevel).
    pub(crate) unknown_token: Option<String>,
    /// BPE without an unknown token: made of bytes, it has a token for everything.
    pub(crate) byte_level: bool,
}

// Only what is asked for is kept: the vocabulary is skipped over.
#[derive(Deserialize)]
struct File {
    truncation: Option<Truncation>,
    model: Model,
}

#[derive(Deserialize)]
struct Truncation {
    max_length: usize,
}

#[derive(Deserialize)]
struct Model {
    r#type: Option<String>,
    unk_id: Option<u32>,
    unk_token: Option<String>,
}

/// Reads `tokenizer.json`.
pub(crate) fn read_tokenizer(directory: &Path) -> Result<(Tokenizer, Facts)> {
    let path = directory.join(TOKENIZER);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(no_tokenizer(directory)),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let invalid = || format!("{} is not a tokenizer's file", path.display());
    let tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| {
        Error::data(invalid()).caused_by(&*error).hint("fetch the model again, or compare the file with the hub's")
    })?;
    let file: File = serde_json::from_slice(&bytes).or_data(invalid)?;
    let byte_level = file.model.r#type.as_deref() == Some("BPE") && file.model.unk_token.is_none();
    let facts = Facts {
        truncated_to: file.truncation.map(|truncation| truncation.max_length),
        unknown_id: file.model.unk_id,
        unknown_token: file.model.unk_token,
        byte_level,
    };
    Ok((tokenizer, facts))
}

fn no_tokenizer(directory: &Path) -> Error {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Error::data(format!("there is no directory {}", directory.display()))
            .hint("a tokenizer is a directory with a tokenizer.json in it");
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let found = if names.is_empty() { "no file".to_owned() } else { names.join(", ") };
    let error = Error::data(format!("there is no tokenizer.json in {}, but {found}", directory.display()));
    let older = COMPANIONS.iter().skip(2).any(|companion| names.iter().any(|name| name == companion));
    error.hint(if older {
        "this is the older form: `AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)` in Python's transformers writes a tokenizer.json"
    } else {
        "a pretrained model needs its tokenizer.json beside config.json and the weights"
    })
}

/// Reads `tokenizer_config.json`; no file is no keys.
pub(crate) fn read_config(directory: &Path) -> Result<Map<String, Value>> {
    let path = directory.join(CONFIG);
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).or_data(|| format!("{} is not valid", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Map::new()),
        Err(error) => Err(Error::io("read", &path, &error)),
    }
}

/// The longest row by `tokenizer_config.json`, if it knows one.
pub(crate) fn model_max_length(config: &Map<String, Value>) -> Option<usize> {
    let length = config.get("model_max_length")?.as_f64()?;
    // The check makes the conversion exact.
    (1.0..SENTINEL).contains(&length).then_some(length as usize)
}

pub(crate) fn no_length(directory: &Path) -> Error {
    Error::data(format!("nothing in {} says how long a row may be", directory.display()))
        .hint("set `model_max_length` in tokenizer_config.json to the model's longest row, in tokens")
}

/// A side by `tokenizer_config.json`; right where it says nothing.
pub(crate) fn side(directory: &Path, config: &Map<String, Value>, key: &str) -> Result<Side> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(Side::Right),
        Some(Value::String(side)) if side == "right" => Ok(Side::Right),
        Some(Value::String(side)) if side == "left" => Ok(Side::Left),
        Some(other) => {
            let path = directory.join(CONFIG);
            Err(Error::data(format!("`{key}` in {} is {other}, not \"left\" or \"right\"", path.display())))
        }
    }
}

/// Writes a tokenizer's directory; `source` may be the same.
pub(crate) fn write(source: &Path, directory: &Path, config: &Map<String, Value>, max_length: usize) -> Result<()> {
    std::fs::create_dir_all(directory).map_err(|error| Error::io("create", directory, &error))?;

    let path = source.join(TOKENIZER);
    let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
    let mut tokenizer: Map<String, Value> =
        serde_json::from_str(&text).or_data(|| format!("{} is not valid", path.display()))?;
    for key in ["truncation", "padding"] {
        tokenizer.insert(key.to_owned(), Value::Null);
    }
    write_json(&directory.join(TOKENIZER), &tokenizer)?;

    let mut config = config.clone();
    config.insert("model_max_length".to_owned(), max_length.into());
    write_json(&directory.join(CONFIG), &config)?;

    for name in COMPANIONS {
        let (from, to) = (source.join(name), directory.join(name));
        if from.is_file() && from != to {
            // Read and written rather than copied: a source that must not be written to would pass on its permissions.
            let bytes = std::fs::read(&from).map_err(|error| Error::io("read", &from, &error))?;
            std::fs::write(&to, bytes).map_err(|error| Error::io("write", &to, &error))?;
        }
    }
    Ok(())
}

fn write_json(path: &Path, value: &Map<String, Value>) -> Result<()> {
    let text = serde_json::to_string_pretty(value).or_other(|| format!("cannot write {} as JSON", path.display()))?;
    std::fs::write(path, text + "\n").map_err(|error| Error::io("write", path, &error))
}
