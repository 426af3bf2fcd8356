//! Settings that are in both `tokenizer_config.json` and `tokenizer.json`, and may contradict each other.
//!
//! transformers 5 rebuilds most tokenizers from `tokenizer_config.json` (`do_lower_case`, `strip_accents`,
//! `tokenize_chinese_chars`, `add_prefix_space`), with the class's defaults for missing keys, and takes only the vocabulary
//! from `tokenizer.json`. Here an explicit value in `tokenizer_config.json` takes precedence, as in transformers; if there is
//! none, `tokenizer.json` decides. The files that are written then state every setting explicitly.

use firebrand_pipeline::{Error, Result};
use serde_json::{Map, Value};
use tokenizers::normalizers::{BertNormalizer, Lowercase, Sequence};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{NormalizerWrapper, PreTokenizerWrapper, Tokenizer};

/// Applies the settings in `tokenizer_config.json` to a tokenizer that was read from `tokenizer.json`; returns a warning for
/// each contradiction.
///
/// `generic`: transformers uses `tokenizer.json` unchanged, which therefore takes precedence. `lowercases`: the class honours
/// `do_lower_case` without having a BERT normalizer.
///
/// # Errors
/// If the library rejects the changed normalizer.
pub(crate) fn reconcile(
    tokenizer: &mut Tokenizer,
    config: &Map<String, Value>,
    generic: bool,
    lowercases: bool,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    let found = of(tokenizer, lowercases);
    for (key, own) in &found {
        let Some(configured) = config.get(*key).filter(|value| is_set(key, value)) else { continue };
        // `strip_accents` = null means: if letters are lower-cased.
        let effective = |value: &Value| value.as_bool().or_else(|| lower_case(config, &found));
        if effective(configured) == effective(own) {
            continue;
        }
        let (counts, why) = if generic {
            (own, "its class uses tokenizer.json unchanged")
        } else {
            (configured, "as transformers does")
        };
        warnings.push(format!(
            "tokenizer_config.json has `{key}` = {configured}, but tokenizer.json has {own}: using {counts}, {why}"
        ));
    }
    if generic || warnings.is_empty() {
        return Ok(warnings);
    }
    let flag = |key: &str| config.get(key).and_then(Value::as_bool);
    if let Some(mut normalizer) = tokenizer.get_normalizer().cloned() {
        if let Some(bert) = bert(&mut normalizer) {
            bert.lowercase = flag("do_lower_case").unwrap_or(bert.lowercase);
            bert.handle_chinese_chars = flag("tokenize_chinese_chars").unwrap_or(bert.handle_chinese_chars);
            if let Some(strip) = config.get("strip_accents") {
                bert.strip_accents = strip.as_bool();
            }
        } else if let Some(lower) = flag("do_lower_case") {
            normalizer = with_lowercase(normalizer, lower);
        }
        _ = tokenizer.with_normalizer(Some(normalizer)).map_err(|error| {
            Error::data("the settings in tokenizer_config.json cannot be applied to tokenizer.json").caused_by(&*error)
        })?;
    }
    if let (Some(space), Some(mut pre_tokenizer)) = (flag("add_prefix_space"), tokenizer.get_pre_tokenizer().cloned()) {
        if let Some(bytes) = byte_level(&mut pre_tokenizer) {
            bytes.add_prefix_space = space;
        }
        _ = tokenizer.with_pre_tokenizer(Some(pre_tokenizer));
    }
    Ok(warnings)
}

/// The settings of a tokenizer, by their keys in `tokenizer_config.json`.
pub(crate) fn of(tokenizer: &Tokenizer, lowercases: bool) -> Vec<(&'static str, Value)> {
    let mut flags = Vec::new();
    if let Some(mut normalizer) = tokenizer.get_normalizer().cloned() {
        if let Some(bert) = bert(&mut normalizer) {
            flags.push(("do_lower_case", bert.lowercase.into()));
            flags.push(("strip_accents", bert.strip_accents.into()));
            flags.push(("tokenize_chinese_chars", bert.handle_chinese_chars.into()));
        } else if lowercases || has_lowercase(&normalizer) {
            flags.push(("do_lower_case", has_lowercase(&normalizer).into()));
        }
    }
    if let Some(mut pre_tokenizer) = tokenizer.get_pre_tokenizer().cloned()
        && let Some(bytes) = byte_level(&mut pre_tokenizer)
    {
        flags.push(("add_prefix_space", bytes.add_prefix_space.into()));
    }
    flags
}

/// Whether a key is set. `strip_accents` = null is a setting: the same as `do_lower_case`.
fn is_set(key: &str, value: &Value) -> bool {
    value.is_boolean() || (key == "strip_accents" && value.is_null())
}

/// Whether letters are lower-cased, by both files.
fn lower_case(config: &Map<String, Value>, found: &[(&'static str, Value)]) -> Option<bool> {
    let own = || found.iter().find(|(key, _)| *key == "do_lower_case").and_then(|(_, value)| value.as_bool());
    config.get("do_lower_case").and_then(Value::as_bool).or_else(own)
}

fn bert(normalizer: &mut NormalizerWrapper) -> Option<&mut BertNormalizer> {
    match normalizer {
        NormalizerWrapper::BertNormalizer(bert) => Some(bert),
        NormalizerWrapper::Sequence(parts) => parts.as_mut().iter_mut().find_map(bert),
        _ => None,
    }
}

fn byte_level(pre_tokenizer: &mut PreTokenizerWrapper) -> Option<&mut ByteLevel> {
    match pre_tokenizer {
        PreTokenizerWrapper::ByteLevel(bytes) => Some(bytes),
        PreTokenizerWrapper::Sequence(parts) => parts.as_mut().iter_mut().find_map(byte_level),
        _ => None,
    }
}

fn has_lowercase(normalizer: &NormalizerWrapper) -> bool {
    match normalizer {
        NormalizerWrapper::Lowercase(_) => true,
        NormalizerWrapper::Sequence(parts) => parts.as_ref().iter().any(has_lowercase),
        _ => false,
    }
}

fn with_lowercase(normalizer: NormalizerWrapper, lower: bool) -> NormalizerWrapper {
    let mut parts = flatten(normalizer);
    parts.retain(|part| !matches!(part, NormalizerWrapper::Lowercase(_)));
    if lower {
        parts.insert(0, Lowercase.into());
    }
    Sequence::new(parts).into()
}

/// The parts of a normalizer, in order.
fn flatten(normalizer: NormalizerWrapper) -> Vec<NormalizerWrapper> {
    match normalizer {
        NormalizerWrapper::Sequence(parts) => parts.into_iter().flat_map(flatten).collect(),
        other => vec![other],
    }
}
