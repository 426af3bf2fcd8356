//! Facts about a model in the hub's layout, and about a classifier made from it. No tensor's values are read.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::checkpoint::{StoredOutput, account};
use crate::{HubConfig, LoadReport, ModelConfig, ModelError, Pooling, ProblemType, Weights, parameters};

/// What `config.json` and the headers of the weights say about a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelFacts {
    /// The family's name.
    pub family: &'static str,
    /// The model's own name in `config.json`: some families have several.
    pub model_type: &'static str,
    /// The class of transformers that the model was saved from, according to `config.json`.
    pub saved_from: Option<String>,
    /// The family's classifier in transformers.
    pub architecture: &'static str,
    /// Sizes of the network.
    pub sizes: SizeFacts,
    /// Number of parameters.
    pub parameters: ParameterFacts,
    /// The tensors.
    pub weights: WeightFacts,
    /// The labels that `config.json` names, by index; `None` if it names none, or cannot be read.
    pub labels: Option<Vec<String>>,
    /// `problem_type` in `config.json`.
    pub problem: Option<String>,
    /// The head.
    pub head: HeadFacts,
}

/// Sizes of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SizeFacts {
    /// Number of layers.
    pub layers: usize,
    /// Number of layers with parameters of their own: fewer if layers share them (ALBERT).
    pub distinct_layers: usize,
    /// Hidden size.
    pub hidden: usize,
    /// Size of the token embeddings.
    pub embedding: usize,
    /// Attention heads per layer.
    pub heads: usize,
    /// Intermediate size of the feed-forward layers.
    pub intermediate: usize,
    /// Vocabulary size.
    pub vocabulary: usize,
    /// Maximum sequence length in tokens; `None` if unlimited.
    pub max_length: Option<usize>,
}

/// Numbers of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ParameterFacts {
    /// In the encoder.
    pub encoder: u64,
    /// In a head for the requested number of labels.
    pub head: u64,
}

/// The stored tensors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeightFacts {
    /// The name of the file, or of the index of the shards.
    pub file: String,
    /// Number of files that hold tensors.
    pub files: usize,
    /// Number of tensors.
    pub tensors: usize,
    /// Total size of the tensors in bytes.
    pub bytes: u64,
    /// Element type → number of tensors.
    pub kinds: BTreeMap<String, usize>,
    /// Tensors that a classifier does not use: buffers, and heads of other tasks.
    pub left_out: Vec<String>,
}

/// The stored head, and the new head that training on other labels would create.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadFacts {
    /// The pooling of the hidden states.
    pub pooling: Pooling,
    /// Whether the weights have a complete head for the labels that `config.json` names.
    pub stored: bool,
    /// Why the stored head cannot be kept.
    pub problem: Option<String>,
    /// The tensors of a head for the requested number of labels.
    pub tensors: Vec<HeadTensor>,
}

/// A tensor of a head, in the family's layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeadTensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether a new head initialises it; otherwise it is taken from the file.
    pub new: bool,
}

/// Inspects a directory in the hub's layout, with weights in any supported format. A new head is described for `labels`
/// labels.
///
/// # Errors
/// When a file is missing or damaged, or the tensors do not fit the configuration.
pub fn inspect(directory: &Path, labels: usize) -> Result<ModelFacts, ModelError> {
    let mut hub = HubConfig::read(directory)?;
    let problem = hub.get("problem_type").and_then(Value::as_str).map(str::to_owned);
    // Training decides about this; a model for another task has an encoder all the same.
    hub.set("problem_type", json!(ProblemType::SingleLabelClassification));
    let config = ModelConfig::new(&hub, Some((0..labels).map(|index| format!("LABEL_{index}")).collect()))?;
    let weights = Weights::open(directory)?;

    let replaced = report(&weights, &config, &StoredOutput::Replace)?;
    let (stated, unreadable) = match hub.label_names() {
        Ok(names) => (names, None),
        Err(error) => (None, Some(error.to_string())),
    };
    let other_task = hub.other_task();
    let labels = stated.clone().filter(|labels| labels.len() > 1 && other_task.is_none());
    let kept = labels.map(|labels| {
        let order = (0..labels.len()).collect();
        report(&weights, &ModelConfig::new(&hub, Some(labels))?, &StoredOutput::Keep(order))
    });
    let (kept, misfit) = match kept {
        Some(Ok(report)) => (Some(report).filter(|report| report.new.is_empty()), None),
        Some(Err(error)) => (None, Some(error.to_string())),
        None => (None, None),
    };
    let head_problem = unreadable.or(misfit).or(other_task.filter(|_| stated.is_some()));
    let (parameters, tensors) = count(&config, &replaced);
    let encoder = &config.network.encoder;
    let architectures = hub.get("architectures").and_then(|names| names.get(0)).and_then(Value::as_str);
    Ok(ModelFacts {
        family: config.family.name(),
        model_type: config.model_type,
        saved_from: architectures.map(str::to_owned),
        architecture: config.architecture,
        sizes: SizeFacts {
            layers: encoder.layers,
            distinct_layers: encoder.distinct_layers,
            hidden: encoder.hidden,
            embedding: encoder.embeddings.size,
            heads: encoder.layer.attention.heads,
            intermediate: encoder.layer.mlp.intermediate,
            vocabulary: encoder.embeddings.vocabulary,
            max_length: config.max_length,
        },
        parameters,
        weights: weight_facts(&weights, kept.as_ref().unwrap_or(&replaced).left_out.clone()),
        labels: stated,
        problem,
        head: HeadFacts {
            pooling: config.network.head.pooling,
            stored: kept.is_some(),
            problem: head_problem,
            tensors,
        },
    })
}

fn report(weights: &Weights, config: &ModelConfig, output: &StoredOutput) -> Result<LoadReport, ModelError> {
    account(weights, &config.rules(), &config.network, Some(output)).map(|(_, report)| report)
}

/// Counts the parameters, and lists those of the head in the family's layout.
fn count(config: &ModelConfig, report: &LoadReport) -> (ParameterFacts, Vec<HeadTensor>) {
    let rules = config.rules();
    let heads = config.network.encoder.layer.attention.heads;
    let mut counts = ParameterFacts { encoder: 0, head: 0 };
    let mut tensors = Vec::new();
    for (path, shape) in parameters(&config.network) {
        let count = shape.iter().fold(1, |count: u64, &size| count.saturating_mul(size as u64));
        if !path.starts_with("head.") {
            counts.encoder = counts.encoder.saturating_add(count);
            continue;
        }
        counts.head = counts.head.saturating_add(count);
        // `account` has rejected a table that lacks a name.
        if let Some(tensor) = rules.hub(&path) {
            let new = report.new.contains(&tensor.name);
            tensors.push(HeadTensor { shape: tensor.layout.stored_shape(&shape, heads), name: tensor.name, new });
        }
    }
    (counts, tensors)
}

fn weight_facts(weights: &Weights, left_out: Vec<String>) -> WeightFacts {
    let mut kinds = BTreeMap::new();
    let (mut tensors, mut bytes) = (0, 0u64);
    for (kind, size) in weights.kinds().into_values() {
        *kinds.entry(kind).or_insert(0) += 1;
        tensors += 1;
        bytes = bytes.saturating_add(size);
    }
    let file = weights.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    WeightFacts { file, files: weights.files().len(), tensors, bytes, kinds, left_out }
}
