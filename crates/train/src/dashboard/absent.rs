//! Stand-in for the dashboard in builds without it.

use crate::StepFigures;
use crate::validation::Validation;

/// A dashboard that cannot exist.
#[derive(Debug)]
pub(crate) enum Dashboard {}

impl Dashboard {
    pub(crate) fn open(_epochs: u32, _done: u32) -> Option<Self> {
        None
    }

    pub(crate) fn epoch(&mut self, _epoch: u32, _steps: u64) {
        match *self {}
    }

    pub(crate) fn step(&mut self, _figures: StepFigures, _learning_rate: f64, _speed: f64, _steps_done: u64) {
        match *self {}
    }

    pub(crate) fn validation(&mut self, _validation: &Validation) {
        match *self {}
    }

    pub(crate) fn asks_to_stop(&self) -> bool {
        match *self {}
    }
}
