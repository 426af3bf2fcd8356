//! Content hashes: BLAKE3, as lower-case hex.

use std::path::Path;

use crate::{Error, Result};

/// The hash of some bytes.
pub fn bytes(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The hash of a file's content.
///
/// # Errors
/// When the file cannot be read.
pub fn file(path: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap_rayon(path).map_err(|error| Error::io("read", path, &error))?;
    Ok(hasher.finalize().to_hex().to_string())
}
