//! Facts in the pretrained model's `config.json` that the tokenizer and the configuration must fit.

use std::path::Path;

use firebrand_pipeline::{Error, Result, read_json};
use firebrand_text::TextTokenizer;
use serde_json::{Map, Value};

use crate::Config;

/// The sizes of the model's embeddings, and its special token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelFacts {
    /// Number of token embeddings.
    vocabulary: Option<usize>,
    /// Maximum length in tokens; `None` if positions are only relative.
    positions: Option<usize>,
    /// Number of token type embeddings; `None` if the model has none.
    segments: Option<usize>,
    /// Ids of special tokens by role, as in `tokenizer_config.json`.
    special: Vec<(&'static str, u64)>,
}

impl ModelFacts {
    /// Families whose position ids start after the padding token's id, 1 by default.
    const SHIFTED: [&str; 5] = ["roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl"];
    /// Families with relative positions, which have position embeddings only if `position_biased_input` is set.
    const RELATIVE: [&str; 2] = ["deberta", "deberta-v2"];
    const ROLES: [(&str, &str); 6] = [
        ("pad_token", "pad_token_id"),
        ("cls_token", "cls_token_id"),
        ("sep_token", "sep_token_id"),
        ("bos_token", "bos_token_id"),
        ("eos_token", "eos_token_id"),
        ("mask_token", "mask_token_id"),
    ];

    /// Reads `DIRECTORY/config.json`.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let config: Map<String, Value> = read_json(&directory.join("config.json"))?;
        let number = |key: &str| config.get(key).and_then(Value::as_u64).and_then(|value| usize::try_from(value).ok());
        let family = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let shift = if Self::SHIFTED.contains(&family) { number("pad_token_id").unwrap_or(1) + 1 } else { 0 };
        // DeBERTa's default is true, as in version 1; files on the hub set it to false.
        let biased = config.get("position_biased_input").and_then(Value::as_bool).unwrap_or(true);
        let relative = family == "xlnet" || (Self::RELATIVE.contains(&family) && !biased);
        // GPT-2 calls it `n_positions`.
        let positions = number("max_position_embeddings").or_else(|| number("n_positions"));
        let id = |(role, key): (&'static str, &str)| Some((role, config.get(key)?.as_u64()?));
        Ok(Self {
            vocabulary: number("vocab_size"),
            positions: positions.filter(|_| !relative).map(|positions| positions.saturating_sub(shift)),
            segments: number("type_vocab_size").filter(|&segments| segments > 0),
            special: Self::ROLES.into_iter().filter_map(id).collect(),
        })
    }

    /// The length to truncate rows to; `None` leaves it to the tokenizer's own settings. `own` is `model_max_length` in the
    /// tokenizer's files: the model's maximum is the smaller of that and its positions. If the default of `max_length` exceeds
    /// the model's positions, the model's maximum is used and the second value says so.
    ///
    /// # Errors
    /// If the user asks for more tokens than the model has positions.
    pub(crate) fn max_length(
        &self,
        config: &Config,
        own: Option<usize>,
        is_default: bool,
    ) -> Result<(Option<usize>, Option<String>)> {
        let most = [own, self.positions].into_iter().flatten().min();
        match (config.max_length, self.positions) {
            (0, _) => Ok((most, None)),
            (asked, Some(positions)) if asked > positions && is_default => {
                let most = most.unwrap_or(positions);
                let remark = format!(
                    "the pretrained model takes {most} tokens at most, so `max_length` is {most} instead of the default {asked}"
                );
                Ok((Some(most), Some(remark)))
            }
            (asked, Some(positions)) if asked > positions => {
                Err(Error::key("max_length", format!("is {asked}, but the pretrained model takes {positions} tokens"))
                    .hint(format!("set it to {positions} or less, or to 0 for the model's own maximum")))
            }
            (asked, _) => Ok((Some(asked), None)),
        }
    }

    /// Refuses a tokenizer of another model: one with more tokens than the model has embeddings, or with other special ids.
    pub(crate) fn check(&self, tokenizer: &TextTokenizer) -> Result<()> {
        if let Some(vocabulary) = self.vocabulary.filter(|&vocabulary| tokenizer.vocab_size() > vocabulary) {
            return Err(Error::data(format!(
                "the tokenizer is not this model's: it has {} tokens, and the model's config.json says {vocabulary}",
                tokenizer.vocab_size()
            ))
            .hint("fetch weights and tokenizer from the same place"));
        }
        for (role, expected) in &self.special {
            let named = tokenizer.special_tokens().iter().find(|token| token.role == *role);
            // The padding token, even if the tokenizer's files do not name it.
            let named = named.or_else(|| tokenizer.padding().token.as_ref().filter(|token| token.role == *role));
            if let Some(token) = named.filter(|token| u64::from(token.id) != *expected) {
                return Err(Error::data(format!(
                    "the tokenizer is not this model's: its `{role}` {:?} has the id {}, and the model's config.json says \
                     `{role}_id` = {expected}",
                    token.content, token.id
                ))
                .hint("fetch weights and tokenizer from the same place")
                .hint(format!(
                    "if they do belong together, use a copy of the model (`fetch.model = {{ path = \"…\" }}`) and correct \
                     `{role}_id` in its config.json"
                )));
            }
        }
        Ok(())
    }

    /// Refuses pairs if the model has too few token type embeddings for them.
    pub(crate) fn check_segments(&self, type_ids: &[u32]) -> Result<()> {
        let largest = type_ids.iter().max().copied().unwrap_or_default() as usize;
        match self.segments {
            Some(segments) if largest >= segments => Err(Error::data(format!(
                "the tokenizer gives a pair's second text the segment {largest}, but the model's config.json says \
                 `type_vocab_size` = {segments}"
            ))
            .hint("fetch weights and tokenizer from the same place, or use a model that supports pairs")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(config: &str) -> ModelFacts {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("config.json"), config).unwrap();
        ModelFacts::read(directory.path()).unwrap()
    }

    fn length(facts: &ModelFacts, max_length: usize) -> Result<Option<usize>> {
        Ok(facts.max_length(&Config { max_length, threads: 0 }, None, false)?.0)
    }

    #[test]
    fn the_models_positions_are_the_limit() {
        let bert = facts(r#"{"model_type": "bert", "max_position_embeddings": 512, "vocab_size": 30522}"#);
        assert_eq!(length(&bert, 0).unwrap(), Some(512));
        assert_eq!(length(&bert, 512).unwrap(), Some(512));
        let error = length(&bert, 513).unwrap_err();
        assert!(error.message().contains("is 513") && error.message().contains("takes 512"), "{}", error.message());
    }

    #[test]
    fn the_smaller_of_tokenizer_and_positions_is_the_models_own_length() {
        let bert = facts(r#"{"model_type": "bert", "max_position_embeddings": 512}"#);
        let zero = Config { max_length: 0, threads: 0 };
        let length = |facts: &ModelFacts, config: &Config, own| facts.max_length(config, own, false).unwrap().0;
        assert_eq!(length(&bert, &zero, Some(128)), Some(128));
        assert_eq!(length(&bert, &zero, Some(1024)), Some(512));
        assert_eq!(length(&facts("{}"), &zero, Some(128)), Some(128));
        // An explicit length may exceed the tokenizer's own.
        assert_eq!(length(&bert, &Config { max_length: 256, threads: 0 }, Some(128)), Some(256));
    }

    #[test]
    fn the_default_is_lowered_to_the_models_maximum() {
        let short = facts(r#"{"model_type": "bert", "max_position_embeddings": 64}"#);
        let default = Config { max_length: 128, threads: 0 };
        let (length, remark) = short.max_length(&default, None, true).unwrap();
        assert_eq!(length, Some(64));
        assert!(remark.unwrap().contains("takes 64 tokens at most"));
        assert_eq!(short.max_length(&default, Some(48), true).unwrap().0, Some(48));
        assert!(short.max_length(&default, None, false).is_err());
        let long = facts(r#"{"model_type": "bert", "max_position_embeddings": 512}"#);
        assert_eq!(long.max_length(&default, Some(64), true).unwrap(), (Some(128), None));
    }

    #[test]
    fn families_count_positions_in_their_own_ways() {
        for (config, expected) in [
            (r#"{"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}"#, Some(512)),
            (r#"{"model_type": "mpnet", "max_position_embeddings": 514}"#, Some(512)),
            (r#"{"model_type": "gpt2", "n_positions": 1024}"#, Some(1024)),
            (r#"{"model_type": "distilbert", "max_position_embeddings": 512}"#, Some(512)),
            (r#"{"model_type": "deberta-v2", "max_position_embeddings": 512, "position_biased_input": false}"#, None),
            (r#"{"model_type": "deberta-v2", "max_position_embeddings": 512}"#, Some(512)),
            (r#"{"model_type": "xlnet", "max_position_embeddings": 512}"#, None),
        ] {
            let facts = facts(config);
            assert_eq!(length(&facts, 0).unwrap(), expected, "{config}");
            match expected {
                Some(most) => assert!(length(&facts, most + 1).is_err() && length(&facts, most).is_ok(), "{config}"),
                None => assert_eq!(length(&facts, 4096).unwrap(), Some(4096), "{config}"),
            }
        }
    }
}
