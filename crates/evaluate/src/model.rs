//! The fine-tuned model: loaded, checked against the label map, and run. The only module that computes.

use std::path::Path;

use firebrand_arch::{ProblemType, Tokens, parameters};
use firebrand_dataset::{LabelMap, TokenRow};
use firebrand_pipeline::{Error, Result};
use firebrand_scorer::{Precision, Scorer};
use serde::Serialize;

use crate::Config;

/// Facts about the model for the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ModelFacts {
    /// `model_type` of `config.json`, e.g. `bert`.
    pub(crate) family: String,
    pub(crate) parameters: usize,
    /// Maximum row length in tokens, if the model has one.
    pub(crate) max_length: Option<usize>,
    /// The device it ran on.
    pub(crate) device: String,
}

/// The model, loaded onto its device.
#[derive(Debug)]
pub(crate) struct Model {
    scorer: Scorer,
    batch_size: usize,
    pub(crate) facts: ModelFacts,
}

impl Model {
    /// Loads the model and checks that it has these labels in this order.
    ///
    /// # Errors
    /// When the device is unavailable, the model is incomplete, or its labels differ.
    pub(crate) fn load(directory: &Path, config: &Config, labels: &LabelMap) -> Result<Self> {
        let scorer = Scorer::open(directory, &config.device, Precision::Fp32)
            .map_err(|error| error.hint("run `cargo xtask stage train --force` to create it again"))?;
        let model = scorer.config();
        same_labels(&model.labels, labels.names())?;
        same_problem(model.problem, labels)?;
        let parameters = parameters(&model.network);
        let facts = ModelFacts {
            family: model.model_type.to_owned(),
            parameters: parameters.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum(),
            max_length: model.max_length,
            device: config.device.clone(),
        };
        Ok(Self { scorer, batch_size: config.batch_size, facts })
    }

    /// Label probabilities for each row.
    ///
    /// # Errors
    /// When a row has tokens outside the vocabulary or is too long, or when logits are not finite.
    pub(crate) fn probabilities(&self, rows: &[TokenRow], progress: &mut dyn FnMut(u64)) -> Result<Vec<Vec<f32>>> {
        let tokens: Vec<Tokens<'_>> =
            rows.iter().map(|row| Tokens { ids: &row.ids, type_ids: &row.type_ids }).collect();
        let logits = self.scorer.logits(&tokens, self.batch_size, progress).map_err(|error| {
            error
                .hint("model and tokens may be from different runs: run `cargo xtask pipeline --from tokenize --force`")
        })?;
        finite(&logits, rows)?;
        let problem = self.scorer.config().problem;
        Ok(logits.into_iter().map(|logits| problem.probabilities(&logits)).collect())
    }
}

/// Checks that model and data are both single-label or both multi-label.
fn same_problem(model: ProblemType, labels: &LabelMap) -> Result<()> {
    let several = model == ProblemType::MultiLabelClassification;
    if several == labels.is_multi_label() {
        return Ok(());
    }
    let number = |several: bool| if several { "any number of labels" } else { "one label" };
    Err(Error::data(format!(
        "the model gives a text {}, but according to labels.json a row has {}",
        number(several),
        number(labels.is_multi_label())
    ))
    .hint("the model was trained on other data: run `cargo xtask pipeline --from train --force`"))
}

/// Checks that model and data have the same labels in the same order.
fn same_labels(model: &[String], data: &[String]) -> Result<()> {
    if model == data {
        return Ok(());
    }
    let difference = if model.len() == data.len() {
        let differing = model.iter().zip(data).enumerate().find(|(_, (model, data))| model != data);
        differing.map_or_else(String::new, |(index, (model, data))| {
            format!("label {index} is `{model}` in the model and `{data}` in labels.json")
        })
    } else {
        format!("the model has {} labels, labels.json has {}", model.len(), data.len())
    };
    Err(Error::data(format!("the model and the data disagree about the labels: {difference}"))
        .hint("the model was trained on other data: run `cargo xtask pipeline --from train --force`"))
}

/// Rejects NaN and infinite logits, which a model has whose training diverged.
fn finite(logits: &[Vec<f32>], rows: &[TokenRow]) -> Result<()> {
    let broken = logits.iter().zip(rows).find(|(logits, _)| logits.iter().any(|logit| !logit.is_finite()));
    match broken {
        None => Ok(()),
        Some((logits, row)) => Err(Error::data(format!("a logit of row {} is not finite: {logits:?}", row.id))
            .hint("training has diverged: lower `train.learning_rate`, or keep `train.max_grad_norm` at 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn other_labels_are_refused_and_named() {
        let data = names(&["negative", "positive"]);
        same_labels(&data, &data).unwrap();
        let refused = |model: &[&str]| same_labels(&names(model), &data).unwrap_err().message().to_owned();
        assert!(
            refused(&["positive", "negative"])
                .ends_with("label 0 is `positive` in the model and `negative` in labels.json")
        );
        assert!(refused(&["negative"]).ends_with("the model has 1 labels, labels.json has 2"));
    }

    #[test]
    fn a_logit_that_is_not_finite_names_its_row() {
        let row = TokenRow { id: 17, ids: vec![1], type_ids: vec![0], labels: vec![0], weight: 1.0, cut: 0 };
        let rows = [row];
        finite(&[vec![0.5, -3.0]], &rows).unwrap();
        let error = finite(&[vec![0.5, f32::NAN]], &rows).unwrap_err();
        assert!(error.message().contains("row 17"), "{}", error.message());
    }
}
