//! Builds a tokenizer from `vocab.txt`, or from `vocab.json` and `merges.txt`, for older models without a `tokenizer.json`.
//!
//! The result is that of transformers 5 for the same files: see the classes in
//! <https://github.com/huggingface/transformers>.

use std::path::Path;

use firebrand_pipeline::{Error, Result};
use serde_json::{Map, Value};
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::BPE;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{ModelWrapper, Tokenizer};

use crate::class::{Class, PostProcessing};
use crate::special::Special;

/// Builds a WordPiece or byte-level BPE tokenizer.
///
/// # Errors
/// If a vocabulary file is missing or not valid.
pub(crate) fn build(
    class: Class,
    directory: &Path,
    config: &Map<String, Value>,
    special: &Special,
) -> Result<Tokenizer> {
    let flag = |key: &str, default: bool| config.get(key).and_then(Value::as_bool).unwrap_or(default);
    let mut tokenizer = if class.is_byte_level() {
        let mut tokenizer = Tokenizer::new(byte_pairs(directory)?);
        let pre_tokenizer = ByteLevel::default().add_prefix_space(flag("add_prefix_space", false));
        _ = tokenizer.with_pre_tokenizer(Some(pre_tokenizer));
        _ = tokenizer.with_decoder(Some(ByteLevel::default()));
        tokenizer
    } else {
        let mut tokenizer = Tokenizer::new(word_pieces(directory, special.content("unk_token").unwrap_or_default())?);
        let normalizer = BertNormalizer::new(
            true,
            flag("tokenize_chinese_chars", true),
            config.get("strip_accents").and_then(Value::as_bool),
            flag("do_lower_case", true),
        );
        _ = tokenizer.with_normalizer(Some(normalizer)).map_err(|error| cannot(directory, &*error))?;
        _ = tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
        _ = tokenizer.with_decoder(Some(WordPieceDecoder::default()));
        tokenizer
    };
    _ = tokenizer.add_tokens(special.in_order()).map_err(|error| cannot(directory, &*error))?;
    let processor = PostProcessing { directory, tokenizer: &tokenizer, special, config }.build(class)?;
    _ = tokenizer.with_post_processor(Some(processor));
    Ok(tokenizer)
}

fn word_pieces(directory: &Path, unknown: &str) -> Result<ModelWrapper> {
    let path = directory.join("vocab.txt");
    let bytes = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
    let vocabulary = WordPiece::read_bytes(&bytes).map_err(|error| invalid(&path, &*error))?;
    if !vocabulary.contains_key(unknown) {
        return Err(Error::data(format!("{} has no unknown token {unknown:?}", path.display()))
            .hint("set the right `unk_token` in tokenizer_config.json, or fetch the file again"));
    }
    let model = WordPiece::builder().vocab(vocabulary).unk_token(unknown.to_owned()).build();
    model.map(ModelWrapper::from).map_err(|error| invalid(&path, &*error))
}

fn byte_pairs(directory: &Path) -> Result<ModelWrapper> {
    let [vocabulary, merges] = ["vocab.json", "merges.txt"].map(|name| directory.join(name));
    for path in [&vocabulary, &merges] {
        if !path.is_file() {
            return Err(Error::data(format!("there is no {}, and no tokenizer.json", path.display()))
                .hint("a byte-level tokenizer needs both vocab.json and merges.txt: fetch the model again"));
        }
    }
    let name = |path: &Path| path.to_string_lossy().into_owned();
    let (tokens, pairs) = BPE::read_file(&name(&vocabulary), &name(&merges)).map_err(|error| {
        Error::data(format!("{} or {} is not valid", vocabulary.display(), merges.display()))
            .caused_by(&*error)
            .hint("fetch the model again, or compare the files with the hub's")
    })?;
    // The library panics on a merge whose result is not in the vocabulary.
    for (first, second) in &pairs {
        let merged = format!("{first}{second}");
        if let Some(unknown) = [first, second, &merged].into_iter().find(|token| !tokens.contains_key(*token)) {
            return Err(Error::data(format!(
                "{} merges {first:?} and {second:?}, but {unknown:?} is not in {}",
                merges.display(),
                vocabulary.display()
            ))
            .hint("the two files are of different tokenizers: fetch the model again"));
        }
    }
    let model = BPE::builder()
        .vocab_and_merges(tokens, pairs)
        .continuing_subword_prefix(String::new())
        .end_of_word_suffix(String::new())
        .build();
    model.map(ModelWrapper::from).map_err(|error| invalid(&vocabulary, &*error))
}

fn invalid(path: &Path, error: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    Error::data(format!("{} is not a vocabulary", path.display())).caused_by(error).hint("fetch the model again")
}

fn cannot(directory: &Path, error: &(dyn std::error::Error + Send + Sync + 'static)) -> Error {
    Error::data(format!("cannot build a tokenizer from the files in {}", directory.display())).caused_by(error)
}
