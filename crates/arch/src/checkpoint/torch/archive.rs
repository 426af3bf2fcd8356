//! Zip archives as torch writes them: one folder of uncompressed entries, 64-bit sizes.
//!
//! The `zip` crate (tried with 8.6) is not used for these untrusted files: it silently keeps the last of two entries of one
//! name, and if the end record is broken it takes an earlier one. Either makes a file one model to a scanner and another
//! here.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ModelError;
use crate::checkpoint::ranged::RangedFile;

/// Size of the end record, and of the longest comment after it.
const END: u64 = 22;
const COMMENT: u64 = u16::MAX as u64;

/// The value of a 32-bit field whose actual value is in a 64-bit field.
const IN_ZIP64: u64 = u32::MAX as u64;

/// The location of an entry, according to the central directory.
#[derive(Debug, Clone, Copy)]
struct Location {
    /// Offset of its local header.
    header: u64,
    /// Size of its contents.
    length: u64,
}

/// An open archive.
#[derive(Debug)]
pub(super) struct Archive {
    file: RangedFile,
    /// By name, without the common folder.
    entries: BTreeMap<String, Location>,
}

impl Archive {
    /// Opens an archive and reads its central directory.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let file = RangedFile::open(path)?;
        refuse_other_formats(&file)?;
        let (start, length) = directory(&file)?;
        let mut entries = BTreeMap::new();
        let mut folder = None;
        let bytes = file.read(start, length)?;
        let mut left = &bytes[..];
        while !left.is_empty() {
            let (name, location, rest) = entry(left).map_err(|problem| damaged(&file, &problem))?;
            left = rest;
            let Some((found, name)) = name.split_once('/') else {
                return Err(damaged(&file, &format!("`{name}` is not in a folder")));
            };
            if *folder.get_or_insert(found) != found {
                return Err(damaged(&file, "its entries are in several folders"));
            }
            if entries.insert(name.to_owned(), location).is_some() {
                return Err(damaged(&file, &format!("two entries are called `{name}`")));
            }
        }
        Ok(Self { file, entries })
    }

    pub(super) fn file(&self) -> &RangedFile {
        &self.file
    }

    /// An error about this file.
    pub(super) fn problem(&self, problem: impl Into<String>) -> ModelError {
        self.file.problem(problem)
    }

    /// Offset and size of an entry's contents.
    pub(super) fn entry(&self, name: &str) -> Result<(u64, u64), ModelError> {
        self.find(name)?.ok_or_else(|| damaged(&self.file, &format!("`{name}` is missing")))
    }

    /// Offset and size of an entry's contents, if there is such an entry.
    pub(super) fn find(&self, name: &str) -> Result<Option<(u64, u64)>, ModelError> {
        const LOCAL: u64 = 30;
        let Some(&Location { header, length }) = self.entries.get(name) else { return Ok(None) };
        let bytes = self.file.read(header, LOCAL)?;
        if !bytes.starts_with(b"PK\x03\x04") {
            return Err(damaged(&self.file, &format!("there is no entry at byte {header}, where `{name}` should be")));
        }
        // The local header's extra field is longer than the directory's: it aligns the contents.
        let start = header + LOCAL + number(&bytes, 26, 2) + number(&bytes, 28, 2);
        if start.checked_add(length).is_none_or(|end| end > self.file.length()) {
            return Err(damaged(&self.file, &format!("`{name}` should have {length} bytes from byte {start} on")));
        }
        Ok(Some((start, length)))
    }
}

fn damaged(file: &RangedFile, problem: &str) -> ModelError {
    let length = file.length();
    file.problem(format!("damaged or incomplete torch file ({problem}; the file has {length} bytes): fetch it again"))
}

/// Rejects the formats of older versions of torch, with advice.
fn refuse_other_formats(file: &RangedFile) -> Result<(), ModelError> {
    // The pickled magic number of the legacy format.
    const OLD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    let start = file.read(0, file.length().min(512))?;
    let is_tar = start.get(257..262) == Some(b"ustar");
    if start.starts_with(OLD) || is_tar {
        let name = file.path().file_name().unwrap_or_default().to_string_lossy();
        return Err(file.problem(format!(
            "written by a torch before 1.6, in a format that is not supported\n\n\
             hint: load and save it once with a newer torch, \
             `torch.save(torch.load({name:?}, weights_only=True), {name:?})`, \
             or, as safetensors, with `save_pretrained` of transformers",
        )));
    }
    if !start.starts_with(b"PK\x03\x04") {
        return Err(damaged(file, "it does not begin like a zip archive"));
    }
    Ok(())
}

/// Offset and size of the central directory.
fn directory(file: &RangedFile) -> Result<(u64, u64), ModelError> {
    let tail = file.length().min(END + COMMENT);
    let bytes = file.read(file.length() - tail, tail)?;
    let at = (0..=bytes.len().saturating_sub(END as usize))
        .rev()
        .find(|&at| bytes[at..].starts_with(b"PK\x05\x06") && bytes.len() - at >= END as usize)
        .ok_or_else(|| damaged(file, "its end record is missing"))?;
    let record = &bytes[at..];
    let (length, start) = (number(record, 12, 4), number(record, 16, 4));
    if length != IN_ZIP64 && start != IN_ZIP64 {
        return Ok((start, length));
    }
    // The zip64 locator comes right before.
    let pointer = at.checked_sub(20).map(|at| &bytes[at..]).filter(|bytes| bytes.starts_with(b"PK\x06\x07"));
    let pointer = pointer.ok_or_else(|| damaged(file, "its zip64 locator is missing"))?;
    let record = file.read(number(pointer, 8, 8), 56)?;
    if !record.starts_with(b"PK\x06\x06") {
        return Err(damaged(file, "its zip64 end record is missing"));
    }
    Ok((number(&record, 48, 8), number(&record, 40, 8)))
}

/// The first entry of a directory, and the remaining bytes.
fn entry(bytes: &[u8]) -> Result<(&str, Location, &[u8]), String> {
    const FIXED: usize = 46;
    let cut = || "its directory is cut off".to_owned();
    let (fixed, rest) = bytes.split_at_checked(FIXED).ok_or_else(cut)?;
    if !fixed.starts_with(b"PK\x01\x02") {
        return Err("its directory is damaged".to_owned());
    }
    let length = |at: usize| number(fixed, at, 2) as usize;
    let (name, rest) = rest.split_at_checked(length(28)).ok_or_else(cut)?;
    let (extra, rest) = rest.split_at_checked(length(30)).ok_or_else(cut)?;
    let (_, rest) = rest.split_at_checked(length(32)).ok_or_else(cut)?;
    let name = str::from_utf8(name).map_err(|_| "a name in it is not UTF-8".to_owned())?;

    // The zip64 field holds those that are needed, in this order.
    let mut numbers = [number(fixed, 24, 4), number(fixed, 20, 4), number(fixed, 42, 4)];
    let mut large = zip64_field(extra).chunks_exact(8);
    for value in numbers.iter_mut().filter(|value| **value == IN_ZIP64) {
        *value = number(large.next().ok_or_else(cut)?, 0, 8);
    }
    let [length, stored, header] = numbers;
    // Compressed: method 8, …; encrypted: the lowest flag bit.
    if number(fixed, 10, 2) != 0 || number(fixed, 8, 2) & 1 != 0 || length != stored {
        return Err(format!("`{name}` is compressed or encrypted, which torch never does"));
    }
    Ok((name, Location { header, length }, rest))
}

/// The contents of the zip64 extra field; empty if there is none.
fn zip64_field(mut extra: &[u8]) -> &[u8] {
    while let Some((head, rest)) = extra.split_at_checked(4) {
        let Some((field, rest)) = rest.split_at_checked(number(head, 2, 2) as usize) else { break };
        if number(head, 0, 2) == 1 {
            return field;
        }
        extra = rest;
    }
    &[]
}

/// A little-endian number of `size` bytes; missing bytes count as zero.
fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes.iter().skip(at).take(size).rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
}
