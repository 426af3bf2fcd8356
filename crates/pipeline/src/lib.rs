//! The contract between Firebrand's stages and their runner.
//!
//! A stage is a process over files. The runner (`cargo xtask`) writes a [`Request`] as JSON and calls
//! `EXE check REQUEST.json` for every stage before the first one starts, then `EXE run REQUEST.json` in order. A stage
//! reads the finished directories of earlier stages and writes its [slot's outputs](Slot::outputs) into a temporary
//! directory; the runner verifies them, writes the `manifest.json` last, and renames the directory into place. So a manifest
//! present means a stage that finished.
//!
//! A stage in Rust implements [`Stage`] and has a one-line `main` (see [`main`]); a stage in any other language needs only
//! to read the request and write the files.
//!
//! Invariants: this crate knows neither tensors nor tables (no burn, no polars), and no stage.

pub mod config;
mod error;
mod escape;
mod glob;
pub mod hash;
mod interrupt;
mod json;
pub mod log;
mod panics;
mod process;
pub mod progress;
mod runner;
mod slot;
mod stage;
mod suggest;
mod thousands;
mod walk;

pub use error::{Error, ErrorKind, Result, ResultExt};
pub use escape::escape;
pub use glob::Glob;
pub use interrupt::on_interrupt;
pub use json::{read_json, to_json, write_json};
pub use panics::catch_panic;
pub use process::{Request, main};
pub use runner::RUNNER_PIPE;
pub use slot::{Output, OutputKind, Slot};
pub use stage::{Stage, StageIo};
pub use suggest::{closest_first, suggest};
pub use thousands::thousands;
pub use walk::{Hidden, files_below};
