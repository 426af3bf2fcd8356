//! The error type of all crates: what was found, where, and what to do about it.

use std::fmt::{self, Display};
use std::path::Path;

use crate::escape::escape_lines;

/// A result whose error is ready to be shown to the user.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong; decides the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command line was not understood (exit code 2).
    Usage,
    /// The configuration is not valid (exit code 3).
    Config,
    /// The data or a model file is not valid (exit code 4).
    Data,
    /// A quality gate failed (exit code 5).
    Gate,
    /// Stopped at the user's request; the same command resumes (exit code 130).
    Interrupted,
    /// Anything else: a full disk, no network, a missing program (exit code 1).
    Other,
}

impl ErrorKind {
    /// The exit code of a process that ends with this kind of error.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Other => 1,
            Self::Usage => 2,
            Self::Config => 3,
            Self::Data => 4,
            Self::Gate => 5,
            Self::Interrupted => 130,
        }
    }
}

/// An error for the user: a message that says what was found and where, and a hint that says what to do.
///
/// Shown as `error: MESSAGE`, then one `  caused by: …` line per cause, then, after a blank line, `hint: …`.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

impl Error {
    /// An error of the given kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hints: Vec::new() }
    }

    /// A command line that was not understood.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// A configuration that is not valid.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// A configuration whose value at `key` (inside the stage's section, `learning_rate`) is not valid.
    ///
    /// [`main`](crate::main) completes the message with the section, and the file and line that set the key.
    pub fn key(key: &str, problem: impl Display) -> Self {
        Self::config(format!("`{key}` {problem}"))
    }

    /// Data or a model file that is not valid.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    /// A quality gate that failed.
    pub fn gate(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Gate, message)
    }

    /// Anything else.
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Other, message)
    }

    /// A failed operation on a file: `cannot VERB PATH`, caused by `error`.
    pub fn io(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof => {
                ErrorKind::Data
            }
            _ => ErrorKind::Other,
        };
        let made = Self::new(kind, format!("cannot {verb} {}", path.display())).caused_by(error);
        match error.kind() {
            std::io::ErrorKind::NotADirectory | std::io::ErrorKind::AlreadyExists => {
                made.hint("there is a file where a directory is needed: move it away, or choose another path")
            }
            std::io::ErrorKind::PermissionDenied => made.hint("check the permissions of this path"),
            _ => made,
        }
    }

    /// Adds advice. Several hints are shown one below the other.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds the cause and its own causes; if one of them is a full disk, also advice about that.
    #[must_use]
    pub fn caused_by(mut self, cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let space = error.downcast_ref().and_then(disk_space_hint);
            self.hints.extend(space.filter(|&hint| !self.hints.iter().any(|known| known == hint)).map(str::to_owned));
            let text = error.to_string();
            // Some libraries repeat their source's message in their own.
            if !self.causes.last().is_some_and(|last| last.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Makes this error the cause of a message that says what was being done.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        let inner = std::mem::replace(&mut self.message, message.into());
        self.causes.insert(0, inner);
        self
    }

    /// Replaces the message.
    #[must_use]
    pub(crate) fn with_message(mut self, message: String) -> Self {
        self.message = message;
        self
    }

    /// The kind, which decides the exit code.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without causes and hints.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What caused it, outermost first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// The whole text as shown on a terminal, without colour: message, causes, hints. What a terminal would act upon is
    /// [escaped](crate::escape).
    pub fn render(&self) -> String {
        let mut text = format!("error: {}", escape_lines(&self.message));
        for cause in &self.causes {
            text.push_str(&format!("\n  caused by: {}", escape_lines(cause)));
        }
        if !self.hints.is_empty() {
            text.push('\n');
            for hint in &self.hints {
                text.push_str(&format!("\nhint: {}", escape_lines(hint)));
            }
        }
        text
    }
}

/// Advice for an error that means that the disk is full.
fn disk_space_hint(error: &std::io::Error) -> Option<&'static str> {
    match error.kind() {
        std::io::ErrorKind::StorageFull => {
            Some("the disk is full: free some space, or set `run.dir` to a directory on another disk")
        }
        std::io::ErrorKind::QuotaExceeded => {
            Some("your share of the disk is full: free some space, or set `run.dir` to a directory on another disk")
        }
        std::io::ErrorKind::FileTooLarge => {
            Some("the file is larger than the limit: raise it (`ulimit -f`), or set `run.dir` to another disk")
        }
        _ => None,
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Turns a library's error into an [`Error`] where it is known what was being done.
pub trait ResultExt<T> {
    /// Blames the data: exit code 4.
    fn or_data(self, message: impl FnOnce() -> String) -> Result<T>;
    /// Blames something else, such as the disk, the network or a program: exit code 1.
    fn or_other(self, message: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: std::error::Error + 'static> ResultExt<T> for std::result::Result<T, E> {
    fn or_data(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::data(message()).caused_by(&error))
    }

    fn or_other(self, message: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::other(message()).caused_by(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn render_has_message_causes_and_hints_in_order() {
        let cause = std::io::Error::other("pipe broke");
        let error = Error::data("bad row 3").caused_by(&cause).context("cannot read a.csv").hint("look at row 3");
        assert_eq!(
            error.render(),
            "error: cannot read a.csv\n  caused by: bad row 3\n  caused by: pipe broke\n\nhint: look at row 3"
        );
        assert_eq!(error.kind().exit_code(), 4);
    }

    #[test]
    fn a_label_cannot_forge_a_hint_or_act_on_the_terminal() {
        let error = Error::data("no label \"a\n\nhint: rm -rf\u{1b}[2J\"").hint("rename \u{202e}it");
        assert_eq!(
            error.render(),
            "error: no label \"a\n    \n    hint: rm -rf\\u{1b}[2J\"\n\nhint: rename \\u{202e}it"
        );
    }

    #[test]
    fn a_full_disk_is_recognised_at_any_depth() {
        let full = Error::other("cannot pack").caused_by(&Packing(std::io::ErrorKind::StorageFull.into()));
        assert!(
            full.render()
                .ends_with("hint: the disk is full: free some space, or set `run.dir` to a directory on another disk")
        );
        let large = Error::io("write", Path::new("a"), &std::io::ErrorKind::FileTooLarge.into());
        assert!(large.render().contains("(`ulimit -f`)") && large.kind() == ErrorKind::Other, "{}", large.render());
        let other = Error::other("cannot pack").caused_by(&Packing(std::io::ErrorKind::TimedOut.into()));
        assert!(!other.render().contains("hint"), "{}", other.render());
    }

    /// A library's error around the system's.
    #[derive(Debug)]
    struct Packing(std::io::Error);

    impl Display for Packing {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("no pack was made")
        }
    }

    impl std::error::Error for Packing {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
}
