//! What can be wrong with a model's files.

use std::path::PathBuf;

/// What can be wrong with a model's files, or with a request to one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file could not be read or written.
    #[error("cannot {verb} {}", path.display())]
    Io {
        /// `read`, `write`, `create`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// `config.json` is missing something or says something that cannot be.
    #[error("{}: {problem}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What was found, and what is expected.
        problem: String,
    },
    /// A tensor file is damaged, or its tensors do not fit the configuration.
    #[error("{}: {problem}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What was found, and what is expected.
        problem: String,
    },
    /// The device's name is not known, or this build cannot use it.
    #[error("{0}")]
    Device(String),
    /// Token ids that the model cannot take.
    #[error("{0}")]
    Input(String),
}

impl ModelError {
    pub(crate) fn io(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { verb, path, source }
    }
}
