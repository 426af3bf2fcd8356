//! Zip files, including wheels.

use std::io::{Read, Seek};

use firebrand_pipeline::{Error, Result, ResultExt};
use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

use super::guard::Target;

pub(super) fn unpack(reader: impl Read + Seek, target: &mut Target<'_>) -> Result<()> {
    let archive = target.archive();
    let mut zip = ZipArchive::new(reader).map_err(|error| {
        Error::data(format!("{archive} is not a readable zip archive"))
            .caused_by(&error)
            .hint("a part may be missing or cut short: remove the file and fetch it again")
    })?;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|error| unreadable(archive, index, &error))?;
        let name = name(&entry, target)?;
        if entry.is_symlink() {
            return Err(target.refuse(&name, "is a link"));
        }
        if entry.is_dir() {
            target.directory(&name)?;
        } else {
            target.file(&name, &mut entry)?;
        }
    }
    Ok(())
}

/// The raw name. A sanitised name would hide what the archive tried.
fn name<R: Read>(entry: &ZipFile<'_, R>, target: &Target<'_>) -> Result<String> {
    match std::str::from_utf8(entry.name_raw()) {
        Ok(name) => Ok(name.to_owned()),
        // Archives without UTF-8 names: the library decodes their code page, and the guard checks the result.
        Err(_) if !entry.name().contains(char::REPLACEMENT_CHARACTER) => Ok(entry.name().to_owned()),
        Err(error) => Err(error).or_data(|| format!("{} has an entry whose name is not text", target.archive())),
    }
}

fn unreadable(archive: &str, index: usize, error: &ZipError) -> Error {
    let made = Error::data(format!("{archive}: entry {} cannot be unpacked", index + 1)).caused_by(error);
    match error {
        ZipError::UnsupportedArchive(_) => made
            .hint("stored and deflated entries are understood; unpack it by hand and name the folder with `path = …`"),
        _ => made,
    }
}
