//! What training works with, as the configuration wants it.

use firebrand_model::{Classifier, ProblemType};
use firebrand_pipeline::{Error, Result};

use crate::learner::devices;
use crate::loss::label_weights::label_weights;
use crate::{
    AdamW, BatchSize, Config, Freeze, LayerDecay, Learner, Lora, MicroBatch, Rows, Sampler, Sampling, TrainingPrecision,
};

/// The classifier with what moves it: an optimiser that remembers nothing yet, and the loss.
pub(crate) fn learner(
    config: &Config,
    precision: TrainingPrecision,
    classifier: Classifier,
    rows: &Rows,
) -> Result<Learner> {
    let several = classifier.config().problem == ProblemType::MultiLabelClassification;
    let weights = label_weights(config.class_weights, &config.label_weights, classifier.labels(), several, rows)?;
    let layers = classifier.network.encoder.layers.len();
    let decay = (config.layer_decay < 1.0).then_some(LayerDecay { decay: config.layer_decay, layers });
    let optimizer = AdamW::new(config.adamw()).with_layer_decay(decay);
    let learner = Learner::new(classifier, optimizer, config.max_grad_norm, config.seed);
    let learner = learner.with_more_devices(devices::others(config)?);
    let learner = learner.with_precision(precision.of_kernels(&config.device));
    Ok(learner.with_loss_scale(precision.loss_scale()).with_objective(config.objective(weights)))
}

/// What stands still.
pub(crate) fn freeze(config: &Config, classifier: &Classifier) -> Result<Freeze> {
    let freeze = Freeze::new(&config.freeze, config.unfreeze_steps, classifier.network.encoder.layers.len())?;
    Ok(if config.lora_rank > 0 { freeze.with_lora(config.lora_targets.clone()) } else { freeze })
}

/// The low-rank updates, where they are wanted, of a classifier as it was pretrained.
pub(crate) fn lora(config: &Config, classifier: &Classifier) -> Result<Option<Lora>> {
    let Config { lora_rank, lora_alpha, ref lora_targets, seed, .. } = *config;
    (lora_rank > 0).then(|| Lora::new(&classifier.network, lora_rank, lora_alpha, lora_targets, seed)).transpose()
}

/// The order of the rows, as the configuration wants it.
pub(crate) fn sampler(config: &Config, classifier: &Classifier, rows: &Rows) -> Result<Sampler> {
    let balanced = config.sampling == Sampling::Balanced;
    if balanced && classifier.config().problem == ProblemType::MultiLabelClassification {
        return Err(Error::key("sampling", "is \"balanced\", but rows may have several labels")
            .hint("`train.class_weights = \"balanced\"` makes up for rare labels there"));
    }
    let by_label = balanced.then(|| {
        let mut by_label = vec![Vec::new(); classifier.labels().len()];
        for row in 0..rows.len() {
            rows.labels(row).iter().for_each(|&label| by_label[label as usize].push(row));
        }
        by_label
    });
    let Config { batch_size, tokens_per_batch, devices, sort_window, seed, .. } = *config;
    let lengths = rows.lengths();
    let batch = match tokens_per_batch {
        0 => BatchSize::Rows(batch_size),
        budget => {
            if let Some(row) = (0..lengths.len()).find(|&row| lengths[row] > budget) {
                let (id, tokens) = (rows.id(row), lengths[row]);
                let problem = format!("is {budget}, but row {id} of the training part has {tokens} tokens");
                return Err(Error::key("tokens_per_batch", problem).hint("raise it, or lower `tokenize.max_length`"));
            }
            BatchSize::Tokens(budget)
        }
    };
    Ok(Sampler { lengths, by_label, batch, devices, sort_window, seed })
}

/// Rows of these numbers.
pub(crate) fn micro_batch<'a>(rows: &'a Rows, numbers: &[usize]) -> MicroBatch<'a> {
    MicroBatch {
        rows: numbers.iter().map(|&row| rows.tokens(row)).collect(),
        labels: numbers.iter().map(|&row| rows.labels(row)).collect(),
        weights: numbers.iter().map(|&row| rows.weight(row)).collect(),
    }
}
