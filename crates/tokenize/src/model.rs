//! The two facts of the pretrained model that its tokenizer must fit.

use std::path::Path;

use firebrand_pipeline::{Error, Result, read_json};
use firebrand_text::TextTokenizer;
use serde_json::{Map, Value};

use crate::Config;

/// What `config.json` says of the model's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ModelFacts {
    /// Rows of the token table.
    vocabulary: Option<usize>,
    /// The longest row, in tokens; `None` where the model has no table of positions.
    positions: Option<usize>,
}

impl ModelFacts {
    /// Families whose table of positions begins after the padding token's id, 1.
    const SHIFTED: [&str; 5] = ["roberta", "xlm-roberta", "camembert", "mpnet", "xlm-roberta-xl"];

    /// Reads `DIRECTORY/config.json`.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let config: Map<String, Value> = read_json(&directory.join("config.json"))?;
        let number = |key: &str| config.get(key).and_then(Value::as_u64).and_then(|value| usize::try_from(value).ok());
        let family = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let shift = if Self::SHIFTED.contains(&family) { 2 } else { 0 };
        // GPT-2's name for it is `n_positions`.
        let positions = number("max_position_embeddings").or_else(|| number("n_positions"));
        Ok(Self {
            vocabulary: number("vocab_size"),
            positions: positions.map(|positions| positions.saturating_sub(shift)),
        })
    }

    /// The length that rows are cut to; `None` leaves it to the tokenizer's own files.
    ///
    /// # Errors
    /// When more is asked for than the model has positions for.
    pub(crate) fn max_length(self, config: &Config) -> Result<Option<usize>> {
        match (config.max_length, self.positions) {
            (0, positions) => Ok(positions),
            (asked, Some(positions)) if asked > positions => {
                Err(Error::key("max_length", format!("is {asked}, but the pretrained model takes {positions} tokens"))
                    .hint(format!("set it to {positions} or less, or to 0 for the model's own maximum")))
            }
            (asked, _) => Ok(Some(asked)),
        }
    }

    /// Refuses a tokenizer with ids that the model has no rows for.
    pub(crate) fn check(self, tokenizer: &TextTokenizer) -> Result<()> {
        match self.vocabulary {
            Some(vocabulary) if tokenizer.vocab_size() > vocabulary => Err(Error::data(format!(
                "the tokenizer is not this model's: it has {} tokens, and the model's config.json says {vocabulary}",
                tokenizer.vocab_size()
            ))
            .hint("fetch weights and tokenizer from the same place")),
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

    fn length(facts: ModelFacts, max_length: usize) -> Result<Option<usize>> {
        facts.max_length(&Config { max_length, threads: 0 })
    }

    #[test]
    fn the_models_positions_are_the_limit() {
        let bert = facts(r#"{"model_type": "bert", "max_position_embeddings": 512, "vocab_size": 30522}"#);
        assert_eq!(length(bert, 0).unwrap(), Some(512));
        assert_eq!(length(bert, 512).unwrap(), Some(512));
        let error = length(bert, 513).unwrap_err();
        assert!(error.message().contains("is 513") && error.message().contains("takes 512"), "{}", error.message());
    }

    #[test]
    fn some_families_lose_two_positions_and_some_have_no_table() {
        let roberta = facts(r#"{"model_type": "roberta", "max_position_embeddings": 514}"#);
        assert_eq!(length(roberta, 0).unwrap(), Some(512));
        assert_eq!(length(facts(r#"{"model_type": "gpt2", "n_positions": 1024}"#), 0).unwrap(), Some(1024));
        let xlnet = facts(r#"{"model_type": "xlnet"}"#);
        assert_eq!(length(xlnet, 0).unwrap(), None);
        assert_eq!(length(xlnet, 4096).unwrap(), Some(4096));
    }
}
