//! Firebrand stage: fine-tunes the model.
//!
//! The recipe is that of BERT and of `transformers.Trainer`: AdamW with decoupled weight decay, except on biases and norms,
//! linear warm-up and decay, clipping by the global gradient norm, dropout, and early stopping on the validation loss with the
//! best weights restored.
//!
//! Everything in a step is a function of configuration, seed and step: the order of rows, the dropout masks, the learning rate.
//! A run that is stopped resumes from its last checkpoint and ends with the same bytes.
//!
//! It writes `model/` (in the hub's layout, without tokenizer), `metrics.jsonl`, `summary.json` and, if configured,
//! `tensorboard/`, `best/` and `learning_rate.json`. None of them contains times.
//! `checkpoints/` exists while training runs and is removed at the end. Checkpoints of another configuration, other inputs or
//! another training format are not resumed: they are kept in `checkpoints.superseded`.

mod adapters;
mod checkpoint;
mod config;
mod dashboard;
mod data;
mod interrupt;
mod learner;
mod loss;
mod optimiser;
mod outcome;
mod parameters;
mod rate_finder;
mod report;
mod trainer;
mod validation;

use burn::tensor::Device;
use firebrand_arch::{ProblemType, StartFrom};
use firebrand_dataset::{LabelMap, read_tokens};
use firebrand_kernels::within_pool;
use firebrand_model::{Classifier, device, keep_freed_memory};
use firebrand_pipeline::{Error, Result, ResultExt, Slot, Stage, StageIo};

pub use adapters::ema::Ema;
pub use adapters::freeze::Freeze;
pub use adapters::lora::Lora;
pub use adapters::reinit::Reinit;
pub use checkpoint::state::{EpochFigures, ProgramChange};
pub use config::precision::TrainingPrecision;
pub use config::{Config, Pooling};
pub use data::Rows;
pub use data::sampling::{BatchSize, Sampler, Sampling};
pub use learner::{Learner, MicroBatch, StepFigures};
pub use loss::Objective;
pub use loss::label_weights::ClassWeights;
pub use optimiser::adamw::{AdamW, AdamWConfig};
pub use optimiser::gradients::Gradients;
pub use optimiser::loss_scale::LossScale;
pub use optimiser::schedule::{Schedule, ScheduleShape};
pub use outcome::Outcome;
pub use parameters::depth::LayerDecay;
pub use rate_finder::{FindLearningRate, RangeTest};
pub use report::anomaly::Anomaly;
pub use report::finding::{Finding, FindingKind};
pub use report::log::Line;
pub use report::summary::Summary;
pub use trainer::Trainer;
pub use validation::Validation;
pub use validation::metric::Metric;

/// The training stage.
#[derive(Debug)]
pub struct Train;

impl Stage for Train {
    const SLOT: Slot = Slot::Train;
    type Config = Config;

    fn check(config: &Config) -> Result<()> {
        config.check()
    }

    fn run(config: &Config, io: &StageIo) -> Result<()> {
        interrupt::install();
        // Set at the start of the process; what was refused costs speed, not results.
        for setting in keep_freed_memory().iter().filter(|setting| setting.held != Some(setting.wanted)) {
            io.log(format!("memory: {setting}"));
        }
        train(config, io, |_| interrupt::asked())
    }
}

/// Runs the whole stage. After each step `stop` is called with the number of steps done, and may stop training.
///
/// # Errors
/// An error of kind `Interrupted`, after a checkpoint, when asked to stop; others when the inputs are not usable, training
/// breaks down, or the system refuses.
pub fn train(config: &Config, io: &StageIo, stop: impl Fn(u64) -> bool + Send) -> Result<()> {
    let labels = LabelMap::read(&io.input(Slot::Clean, "labels.json")?)?;
    let train = Rows::new(read_tokens(&io.input(Slot::Tokenize, "train.parquet")?)?, &labels, "train")?;
    let validation = Rows::new(read_tokens(&io.input(Slot::Tokenize, "validation.parquet")?)?, &labels, "validation")?;

    let device = device(&config.device).or_other(|| "cannot use the device".to_owned())?;
    let pretrained = io.input(Slot::Fetch, "pretrained")?;
    let from = StartFrom {
        labels: labels.names().to_vec(),
        problem: if labels.is_multi_label() {
            ProblemType::MultiLabelClassification
        } else {
            ProblemType::SingleLabelClassification
        },
        head: config.head,
        mean_pooling: config.pooling == Pooling::Mean,
        seed: config.seed,
        hidden_dropout: config.dropout(config.hidden_dropout),
        attention_dropout: config.dropout(config.attention_dropout),
        classifier_dropout: config.dropout(config.classifier_dropout),
    };
    let (classifier, report) = Classifier::start(&pretrained, &from, &recording(config, device))
        .or_data(|| "cannot load the pretrained model".to_owned())?;
    io.log(format!(
        "{} with {:.1} M parameters: {} tensors loaded, new: {}",
        classifier.family(),
        classifier.parameters() as f64 / 1e6,
        report.loaded,
        if report.new.is_empty() { "none, the head is kept".to_owned() } else { report.new.join(", ") },
    ));
    if let Some(names) = report.left_out_names() {
        io.log(format!("left out: {names}"));
    }
    let classifier = reinitialise(config, classifier, !report.new.is_empty())?;
    train.check_fits(&classifier)?;
    validation.check_fits(&classifier)?;

    let on_host = optimiser::gradients::on_host(&classifier.device());
    let trainer = Trainer::new(config, io, classifier, &train, &validation)?.stop_when(stop);
    // On one thread from the first step to the last, so that it reuses the memory that it freed.
    let outcome = if on_host { within_pool(|| trainer.run()) } else { trainer.run() };
    outcome?.write(io)
}

/// The device, recording gradients.
pub(crate) fn recording(config: &Config, device: Device) -> Device {
    let device = device.autodiff();
    if config.gradient_checkpointing { device.gradient_checkpointing() } else { device }
}

/// Re-initialises the configured number of top layers.
fn reinitialise(config: &Config, classifier: Classifier, new_head: bool) -> Result<Classifier> {
    let (count, layers) = (config.reinit_layers, classifier.network.encoder.layers.len());
    if count == 0 {
        return Ok(classifier);
    }
    if count > layers {
        return Err(Error::key("reinit_layers", format!("is {count}, but the model has {layers}")));
    }
    let deviation = classifier.config().initializer_range;
    let reinit = Reinit { count, layers, pooler: new_head, deviation, seed: config.seed };
    Ok(classifier.map_network(|network| reinit.apply(network)))
}

#[cfg(test)]
mod tests {
    use firebrand_pipeline::config::default_section;

    use super::*;

    #[test]
    fn the_device_checkpoints_gradients_when_told_to() {
        let plain: Config = default_section(Slot::Train).unwrap();
        let config = Config { gradient_checkpointing: true, ..plain.clone() };
        let strategy = |config| recording(config, device("flex").unwrap()).gradient_checkpointing_strategy();
        let [plain, checkpointing] = [&plain, &config].map(strategy);
        assert!(plain.is_some() && checkpointing.is_some() && plain != checkpointing);
    }
}
