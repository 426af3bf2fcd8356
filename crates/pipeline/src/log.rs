//! Log lines on stderr, through [`tracing`].
//!
//! A stage logs with [`StageIo::log`](crate::StageIo::log) and [`StageIo::warn`](crate::StageIo::warn); code without a
//! `StageIo` uses `tracing`'s macros. A line is the name of its stage and the message: `   train 2 labels`, and where it is
//! a warning `   train warning: …`. Lines go above progress bars, and what comes from outside cannot act on the terminal
//! (see [`escape`]). Without [`init`], as in tests, nothing is printed.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::{Slot, escape, progress};

/// The environment variable that says what is logged: `off`, `error`, `warn`, `info` (the default), `debug` or `trace`.
pub const LEVEL: &str = "FIREBRAND_LOG";

/// Sends log lines to stderr from now on. `stage` names the stage that this process is; lines of a program that is none
/// have no name in front.
///
/// A subscriber that the process already has is kept.
pub fn init(stage: Option<Slot>) {
    let wanted = std::env::var(LEVEL).unwrap_or_default();
    let known = if wanted.is_empty() { Some(LevelFilter::INFO) } else { wanted.parse().ok() };
    let logger = Logger { stage, level: known.unwrap_or(LevelFilter::INFO), print: progress::log };
    if tracing::subscriber::set_global_default(logger).is_ok() && known.is_none() {
        tracing::warn!("{LEVEL} is `{wanted}`, but must be off, error, warn, info, debug or trace");
    }
}

/// Prints events as lines. Spans mean nothing to it.
#[derive(Debug)]
struct Logger {
    stage: Option<Slot>,
    level: LevelFilter,
    print: fn(&str),
}

impl Subscriber for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields { stage: self.stage.map(|stage| stage.name().to_owned()), ..Fields::default() };
        event.record(&mut fields);
        (self.print)(&fields.line(event.metadata().level()));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// What an event says.
#[derive(Debug, Default)]
struct Fields {
    stage: Option<String>,
    message: String,
    /// Fields of other crates' events: ` name=value`.
    others: String,
}

impl Fields {
    fn line(&self, level: &Level) -> String {
        let stage = self.stage.as_ref().map(|stage| format!("{stage:>8} ")).unwrap_or_default();
        let level = match *level {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::INFO => "",
            Level::DEBUG => "debug: ",
            Level::TRACE => "trace: ",
        };
        format!("{stage}{level}{}{}", escape(&self.message), escape(&self.others))
    }
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
    use std::cell::RefCell;
    use std::sync::Once;

    use super::*;
    use crate::{Request, StageIo};

    thread_local! {
        static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    /// What this thread logs meanwhile, in a process that is the `train` stage.
    fn logged(events: impl FnOnce()) -> Vec<String> {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            let print = |line: &str| LINES.with_borrow_mut(|lines| lines.push(line.to_owned()));
            let logger = Logger { stage: Some(Slot::Train), level: LevelFilter::DEBUG, print };
            tracing::subscriber::set_global_default(logger).unwrap();
        });
        LINES.take();
        events();
        LINES.take()
    }

    fn io() -> StageIo {
        StageIo::new(Request::in_dir("/nowhere".as_ref(), Slot::Clean))
    }

    #[test]
    fn lines_name_their_stage_and_level() {
        let lines = logged(|| {
            io().log("10 rows");
            io().warn("1 row is empty");
            tracing::info!("on {} threads", 2);
            tracing::warn!(rows = 3, file = "a b", "cut");
            tracing::error!("broken");
            tracing::debug!("detail");
            tracing::trace!("more detail");
        });
        assert_eq!(
            lines,
            [
                "   clean 10 rows",
                "   clean warning: 1 row is empty",
                "   train on 2 threads",
                "   train warning: cut rows=3 file=\"a b\"",
                "   train error: broken",
                "   train debug: detail",
            ]
        );
        let fields = Fields { message: "run".to_owned(), ..Fields::default() };
        assert_eq!(fields.line(&Level::INFO), "run");
    }

    #[test]
    fn labels_cannot_act_on_the_terminal() {
        let label = "spam\u{1b}[2J\r\n   clean all is well\u{202e}";
        let lines = logged(|| {
            io().log(format!("label \"{label}\""));
            io().warn(label);
            tracing::info!(%label, "other");
        });
        let escaped = r"spam\u{1b}[2J\r\n   clean all is well\u{202e}";
        assert_eq!(
            lines,
            [
                format!("   clean label \"{escaped}\""),
                format!("   clean warning: {escaped}"),
                format!("   train other label={escaped}"),
            ]
        );
    }
}
