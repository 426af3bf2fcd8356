//! Progress on stderr: bars on a terminal, a plain line every few seconds elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::escape;

/// How often a plain line is printed where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// Lines held back while something else has the terminal.
static WAITING: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// Until this is dropped, no bar is drawn and lines are held back.
#[derive(Debug)]
pub struct QuietProgress(());

/// Leaves the terminal to something else, such as a dashboard. If stderr is not a terminal, nothing changes.
#[must_use]
pub fn quiet() -> QuietProgress {
    if std::io::stderr().is_terminal() {
        hold_back();
    }
    QuietProgress(())
}

fn hold_back() {
    BARS.set_draw_target(ProgressDrawTarget::hidden());
    waiting().get_or_insert_with(Vec::new);
}

fn waiting() -> MutexGuard<'static, Option<Vec<String>>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for QuietProgress {
    fn drop(&mut self) {
        let lines = waiting().take();
        if let Some(lines) = lines {
            BARS.set_draw_target(ProgressDrawTarget::stderr());
            lines.iter().for_each(|line| log(line));
        }
    }
}

/// Prints a line on stderr, above the progress bars.
pub fn log(line: &str) {
    if let Some(lines) = waiting().as_mut() {
        return lines.push(line.to_owned());
    }
    BARS.suspend(|| {
        // With stderr closed there is nowhere to report a failure to.
        let _ = writeln!(std::io::stderr(), "{line}");
    });
}

/// Work done, out of a known or unknown total.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    /// `None` on a terminal.
    plain: Option<Plain>,
}

/// The state behind plain lines.
#[derive(Debug)]
struct Plain {
    what: String,
    unit: Unit,
    pace: Mutex<Pace>,
}

/// When and at which position counting began, to compute the speed, and when the last line was printed.
#[derive(Debug)]
struct Pace {
    began: Instant,
    first: u64,
    printed: Instant,
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Items,
    Bytes,
}

impl Progress {
    /// Starts counting. `total` of zero means unknown.
    pub fn start(what: &str, total: u64) -> Self {
        Self::with_unit(what, total, Unit::Items)
    }

    /// Starts counting bytes.
    pub fn start_bytes(what: &str, total: u64) -> Self {
        Self::with_unit(what, total, Unit::Bytes)
    }

    fn with_unit(what: &str, total: u64, unit: Unit) -> Self {
        let what = escape(what).into_owned();
        if !std::io::stderr().is_terminal() {
            let bar = ProgressBar::hidden();
            bar.set_length(total);
            let now = Instant::now();
            let pace = Mutex::new(Pace { began: now, first: 0, printed: now });
            return Self { bar, plain: Some(Plain { what, unit, pace }) };
        }
        let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
        let template = match unit {
            Unit::Items if total == 0 => "{prefix} {spinner} {pos} {msg}",
            Unit::Bytes if total == 0 => "{prefix} {spinner} {bytes} {bytes_per_sec} {msg}",
            Unit::Items => "{prefix} [{bar:28}] {pos}/{len} eta {eta} {msg}",
            Unit::Bytes => "{prefix} [{bar:28}] {bytes}/{total_bytes} {bytes_per_sec} eta {eta} {msg}",
        };
        // The templates above are constants that parse.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(what);
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

    /// Sets how many units an earlier run has done, which do not count towards this run's speed.
    pub fn start_from(&self, position: u64) {
        self.bar.set_position(position);
        self.bar.reset_eta();
        if let Some(plain) = &self.plain {
            let mut pace = plain.pace();
            (pace.began, pace.first) = (Instant::now(), position);
        }
    }

    /// Sets the total once it is known.
    pub fn set_total(&self, total: u64) {
        self.bar.set_length(total);
    }

    /// Shows a short text beside the bar, such as the current loss.
    pub fn message(&self, message: impl Into<String>) {
        self.bar.set_message(escape(&message.into()).into_owned());
    }

    /// Removes the bar; log what should stay.
    pub fn finish(self) {
        self.bar.finish_and_clear();
    }

    fn print_plain_line(&self) {
        let Some(plain) = &self.plain else { return };
        let mut pace = plain.pace();
        if pace.printed.elapsed() < PLAIN_INTERVAL {
            return;
        }
        pace.printed = Instant::now();
        let position = self.bar.position();
        let speed = position.saturating_sub(pace.first) as f64 / pace.began.elapsed().as_secs_f64();
        let total = self.bar.length().unwrap_or(0);
        let summary = summary(position, total, speed, plain.unit);
        let message = self.bar.message();
        // Without a total the message is the unit: `15 s`.
        let between = if total > 0 && !message.is_empty() { ", " } else { " " };
        log(format!("{} {summary}{between}{message}", plain.what).trim_end());
    }
}

impl Plain {
    fn pace(&self) -> MutexGuard<'_, Pace> {
        // A poisoned lock only means that another thread panicked while printing.
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The position and, if there is a total, the share done, the speed in units per second and the time left.
fn summary(position: u64, total: u64, speed: f64, unit: Unit) -> String {
    let (done, whole, speed_text) = match unit {
        Unit::Items if speed < 10.0 => (position.to_string(), total.to_string(), format!("{speed:.1}/s")),
        Unit::Items => (position.to_string(), total.to_string(), format!("{speed:.0}/s")),
        Unit::Bytes => {
            let human = |bytes| HumanBytes(bytes).to_string();
            (human(position), human(total), format!("{}/s", HumanBytes(speed as u64)))
        }
    };
    if total == 0 {
        return done;
    }
    let mut text = format!("{done}/{whole} ({:.0} %)", 100.0 * position as f64 / total as f64);
    let left = total.saturating_sub(position) as f64 / speed;
    if let Ok(left) = Duration::try_from_secs_f64(left) {
        text.push_str(&format!(", {speed_text}, {} left", HumanDuration(left)));
    }
    text
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_held_back_while_something_else_has_the_terminal() {
        hold_back();
        let quiet = QuietProgress(());
        log("first");
        log("second");
        // Tests in other threads may print too.
        let lines = waiting().clone().unwrap();
        let places = ["first", "second"].map(|line| lines.iter().position(|other| other == line).unwrap());
        assert!(places[0] < places[1]);
        drop(quiet);
        assert!(waiting().is_none());
    }

    #[test]
    fn a_plain_line_has_the_share_the_speed_and_the_time_left() {
        assert_eq!(summary(120, 400, 4.0, Unit::Items), "120/400 (30 %), 4.0/s, 70 seconds left");
        assert_eq!(summary(120, 40_000, 41.7, Unit::Items), "120/40000 (0 %), 42/s, 16 minutes left");
        let bytes = summary(3 << 20, 12 << 20, f64::from(1 << 20), Unit::Bytes);
        assert_eq!(bytes, "3.00 MiB/12.00 MiB (25 %), 1.00 MiB/s, 9 seconds left");
        assert_eq!(summary(400, 400, 4.0, Unit::Items), "400/400 (100 %), 4.0/s, 0 seconds left");
    }

    #[test]
    fn unknown_figures_are_left_out() {
        assert_eq!(summary(7, 0, 1.0, Unit::Items), "7");
        assert_eq!(summary(0, 400, 0.0, Unit::Items), "0/400 (0 %)");
        assert_eq!(summary(0, 0, f64::NAN, Unit::Bytes), "0 B");
    }

    #[test]
    fn an_earlier_runs_work_does_not_count_as_speed() {
        let progress = Progress::start("steps", 400);
        progress.start_from(300);
        progress.inc(2);
        assert_eq!(progress.bar.position(), 302);
        // On a terminal the bar itself keeps the pace.
        if let Some(plain) = &progress.plain {
            assert_eq!(plain.pace().first, 300);
        }
    }
}
