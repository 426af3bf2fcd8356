//! The `[train]` section.

mod check;
pub(crate) mod precision;
pub(crate) mod setup;

use std::collections::BTreeMap;

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

use firebrand_arch::StartHead;

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
    /// Number of GPUs that train together, from `device` on. Each takes `batch_size` rows of every batch.
    pub devices: usize,
    /// Refuse devices on which a run cannot be repeated bit for bit.
    pub deterministic: bool,
    /// Precision of forward and backward passes: `auto`, `fp32`, `bf16` or `fp16`. Parameters are always fp32.
    pub precision: TrainingPrecision,
    /// Recompute cheap activations in the backward pass instead of keeping them.
    pub gradient_checkpointing: bool,
    /// Whether to keep a head that the model already has: `auto`, `keep` or `new`.
    pub head: StartHead,
    /// Pooling of the hidden states: as in the model's family, or their mean.
    pub pooling: Pooling,
    /// Passes over the training split.
    pub epochs: u32,
    /// Rows per batch.
    pub batch_size: usize,
    /// Tokens per batch, padding included: as many rows as fit, in training and validation. 0 counts rows instead.
    pub tokens_per_batch: usize,
    /// Batches per step (gradient accumulation); gradients are averaged over all their rows.
    pub accumulation_steps: usize,
    /// Peak learning rate, reached after warm-up.
    pub learning_rate: f64,
    /// Learning-rate search before training: `off`, `report` or `use`.
    pub find_learning_rate: FindLearningRate,
    /// Learning-rate schedule after warm-up: `linear`, `cosine`, `constant` or `polynomial`.
    pub schedule: ScheduleShape,
    /// Exponent of the polynomial schedule.
    pub schedule_power: f64,
    /// Warm-up as a share of all steps; less than one step is no warm-up.
    pub warmup_ratio: f64,
    /// Warm-up steps; 0 uses `warmup_ratio`.
    pub warmup_steps: u64,
    /// Layer-wise learning-rate decay: the factor from each layer to the layer below; 1 uses one rate.
    pub layer_decay: f64,
    /// Decoupled weight decay; biases and norms are exempt.
    pub weight_decay: f64,
    /// Decay of the gradients' running mean.
    pub adam_beta1: f64,
    /// Decay of the gradients' running mean square.
    pub adam_beta2: f64,
    /// Added to the root of the mean square, for numerical stability.
    pub adam_epsilon: f64,
    /// Gradients are clipped to this global norm; 0 does not clip.
    pub max_grad_norm: f64,
    /// Dropout after embeddings, attention and feed-forward; -1 is the model's own.
    pub hidden_dropout: f64,
    /// Dropout of attention weights; -1 is the model's own.
    pub attention_dropout: f64,
    /// Dropout before the output layer; -1 is the model's own.
    pub classifier_dropout: f64,
    /// Sampling of an epoch: `shuffled`, every row once, or `balanced`, as many rows of every label.
    pub sampling: Sampling,
    /// Weights of labels in the loss: `none` or `balanced`.
    pub class_weights: ClassWeights,
    /// Weights of labels by name; they override `class_weights`.
    pub label_weights: BTreeMap<String, f64>,
    /// Label smoothing: the share of the target that is spread evenly over all labels.
    pub label_smoothing: f64,
    /// Exponent of the focal loss; 0 is plain cross-entropy.
    pub focal_gamma: f64,
    /// Weight of R-Drop's divergence between two passes with different dropout; 0 makes one pass.
    pub r_drop: f64,
    /// Frozen parts: `embeddings`, `layers.0-3`, `encoder`, `head`.
    pub freeze: Vec<String>,
    /// Gradual unfreezing: steps after which one more layer, from the top, is unfrozen; 0 trains all from the start.
    pub unfreeze_steps: u64,
    /// Number of layers, from the top, that are re-initialised.
    pub reinit_layers: usize,
    /// Rank of LoRA adapters, which are then trained along with the head; 0 is full fine-tuning.
    pub lora_rank: usize,
    /// LoRA's alpha: adapters are scaled by alpha over rank.
    pub lora_alpha: f64,
    /// Names of the weights with LoRA adapters.
    pub lora_targets: Vec<String>,
    /// Decay of the moving average of the parameters, which is validated and saved; 0 keeps none.
    pub ema_decay: f64,
    /// Number of batches whose rows are sorted by length together; 0 does not sort.
    pub sort_window: usize,
    /// Steps between validations; 0 validates at the end of each epoch.
    pub eval_steps: u64,
    /// The metric that decides which validation is best.
    pub early_stopping_metric: Metric,
    /// Validations in a row without a better one after which training stops; 0 never stops early.
    pub early_stopping_patience: u32,
    /// Keep the weights of the best validation rather than the last.
    pub restore_best: bool,
    /// Number of the best validations whose models are saved in `best/`.
    pub keep_best: usize,
    /// A loss this many times its running mean ends training; 0 never does.
    pub divergence_factor: f64,
    /// Rows per validation batch, unless `tokens_per_batch` is set.
    pub eval_batch_size: usize,
    /// Steps between checkpoints; 0 writes them only at the end of each epoch.
    pub checkpoint_steps: u64,
    /// Steps between lines in `metrics.jsonl`.
    pub log_steps: u64,
    /// Show Burn's dashboard instead of bars and lines if stdout is a terminal.
    pub dashboard: bool,
    /// Write a TensorBoard event file.
    pub tensorboard: bool,
    /// Seed of the new head, the order of rows and dropout.
    pub seed: u64,
}

/// How hidden states are pooled for classification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pooling {
    /// As in the model's family.
    #[serde(rename = "")]
    Family,
    /// Mean over the tokens.
    #[serde(rename = "mean")]
    Mean,
}

impl Config {
    /// The learning-rate schedule for this many steps.
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

    /// The training objective, with these label weights.
    pub(crate) fn objective(&self, label_weights: Option<Vec<f32>>) -> Objective {
        Objective {
            label_weights,
            focal_gamma: self.focal_gamma,
            label_smoothing: self.label_smoothing,
            r_drop: self.r_drop,
        }
    }

    /// Number of the best validations whose parameters are kept during training.
    pub(crate) fn best_kept(&self) -> usize {
        self.keep_best.max(usize::from(self.restore_best))
    }

    /// The optimiser's hyperparameters.
    pub(crate) fn adamw(&self) -> AdamWConfig {
        AdamWConfig {
            beta1: self.adam_beta1,
            beta2: self.adam_beta2,
            epsilon: self.adam_epsilon,
            weight_decay: self.weight_decay,
            no_decay: AdamWConfig::BIASES_AND_NORMS.map(str::to_owned).to_vec(),
        }
    }

    /// A dropout setting; `None` for -1, the model's own.
    pub(crate) fn dropout(&self, value: f64) -> Option<f64> {
        (value >= 0.0).then_some(value)
    }
}
