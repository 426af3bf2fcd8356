//! The tokenizer's files in the hub's layout.

use std::path::Path;

use firebrand_pipeline::{Error, Result, ResultExt, write_json};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use crate::Side;
use crate::special::{Special, optional};
use crate::vocabulary::{Class, WAY_OUT};

/// The tokenizer as a whole.
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
/// Vocabularies that a tokenizer is made of where there is no `tokenizer.json`.
const VOCABULARIES: [&str; 2] = ["vocab.txt", "vocab.json"];
/// Vocabularies that only transformers reads.
const SENTENCE_PIECES: [&str; 5] =
    ["spiece.model", "spm.model", "sentencepiece.bpe.model", "sentencepiece.model", "tokenizer.model"];
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
    /// The token of its own padding.
    pub(crate) padding_token: Option<String>,
    /// The side of its own padding.
    pub(crate) padding_side: Option<Side>,
    /// The segment of its own padding.
    pub(crate) padding_type_id: Option<u32>,
    /// What it was made for, where it was made here from a vocabulary.
    pub(crate) class: Option<Class>,
}

// Only what is asked for is kept: the vocabulary is skipped over.
#[derive(Deserialize)]
struct File {
    truncation: Option<Truncation>,
    padding: Option<Padding>,
    model: Model,
}

#[derive(Default, Deserialize)]
struct Padding {
    direction: Option<String>,
    pad_token: Option<String>,
    pad_type_id: Option<u32>,
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

/// Reads `tokenizer.json`, or makes a tokenizer of the vocabulary's files; `special` gets the tokens that the latter imply.
pub(crate) fn read_tokenizer(
    directory: &Path,
    config: &Map<String, Value>,
    special: &mut Special,
) -> Result<(Tokenizer, Facts)> {
    let path = directory.join(TOKENIZER);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if !VOCABULARIES.iter().any(|name| directory.join(name).is_file()) {
                return Err(no_tokenizer(directory));
            }
            let class = Class::find(directory, config, &read_model_config(directory)?)?;
            let tokenizer = class.build(directory, config, special)?;
            let unknown_token = special.content("unk_token").map(str::to_owned);
            let byte_level = class.is_byte_level();
            return Ok((tokenizer, Facts { unknown_token, byte_level, class: Some(class), ..Facts::default() }));
        }
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let invalid = || format!("{} is not a tokenizer's file", path.display());
    let tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| {
        Error::data(invalid()).caused_by(&*error).hint("fetch the model again, or compare the file with the hub's")
    })?;
    let file: File = serde_json::from_slice(&bytes).or_data(invalid)?;
    let byte_level = file.model.r#type.as_deref() == Some("BPE") && file.model.unk_token.is_none();
    let padding = file.padding.unwrap_or_default();
    let facts = Facts {
        truncated_to: file.truncation.map(|truncation| truncation.max_length),
        unknown_id: file.model.unk_id,
        unknown_token: file.model.unk_token,
        byte_level,
        padding_token: padding.pad_token,
        padding_type_id: padding.pad_type_id,
        padding_side: padding.direction.map(|side| if side == "Left" { Side::Left } else { Side::Right }),
        class: None,
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
    match SENTENCE_PIECES.iter().find(|companion| names.iter().any(|name| name == *companion)) {
        Some(name) => error.hint(format!("{name} is for SentencePiece, which is not read here")).hint(WAY_OUT),
        None => error.hint("a pretrained model needs its tokenizer.json beside config.json and the weights"),
    }
}

/// Reads `tokenizer_config.json`; no file is no keys.
pub(crate) fn read_config(directory: &Path) -> Result<Map<String, Value>> {
    optional(&directory.join(CONFIG))
}

/// Reads the model's `config.json`, where it lies beside the tokenizer; no file is no keys.
pub(crate) fn read_model_config(directory: &Path) -> Result<Map<String, Value>> {
    optional(&directory.join("config.json"))
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

/// Whether this is XLNet's tokenizer, which pads on the left even if its files do not say so.
pub(crate) fn is_xlnet(directory: &Path, config: &Map<String, Value>) -> bool {
    let class = config.get("tokenizer_class").and_then(Value::as_str);
    // That the model's file is not valid is for whoever reads the model to say.
    let family = || read_model_config(directory).is_ok_and(|model| model.get("model_type") == Some(&"xlnet".into()));
    class.is_some_and(|class| class.starts_with("XLNet")) || family()
}

/// The id of the padding token by the model's `config.json`, where that lies beside the tokenizer and says one.
pub(crate) fn model_pad_id(directory: &Path) -> Option<u32> {
    let id = read_model_config(directory).ok()?.get("pad_token_id")?.as_u64()?;
    u32::try_from(id).ok()
}

/// A side by `tokenizer_config.json`, if it says one.
pub(crate) fn side(directory: &Path, config: &Map<String, Value>, key: &str) -> Result<Option<Side>> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(side)) if side == "right" => Ok(Some(Side::Right)),
        Some(Value::String(side)) if side == "left" => Ok(Some(Side::Left)),
        Some(other) => {
            let path = directory.join(CONFIG);
            Err(Error::data(format!("`{key}` in {} is {other}, not \"left\" or \"right\"", path.display())))
        }
    }
}

/// Writes a tokenizer's directory; `source` may be the same. `made` is the content of `tokenizer.json` where the source has
/// none.
pub(crate) fn write(
    source: &Path,
    directory: &Path,
    config: &Map<String, Value>,
    made: Option<&Tokenizer>,
) -> Result<()> {
    std::fs::create_dir_all(directory).map_err(|error| Error::io("create", directory, &error))?;

    let to = directory.join(TOKENIZER);
    if let Some(tokenizer) = made {
        let text = tokenizer
            .to_string(true)
            .map_err(|error| Error::other(format!("cannot write {} as JSON", to.display())).caused_by(&*error))?;
        std::fs::write(&to, text + "\n").map_err(|error| Error::io("write", &to, &error))?;
    } else {
        let path = source.join(TOKENIZER);
        let text = std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, &error))?;
        let mut tokenizer: Map<String, Value> =
            serde_json::from_str(&text).or_data(|| format!("{} is not valid", path.display()))?;
        for key in ["truncation", "padding"] {
            tokenizer.insert(key.to_owned(), Value::Null);
        }
        write_json(&to, &tokenizer)?;
    }
    write_json(&directory.join(CONFIG), config)?;

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
