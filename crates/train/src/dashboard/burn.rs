//! Burn's renderer, fed by our own training loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn_train::Interrupter;
use burn_train::logger::TrainingProgressLogger;
use burn_train::metric::{
    MetricAttributes, MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn_train::renderer::tui::TuiMetricsRendererWrapper;
use burn_train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};
use firebrand_pipeline::progress::{self, QuietProgress};

use super::screen::{self, Screen};
use crate::StepFigures;
use crate::validation::Validation;

const LOSS: &str = "Loss";
const LEARNING_RATE: &str = "Learning rate";
const GRADIENTS: &str = "Gradient norm";
const SPEED: &str = "Rows per second";
const ACCURACY: &str = "Accuracy";
const MACRO_F1: &str = "Macro F1";
const MICRO_F1: &str = "Micro F1";

/// The dashboard, while it is on the terminal. Fields are dropped in order: first the display, then the terminal is restored, and
/// then lines that were logged in the meantime are printed.
pub(crate) struct Dashboard {
    renderer: TuiMetricsRendererWrapper,
    interrupter: Interrupter,
    _screen: Screen,
    _quiet: QuietProgress,
}

impl Dashboard {
    /// Takes over the terminal; `None` if that is not possible.
    pub(crate) fn open(epochs: u32, done: u32) -> Option<Self> {
        let quiet = progress::quiet();
        let screen = Screen::take()?;
        let interrupter = Interrupter::new();
        let renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), Some(done as usize));
        screen.keep_interrupts();
        let mut dashboard = Self { renderer, interrupter, _screen: screen, _quiet: quiet };
        dashboard.tell(|renderer| {
            for (name, better) in [
                (LOSS, false),
                (LEARNING_RATE, false),
                (GRADIENTS, false),
                (SPEED, true),
                (ACCURACY, true),
                (MACRO_F1, true),
                (MICRO_F1, true),
            ] {
                renderer.register_metric(definition(name, better));
            }
            renderer.start(epochs as usize, done as usize + 1, None, Some("Fine-tuning"));
        });
        Some(dashboard)
    }

    /// Starts or resumes an epoch, counted from 0.
    pub(crate) fn epoch(&mut self, epoch: u32, steps: u64) {
        self.tell(|renderer| {
            // Burn displays the epoch after the one that it is given.
            if let Some(before) = epoch.checked_sub(1) {
                renderer.update_epoch(before as usize + 1);
            }
            renderer.start_split("train", steps as usize);
        });
    }

    /// Shows a finished step and the number of steps of its epoch; `speed` is in rows per second.
    pub(crate) fn step(&mut self, figures: StepFigures, learning_rate: f64, speed: f64, steps_done: u64) {
        self.tell(|renderer| {
            renderer.update_train(number(LOSS, figures.loss));
            renderer.update_train(number(LEARNING_RATE, learning_rate));
            renderer.update_train(number(GRADIENTS, figures.grad_norm));
            renderer.update_train(number(SPEED, speed));
            renderer.update_split(steps_done as usize);
        });
    }

    /// Shows a validation.
    pub(crate) fn validation(&mut self, validation: &Validation) {
        self.tell(|renderer| {
            renderer.update_valid(number(LOSS, validation.loss));
            renderer.update_valid(number(ACCURACY, validation.accuracy));
            renderer.update_valid(number(MACRO_F1, validation.macro_f1));
            if let Some(micro_f1) = validation.micro_f1 {
                renderer.update_valid(number(MICRO_F1, micro_f1));
            }
        });
    }

    /// Whether the user asked the dashboard to stop.
    pub(crate) fn asks_to_stop(&self) -> bool {
        self.interrupter.should_stop()
    }

    /// Calls the renderer. It panics once the user has asked it to abort, which then exits like a second Ctrl-C.
    fn tell(&mut self, what: impl FnOnce(&mut TuiMetricsRendererWrapper)) {
        if catch_unwind(AssertUnwindSafe(|| what(&mut self.renderer))).is_err() {
            screen::give_back();
            std::process::exit(130);
        }
    }
}

fn id(name: &str) -> MetricId {
    MetricId::new(Arc::new(name.to_owned()))
}

fn definition(name: &str, higher_is_better: bool) -> MetricDefinition {
    MetricDefinition {
        metric_id: id(name),
        name: Arc::new(name.to_owned()),
        description: None,
        attributes: MetricAttributes::Numeric(NumericAttributes { unit: None, higher_is_better }),
    }
}

fn number(name: &str, value: f64) -> MetricState {
    // Learning rates are too small for four decimals.
    let text = if name == LEARNING_RATE { format!("{value:.3e}") } else { format!("{value:.4}") };
    let entry = MetricEntry::new(id(name), SerializedEntry::new(text, value.to_string()));
    MetricState::Numeric(entry, Some(NumericEntry::Value(value)))
}
