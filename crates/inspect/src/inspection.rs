//! Everything that is said of a model.

use std::path::Path;

use firebrand_model::{ModelError, ModelFacts};
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
    /// Family, sizes, tensors, labels and head.
    pub model: ModelFacts,
    /// The tokenizer; `None` where it cannot be used.
    pub tokenizer: Option<Tokenizer>,
    /// Why the tokenizer cannot be used, or does not belong to this model.
    pub tokenizer_problem: Option<String>,
    /// The licence; `None` where no file states it.
    pub licence: Option<Licence>,
    /// The file with a licence's text.
    pub licence_text: Option<&'static str>,
    /// For how many labels `model.parameters.head` and `model.head.tensors` are told.
    pub labels: usize,
}

impl Inspection {
    /// Looks at a directory. `labels` is for how many labels a new head is described.
    ///
    /// # Errors
    /// When there is no `config.json`, its family is not known, or the weights are missing, damaged or do not fit it. A missing
    /// tokenizer is told, not an error.
    pub fn of(directory: &Path, labels: usize, commit: Option<String>) -> Result<Self> {
        let model = firebrand_model::inspect(directory, labels).map_err(|error| explain(directory, &error))?;
        let (tokenizer, tokenizer_problem) = match Tokenizer::of(directory, model.sizes.longest_row) {
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
            tokenizer,
            tokenizer_problem,
            licence: Licence::of(directory),
            licence_text: Licence::text(directory),
            model,
            labels,
        })
    }
}

fn explain(directory: &Path, error: &ModelError) -> Error {
    const WHAT: &str = "a model is a directory with config.json, weights (model.safetensors or pytorch_model.bin) and \
                        tokenizer files";
    let told = Error::data(format!("cannot inspect the model in {}", directory.display())).caused_by(error);
    match error {
        ModelError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => match below(directory) {
            Some(inside) => told.hint(format!("did you mean {inside}?")),
            None => told.hint(WHAT),
        },
        ModelError::Io { source, .. } => Error::io("inspect the model in", directory, source),
        ModelError::Config { problem, .. } if problem.starts_with("`model_type`") => {
            told.hint("README.md, \"Adding a family\", says what it takes to add one")
        }
        ModelError::Tensors { problem, .. } if problem.starts_with("there are no weights") => told.hint(WHAT),
        _ => told.hint("fetch the model again, or compare its config.json and weights with the hub's"),
    }
}

/// A directory below that has a model.
fn below(directory: &Path) -> Option<String> {
    let mut entries: Vec<_> = std::fs::read_dir(directory).ok()?.flatten().map(|entry| entry.path()).collect();
    entries.sort();
    // A run, and a sentence model, have theirs at these places.
    let usual = ["pretrained", "model", "bundle"].map(|name| directory.join(name)).into_iter();
    usual.chain(entries).find(|path| path.join("config.json").is_file()).map(|path| path.display().to_string())
}
