//! Builds what training works with from the configuration.

use firebrand_arch::ProblemType;
use firebrand_model::{Classifier, named_parameters};
use firebrand_pipeline::{Error, Result};

use crate::learner::devices;
use crate::loss::label_weights::label_weights;
use crate::{
    AdamW, BatchSize, Config, Freeze, LayerDecay, Learner, Lora, MicroBatch, Rows, Sampler, Sampling, TrainingPrecision,
};

/// The learner: the classifier, a fresh optimiser and the objective.
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

/// The frozen parts.
pub(crate) fn freeze(config: &Config, classifier: &Classifier) -> Result<Freeze> {
    let freeze = Freeze::new(&config.freeze, config.unfreeze_steps, classifier.network.encoder.layers.len())?;
    Ok(if config.lora_rank > 0 { freeze.with_lora(config.lora_targets.clone()) } else { freeze })
}

/// What to say when layers get random weights that are then frozen for good.
pub(crate) fn frozen_at_random(config: &Config, classifier: &Classifier, freeze: &Freeze) -> Option<String> {
    let layers = classifier.network.encoder.layers.len();
    let first = layers.checked_sub(config.reinit_layers).filter(|&first| first < layers)?;
    let paths = named_parameters(&classifier.network).into_iter().map(|(path, _)| path);
    let reinitialised = (first..layers).map(|layer| format!("encoder.layers.{layer}.")).collect::<Vec<_>>();
    let frozen = |path: &String| !freeze.trains(path, u64::MAX);
    paths.filter(|path| reinitialised.iter().any(|layer| path.starts_with(layer))).find(frozen).map(|path| {
        let by = if config.lora_rank > 0 { "lora_rank" } else { "freeze" };
        format!("`train.reinit_layers` gives `{path}` random weights, and `train.{by}` keeps them as they are: they are never trained")
    })
}

/// LoRA adapters for a pretrained classifier, if configured.
pub(crate) fn lora(config: &Config, classifier: &Classifier) -> Result<Option<Lora>> {
    let Config { lora_rank, lora_alpha, ref lora_targets, seed, .. } = *config;
    (lora_rank > 0).then(|| Lora::new(&classifier.network, lora_rank, lora_alpha, lora_targets, seed)).transpose()
}

/// The configured sampler.
pub(crate) fn sampler(config: &Config, classifier: &Classifier, rows: &Rows) -> Result<Sampler> {
    let balanced = config.sampling == Sampling::Balanced;
    if balanced && classifier.config().problem == ProblemType::MultiLabelClassification {
        return Err(Error::key("sampling", "is \"balanced\", but rows may have several labels")
            .hint("`train.class_weights = \"balanced\"` compensates for rare labels there"));
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
                let problem = format!("is {budget}, but row {id} of the training split has {tokens} tokens");
                return Err(Error::key("tokens_per_batch", problem).hint("raise it, or lower `tokenize.max_length`"));
            }
            BatchSize::Tokens(budget)
        }
    };
    Ok(Sampler { lengths, by_label, batch, devices, sort_window, seed })
}

/// The rows with these indices.
pub(crate) fn micro_batch<'a>(rows: &'a Rows, numbers: &[usize]) -> MicroBatch<'a> {
    MicroBatch {
        rows: numbers.iter().map(|&row| rows.tokens(row)).collect(),
        labels: numbers.iter().map(|&row| rows.labels(row)).collect(),
        weights: numbers.iter().map(|&row| rows.weight(row)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use firebrand_model::device;
    use firebrand_pipeline::{Slot, config::default_section};

    use super::*;

    #[test]
    fn layers_that_stay_random_are_named() {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models/bert");
        let classifier = Classifier::load(&fixture, &device("flex").unwrap()).unwrap();
        let warning = |change: fn(&mut Config)| {
            let mut config = Config { reinit_layers: 1, ..default_section(Slot::Train).unwrap() };
            change(&mut config);
            frozen_at_random(&config, &classifier, &freeze(&config, &classifier).unwrap())
        };
        assert_eq!(warning(|_| ()), None);
        assert_eq!(warning(|config| config.freeze = vec!["layers.0".to_owned()]), None);
        assert_eq!(warning(|config| config.unfreeze_steps = 50), None);
        assert_eq!(warning(|config| (config.reinit_layers, config.lora_rank) = (0, 2)), None);
        let found = warning(|config| config.freeze = vec!["layers.1".to_owned()]).unwrap();
        assert!(found.contains("`encoder.layers.1.") && found.contains("`train.freeze`"), "{found}");
        let found = warning(|config| config.lora_rank = 2).unwrap();
        assert!(found.contains("`encoder.layers.1.") && found.contains("`train.lora_rank`"), "{found}");
    }
}
