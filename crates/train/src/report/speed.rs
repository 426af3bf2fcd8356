//! Training speed.

use std::time::{Duration, Instant};

/// Rows per second since the last validation, or since this process started to train.
pub(crate) struct Speed {
    start: Instant,
    rows: usize,
}

impl Speed {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now(), rows: 0 }
    }

    pub(crate) fn add(&mut self, rows: usize) {
        self.rows += rows;
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.rows as f64 / self.elapsed().as_secs_f64().max(1e-9)
    }
}
