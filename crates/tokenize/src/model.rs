//! What the pretrained model says of itself, which its tokenizer and the configuration must fit.

use std::path::Path;

use firebrand_pipeline::{Error, Result, read_json};
use firebrand_text::TextTokenizer;
use serde_json::{Map, Value};

use crate::Config;

/// What `config.json` says of the model's tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModelFacts {
    /// Rows of the token table.
    vocabulary: Option<usize>,
    /// The longest row, in tokens; `None` where positions are only relative.
    positions: Option<usize>,
    /// Rows of the table of segments; 0 and `None` are models that have none.
    segments: Option<usize>,
    /// Ids of special tokens, by the tokenizer's name for their role.
    special: Vec<(&'static str, u64)>,
}

impl ModelFacts {
    /// Families whose table of positions begins after the padding token's id, which is 1.
    const SHIFTED: [&str; 5] = ["roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl"];
    /// Families that have positions in `config.json` but, unless it says `position_biased_input`, no table of them.
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
        // DeBERTa's own default is a table, as version 1 has it; files on the hub say that there is none.
        let biased = config.get("position_biased_input").and_then(Value::as_bool).unwrap_or(true);
        let relative = family == "xlnet" || (Self::RELATIVE.contains(&family) && !biased);
        // GPT-2's name for it is `n_positions`.
        let positions = number("max_position_embeddings").or_else(|| number("n_positions"));
        let id = |(role, key): (&'static str, &str)| Some((role, config.get(key)?.as_u64()?));
        Ok(Self {
            vocabulary: number("vocab_size"),
            positions: positions.filter(|_| !relative).map(|positions| positions.saturating_sub(shift)),
            segments: number("type_vocab_size").filter(|&segments| segments > 0),
            special: Self::ROLES.into_iter().filter_map(id).collect(),
        })
    }

    /// The length that rows are cut to; `None` leaves it to what is baked into the tokenizer. `own` is what the tokenizer's
    /// files say: the model's maximum is the smaller of that and the positions.
    ///
    /// # Errors
    /// When more is asked for than the model has positions for.
    pub(crate) fn max_length(&self, config: &Config, own: Option<usize>) -> Result<Option<usize>> {
        match (config.max_length, self.positions) {
            (0, positions) => Ok([own, positions].into_iter().flatten().min()),
            (asked, Some(positions)) if asked > positions => {
                Err(Error::key("max_length", format!("is {asked}, but the pretrained model takes {positions} tokens"))
                    .hint(format!("set it to {positions} or less, or to 0 for the model's own maximum")))
            }
            (asked, _) => Ok(Some(asked)),
        }
    }

    /// Refuses a tokenizer that is not this model's: one with ids that the model has no rows for, or with other special ids.
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
            // What batches are padded with, even if no file of the tokenizer names it.
            let named = named.or_else(|| tokenizer.padding().token.as_ref().filter(|token| token.role == *role));
            if let Some(token) = named.filter(|token| u64::from(token.id) != *expected) {
                return Err(Error::data(format!(
                    "the tokenizer is not this model's: its `{role}` {:?} has the id {}, and the model's config.json says \
                     `{role}_id` = {expected}",
                    token.content, token.id
                ))
                .hint("fetch weights and tokenizer from the same place")
                .hint(format!(
                    "if they do belong together, take a copy of the model (`fetch.model = {{ path = \"…\" }}`) and correct \
                     `{role}_id` in its config.json"
                )));
            }
        }
        Ok(())
    }

    /// Refuses a pair's segments where the model has a table that is too short for them.
    pub(crate) fn check_segments(&self, type_ids: &[u32]) -> Result<()> {
        let largest = type_ids.iter().max().copied().unwrap_or_default() as usize;
        match self.segments {
            Some(segments) if largest >= segments => Err(Error::data(format!(
                "the tokenizer gives a pair's second text the segment {largest}, but the model's config.json says \
                 `type_vocab_size` = {segments}"
            ))
            .hint("fetch weights and tokenizer from the same place, or take a model that knows pairs")),
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
        facts.max_length(&Config { max_length, threads: 0 }, None)
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
        assert_eq!(bert.max_length(&zero, Some(128)).unwrap(), Some(128));
        assert_eq!(bert.max_length(&zero, Some(1024)).unwrap(), Some(512));
        assert_eq!(facts("{}").max_length(&zero, Some(128)).unwrap(), Some(128));
        // Asked for, more than the tokenizer's own length is fine.
        assert_eq!(bert.max_length(&Config { max_length: 256, threads: 0 }, Some(128)).unwrap(), Some(256));
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
