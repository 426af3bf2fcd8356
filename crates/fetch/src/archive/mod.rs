//! Unpacks untrusted archives: nothing is written outside the target, and nothing fills the disk.

mod guard;
mod parts;
mod tar_gz;
mod zip_file;

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use firebrand_pipeline::{Error, Result};

pub(crate) use guard::Limits;
pub(crate) use parts::{Parts, by_name};

use guard::Target;

/// The supported archive formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Zip,
    TarGz,
}

impl Format {
    /// The format according to a file's name.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ends(&[".zip", ".whl"]) {
            Some(Self::Zip)
        } else if ends(&[".tar.gz", ".tgz"]) {
            Some(Self::TarGz)
        } else {
            None
        }
    }

    /// The format according to the first bytes.
    fn of_content(reader: &mut impl Read) -> std::io::Result<Option<Self>> {
        let mut start = [0; 4];
        let mut filled = 0;
        while filled < start.len() {
            match reader.read(&mut start[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(match &start[..filled] {
            // A local file header, or the end record of an empty archive.
            b"PK\x03\x04" | b"PK\x05\x06" => Some(Self::Zip),
            [0x1f, 0x8b, ..] => Some(Self::TarGz),
            _ => None,
        })
    }
}

/// One file of an unpacked archive.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Unpacked {
    /// Path relative to the target, with `/`.
    pub(crate) path: String,
    /// Size in bytes.
    pub(crate) bytes: u64,
}

/// Unpacks a zip or tar.gz into an empty directory; returns its files, sorted. `name` is for messages.
///
/// # Errors
/// A data error for anything but a well-formed archive of plain files and directories within the limits.
pub(crate) fn unpack(mut reader: impl Read + Seek, name: &str, target: &Path, limits: Limits) -> Result<Vec<Unpacked>> {
    let unreadable = |error: std::io::Error| Error::data(format!("cannot read {name}")).caused_by(&error);
    let format = Format::of_content(&mut reader).map_err(unreadable)?;
    reader.seek(SeekFrom::Start(0)).map_err(unreadable)?;
    let mut target = Target::new(target, name, limits);
    match format {
        Some(Format::Zip) => zip_file::unpack(reader, &mut target)?,
        Some(Format::TarGz) => tar_gz::unpack(reader, &mut target)?,
        None => {
            return Err(Error::data(format!("{name} is neither a zip nor a tar.gz archive"))
                .hint("leave out `inside` and `join` for a file that is no archive; check what the source really is"));
        }
    }
    target.finish()
}

#[cfg(test)]
pub(crate) mod tests;
