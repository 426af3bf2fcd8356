//! Whether a directory is what it says: complete, undamaged, and of one model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use firebrand_arch::{INT8_FILE, ModelConfig};
use firebrand_pipeline::{Error, Hidden, Result, ResultExt, files_below, hash, read_json, write_json};
use firebrand_text::TextTokenizer;
use serde::{Deserialize, Serialize};

use crate::Precision;

const WHAT: &str = "a bundle is the directory `data/runs/RUN/export/bundle` that `cargo xtask pipeline` makes";
/// What to do about a damaged bundle.
pub(crate) const REMEDY: &str = "copy the bundle again, or make it again: `cargo xtask stage export --force`";

/// What a bundle's files are: `checksums.json`, by which [`Classifier::open`](crate::Classifier::open) tells a damaged bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checksums {
    /// Each file's path in the bundle, with `/` between its parts.
    files: BTreeMap<String, Checksum>,
}

/// A file's size and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checksum {
    bytes: u64,
    /// BLAKE3, as hex.
    blake3: String,
}

impl Checksums {
    /// Its name in a bundle.
    pub const FILE: &str = "checksums.json";

    /// Files that are for people, who may edit them.
    const FREE: [&str; 2] = ["README.md", Self::FILE];

    /// Writes the checksums of a finished bundle.
    ///
    /// # Errors
    /// When a file cannot be read, or the checksums not be written.
    pub fn write(bundle: &Path) -> Result<()> {
        let mut files = BTreeMap::new();
        for name in files_below(bundle, Hidden::Skip)? {
            if Self::FREE.contains(&name.as_str()) {
                continue;
            }
            let path = bundle.join(&name);
            let bytes = fs::metadata(&path).map_err(|error| Error::io("read", &path, &error))?.len();
            files.insert(name, Checksum { bytes, blake3: hash::file(&path)? });
        }
        write_json(&bundle.join(Self::FILE), &Self { files })
    }

    /// Checks the files that `wanted` names.
    fn check(&self, bundle: &Path, wanted: impl Fn(&str) -> bool) -> Result<()> {
        for (name, expected) in self.files.iter().filter(|(name, _)| wanted(name)) {
            let path = bundle.join(name);
            let Ok(found) = fs::metadata(&path) else {
                return Err(
                    Error::data(format!("{} is not complete: there is no {name}", bundle.display())).hint(REMEDY)
                );
            };
            if found.len() != expected.bytes {
                let problem = format!(
                    "{} has {} bytes, but had {} when the bundle was made",
                    path.display(),
                    found.len(),
                    expected.bytes
                );
                return Err(Error::data(problem).hint(REMEDY));
            }
            if hash::file(&path)? != expected.blake3 {
                let problem =
                    format!("{} is not the file that the bundle was made with: its checksum differs", path.display());
                return Err(Error::data(problem)
                    .hint(REMEDY)
                    .hint(format!("if it was changed on purpose, remove {}", bundle.join(Self::FILE).display())));
            }
        }
        Ok(())
    }
}

/// Checks that a directory is a bundle, or in the hub's layout, and that those files of a bundle that this precision reads are the
/// ones that it was made with. Opening a model does so too; this is for programs that read it otherwise.
///
/// # Errors
/// When there is no such directory, it lacks a file, or a file is damaged.
pub fn check(directory: &Path, precision: Precision) -> Result<()> {
    check_directory(directory)?;
    check_files(directory, precision)
}

/// Checks that there is a directory with a model's configuration.
///
/// # Errors
/// When there is not; the message says what was found.
pub(crate) fn check_directory(directory: &Path) -> Result<()> {
    let shown = directory.display();
    if !directory.exists() {
        return Err(Error::data(format!("there is no bundle {shown}")).hint(WHAT));
    }
    if !directory.is_dir() {
        return Err(Error::data(format!("{shown} is a file, not a bundle")).hint(WHAT));
    }
    if directory.join("config.json").is_file() {
        return Ok(());
    }
    let error = Error::data(format!("{shown} is not a complete bundle: there is no config.json"));
    let inside = ["bundle", "export/bundle"].map(|name| directory.join(name)).into_iter().find(|inner| inner.is_dir());
    Err(match inside {
        Some(inside) => error.hint(format!("did you mean {}?", inside.display())),
        None => error.hint(WHAT).hint(REMEDY),
    })
}

/// Checks the files that this precision reads, if the directory has checksums. One from the hub has none.
///
/// # Errors
/// When a file is missing, or not the one that the bundle was made with.
pub(crate) fn check_files(directory: &Path, precision: Precision) -> Result<()> {
    let path = directory.join(Checksums::FILE);
    if !path.exists() {
        return Ok(());
    }
    let checksums: Checksums =
        read_json(&path).or_data(|| format!("{} is damaged", path.display())).map_err(|error| error.hint(REMEDY))?;
    let unread = match precision {
        Precision::Int8 if directory.join(INT8_FILE).is_file() => "model.safetensors",
        Precision::Int8 | Precision::Fp32 => INT8_FILE,
    };
    checksums.check(directory, |name| name != unread)
}

/// Checks that the tokenizer is the model's.
///
/// # Errors
/// When it has token ids or rows that the model has no place for.
pub(crate) fn check_fit(directory: &Path, config: &ModelConfig, tokenizer: &TextTokenizer) -> Result<()> {
    let vocabulary = config.network.encoder.embeddings.vocabulary;
    tokenizer.check_fit(vocabulary, config.max_length).map_err(|error| {
        error
            .context(format!("{} cannot be used", directory.display()))
            .hint("its files are of different models: `cargo xtask stage export --force` makes the bundle again")
    })
}
