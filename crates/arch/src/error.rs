//! The error of this crate and of those that build on it.

use std::path::PathBuf;

/// An error in a model's files, or in a request to a model.
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
        /// The system's error.
        source: std::io::Error,
    },
    /// `config.json` lacks a value or has an invalid one.
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
    /// The device's name is unknown, or this build cannot use it.
    #[error("{0}")]
    Device(String),
    /// Input that the model cannot take.
    #[error("{0}")]
    Input(String),
}

impl ModelError {
    /// For `map_err`: an error of the system in reading, writing or creating (`verb`) a file.
    pub fn io(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { verb, path, source }
    }
}
