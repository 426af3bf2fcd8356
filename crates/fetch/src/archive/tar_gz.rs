//! Gzipped tar files, as npm packs them.

use std::io::{BufReader, Read};

use firebrand_pipeline::{Error, Result};
use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::guard::Target;

/// The largest accepted extension record (long names, attributes). They are held in memory, so the library does not read them
/// here: it would believe whatever size the archive declares.
const MAX_EXTENSION: u64 = 1 << 20;

pub(super) fn unpack(reader: impl Read, target: &mut Target<'_>) -> Result<()> {
    let archive = target.archive();
    let damaged = |error: std::io::Error| {
        Error::data(format!("{archive} is not a readable tar.gz archive"))
            .caused_by(&error)
            .hint("it may be cut short: remove the file and fetch it again")
    };
    // Skipped data (attributes, padding) is decompressed too: without a bound, a bomb would run for hours.
    let most = target.room().saturating_mul(2).saturating_add(1 << 30);
    let plain = BufReader::new(MultiGzDecoder::new(BufReader::new(reader)).take(most));
    let mut tar = Archive::new(plain);
    // The name that an extension record gives to the entry after it.
    let mut long_name: Option<String> = None;
    for entry in tar.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        match kind {
            EntryType::XGlobalHeader => {}
            EntryType::GNULongName => {
                let bytes = extension(&mut entry, target)?;
                long_name = Some(text(bytes.split(|&byte| byte == 0).next().unwrap_or_default(), target)?);
            }
            EntryType::XHeader => {
                if let Some(name) = pax_name(&extension(&mut entry, target)?, target)? {
                    long_name = Some(name);
                }
            }
            // Names the target of a link, and links are rejected when they come.
            EntryType::GNULongLink => {}
            _ => {
                let name = match long_name.take() {
                    Some(name) => name,
                    None => text(&entry.path_bytes(), target)?,
                };
                match kind {
                    // Before POSIX, a directory was a file whose name ends in a slash.
                    EntryType::Directory => target.directory(&name)?,
                    EntryType::Regular | EntryType::Continuous if name.ends_with('/') => target.directory(&name)?,
                    EntryType::Regular | EntryType::Continuous => {
                        let declared = entry.size();
                        let mut limited = Exact { inner: &mut entry, left: declared };
                        target.file(&name, &mut limited)?;
                    }
                    EntryType::Symlink | EntryType::Link => return Err(target.refuse(&name, "is a link")),
                    _ => return Err(target.refuse(&name, "is neither a file nor a directory")),
                }
            }
        }
    }
    Ok(())
}

/// The name in a record of PAX attributes.
fn pax_name(bytes: &[u8], target: &Target<'_>) -> Result<Option<String>> {
    let mut name = None;
    for attribute in PaxExtensions::new(bytes) {
        let attribute = attribute
            .map_err(|error| Error::data(format!("{} has broken attributes", target.archive())).caused_by(&error))?;
        match attribute.key_bytes() {
            b"path" => name = Some(text(attribute.value_bytes(), target)?),
            // Either would override the sizes in the headers, and with them the start of the next entry.
            b"size" => return Err(target.refuse("attributes", "gives a size beyond the header's")),
            key if key.starts_with(b"GNU.sparse") => return Err(target.refuse("attributes", "describes a sparse file")),
            _ => {}
        }
    }
    Ok(name)
}

fn extension(entry: &mut Entry<'_, impl Read>, target: &Target<'_>) -> Result<Vec<u8>> {
    if entry.size() > MAX_EXTENSION {
        return Err(target.refuse("attributes", "is larger than any honest one"));
    }
    let mut bytes = Vec::new();
    entry
        .read_to_end(&mut bytes)
        .map_err(|error| Error::data(format!("{} is damaged", target.archive())).caused_by(&error))?;
    Ok(bytes)
}

fn text(bytes: &[u8], target: &Target<'_>) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        Error::data(format!("{} has an entry whose name is not UTF-8", target.archive())).caused_by(&error)
    })
}

/// Fails if an entry ends before its declared size, which a plain reader would take for its end.
struct Exact<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the archive ends inside this entry"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}
