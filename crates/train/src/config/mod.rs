//! The `[train]` section.

mod check;
pub(crate) mod precision;
pub(crate) mod setup;

use std::collections::BTreeMap;

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

use firebrand_model::StartHead;

use crate::{
    AdamWConfig, ClassWeights, FindLearningRate, Metric, Objective, Sampling, Schedule, ScheduleShape,
    TrainingPrecision,
};

/// The `[train]` section; `configs/default.toml` has the defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `flex`, `ndarray`, `cuda` or `cuda:N`.
    pub device: String,
    /// How many GPUs train together, counted on from `device`: each takes so many rows as a batch has.
    pub devices: usize,
    /// Whether to refuse what cannot be repeated bit for bit.
    pub deterministic: bool,
    /// The numbers of forward and backward passes: `auto`, `fp32`, `bf16` or `fp16`; parameters are single precision in any case.
    pub precision: TrainingPrecision,
    /// Whether results of cheap operations are computed again for the backward pass rather than kept.
    pub gradient_checkpointing: bool,
    /// What becomes of a head that the model already has: `auto`, `keep` or `new`.
    pub head: StartHead,
    /// Which hidden state is classified: as the family does, or the mean.
    pub pooling: Pooling,
    /// Times that every row is seen.
    pub epochs: u32,
    /// Rows that pass the network together.
    pub batch_size: usize,
    /// Tokens that pass the network together, every row counted as long as the longest: rows are then as many as fit; 0:
    /// `batch_size` says it.
    pub tokens_per_batch: usize,
    /// Batches in a step, whose gradients are averaged over all their rows.
    pub accumulation_steps: usize,
    /// The highest learning rate, reached after warm-up.
    pub learning_rate: f64,
    /// Whether to look for the rate before training: `off`, `report` or `use`.
    pub find_learning_rate: FindLearningRate,
    /// What follows the climb of the rate: `linear`, `cosine`, `constant` or `polynomial`.
    pub schedule: ScheduleShape,
    /// The exponent of the polynomial schedule.
    pub schedule_power: f64,
    /// Share of all steps in which the rate climbs from zero.
    pub warmup_ratio: f64,
    /// Steps in which the rate climbs from zero; 0: `warmup_ratio` says it.
    pub warmup_steps: u64,
    /// What the learning rate is multiplied with from one layer to the one below it; 1: one rate for all.
    pub layer_decay: f64,
    /// Decoupled weight decay; biases and norms have none.
    pub weight_decay: f64,
    /// Decay of the gradients' running mean.
    pub adam_beta1: f64,
    /// Decay of the gradients' running mean square.
    pub adam_beta2: f64,
    /// Added to the root of the mean square.
    pub adam_epsilon: f64,
    /// Largest norm of all gradients together; 0: no clipping.
    pub max_grad_norm: f64,
    /// Dropout after embeddings, attention and feed-forward; -1: as the model's config says.
    pub hidden_dropout: f64,
    /// Dropout of attention weights; -1: as the model's config says.
    pub attention_dropout: f64,
    /// Dropout before the output map; -1: as the model's config says.
    pub classifier_dropout: f64,
    /// Which rows an epoch has: `shuffled`, all once, or `balanced`, of every label as many.
    pub sampling: Sampling,
    /// What labels weigh in the loss: `none` or `balanced`.
    pub class_weights: ClassWeights,
    /// Weights of labels by name, in the place of those of `class_weights`.
    pub label_weights: BTreeMap<String, f64>,
    /// Share of the truth that is spread evenly over all labels.
    pub label_smoothing: f64,
    /// Exponent of the focal loss; 0: none.
    pub focal_gamma: f64,
    /// Weight of the distance between two passes with different dropout; 0: one pass.
    pub r_drop: f64,
    /// Parts that stand still: `embeddings`, `layers.0-3`, `encoder`, `head`.
    pub freeze: Vec<String>,
    /// Steps after which one more layer, from the top, begins to move; 0: all from the start.
    pub unfreeze_steps: u64,
    /// Layers, from the top, that begin anew.
    pub reinit_layers: usize,
    /// Rank of low-rank updates, which are then all that moves but the head; 0: the parameters themselves move.
    pub lora_rank: usize,
    /// What the updates are multiplied with, times the rank.
    pub lora_alpha: f64,
    /// The layers' weights that are updated so.
    pub lora_targets: Vec<String>,
    /// Decay of the moving average of the parameters, which is what is validated and saved; 0: none.
    pub ema_decay: f64,
    /// Batches whose rows are sorted by length together; 0: no sorting.
    pub sort_window: usize,
    /// Steps between validations; 0: one at the end of each epoch.
    pub eval_steps: u64,
    /// The figure that tells which validation is best.
    pub early_stopping_metric: Metric,
    /// Validations in a row, none better than the best before, after which training stops; 0: never early.
    pub early_stopping_patience: u32,
    /// Keep the weights of the best validation rather than the last.
    pub restore_best: bool,
    /// Models of so many of the best validations are left in `best/`.
    pub keep_best: usize,
    /// A step's loss so many times its running mean ends training; 0: never.
    pub divergence_factor: f64,
    /// Rows in a validation batch.
    pub eval_batch_size: usize,
    /// Steps between checkpoints; 0: only at the end of each epoch.
    pub checkpoint_steps: u64,
    /// Steps between lines in `metrics.jsonl`.
    pub log_steps: u64,
    /// Whether Burn's terminal dashboard takes the place of bars and lines, where stdout is a terminal.
    pub dashboard: bool,
    /// Whether to write TensorBoard's event file.
    pub tensorboard: bool,
    /// Decides the head's first weights, the order of rows and dropout.
    pub seed: u64,
}

/// Which hidden state is classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    /// As the model's family does it.
    #[serde(rename = "")]
    Family,
    /// The mean over the tokens.
    #[serde(rename = "mean")]
    Mean,
}

impl Config {
    /// How the learning rate moves over so many steps.
    pub(crate) fn schedule(&self, total_steps: u64) -> Result<Schedule> {
        let warmup_steps = match self.warmup_steps {
            0 => Schedule::warmup_of(self.warmup_ratio, total_steps),
            steps if steps < total_steps => steps,
            steps => {
                let problem = format!("is {steps}, but training has only {total_steps} steps");
                return Err(
                    Error::key("warmup_steps", problem).hint("the rate would never reach `train.learning_rate`")
                );
            }
        };
        Ok(Schedule {
            shape: self.schedule,
            power: self.schedule_power,
            peak: self.learning_rate,
            warmup_steps,
            total_steps,
        })
    }

    /// The loss, with these weights of labels.
    pub(crate) fn objective(&self, label_weights: Option<Vec<f32>>) -> Objective {
        Objective {
            label_weights,
            focal_gamma: self.focal_gamma,
            label_smoothing: self.label_smoothing,
            r_drop: self.r_drop,
        }
    }

    /// How many of the best validations' parameters have to be kept while training runs.
    pub(crate) fn best_kept(&self) -> usize {
        self.keep_best.max(usize::from(self.restore_best))
    }

    /// The optimiser's constants.
    pub(crate) fn adamw(&self) -> AdamWConfig {
        AdamWConfig {
            beta1: self.adam_beta1,
            beta2: self.adam_beta2,
            epsilon: self.adam_epsilon,
            weight_decay: self.weight_decay,
            no_decay: AdamWConfig::BIASES_AND_NORMS.map(str::to_owned).to_vec(),
        }
    }

    /// -1 means that the model's config decides.
    pub(crate) fn dropout(&self, value: f64) -> Option<f64> {
        (value >= 0.0).then_some(value)
    }
}
