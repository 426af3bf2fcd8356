//! The bytes of an input file: uncompressed, and in UTF-8 where it says that it is something else.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};
use firebrand_pipeline::{Error, Result};
use firebrand_tables::utf16_of;
use flate2::read::MultiGzDecoder;

/// How much of a file is looked at to find out how it is written.
const SAMPLE_BYTES: usize = 1 << 20;

/// The size and the hash of what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    pub(super) bytes: u64,
    pub(super) hash: String,
}

/// A text file that is being read.
pub(super) struct TextFile {
    /// Its start.
    pub(super) sample: Vec<u8>,
    /// Whether the sample is all of it.
    pub(super) is_whole: bool,
    /// All of it, without a byte order mark.
    pub(super) content: Box<dyn Read>,
}

impl TextFile {
    /// Opens a file. What is read of it goes through `digest`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn open(
        path: &Path,
        compressed: bool,
        encoding: Option<&'static Encoding>,
        digest: &Digesting,
    ) -> Result<Self> {
        let failed = |error: io::Error| read_error(path, &error);
        let file = Digester { input: File::open(path).map_err(failed)?, digest: digest.clone() };
        let mut raw: Box<dyn Read> =
            if compressed { Box::new(MultiGzDecoder::new(io::BufReader::new(file))) } else { Box::new(file) };
        let start = start_of(&mut raw).map_err(failed)?;
        let encoding = encoding.or_else(|| utf16_of(&start));
        let mark = Encoding::for_bom(&start).filter(|(found, _)| *found == encoding.unwrap_or(UTF_8));
        let skipped = mark.map_or(0, |(_, length)| length);
        let mut cursor = Cursor::new(start);
        cursor.set_position(skipped as u64);
        let bytes = cursor.chain(raw);
        let mut content: Box<dyn Read> = match encoding {
            Some(encoding) if encoding != UTF_8 => Box::new(Decoded::new(bytes, encoding)),
            _ => Box::new(bytes),
        };
        let sample = start_of(&mut content).map_err(failed)?;
        let is_whole = sample.len() < SAMPLE_BYTES;
        Ok(Self { content: Box::new(Cursor::new(sample.clone()).chain(content)), sample, is_whole })
    }
}

/// The error for a file that cannot be read.
pub(super) fn read_error(path: &Path, error: &io::Error) -> Error {
    Error::io("read", path, error)
}

fn start_of(input: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    input.take(SAMPLE_BYTES as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// Adds up the bytes of a file as they are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Digesting(Arc<Mutex<(blake3::Hasher, u64)>>);

impl Digesting {
    fn update(&self, bytes: &[u8]) {
        // A poisoned lock only means that another thread has panicked.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.update(bytes);
        state.1 += bytes.len() as u64;
    }

    /// The digest of what was read until now.
    pub(super) fn digest(&self) -> Digest {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Digest { bytes: state.1, hash: state.0.finalize().to_hex().to_string() }
    }
}

/// The digest of a whole file. It is read in pieces: a mapped file would count as memory of this process.
///
/// # Errors
/// When it cannot be read.
pub(super) fn digest_of(path: &Path) -> Result<Digest> {
    let digest = Digesting::default();
    let failed = |error: io::Error| read_error(path, &error);
    let mut file = Digester { input: File::open(path).map_err(failed)?, digest: digest.clone() };
    let mut buffer = vec![0; 1 << 18];
    while file.read(&mut buffer).map_err(failed)? > 0 {}
    Ok(digest.digest())
}

struct Digester<R> {
    input: R,
    digest: Digesting,
}

impl<R: Read> Read for Digester<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.digest.update(&buffer[..read]);
        Ok(read)
    }
}

/// A stream in another encoding, as UTF-8. What has no meaning in it becomes U+FFFD.
struct Decoded<R> {
    input: R,
    decoder: Decoder,
    /// Read and not yet decoded.
    raw: Vec<u8>,
    /// Decoded and not yet handed out, from `at` on.
    text: Vec<u8>,
    at: usize,
    is_at_end: bool,
}

impl<R: Read> Decoded<R> {
    fn new(input: R, encoding: &'static Encoding) -> Self {
        let decoder = encoding.new_decoder_without_bom_handling();
        Self { input, decoder, raw: Vec::new(), text: Vec::new(), at: 0, is_at_end: false }
    }

    fn decode_more(&mut self) -> io::Result<()> {
        const STEP: usize = 1 << 16;
        if self.raw.is_empty() {
            self.is_at_end = self.input.by_ref().take(STEP as u64).read_to_end(&mut self.raw)? == 0;
        }
        self.text.resize(STEP, 0);
        let (result, read, written, _) = self.decoder.decode_to_utf8(&self.raw, &mut self.text, self.is_at_end);
        self.raw.drain(..read);
        self.text.truncate(written);
        self.at = 0;
        // The decoder must not be asked again once the end is decoded.
        if self.is_at_end && result == CoderResult::OutputFull {
            self.is_at_end = false;
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.text.len() && !self.is_at_end {
            self.decode_more()?;
        }
        let ready = &self.text[self.at..];
        let length = ready.len().min(buffer.len());
        buffer[..length].copy_from_slice(&ready[..length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use encoding_rs::{UTF_16LE, WINDOWS_1252};

    use super::*;

    fn read(bytes: &[u8], compressed: bool, encoding: Option<&'static Encoding>) -> (Vec<u8>, Digest) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let digest = Digesting::default();
        let mut opened = TextFile::open(file.path(), compressed, encoding, &digest).unwrap();
        let mut content = Vec::new();
        opened.content.read_to_end(&mut content).unwrap();
        assert!(content.starts_with(&opened.sample));
        assert_eq!(opened.is_whole, content.len() < SAMPLE_BYTES);
        assert_eq!(digest.digest(), digest_of(file.path()).unwrap());
        (content, digest.digest())
    }

    #[test]
    fn what_is_not_utf8_becomes_utf8() {
        assert_eq!(read("\u{feff}naïve".as_bytes(), false, None).0, "naïve".as_bytes());
        assert_eq!(read(b"caf\xe9", false, None).0, b"caf\xe9");
        assert_eq!(read(b"caf\xe9", false, Some(WINDOWS_1252)).0, "café".as_bytes());
        let long = "naïve text, ".repeat(200_000);
        let utf16: Vec<u8> = long.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(read(&utf16, false, None).0 == long.as_bytes());
        assert!(read(&[b"\xff\xfe", utf16.as_slice()].concat(), false, None).0 == long.as_bytes());
        assert_eq!(read(b"a\0b", false, Some(UTF_16LE)).0, "a\u{fffd}".as_bytes());
        assert_eq!(read(b"", false, None).0, b"");
    }

    #[test]
    fn gzip_is_unpacked_with_all_its_members() {
        let member = |text: &[u8]| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap()
        };
        let bytes = [member(b"text\n"), member(b"a\n")].concat();
        let (content, digest) = read(&bytes, true, None);
        assert_eq!((content, digest.bytes), (b"text\na\n".to_vec(), bytes.len() as u64));
    }
}
