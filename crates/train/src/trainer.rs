//! The loop over epochs and steps.

use std::collections::BTreeMap;

use firebrand_kernels::bf16;
use firebrand_model::{Classifier, Network};
use firebrand_pipeline::progress::Progress;
use firebrand_pipeline::{Error, ErrorKind, Result, StageIo};

use crate::checkpoint::state::State;
use crate::checkpoint::{Checkpoints, Snapshot};
use crate::config::precision;
use crate::config::setup::{freeze, learner, lora, micro_batch, sampler};
use crate::dashboard::{self, Dashboard};
use crate::data::epochs::Epochs;
use crate::learner::feed::{Feed, Prepared, ahead};
use crate::optimiser::gradients::on_host;
use crate::outcome::Outcome;
use crate::report::log::{Line, MetricsLog};
use crate::report::speed::Speed;
use crate::validation::validate;
use crate::{
    Anomaly, Config, Ema, Freeze, Learner, MicroBatch, Rows, Sampler, Schedule, StepFigures, Summary, TrainingPrecision,
};

/// A training run over the rows of one stage.
pub struct Trainer<'a> {
    config: &'a Config,
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
    state: State,
    /// While training runs, where it is wanted.
    dashboard: Option<Dashboard>,
}

impl<'a> Trainer<'a> {
    /// Gets ready to train, from the newest checkpoint where an interrupted run left one.
    ///
    /// # Errors
    /// When the checkpoint cannot be used, the configuration does not fit model or rows, or the output directory cannot be
    /// written.
    pub fn new(
        config: &'a Config,
        io: &'a StageIo,
        classifier: Classifier,
        train: &'a Rows,
        validation: &'a Rows,
    ) -> Result<Self> {
        let (freeze, lora) = (freeze(config, &classifier)?, lora(config, &classifier)?);
        let sampler = sampler(config, &classifier, train)?;
        let epochs = Epochs::new(&sampler, config.epochs, config.accumulation_steps);
        let schedule = config.schedule(epochs.steps())?;

        Anomaly::forget(io)?;
        let checkpoints = Checkpoints::new(io.output("checkpoints"));
        let found = if io.resuming() { checkpoints.latest(&classifier)? } else { None };
        let (classifier, mut state, average, moments, lora) = match found {
            Some(found) => {
                io.log(format!("going on after step {} of {}", found.state.step, schedule.total_steps));
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
        // A run that is gone on with elsewhere computes as it began.
        let precision = match config.precision {
            TrainingPrecision::Auto => state.precision,
            chosen => chosen,
        };
        state.precision = precision.on(&config.device, &classifier.device());
        io.log(precision::words(state.precision, &config.device, bf16::is_fast()));
        let mut learner = learner(config, state.precision, classifier, train)?.with_lora(lora);
        learner.optimizer.moments = moments;
        learner.loss_scale = state.loss_scale.or(learner.loss_scale);
        learner.feed.set_halvings(state.halvings);
        let events = config.tensorboard.then(|| io.output("tensorboard"));
        Ok(Self {
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

    /// Asks after each step, given the number of steps done, whether to stop there.
    #[must_use]
    pub fn stop_when(mut self, stop: impl Fn(u64) -> bool + Send + 'a) -> Self {
        self.stop = Box::new(stop);
        self
    }

    /// Whether a thread of its own makes the tensors of the next step while one is taken: so where the device is not the CPU,
    /// which a step keeps busy by itself. It changes no result.
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
        let mut speed = Speed::start();
        self.dashboard = dashboard::open(self.config, self.epochs.place(self.state.step).0);
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

    /// Takes a step over the rows of these batches, which are prepared.
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
        (self.learner, figures) =
            self.learner.take(step, prepared, again, rate).map_err(|error| match error.kind() {
                ErrorKind::Other => anomaly(error.message().to_owned()).report(self.io),
                _ => error,
            })?;
        self.state.add_step(figures, rows.len());
        self.state.loss_scale = self.learner.loss_scale;
        let halvings = self.learner.feed.halvings();
        if halvings > self.state.halvings {
            self.state.halvings = halvings;
            self.io.log(format!(
                "the GPU's memory did not hold a batch: from step {} on each is cut into {}, which pass one after the other; a step has as many rows as before",
                step + 1,
                1u64 << halvings,
            ));
        }
        let guess = (self.learner.classifier.labels().len() as f64).ln();
        if let Some(problem) = self.state.watch.add(figures.loss, self.config.divergence_factor, guess) {
            return Err(anomaly(problem).report(self.io));
        }
        if let Some(ema) = &mut self.ema {
            ema.update(&self.learner.classifier.network, self.state.step);
        }
        speed.add(rows.len());
        bar.message(format!("loss {:.4}, {:.0} samples/s", figures.loss, speed.per_second()));
        bar.set(self.state.step);
        if let Some(dashboard) = &mut self.dashboard {
            // The last step of an epoch is the whole of it, rather than none of the next.
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

    /// What is due after a step: a line, a validation, a checkpoint, or the end that the user asked for.
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
        // The lines before the checkpoint, which a run that goes on from it does not write again.
        self.metrics.flush()?;
        self.checkpoints.write(&Snapshot {
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
            .hint("the same command goes on from there")
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

    /// The classifier that is validated and saved: that of the averaged parameters, where there are such.
    fn judged(&self) -> Classifier {
        let classifier = self.learner.classifier.clone();
        match &self.ema {
            Some(ema) => classifier.map_network(|network| ema.averaged(network)),
            None => classifier,
        }
    }

    /// Validation, the log, a checkpoint.
    fn validate(&mut self, speed: &Speed) -> Result<()> {
        let classifier = self.judged();
        let bar = self.io.progress("validation rows", self.validation.len() as u64);
        let batch_size = self.config.eval_batch_size;
        let validation = self
            .learner
            .precision
            .within(|| validate(&classifier, self.validation, batch_size, &mut |rows| bar.inc(rows)))?;
        bar.finish();
        if let Some(dashboard) = &mut self.dashboard {
            dashboard.validation(&validation);
        }
        let training_loss = self.state.since_validation.get().unwrap_or_default();
        let epochs = self.epochs_seen();
        let better = self.state.add_validation(validation, epochs, self.config.early_stopping_metric);
        self.metrics.write(&Line {
            validation_loss: Some(validation.loss),
            validation_accuracy: Some(validation.accuracy),
            validation_macro_f1: Some(validation.macro_f1),
            validation_micro_f1: validation.micro_f1,
            ..Line::at(self.state.step, epochs)
        })?;
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
        let classifier = match summary.best.filter(|_| config.restore_best) {
            Some(best) => {
                io.log(format!("keeping the parameters of epoch {}", (best.epoch * 100.0).round() / 100.0));
                let network = self.checkpoints.validated(best.step, &learner.classifier)?;
                learner.classifier.clone().with_network(network)
            }
            None => self.judged(),
        };
        let best = state.best_steps(config.keep_best, config.early_stopping_metric);
        Ok(Outcome { classifier, summary, best })
    }
}
