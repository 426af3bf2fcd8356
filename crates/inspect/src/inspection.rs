//! Everything that is reported about a model.

use std::path::Path;

use firebrand_arch::{ModelError, ModelFacts};
use firebrand_fetch::LocalModel;
use firebrand_pipeline::{Error, Result};
use serde::Serialize;

use crate::licence::Licence;
use crate::tokenizer::Tokenizer;

/// A directory in the hub's layout, as `--json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// The directory.
    pub directory: String,
    /// The commit of a model of the hub.
    pub commit: Option<String>,
    /// What to know of the sentence-transformers model that this is: how it pools, and where its transformer is.
    pub sentence_model: Option<String>,
    /// Family, sizes, tensors, labels and head.
    pub model: ModelFacts,
    /// The tokenizer; `None` if it cannot be used.
    pub tokenizer: Option<Tokenizer>,
    /// Why the tokenizer cannot be used, or does not match the model.
    pub tokenizer_problem: Option<String>,
    /// The licence; `None` if no file states it.
    pub licence: Option<Licence>,
    /// The file with the text of the licence.
    pub licence_text: Option<&'static str>,
    /// The number of labels that `model.parameters.head` and `model.head.tensors` are for.
    pub labels: usize,
}

impl Inspection {
    /// Looks at a directory, or at the transformer inside that a sentence-transformers model names. `labels` is for how many
    /// labels a new head is described.
    ///
    /// # Errors
    /// When there is no checkpoint, its family is not known, or the weights are damaged or do not fit it. A missing tokenizer
    /// is reported, not an error.
    pub fn of(whole: &Path, labels: usize, commit: Option<String>) -> Result<Self> {
        let LocalModel { directory, sentence_model } = firebrand_fetch::local_model(whole)?;
        let directory = directory.as_path();
        let model = firebrand_arch::inspect(directory, labels).map_err(|error| explain(directory, &error))?;
        let (tokenizer, tokenizer_problem) = match Tokenizer::of(directory, model.sizes.max_length) {
            Ok(tokenizer) => {
                let (ids, rows) = (tokenizer.vocabulary, model.sizes.vocabulary);
                let problem = (ids > rows).then(|| format!("it has {ids} tokens, but the model has {rows}"));
                (Some(tokenizer), problem)
            }
            Err(error) => (None, Some(error.message().to_owned())),
        };
        Ok(Self {
            directory: directory.display().to_string(),
            commit,
            sentence_model,
            tokenizer,
            tokenizer_problem,
            licence: Licence::of(directory).or_else(|| Licence::of(whole)),
            licence_text: Licence::text(directory).or_else(|| Licence::text(whole)),
            model,
            labels,
        })
    }
}

fn explain(directory: &Path, error: &ModelError) -> Error {
    let explained = Error::data(format!("cannot inspect the model in {}", directory.display())).caused_by(error);
    match error {
        ModelError::Io { source, .. } => Error::io("inspect the model in", directory, source),
        ModelError::Config { problem, .. } if problem.starts_with("`model_type`") => {
            explained.hint("README.md, \"Adding a family\", says what it takes to add one")
        }
        _ => explained.hint("fetch the model again, or compare its config.json and weights with the hub's"),
    }
}
