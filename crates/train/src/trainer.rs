//! The training loop.

use std::collections::BTreeMap;

use firebrand_kernels::bf16;
use firebrand_model::{Classifier, Network};
use firebrand_pipeline::progress::Progress;
use firebrand_pipeline::{Error, ErrorKind, Result, StageIo};

use crate::checkpoint::fingerprint::Fingerprint;
use crate::checkpoint::state::State;
use crate::checkpoint::{Checkpoints, Snapshot, remove_dir};
use crate::config::precision;
use crate::config::setup::{freeze, frozen_at_random, learner, lora, micro_batch, sampler};
use crate::dashboard::{self, Dashboard};
use crate::data::epochs::Epochs;
use crate::learner::feed::{Feed, Prepared, ahead};
use crate::learner::memory::Failure;
use crate::optimiser::gradients::on_host;
use crate::outcome::Outcome;
use crate::report::log::{Line, MetricsLog};
use crate::report::speed::Speed;
use crate::validation::batches::EvalBatches;
use crate::validation::validate;
use crate::{
    Anomaly, Config, Ema, Freeze, Learner, MicroBatch, Rows, Sampler, Schedule, StepFigures, Summary,
    TrainingPrecision, Validation, rate_finder,
};

/// A training run.
pub struct Trainer<'a> {
    /// With the learning rate that a search found, if it is to be used.
    config: Config,
    io: &'a StageIo,
    train: &'a Rows,
    validation: &'a Rows,
    sampler: Sampler,
    epochs: Epochs,
    schedule: Schedule,
    freeze: Freeze,
    stop: Box<dyn Fn(u64) -> bool + Send + 'a>,
    checkpoints: Checkpoints,
    metrics: MetricsLog,
    learner: Learner,
    feed_ahead: bool,
    ema: Option<Ema>,
    eval_batches: EvalBatches,
    /// A loss below this is never divergence: that of a model that favours no label.
    loss_of_guessing: f64,
    fingerprint: Fingerprint,
    state: State,
    /// Shown while training runs, if configured.
    dashboard: Option<Dashboard>,
}

impl<'a> Trainer<'a> {
    /// Prepares training, from the newest checkpoint if an interrupted run left one that fits.
    ///
    /// # Errors
    /// When the checkpoint is damaged, the configuration does not fit the model or the rows, or the output directory cannot be
    /// written.
    pub fn new(
        config: &Config,
        io: &'a StageIo,
        classifier: Classifier,
        train: &'a Rows,
        validation: &'a Rows,
    ) -> Result<Self> {
        let (freeze, lora) = (freeze(config, &classifier)?, lora(config, &classifier)?);
        if let Some(warning) = frozen_at_random(config, &classifier, &freeze) {
            io.warn(warning);
        }
        let sampler = sampler(config, &classifier, train)?;
        let epochs = Epochs::new(&sampler, config.epochs, config.accumulation_steps);

        Anomaly::forget(io)?;
        let fingerprint = Fingerprint::new(config, &classifier, train, validation)?;
        let checkpoints = Checkpoints::new(io.output("checkpoints"));
        let found = checkpoints.resume(io, &fingerprint, &classifier)?;
        let config = rate_finder::chosen(config, io, &classifier, train, found.is_some())?;
        let schedule = config.schedule(epochs.steps())?;
        let (classifier, mut state, average, moments, lora) = match found {
            Some(found) => {
                io.log(format!("resuming after step {} of {}", found.state.step, schedule.total_steps));
                let lora = lora.map(|lora| lora.with_values(found.lora)).transpose()?;
                (classifier.with_network(found.network), found.state, found.average, found.moments, lora)
            }
            None => (classifier, State::default(), None, BTreeMap::new(), lora),
        };
        let classifier = if freeze.is_none() { classifier } else { freeze.begin(classifier, state.step)? };
        let ema = (config.ema_decay > 0.0).then(|| match average {
            Some(values) => Ema::from_values(config.ema_decay, values),
            None => Ema::new(config.ema_decay, &classifier.network),
        });
        // A run that is resumed on another machine computes as it started.
        let precision = match config.precision {
            TrainingPrecision::Auto => state.precision,
            chosen => chosen,
        };
        state.precision = precision.on(&config.device, &classifier.device());
        io.log(precision::words(state.precision, &config.device, bf16::is_fast()));
        let mut learner = learner(&config, state.precision, classifier, train)?.with_lora(lora);
        learner.optimizer.moments = moments;
        learner.loss_scale = state.loss_scale.or(learner.loss_scale);
        learner.feed.set_halvings(state.halvings);
        let events = io.output("tensorboard");
        if !config.tensorboard {
            // Of an earlier attempt with another configuration.
            remove_dir(&events)?;
        }
        let events = config.tensorboard.then_some(events);
        let (classes, problem) = (learner.classifier.labels().len(), learner.classifier.config().problem);
        Ok(Self {
            eval_batches: EvalBatches::new(&config, state.eval_halvings),
            loss_of_guessing: learner.feed.objective.loss_of_guessing(train, classes, problem),
            fingerprint,
            config,
            io,
            train,
            validation,
            sampler,
            epochs,
            schedule,
            freeze,
            stop: Box::new(|_| false),
            checkpoints,
            metrics: MetricsLog::open(&io.output("metrics.jsonl"), state.step, events.as_deref())?,
            feed_ahead: !on_host(&learner.classifier.device()),
            learner,
            ema,
            state,
            dashboard: None,
        })
    }

    /// Registers a callback that may stop training after a step, given the number of steps done.
    #[must_use]
    pub fn stop_when(mut self, stop: impl Fn(u64) -> bool + Send + 'a) -> Self {
        self.stop = Box::new(stop);
        self
    }

    /// Whether a thread prepares the tensors of the next step in advance. By default only for GPUs: on the CPU a step keeps all
    /// cores busy by itself. It does not change the result.
    #[must_use]
    pub fn feed_ahead(self, feed_ahead: bool) -> Self {
        Self { feed_ahead, ..self }
    }

    /// Trains to the end.
    ///
    /// # Errors
    /// An error of kind `Interrupted`, after a checkpoint, when asked to stop; others when training breaks down or the system
    /// refuses.
    pub fn run(mut self) -> Result<Outcome> {
        let bar = self.io.progress("steps", self.schedule.total_steps);
        bar.start_from(self.state.step);
        if self.state.step == 0 {
            self.validate_start()?;
        }
        let mut speed = Speed::start();
        self.dashboard = dashboard::open(&self.config, self.epochs.place(self.state.step).0);
        while !self.is_done() {
            self = self.epoch(&mut speed, &bar)?;
        }
        self.dashboard = None;
        bar.finish();
        self.finish()
    }

    /// Trains to the end of the epoch, or of training.
    fn epoch(mut self, speed: &mut Speed, bar: &Progress) -> Result<Self> {
        let (epoch, done_before) = self.epochs.place(self.state.step);
        let batches = self.sampler.epoch(epoch);
        if let Some(dashboard) = &mut self.dashboard {
            dashboard.epoch(epoch, self.epochs.steps_of(epoch));
        }
        let steps = (self.state.step..).zip(batches.chunks(self.config.accumulation_steps).skip(done_before as usize));
        let (feed, train) = (self.learner.feed.clone(), self.train);
        let prepare = move |(step, batches): (u64, &[Vec<usize>])| {
            let micro: Vec<MicroBatch<'_>> = batches.iter().map(|rows| micro_batch(train, rows)).collect();
            feed.prepare(step, &micro)
        };
        std::thread::scope(move |scope| {
            for ((_, batches), prepared) in ahead(scope, self.feed_ahead, steps, prepare) {
                self = self.step(batches, prepared?, speed, bar)?;
                if self.is_done() {
                    break;
                }
            }
            Ok(self)
        })
    }

    /// Takes a step over these batches, which are already prepared.
    fn step(mut self, batches: &[Vec<usize>], prepared: Prepared, speed: &mut Speed, bar: &Progress) -> Result<Self> {
        let (step, rows) = (self.state.step, batches.concat());
        let rate = self.schedule.rate(step);
        if self.freeze.changes_at(step) {
            self.learner.classifier = self.learner.classifier.map_network(|network| self.freeze.apply(network, step));
        }
        let anomaly = |problem: String| Anomaly {
            step: step + 1,
            problem,
            learning_rate: rate,
            rows: rows.iter().map(|&row| self.train.id(row)).collect(),
        };
        let again = |feed: &Feed| {
            let micro: Vec<MicroBatch<'_>> = batches.iter().map(|rows| micro_batch(self.train, rows)).collect();
            feed.prepare(step, &micro)
        };
        let figures;
        (self.learner, figures) = self.learner.take(step, prepared, again, rate).map_err(|failure| match failure {
            Failure::NotFinite(problem) => anomaly(problem).report(self.io),
            Failure::Memory | Failure::Other(_) => failure.into(),
        })?;
        self.state.add_step(figures, rows.len());
        self.state.loss_scale = self.learner.loss_scale;
        let halvings = self.learner.feed.halvings();
        if halvings > self.state.halvings {
            self.state.halvings = halvings;
            self.io.log(format!(
                "a batch did not fit into the GPU's memory: from step {} on each is split into {} that pass one after the other; a step has as many rows as before",
                step + 1,
                1u64 << halvings,
            ));
        }
        let (factor, guess) = (self.config.divergence_factor, self.loss_of_guessing);
        if let Some(problem) = self.state.watch.add(figures.loss, factor, guess) {
            return Err(anomaly(problem).report(self.io));
        }
        if let Some(ema) = &mut self.ema {
            ema.update(&self.learner.classifier.network, self.state.step);
        }
        speed.add(rows.len());
        bar.message(format!("loss {:.4}, {:.0} samples/s", figures.loss, speed.per_second()));
        bar.set(self.state.step);
        if let Some(dashboard) = &mut self.dashboard {
            // After its last step an epoch is complete; the next one has not started.
            dashboard.step(figures, rate, speed.per_second(), self.epochs.place(step).1 + 1);
        }
        self.after_step(figures, rate, speed, bar)?;
        Ok(self)
    }

    fn is_done(&self) -> bool {
        self.state.step >= self.schedule.total_steps || self.state.is_stale(self.config.early_stopping_patience)
    }

    fn asked_to_stop(&self) -> bool {
        (self.stop)(self.state.step) || self.dashboard.as_ref().is_some_and(Dashboard::asks_to_stop)
    }

    /// Does what is due after a step: logging, validation, a checkpoint, or stopping.
    fn after_step(&mut self, figures: StepFigures, rate: f64, speed: &mut Speed, bar: &Progress) -> Result<()> {
        let step = self.state.step;
        let epoch_ends = self.epochs.ends_at(step);
        let validate = match self.config.eval_steps {
            0 => epoch_ends,
            steps => step.is_multiple_of(steps) || step == self.schedule.total_steps,
        };
        if epoch_ends || step.is_multiple_of(self.config.log_steps) {
            self.log_step(figures, rate)?;
        }
        if validate {
            self.validate(speed)?;
            *speed = Speed::start();
        }
        let stop = !(validate && self.is_done()) && self.asked_to_stop();
        let steps = self.config.checkpoint_steps;
        let due = epoch_ends || (steps > 0 && step.is_multiple_of(steps));
        if !validate && (due || stop) {
            bar.message("writing a checkpoint");
            self.write_checkpoint(None)?;
        }
        if stop { Err(self.interrupted()) } else { Ok(()) }
    }

    /// Writes a checkpoint; `validated` are the parameters that were validated after this step.
    fn write_checkpoint(&mut self, validated: Option<&Network>) -> Result<()> {
        // A run that resumes from the checkpoint does not write the earlier lines again.
        self.metrics.flush()?;
        self.checkpoints.write(&Snapshot {
            fingerprint: &self.fingerprint,
            state: &self.state,
            network: &self.learner.classifier.network,
            optimizer: &self.learner.optimizer,
            average: self.ema.as_ref().map(|ema| &ema.values),
            lora: self.learner.lora.as_ref(),
            kept: &self.state.best_steps(self.config.best_kept(), self.config.early_stopping_metric),
            validated,
            last: self.is_done(),
        })
    }

    fn interrupted(&self) -> Error {
        let (step, total) = (self.state.step, self.schedule.total_steps);
        Error::new(ErrorKind::Interrupted, format!("stopped after step {step} of {total}, at a checkpoint"))
            .hint("the same command resumes from there")
    }

    fn epochs_seen(&self) -> f64 {
        self.epochs.seen(self.state.step)
    }

    fn log_step(&mut self, figures: StepFigures, rate: f64) -> Result<()> {
        let line = Line {
            loss: self.state.since_line.take(),
            learning_rate: Some(rate),
            grad_norm: (!figures.skipped).then_some(figures.grad_norm),
            ..Line::at(self.state.step, self.epochs_seen())
        };
        self.metrics.write(&line)
    }

    /// The classifier that is validated and saved: with averaged parameters, if `ema_decay` is set.
    fn eval_model(&self) -> Classifier {
        let classifier = self.learner.classifier.clone();
        match &self.ema {
            Some(ema) => classifier.map_network(|network| ema.averaged(network)),
            None => classifier,
        }
    }

    /// Validates the model that training starts from, to be compared with what comes of it.
    fn validate_start(&mut self) -> Result<()> {
        let classifier = self.learner.classifier.clone();
        let validation = self.measure(&classifier)?;
        if !validation.loss.is_finite() {
            // The first step will fail, and name its rows.
            return Ok(());
        }
        self.state.start = Some(validation);
        self.metrics.write(&Line::of_validation(0, 0.0, &validation))?;
        let (loss, shares) = (validation.loss, validation.words());
        self.io.log(format!("before training: validation loss {loss:.4}, {shares}"));
        Ok(())
    }

    /// The figures of a classifier over the validation split.
    fn measure(&mut self, classifier: &Classifier) -> Result<Validation> {
        let bar = self.io.progress("validation rows", self.validation.len() as u64);
        let (rows, batches) = (self.validation, &mut self.eval_batches);
        let precision = self.learner.precision;
        let validation = precision.within(|| validate(classifier, rows, batches, &mut |rows| bar.inc(rows)))?;
        bar.finish();
        let halvings = self.eval_batches.halvings;
        if halvings > self.state.eval_halvings {
            self.state.eval_halvings = halvings;
            let parts = 1_u64 << halvings;
            self.io.log(format!(
                "validation batches did not fit into the GPU's memory: they are 1/{parts} of their size now"
            ));
        }
        Ok(validation)
    }

    /// Validates, logs, and writes a checkpoint.
    fn validate(&mut self, speed: &Speed) -> Result<()> {
        let classifier = self.eval_model();
        let validation = self.measure(&classifier)?.finite()?;
        if let Some(dashboard) = &mut self.dashboard {
            dashboard.validation(&validation);
        }
        let training_loss = self.state.since_validation.get().unwrap_or_default();
        let epochs = self.epochs_seen();
        let better = self.state.add_validation(validation, epochs, self.config.early_stopping_metric);
        self.metrics.write(&Line::of_validation(self.state.step, epochs, &validation))?;
        self.io.log(format!(
            "epoch {}/{}: training loss {training_loss:.4}, validation loss {:.4}, {}{} ({:.0} samples/s, {} s)",
            (epochs * 100.0).round() / 100.0,
            self.config.epochs,
            validation.loss,
            validation.words(),
            if better { ", the best so far" } else { "" },
            speed.per_second(),
            speed.elapsed().as_secs(),
        ));
        self.write_checkpoint(Some(&classifier.network))
    }

    fn finish(self) -> Result<Outcome> {
        let Self { config, io, state, learner, .. } = &self;
        let total = self.schedule.total_steps;
        let summary = Summary::new(config, state, total, &learner.classifier, self.train, self.validation);
        if summary.stopped_early {
            let (patience, progress) = (config.early_stopping_patience, config.early_stopping_metric.progress());
            io.log(format!("stopped early: {patience} validations in a row without {progress}"));
        }
        summary.findings.iter().for_each(|finding| io.warn(&finding.message));
        let classifier = match summary.best.filter(|_| config.restore_best) {
            Some(best) => {
                io.log(format!("keeping the parameters of epoch {}", (best.epoch * 100.0).round() / 100.0));
                let network = self.checkpoints.validated(best.step, &learner.classifier)?;
                learner.classifier.clone().with_network(network)
            }
            None => self.eval_model(),
        };
        let best = state.best_steps(config.keep_best, config.early_stopping_metric);
        Ok(Outcome { classifier, summary, best })
    }
}
