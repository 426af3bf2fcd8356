//! Log lines on stderr, through [`tracing`].
//!
//! A stage logs with [`StageIo::log`](crate::StageIo::log) and [`StageIo::warn`](crate::StageIo::warn); code without a
//! `StageIo` uses `tracing`'s macros. A line is the name of its stage and the message: `   train 2 labels`, and where it is
//! a warning `   train warning: …`. Lines go above progress bars, and what comes from outside cannot act on the terminal
//! (see [`escape`]). Without [`init`], as in tests, nothing is printed.

use std::fmt::{self, Debug, Write};
use std::io;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::{Slot, escape, progress};

/// The environment variable that says what is logged: `off`, `error`, `warn`, `info` (the default), `debug` or `trace`.
pub const LEVEL: &str = "FIREBRAND_LOG";

/// Sends log lines to stderr from now on. `stage` names the stage that this process is; lines of a program that is none
/// have no name in front.
///
/// A subscriber that the process already has is kept.
pub fn init(stage: Option<Slot>) {
    let wanted = std::env::var(LEVEL).unwrap_or_default();
    let level = if wanted.is_empty() { Some(LevelFilter::INFO) } else { wanted.parse().ok() };
    let subscriber = subscriber(stage, level.unwrap_or(LevelFilter::INFO), || AboveBars);
    if tracing::subscriber::set_global_default(subscriber).is_ok() && level.is_none() {
        tracing::warn!("{LEVEL} is `{wanted}`, which is none of off, error, warn, info, debug and trace");
    }
}

fn subscriber<W>(stage: Option<Slot>, level: LevelFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().with_max_level(level).event_format(Line { stage }).with_writer(writer).finish()
}

/// Writes each log line above the progress bars.
#[derive(Debug)]
struct AboveBars;

impl io::Write for AboveBars {
    /// The subscriber writes whole lines.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        progress::log(String::from_utf8_lossy(line).trim_end_matches('\n'));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How an event becomes a line.
#[derive(Debug)]
struct Line {
    stage: Option<Slot>,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields { stage: self.stage.map(|stage| stage.name().to_owned()), ..Fields::default() };
        event.record(&mut fields);
        if let Some(stage) = &fields.stage {
            write!(line, "{stage:>8} ")?;
        }
        line.write_str(match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::INFO => "",
            Level::DEBUG => "debug: ",
            Level::TRACE => "trace: ",
        })?;
        writeln!(line, "{}{}", escape(&fields.message), escape(&fields.others))
    }
}

/// What an event says.
#[derive(Debug, Default)]
struct Fields {
    stage: Option<String>,
    message: String,
    /// Fields of other crates' events: ` name=value`.
    others: String,
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "stage" => self.stage = Some(value.to_owned()),
            "message" => value.clone_into(&mut self.message),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.others, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{Request, StageIo};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(stage: Option<Slot>, level: LevelFilter, events: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        tracing::subscriber::with_default(subscriber(stage, level, move || writer.clone()), events);
        String::from_utf8(captured.0.lock().unwrap().clone()).unwrap()
    }

    fn io() -> StageIo {
        StageIo::new(Request::in_dir("/nowhere".as_ref(), Slot::Clean))
    }

    #[test]
    fn lines_name_their_stage_and_warnings_say_so() {
        let lines = logged(Some(Slot::Train), LevelFilter::INFO, || {
            io().log("10 rows");
            io().warn("1 row is empty");
            tracing::info!("on {} threads", 2);
            tracing::warn!(rows = 3, file = "a b", "cut");
            tracing::debug!("not shown");
        });
        assert_eq!(
            lines,
            "   clean 10 rows\n   clean warning: 1 row is empty\n   train on 2 threads\n   train warning: cut rows=3 \
             file=\"a b\"\n"
        );
        assert_eq!(logged(None, LevelFilter::INFO, || tracing::info!("run")), "run\n");
    }

    #[test]
    fn the_level_decides_what_is_shown() {
        let events = || {
            tracing::trace!("t");
            tracing::debug!("d");
            tracing::info!("i");
            tracing::warn!("w");
            tracing::error!("e");
        };
        assert_eq!(logged(None, LevelFilter::OFF, events), "");
        assert_eq!(logged(None, LevelFilter::WARN, events), "warning: w\nerror: e\n");
        assert_eq!(logged(None, LevelFilter::TRACE, events), "trace: t\ndebug: d\ni\nwarning: w\nerror: e\n");
    }

    #[test]
    fn labels_cannot_act_on_the_terminal() {
        let label = "spam\u{1b}[2J\r\n   clean all is well\u{202e}";
        let lines = logged(None, LevelFilter::INFO, || {
            io().log(format!("label \"{label}\""));
            io().warn(label);
            tracing::info!(%label, "other");
        });
        assert_eq!(lines.lines().count(), 3, "{lines:?}");
        assert!(
            lines.starts_with("   clean label \"spam\\u{1b}[2J\\r\\n   clean all is well\\u{202e}\"\n"),
            "{lines:?}"
        );
        assert!(!lines.contains(['\u{1b}', '\r', '\u{202e}']), "{lines:?}");
    }
}
