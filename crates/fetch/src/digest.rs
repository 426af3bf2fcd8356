//! SHA-256 hashes in lower-case hex.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use firebrand_pipeline::{Error, Result};
use sha2::{Digest, Sha256};

/// Size of the read buffer.
const BUFFER: usize = 1 << 20;

/// The hash of some bytes.
pub(crate) fn of_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The hash of a file's content.
pub(crate) fn of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|error| Error::io("read", path, &error))?;
    of_reader(&mut file).map_err(|error| Error::io("read", path, &error))
}

/// The hash of everything up to the end.
pub(crate) fn of_reader(reader: &mut impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hex(&hasher.finalize())),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_test_vector() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_bytes(b"abc"), expected);
        assert_eq!(of_reader(&mut &b"abc"[..]).unwrap(), expected);
    }
}
