//! The loop over epochs and steps.

use std::time::{Duration, Instant};

use firebrand_model::{Classifier, Network, Tokens};
use firebrand_pipeline::progress::Progress;
use firebrand_pipeline::{Error, ErrorKind, Result, ResultExt, StageIo};

use crate::checkpoint::Checkpoints;
use crate::log::{Line, MetricsLog};
use crate::state::State;
use crate::validation::validate;
use crate::{AdamW, Config, Learner, LinearSchedule, Rows, StepFigures, Summary, epoch_batches};

/// A training run over the rows of one stage.
pub struct Trainer<'a> {
    config: &'a Config,
    io: &'a StageIo,
    train: &'a Rows,
    validation: &'a Rows,
    lengths: Vec<usize>,
    steps_per_epoch: u64,
    schedule: LinearSchedule,
    stop: Box<dyn Fn(u64) -> bool + 'a>,
    checkpoints: Checkpoints,
    metrics: MetricsLog,
    learner: Learner,
    state: State,
    /// The parameters of the best epoch so far.
    best: Option<Network>,
}

/// What training made.
#[derive(Debug)]
pub struct Outcome {
    /// The classifier with the best parameters, or the last where the configuration says so.
    pub classifier: Classifier,
    /// How training went.
    pub summary: Summary,
}

impl Outcome {
    /// Writes `model/` and `summary.json`, and removes the checkpoints, which from then on nothing needs.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, io: &StageIo) -> Result<()> {
        self.classifier.save(&io.output("model")).or_other(|| "cannot save the model".to_owned())?;
        io.write_json("summary.json", &self.summary)?;
        Checkpoints::new(io.output("checkpoints")).remove()
    }
}

impl<'a> Trainer<'a> {
    /// Gets ready to train, from the newest checkpoint where an interrupted run left one.
    ///
    /// # Errors
    /// When the checkpoint cannot be used, or the output directory cannot be written.
    pub fn new(
        config: &'a Config,
        io: &'a StageIo,
        classifier: Classifier,
        train: &'a Rows,
        validation: &'a Rows,
    ) -> Result<Self> {
        let steps_per_epoch = train.len().div_ceil(config.batch_size) as u64;
        let schedule =
            LinearSchedule::new(config.learning_rate, config.warmup_ratio, steps_per_epoch * u64::from(config.epochs));
        let checkpoints = Checkpoints::new(io.output("checkpoints"));
        let found = if io.resuming() { checkpoints.latest(&classifier)? } else { None };
        let mut optimizer = AdamW::new(config.adamw());
        let (classifier, state, best) = match found {
            Some(found) => {
                optimizer.moments = found.moments;
                io.log(format!("going on after step {} of {}", found.state.step, schedule.total_steps));
                (classifier.with_network(found.network), found.state, found.best)
            }
            None => (classifier, State::default(), None),
        };
        Ok(Self {
            config,
            io,
            train,
            validation,
            lengths: train.lengths(),
            steps_per_epoch,
            schedule,
            stop: Box::new(|_| false),
            checkpoints,
            metrics: MetricsLog::open(&io.output("metrics.jsonl"), state.step)?,
            learner: Learner::new(classifier, optimizer, config.max_grad_norm, config.seed),
            state,
            best,
        })
    }

    /// Asks after each step, given the number of steps done, whether to stop there.
    #[must_use]
    pub fn stop_when(mut self, stop: impl Fn(u64) -> bool + 'a) -> Self {
        self.stop = Box::new(stop);
        self
    }

    /// Trains to the end.
    ///
    /// # Errors
    /// An error of kind `Interrupted`, after a checkpoint, when asked to stop; others when the loss is not finite or
    /// the system refuses.
    pub fn run(mut self) -> Result<Outcome> {
        let bar = self.io.progress("steps", self.schedule.total_steps);
        bar.start_from(self.state.step);
        while !self.is_done() {
            let epoch = (self.state.step / self.steps_per_epoch) as u32;
            let batches =
                epoch_batches(&self.lengths, self.config.batch_size, self.config.sort_window, self.config.seed, epoch);
            let mut speed = Speed::start();
            let done_before = (self.state.step % self.steps_per_epoch) as usize;
            for (index, rows) in batches.iter().enumerate().skip(done_before) {
                let tokens: Vec<Tokens<'_>> = rows.iter().map(|&row| self.train.tokens(row)).collect();
                let labels: Vec<&[u32]> = rows.iter().map(|&row| self.train.labels(row)).collect();
                let step = self.state.step;
                let rate = self.schedule.rate(step);
                let figures;
                (self.learner, figures) = self.learner.step(step, &tokens, &labels, rate)?;
                self.state.add_step(figures, rows.len());
                speed.add(rows.len());
                bar.message(format!("loss {:.4}, {:.0} samples/s", figures.loss, speed.per_second()));
                bar.set(self.state.step);

                let last = index + 1 == batches.len();
                if last || self.state.step.is_multiple_of(self.config.log_steps) {
                    self.log_step(figures, rate)?;
                }
                if !last {
                    self.checkpoint_if_due(&bar)?;
                }
            }
            self.end_epoch(&speed)?;
            if !self.is_done() && (self.stop)(self.state.step) {
                return Err(self.interrupted());
            }
        }
        bar.finish();
        self.finish()
    }

    fn is_done(&self) -> bool {
        self.state.step >= self.schedule.total_steps || self.state.is_stale(self.config.early_stopping_patience)
    }

    /// A checkpoint within an epoch, where one is due or the user wants to stop.
    fn checkpoint_if_due(&mut self, bar: &Progress) -> Result<()> {
        let due = self.config.checkpoint_steps > 0 && self.state.step.is_multiple_of(self.config.checkpoint_steps);
        let stop = (self.stop)(self.state.step);
        if due || stop {
            bar.message("writing a checkpoint");
            self.write_checkpoint()?;
        }
        if stop { Err(self.interrupted()) } else { Ok(()) }
    }

    fn write_checkpoint(&mut self) -> Result<()> {
        // The lines before the checkpoint, which a run that goes on from it does not write again.
        self.metrics.flush()?;
        self.checkpoints.write(
            &self.state,
            &self.learner.classifier.network,
            &self.learner.optimizer,
            self.best.as_ref(),
        )
    }

    fn interrupted(&self) -> Error {
        let (step, total) = (self.state.step, self.schedule.total_steps);
        Error::new(ErrorKind::Interrupted, format!("stopped after step {step} of {total}, at a checkpoint"))
            .hint("the same command goes on from there")
    }

    fn epochs_seen(&self) -> f64 {
        self.state.step as f64 / self.steps_per_epoch as f64
    }

    fn log_step(&mut self, figures: StepFigures, rate: f64) -> Result<()> {
        let line = Line {
            loss: self.state.since_line.take(),
            learning_rate: Some(rate),
            grad_norm: Some(figures.grad_norm),
            ..Line::at(self.state.step, self.epochs_seen())
        };
        self.metrics.write(&line)
    }

    /// Validation, the best parameters, the log, a checkpoint.
    fn end_epoch(&mut self, speed: &Speed) -> Result<()> {
        let bar = self.io.progress("validation rows", self.validation.len() as u64);
        let batch_size = self.config.eval_batch_size;
        let validation = validate(&self.learner.classifier, self.validation, batch_size, &mut |rows| bar.inc(rows))?;
        bar.finish();
        let training_loss = self.state.since_epoch.get().unwrap_or_default();
        let better = self.state.add_epoch(validation);
        if better && self.config.restore_best {
            self.best = Some(self.learner.classifier.network.clone());
        }
        self.metrics.write(&Line {
            validation_loss: Some(validation.loss),
            validation_accuracy: Some(validation.accuracy),
            validation_micro_f1: validation.micro_f1,
            ..Line::at(self.state.step, self.epochs_seen())
        })?;
        self.io.log(format!(
            "epoch {}/{}: training loss {training_loss:.4}, validation loss {:.4}, {}{} ({:.0} samples/s, {} s)",
            self.state.epochs.len(),
            self.config.epochs,
            validation.loss,
            validation.words(),
            if better { ", the best so far" } else { "" },
            speed.per_second(),
            speed.elapsed().as_secs(),
        ));
        self.write_checkpoint()
    }

    fn finish(self) -> Result<Outcome> {
        let summary = Summary::new(self.config, &self.state, &self.learner.classifier, self.train, self.validation);
        if summary.stopped_early {
            self.io.log(format!(
                "stopped early: {} validations in a row without a lower loss",
                self.config.early_stopping_patience
            ));
        }
        let classifier = match (self.best, summary.best) {
            (Some(network), Some(epoch)) => {
                self.io.log(format!("keeping the parameters of epoch {}", epoch.epoch));
                self.learner.classifier.with_network(network)
            }
            _ => self.learner.classifier,
        };
        Ok(Outcome { classifier, summary })
    }
}

/// Rows per second since the epoch began, or since this process took it up.
struct Speed {
    start: Instant,
    rows: usize,
}

impl Speed {
    fn start() -> Self {
        Self { start: Instant::now(), rows: 0 }
    }

    fn add(&mut self, rows: usize) {
        self.rows += rows;
    }

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    fn per_second(&self) -> f64 {
        self.rows as f64 / self.elapsed().as_secs_f64().max(1e-9)
    }
}
