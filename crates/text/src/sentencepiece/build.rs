//! Builds a tokenizer from a SentencePiece model the way transformers 5 does.
//!
//! transformers has a class per family, with its own special tokens, ids and normalization (`models/*/tokenization_*.py`); for
//! models without such a class it uses the settings in the model file (`SpmConverter.build_tokenizer_from_spm_proto`).

use std::collections::{HashMap, HashSet};
use std::path::Path;

use firebrand_pipeline::{Error, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, NFC, NFKD, Replace, Sequence, Strip, StripAccents};
use tokenizers::{DecoderWrapper, ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

use super::{Algorithm, Kind, SentencePieceModel};
use crate::class::{Class, PostProcessing};
use crate::special::Special;

/// The character for a space in pieces.
const SPACE: char = '▁';

/// Builds the tokenizer, and adds the special tokens of the model and its class to `special`. Also returns the id of the unknown
/// token.
///
/// # Errors
/// If the file is missing or damaged, or the class does not support its algorithm.
pub(crate) fn build(
    class: Class,
    path: &Path,
    config: &Map<String, Value>,
    special: &mut Special,
) -> Result<(Tokenizer, u32)> {
    let model = SentencePieceModel::read(path)?;
    let flag = |key: &str, default: bool| config.get(key).and_then(Value::as_bool).unwrap_or(default);
    let cannot = |error: &(dyn std::error::Error + Send + Sync + 'static)| {
        Error::data(format!("cannot build a tokenizer from {}", path.display())).caused_by(error)
    };
    if class == Class::SentencePiece {
        for (role, id, piece) in [
            ("bos_token", model.trainer.bos_id(), model.trainer.bos_piece()),
            ("eos_token", model.trainer.eos_id(), model.trainer.eos_piece()),
            ("unk_token", model.trainer.unk_id(), model.trainer.unk_piece()),
        ] {
            if id >= 0 {
                special.or_default(role, piece);
            }
        }
        // User-defined pieces are left to the pre-tokenizer.
        special.or_extra(model.tokens(&[Kind::Control]));
        special.match_before_normalizing(model.normalizer.add_dummy_prefix());
    } else {
        if model.algorithm == Algorithm::Bpe {
            return Err(Error::data(format!("{} is a BPE model, but {} supports unigram models only", path.display(), class.name()))
                .hint("if the file is the right one, rename it to tokenizer.model and set `tokenizer_class` to \"PreTrainedTokenizerFast\" in \
                       tokenizer_config.json: then the settings in the file are used"));
        }
        special.or_extra(model.tokens(&[Kind::Control, Kind::UserDefined]));
    }

    let (model_part, unknown) = match model.algorithm {
        Algorithm::Bpe => bpe(&model, special).map_err(|error| cannot(&*error))?,
        Algorithm::Unigram => unigram(class, &model, special)?,
    };
    let mut tokenizer = Tokenizer::new(model_part);
    let parts = normalizers(class, &model, &flag).map_err(|error| cannot(&*error))?;
    let normalizer = match <[NormalizerWrapper; 1]>::try_from(parts) {
        Ok([only]) => Some(only),
        Err(parts) if parts.is_empty() => None,
        Err(parts) => Some(Sequence::new(parts).into()),
    };
    _ = tokenizer.with_normalizer(normalizer).map_err(|error| cannot(&*error))?;
    _ = tokenizer.with_pre_tokenizer(pre_tokenizer(class, &model, &flag)?);
    _ = tokenizer.with_decoder(Some(decoder(class, &model, &flag)?));
    _ = tokenizer.add_tokens(special.in_order()).map_err(|error| cannot(&*error))?;
    let processor = PostProcessing { directory: path.parent().unwrap_or(path), tokenizer: &tokenizer, special, config }
        .build(class)?;
    _ = tokenizer.with_post_processor(Some(processor));
    Ok((tokenizer, unknown))
}

/// A unigram model with the class's ids, and the id of the unknown token.
fn unigram(class: Class, model: &SentencePieceModel, special: &Special) -> Result<(ModelWrapper, u32)> {
    let pieces = || model.pieces.iter().map(|piece| (piece.text.clone(), piece.score));
    let named = |role: &str| (special.content(role).unwrap_or_default().to_owned(), 0.0);
    let unknown_token = special.content("unk_token").unwrap_or_default();
    let (vocabulary, unknown): (Vec<(String, f64)>, usize) = match class {
        // fairseq's dictionary starts with four tokens of its own and ends with `<mask>`.
        Class::XlmRoberta => {
            let own = ["bos_token", "pad_token", "eos_token", "unk_token"].map(named);
            (own.into_iter().chain(pieces().skip(3)).chain([named("mask_token")]).collect(), 3)
        }
        Class::Camembert => {
            let unused = |token: &str, score: f64| (format!("{token}NOTUSED"), score);
            let own = [
                unused("<s>", 0.0),
                named("pad_token"),
                unused("</s>", 0.0),
                named("unk_token"),
                unused("<unk>", -100.0),
            ];
            (own.into_iter().chain(pieces().skip(1)).chain([named("mask_token")]).collect(), 3)
        }
        Class::Albert => (pieces().collect(), 1),
        Class::DebertaV2 => {
            let at = model.pieces.iter().position(|piece| piece.text == unknown_token && piece.score == 0.0);
            (pieces().collect(), at.unwrap_or(model.unknown))
        }
        _ => (pieces().collect(), model.unknown),
    };
    let byte_fallback = class == Class::SentencePiece && model.trainer.byte_fallback();
    let built = Unigram::from(vocabulary, Some(unknown), byte_fallback).map_err(|error| {
        Error::data(format!("{} does not have the pieces that {} expects", model.path.display(), class.name()))
            .caused_by(&*error)
    })?;
    // The file is far too small for more than 2^32 pieces.
    Ok((built.into(), u32::try_from(unknown).unwrap_or(u32::MAX)))
}

/// A BPE model. Merges are ranked by the score of the resulting piece.
fn bpe(model: &SentencePieceModel, special: &Special) -> tokenizers::Result<(ModelWrapper, u32)> {
    let names: HashMap<usize, &str> = special.added().map(|(id, token)| (id as usize, token)).collect();
    let kept: HashSet<&str> = model
        .pieces
        .iter()
        .enumerate()
        .filter(|(id, _)| !names.contains_key(id))
        .map(|(_, piece)| piece.text.as_str())
        .collect();
    // `added_tokens_decoder` may rename placeholder pieces.
    let tokens: Vec<&str> = model
        .pieces
        .iter()
        .enumerate()
        .map(|(id, piece)| names.get(&id).copied().filter(|name| !kept.contains(name)).unwrap_or(&piece.text))
        .collect();
    let normal: HashMap<&str, usize> = tokens
        .iter()
        .enumerate()
        .filter(|(id, _)| model.pieces[*id].kind == Kind::Normal)
        .map(|(id, token)| (*token, id))
        .collect();
    let mut merges = Vec::new();
    for (token, &id) in &normal {
        for (split, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(split);
            if normal.contains_key(left) && normal.contains_key(right) {
                merges.push((id, left, right));
            }
        }
    }
    let score = |id: usize| model.pieces[id].score;
    merges.sort_unstable_by(|a, b| score(b.0).total_cmp(&score(a.0)).then_with(|| a.cmp(b)));
    let merges: Vec<(String, String)> =
        merges.into_iter().map(|(_, left, right)| (left.to_owned(), right.to_owned())).collect();
    let vocabulary: Vocab = tokens.iter().zip(0..).map(|(token, id)| ((*token).to_owned(), id)).collect();
    let unknown = model.trainer.unk_piece().to_owned();
    let id = vocabulary.get(&unknown).copied().ok_or_else(|| format!("there is no piece {unknown:?}"))?;
    let built = BPE::builder()
        .vocab_and_merges(vocabulary, merges)
        .unk_token(unknown)
        .fuse_unk(true)
        .byte_fallback(model.trainer.byte_fallback())
        .ignore_merges(model.pieces.iter().any(|piece| piece.kind == Kind::UserDefined))
        .build()?;
    Ok((built.into(), id))
}

fn normalizers(
    class: Class,
    model: &SentencePieceModel,
    flag: &impl Fn(&str, bool) -> bool,
) -> tokenizers::Result<Vec<NormalizerWrapper>> {
    let replace = |from: &str, to: &str| Replace::new(from, to).map(NormalizerWrapper::from);
    let regex =
        |from: &str, to: &str| Replace::new(ReplacePattern::Regex(from.to_owned()), to).map(NormalizerWrapper::from);
    let charsmap = model.charsmap.clone().map(NormalizerWrapper::from);
    let mut parts = Vec::new();
    match class {
        Class::Albert | Class::XlNet => {
            parts.extend([replace("``", "\"")?, replace("''", "\"")?]);
            // XLNetTokenizer has `keep_accents` too, but ignores it.
            if class == Class::XlNet || !flag("keep_accents", false) {
                parts.extend([NFKD.into(), StripAccents.into()]);
            }
            if flag("do_lower_case", class == Class::Albert) {
                parts.push(Lowercase.into());
            }
            parts.extend(charsmap);
        }
        // transformers 5 uses these rules in place of the charsmap.
        Class::DebertaV2 => {
            if flag("do_lower_case", false) {
                parts.push(Lowercase.into());
            }
            parts.extend([regex(r"\s{2,}|[\n\r\t]", " ")?, NFC.into(), Strip::new(false, true).into()]);
        }
        Class::SentencePiece => {
            parts.extend(charsmap);
            if model.normalizer.remove_extra_whitespaces() {
                parts.extend([regex(r"\A +| +\z", "")?, regex(" {2,}", " ")?]);
            }
            if model.normalizer.escape_whitespaces() {
                parts.push(replace(" ", "▁")?);
            }
            if model.normalizer.add_dummy_prefix() && flag("legacy", true) {
                // The pre-tokenizer adds no prefix to a text that already starts with one.
                parts.push(regex(r"\A▁", "▁▁")?);
            }
        }
        _ => parts.extend(charsmap),
    }
    Ok(parts)
}

fn pre_tokenizer(
    class: Class,
    model: &SentencePieceModel,
    flag: &impl Fn(&str, bool) -> bool,
) -> Result<Option<PreTokenizerWrapper>> {
    let mut parts = Vec::new();
    match class {
        Class::SentencePiece => {
            if model.normalizer.add_dummy_prefix() {
                let scheme = if flag("legacy", true) { "always" } else { "first" };
                parts.push(metaspace(scheme, false));
            }
            let mut whole: Vec<&str> = model
                .pieces
                .iter()
                .filter(|piece| piece.kind == Kind::UserDefined)
                .map(|piece| piece.text.as_str())
                .collect();
            whole.sort_by_key(|piece| std::cmp::Reverse(piece.chars().count()));
            if !whole.is_empty() {
                let pattern = whole.into_iter().map(regex::escape).collect::<Vec<_>>().join("|");
                parts.push(json!({ "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false }));
            }
        }
        Class::DebertaV2 => {
            if flag("split_by_punct", false) {
                parts.push(json!({ "type": "Punctuation", "behavior": "Isolated" }));
            }
            parts.push(metaspace(prefix(class, flag), true));
        }
        _ => parts.extend([json!({ "type": "WhitespaceSplit" }), metaspace(prefix(class, flag), true)]),
    }
    if parts.is_empty() {
        return Ok(None);
    }
    part(json!({ "type": "Sequence", "pretokenizers": parts })).map(Some)
}

fn decoder(class: Class, model: &SentencePieceModel, flag: &impl Fn(&str, bool) -> bool) -> Result<DecoderWrapper> {
    if class != Class::SentencePiece {
        return part(metaspace(prefix(class, flag), true));
    }
    let mut parts = vec![json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " })];
    let (bytes, prefix) = (model.trainer.byte_fallback(), model.normalizer.add_dummy_prefix());
    if bytes {
        parts.push(json!({ "type": "ByteFallback" }));
    }
    if bytes || prefix {
        parts.push(json!({ "type": "Fuse" }));
    }
    if prefix {
        parts.push(json!({ "type": "Strip", "content": " ", "start": 1, "stop": 0 }));
    }
    part(json!({ "type": "Sequence", "decoders": parts }))
}

fn metaspace(scheme: &str, split: bool) -> Value {
    json!({ "type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": split })
}

/// Metaspace's `prepend_scheme`: where a space is added before a text.
fn prefix(class: Class, flag: &impl Fn(&str, bool) -> bool) -> &'static str {
    match class {
        Class::XlNet => "always",
        _ if flag("add_prefix_space", true) => "always",
        Class::DebertaV2 => "first",
        _ => "never",
    }
}

/// A component of a tokenizer from its form in `tokenizer.json`.
fn part<T: DeserializeOwned>(json: Value) -> Result<T> {
    serde_json::from_value(json)
        .map_err(|error| Error::other("the tokenizers library rejects a component of the tokenizer").caused_by(&error))
}
