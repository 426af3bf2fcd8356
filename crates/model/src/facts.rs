//! What a directory in the hub's layout holds, and what a classifier made of it would be. No tensor's numbers are read.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use serde::Serialize;
use serde_json::{Value, json};

use crate::checkpoint::{NewHead, StoredOutput, account, expected_parameters};
use crate::{HubConfig, LoadReport, ModelConfig, ModelError, Pooling, ProblemType, Weights};

/// What is known of a model from `config.json` and the headers of its weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelFacts {
    /// The family's name.
    pub family: &'static str,
    /// The model's own name in `config.json`: some families go by several.
    pub model_type: &'static str,
    /// What `config.json` says that the file was saved from.
    pub saved_from: Option<String>,
    /// The classifier that the family has in transformers.
    pub architecture: &'static str,
    /// Widths and counts.
    pub sizes: SizeFacts,
    /// Numbers that are trained.
    pub parameters: ParameterFacts,
    /// The tensors.
    pub weights: WeightFacts,
    /// The labels that `config.json` names, by index; `None` where it names none.
    pub labels: Option<Vec<String>>,
    /// What the labels mean, where `config.json` says it.
    pub problem: Option<String>,
    /// The head.
    pub head: HeadFacts,
}

/// Widths and counts of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SizeFacts {
    /// Layers.
    pub layers: usize,
    /// Layers that have parameters of their own: fewer where layers share them (ALBERT).
    pub distinct_layers: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Width of the token table.
    pub embedding: usize,
    /// Attention heads of a layer.
    pub heads: usize,
    /// Width inside the feed-forward part.
    pub intermediate: usize,
    /// Rows of the token table.
    pub vocabulary: usize,
    /// The longest row, in tokens; `None` where there is no end.
    pub longest_row: Option<usize>,
}

/// How many numbers are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ParameterFacts {
    /// Of the encoder.
    pub encoder: u64,
    /// Of a head for the labels that were asked for.
    pub head: u64,
}

/// The tensors of a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeightFacts {
    /// The name of the file, or of the index of several.
    pub file: String,
    /// Files that hold tensors.
    pub files: usize,
    /// Tensors.
    pub tensors: usize,
    /// Bytes of all tensors.
    pub bytes: u64,
    /// What the numbers are → how many tensors of it.
    pub kinds: BTreeMap<String, usize>,
    /// Tensors without a place in a classifier, as is known of this family: buffers and heads of pretraining.
    pub unneeded: Vec<String>,
}

/// The head that the file has, and the one that training on other labels would make.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeadFacts {
    /// Which hidden state is classified.
    pub pooling: Pooling,
    /// Whether the file has a whole head for the labels that `config.json` names.
    pub stored: bool,
    /// Why a head that is there cannot be kept.
    pub problem: Option<String>,
    /// The tensors of a head for the labels that were asked for.
    pub tensors: Vec<HeadTensor>,
}

/// A tensor of a head, as the family's files have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeadTensor {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether it is made anew for other labels; otherwise it is taken from the file.
    pub new: bool,
}

/// Looks at a directory in the hub's layout: `config.json`, and the weights in any form. `labels` is for how many labels a
/// new head is described.
///
/// # Errors
/// When a file is missing or damaged, or the tensors do not fit the configuration.
pub fn inspect(directory: &Path, labels: usize) -> Result<ModelFacts, ModelError> {
    let mut hub = HubConfig::read(directory)?;
    let problem = hub.get("problem_type").and_then(Value::as_str).map(str::to_owned);
    // What the labels mean is decided by whoever trains; a model of another task has an encoder all the same.
    hub.set("problem_type", json!(ProblemType::SingleLabelClassification));
    let config = ModelConfig::new(&hub, Some((0..labels).map(|index| format!("LABEL_{index}")).collect()))?;
    let device = crate::device("flex")?;
    let weights = Weights::open(directory)?;

    let replaced = report(&weights, &config, StoredOutput::Replace, &device)?;
    let stated = if hub.get("id2label").is_some() { Some(hub.labels()?) } else { None };
    let kept = stated.clone().filter(|labels| labels.len() > 1).map(|labels| {
        let order = (0..labels.len()).collect();
        report(&weights, &ModelConfig::new(&hub, Some(labels))?, StoredOutput::Keep(order), &device)
    });
    let (kept, head_problem) = match kept {
        Some(Ok(report)) => (Some(report).filter(|report| report.new.is_empty()), None),
        Some(Err(error)) => (None, Some(error.to_string())),
        None => (None, None),
    };
    let (parameters, tensors) = parameters(&config, &replaced, &device)?;
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
            longest_row: config.max_length,
        },
        parameters,
        weights: weight_facts(&weights, kept.as_ref().unwrap_or(&replaced).unneeded.clone()),
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

fn report(
    weights: &Weights,
    config: &ModelConfig,
    output: StoredOutput,
    device: &Device,
) -> Result<LoadReport, ModelError> {
    let head = NewHead { seed: 0, deviation: config.initializer_range, output };
    account(weights, &config.rules(), &config.network, Some(&head), device).map(|(_, report)| report)
}

/// Counts the parameters, and lists those of the head as the family's files have them.
fn parameters(
    config: &ModelConfig,
    report: &LoadReport,
    device: &Device,
) -> Result<(ParameterFacts, Vec<HeadTensor>), ModelError> {
    let rules = config.rules();
    let heads = config.network.encoder.layer.attention.heads;
    let mut counts = ParameterFacts { encoder: 0, head: 0 };
    let mut tensors = Vec::new();
    for (path, shape) in expected_parameters(&config.network, device)? {
        let count = shape.iter().fold(1, |count: u64, &size| count.saturating_mul(size as u64));
        if !path.starts_with("head.") {
            counts.encoder = counts.encoder.saturating_add(count);
            continue;
        }
        counts.head = counts.head.saturating_add(count);
        // Every parameter has a name: `account` refuses a table without one.
        if let Some(tensor) = rules.hub(&path) {
            let new = report.new.contains(&tensor.name);
            tensors.push(HeadTensor { shape: tensor.layout.stored_shape(&shape, heads), name: tensor.name, new });
        }
    }
    Ok((counts, tensors))
}

fn weight_facts(weights: &Weights, unneeded: Vec<String>) -> WeightFacts {
    let mut kinds = BTreeMap::new();
    let (mut tensors, mut bytes) = (0, 0u64);
    for (kind, size) in weights.kinds().into_values() {
        *kinds.entry(kind).or_insert(0) += 1;
        tensors += 1;
        bytes = bytes.saturating_add(size);
    }
    let file = weights.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    WeightFacts { file, files: weights.files().len(), tensors, bytes, kinds, unneeded }
}
