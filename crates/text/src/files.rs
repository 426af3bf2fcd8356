//! The files of a tokenizer in the Hugging Face layout.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result, ResultExt, write_json};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use crate::class::{self, Class};
use crate::special::{Special, optional};
use crate::{Side, flags, segmenter, sentencepiece, vocabulary};

/// The complete tokenizer.
const TOKENIZER: &str = "tokenizer.json";
/// Settings for transformers: tokenizer class, maximum length, padding side, …
const CONFIG: &str = "tokenizer_config.json";
/// Special tokens by role, for older readers.
const SPECIAL: &str = "special_tokens_map.json";
/// Vocabularies from which a tokenizer is built if there is no `tokenizer.json`.
const VOCABULARIES: [&str; 2] = ["vocab.txt", "vocab.json"];
/// File names of SentencePiece models.
const SENTENCE_PIECES: [&str; 5] =
    ["spiece.model", "spm.model", "sentencepiece.bpe.model", "sentencepiece.model", "tokenizer.model"];
/// Larger values of `model_max_length` mean "no limit", which transformers writes as a number with thirty digits.
const SENTINEL: f64 = 1e9;

/// Facts from a tokenizer's files that the `tokenizers` library does not expose.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The length in its truncation settings.
    pub(crate) truncated_to: Option<usize>,
    /// Id of the unknown token (Unigram).
    pub(crate) unknown_id: Option<u32>,
    /// The unknown token (WordPiece, BPE, WordLevel).
    pub(crate) unknown_token: Option<String>,
    /// Byte-level BPE, which has a token for every text and so no unknown token.
    pub(crate) byte_level: bool,
    /// The token in its padding settings.
    pub(crate) padding_token: Option<String>,
    /// The side in its padding settings.
    pub(crate) padding_side: Option<Side>,
    /// The token type id in its padding settings.
    pub(crate) padding_type_id: Option<u32>,
    /// Whether it was built from a vocabulary, as there is no `tokenizer.json`.
    pub(crate) built: bool,
    /// Whether its class honours `do_lower_case` without having a BERT normalizer.
    pub(crate) lowercases: bool,
    /// Contradictions that the user should know about.
    pub(crate) warnings: Vec<String>,
}

// Only these fields are kept; the vocabulary is skipped.
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

/// Reads `tokenizer.json`, or builds a tokenizer from a vocabulary; in that case the class's default tokens are added to
/// `special`.
pub(crate) fn read_tokenizer(
    directory: &Path,
    config: &Map<String, Value>,
    model: &Map<String, Value>,
    special: &mut Special,
) -> Result<(Tokenizer, Facts)> {
    let path = directory.join(TOKENIZER);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return build(directory, config, model, special),
        Err(error) => return Err(Error::io("read", &path, &error)),
    };
    let invalid = || format!("{} is not a tokenizer's file", path.display());
    let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| {
        Error::data(invalid()).caused_by(&*error).hint("fetch the model again, or compare the file with the hub's")
    })?;
    let file: File = serde_json::from_slice(&bytes).or_data(invalid)?;
    let lowercases = class::honours_lower_case(config, model);
    let mut warnings = flags::reconcile(&mut tokenizer, config, class::is_generic(config, model), lowercases)?;
    warnings.extend(segmenter::find(config, model).map(|(program, why)| segmenter::warning(&program, &why)));
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
        built: false,
        lowercases,
        warnings,
    };
    Ok((tokenizer, facts))
}

/// Builds a tokenizer from a vocabulary.
fn build(
    directory: &Path,
    config: &Map<String, Value>,
    model: &Map<String, Value>,
    special: &mut Special,
) -> Result<(Tokenizer, Facts)> {
    if !VOCABULARIES.iter().chain(&SENTENCE_PIECES).any(|name| directory.join(name).is_file()) {
        return Err(missing_tokenizer(directory));
    }
    if let Some((program, why)) = segmenter::find(config, model) {
        return Err(segmenter::refuse(directory, &program, &why));
    }
    let class = Class::find(directory, config, model)?;
    class.set_default_tokens(special);
    let facts = Facts {
        built: true,
        byte_level: class.is_byte_level(),
        lowercases: class.honours_lower_case(),
        ..Facts::default()
    };
    if let Some(name) = class.sentencepiece_file() {
        let (tokenizer, unknown_id) =
            sentencepiece::build(class, &sentencepiece_file(directory, name), config, special)?;
        return Ok((tokenizer, Facts { unknown_id: Some(unknown_id), ..facts }));
    }
    let tokenizer = vocabulary::build(class, directory, config, special)?;
    let unknown_token = special.content("unk_token").map(str::to_owned);
    Ok((tokenizer, Facts { unknown_token, ..facts }))
}

/// Path of the SentencePiece model with this name, or of one with another usual name if that does not exist.
fn sentencepiece_file(directory: &Path, name: &'static str) -> PathBuf {
    let mut names = [name].into_iter().chain(SENTENCE_PIECES);
    directory.join(names.find(|name| directory.join(name).is_file()).unwrap_or(name))
}

fn missing_tokenizer(directory: &Path) -> Error {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Error::data(format!("there is no directory {}", directory.display()))
            .hint("a tokenizer is a directory with a tokenizer.json in it");
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let found = if names.is_empty() { "no file".to_owned() } else { names.join(", ") };
    Error::data(format!("there is no tokenizer.json in {}, but {found}", directory.display()))
        .hint("a pretrained model needs its tokenizer.json, or its vocabulary, beside config.json and the weights")
}

/// Reads `tokenizer_config.json`; a missing file is an empty object.
pub(crate) fn read_config(directory: &Path) -> Result<Map<String, Value>> {
    optional(&directory.join(CONFIG))
}

/// Reads the model's `config.json` next to the tokenizer; a missing file is an empty object.
pub(crate) fn read_model_config(directory: &Path) -> Result<Map<String, Value>> {
    optional(&directory.join("config.json"))
}

/// `model_max_length` in `tokenizer_config.json`, unless it means "no limit".
pub(crate) fn model_max_length(config: &Map<String, Value>) -> Option<usize> {
    let length = config.get("model_max_length")?.as_f64()?;
    // In this range the conversion is exact.
    (1.0..SENTINEL).contains(&length).then_some(length as usize)
}

pub(crate) fn missing_max_length(directory: &Path) -> Error {
    Error::data(format!("the files in {} do not say how many tokens a text may have", directory.display()))
        .hint("set `model_max_length` in tokenizer_config.json to the model's maximum length, in tokens")
}

/// Whether this is XLNet's tokenizer, which pads on the left by default.
pub(crate) fn is_xlnet(config: &Map<String, Value>, model: &Map<String, Value>) -> bool {
    let class = config.get("tokenizer_class").and_then(Value::as_str);
    class.is_some_and(|class| class.starts_with("XLNet")) || model.get("model_type") == Some(&"xlnet".into())
}

/// An id in one of the files.
pub(crate) fn id(map: &Map<String, Value>, key: &str) -> Option<u32> {
    u32::try_from(map.get(key)?.as_u64()?).ok()
}

/// The padding or truncation side in `tokenizer_config.json`, if it is set.
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

/// Writes `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json`.
pub(crate) fn write(
    directory: &Path,
    tokenizer: &Tokenizer,
    config: &Map<String, Value>,
    special: &Map<String, Value>,
) -> Result<()> {
    std::fs::create_dir_all(directory).map_err(|error| Error::io("create", directory, &error))?;
    write_json(&directory.join(TOKENIZER), tokenizer)?;
    write_json(&directory.join(CONFIG), config)?;
    write_json(&directory.join(SPECIAL), special)
}
