//! Progress on stderr: bars on a terminal, a plain line every few seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a plain line is printed where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Prints a line on stderr without tearing a bar apart.
pub fn log(line: &str) {
    BARS.suspend(|| {
        // Nowhere is left to report to when stderr is closed.
        let _ = writeln!(std::io::stderr(), "{line}");
    });
}

/// Units of work done out of a known or unknown total.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// What the plain lines start with, and when the last was printed; `None` on a terminal.
    plain: Option<(String, Mutex<Instant>)>,
}

impl Progress {
    /// Starts counting. `total` of zero means unknown.
    pub fn start(what: &str, total: u64) -> Self {
        Self::with_template(what, total, "{msg}", "{pos}/{len}", "eta {eta}")
    }

    /// Starts counting bytes.
    pub fn start_bytes(what: &str, total: u64) -> Self {
        Self::with_template(what, total, "{msg}", "{bytes}/{total_bytes}", "{bytes_per_sec} eta {eta}")
    }

    fn with_template(what: &str, total: u64, message: &str, count: &str, rate: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            let bar = ProgressBar::hidden();
            bar.set_length(total);
            return Self { bar, plain: Some((what.to_owned(), Mutex::new(Instant::now()))) };
        }
        let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
        let template = if total == 0 {
            format!("{{prefix}} {{spinner}} {{pos}} {message}")
        } else {
            format!("{{prefix}} [{{bar:28}}] {count} {rate} {message}")
        };
        // The templates are the two constants above: they parse.
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(what.to_owned());
        let bar = BARS.add(bar);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, plain: None }
    }

    /// Counts `delta` more units as done.
    pub fn inc(&self, delta: u64) {
        self.bar.inc(delta);
        self.print_plain_line();
    }

    /// Sets how many units are done.
    pub fn set(&self, position: u64) {
        self.bar.set_position(position);
        self.print_plain_line();
    }

    /// Sets the total once it is known.
    pub fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// Shows a short text beside the bar, such as the current loss.
    pub fn message(&self, message: impl Into<String>) {
        self.bar.set_message(message.into());
    }

    /// Removes the bar; what matters afterwards belongs into a [`log`] line.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    fn print_plain_line(&self) {
        let Some((what, last)) = &self.plain else { return };
        // A poisoned lock only means that another thread panicked while it printed.
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if last.elapsed() < PLAIN_INTERVAL {
            return;
        }
        *last = Instant::now();
        let total = self.bar.length().filter(|&total| total > 0).map(|total| format!("/{total}")).unwrap_or_default();
        log(&format!("{what} {}{total} {}", self.bar.position(), self.bar.message()));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
