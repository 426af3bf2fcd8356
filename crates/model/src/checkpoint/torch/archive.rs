//! Zip archives as torch writes them: one folder, entries that are not compressed, sizes of 64 bits.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ModelError;
use crate::checkpoint::ranged::RangedFile;

/// The end record: its fixed part, and the longest comment after it.
const END: u64 = 22;
const COMMENT: u64 = u16::MAX as u64;

/// What a 32-bit field holds when the number stands in a 64-bit one instead.
const ELSEWHERE: u64 = u32::MAX as u64;

/// Where an entry is said to lie.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Where its local header starts.
    header: u64,
    /// Bytes of its contents.
    length: u64,
}

/// An open archive.
#[derive(Debug)]
pub(super) struct Archive {
    file: RangedFile,
    /// By name, without the folder that all are in.
    entries: BTreeMap<String, Place>,
}

impl Archive {
    /// Opens an archive and reads its directory.
    pub(super) fn open(path: &Path) -> Result<Self, ModelError> {
        let file = RangedFile::open(path)?;
        refuse_other_formats(&file)?;
        let (start, length) = directory(&file)?;
        let mut entries = BTreeMap::new();
        let mut folder = None;
        let bytes = file.read(start, length)?;
        let mut left = &bytes[..];
        while !left.is_empty() {
            let (name, place, rest) = entry(left).map_err(|problem| damaged(&file, &problem))?;
            left = rest;
            let Some((found, name)) = name.split_once('/') else {
                return Err(damaged(&file, &format!("`{name}` lies in no folder")));
            };
            if *folder.get_or_insert(found) != found {
                return Err(damaged(&file, "its entries lie in several folders"));
            }
            if entries.insert(name.to_owned(), place).is_some() {
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

    /// Where the contents of an entry start, and their length.
    pub(super) fn entry(&self, name: &str) -> Result<(u64, u64), ModelError> {
        self.find(name)?.ok_or_else(|| damaged(&self.file, &format!("`{name}` is missing")))
    }

    /// The same for an entry that may be missing.
    pub(super) fn find(&self, name: &str) -> Result<Option<(u64, u64)>, ModelError> {
        const LOCAL: u64 = 30;
        let Some(&Place { header, length }) = self.entries.get(name) else { return Ok(None) };
        let bytes = self.file.read(header, LOCAL)?;
        if !bytes.starts_with(b"PK\x03\x04") {
            return Err(damaged(&self.file, &format!("there is no entry at byte {header}, where `{name}` is to be")));
        }
        // The local header's extra field is longer than the directory's: it moves the contents to a round address.
        let start = header + LOCAL + number(&bytes, 26, 2) + number(&bytes, 28, 2);
        if start.checked_add(length).is_none_or(|end| end > self.file.length()) {
            return Err(damaged(&self.file, &format!("`{name}` is to have {length} bytes from byte {start} on")));
        }
        Ok(Some((start, length)))
    }
}

fn damaged(file: &RangedFile, problem: &str) -> ModelError {
    let length = file.length();
    file.problem(format!("not a whole file of torch ({problem}; the file has {length} bytes): fetch it again"))
}

/// Says of files that torch writes, or wrote, in another way what to do about them.
fn refuse_other_formats(file: &RangedFile) -> Result<(), ModelError> {
    // A pickled number that old files begin with.
    const OLD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    let start = file.read(0, file.length().min(512))?;
    let is_tar = start.get(257..262) == Some(b"ustar");
    if start.starts_with(OLD) || is_tar {
        let name = file.path().file_name().unwrap_or_default().to_string_lossy();
        return Err(file.problem(format!(
            "written by a torch before 1.6, in a format that is not read\n\n\
             hint: load and save it once with a newer torch, \
             `torch.save(torch.load({name:?}, weights_only=True), {name:?})`, \
             or, as safetensors, with `save_pretrained` of transformers",
        )));
    }
    if !start.starts_with(b"PK\x03\x04") {
        return Err(damaged(file, "it does not begin as a zip archive does"));
    }
    Ok(())
}

/// Where the directory starts, and its length.
fn directory(file: &RangedFile) -> Result<(u64, u64), ModelError> {
    let tail = file.length().min(END + COMMENT);
    let bytes = file.read(file.length() - tail, tail)?;
    let at = (0..=bytes.len().saturating_sub(END as usize))
        .rev()
        .find(|&at| bytes[at..].starts_with(b"PK\x05\x06") && bytes.len() - at >= END as usize)
        .ok_or_else(|| damaged(file, "its end is missing"))?;
    let record = &bytes[at..];
    let (length, start) = (number(record, 12, 4), number(record, 16, 4));
    if length != ELSEWHERE && start != ELSEWHERE {
        return Ok((start, length));
    }
    // A pointer to the record with the large numbers lies right before.
    let pointer = at.checked_sub(20).map(|at| &bytes[at..]).filter(|bytes| bytes.starts_with(b"PK\x06\x07"));
    let pointer = pointer.ok_or_else(|| damaged(file, "it has no place for its size"))?;
    let record = file.read(number(pointer, 8, 8), 56)?;
    if !record.starts_with(b"PK\x06\x06") {
        return Err(damaged(file, "it has no size"));
    }
    Ok((number(&record, 48, 8), number(&record, 40, 8)))
}

/// The first entry of a directory, and what comes after it.
fn entry(bytes: &[u8]) -> Result<(&str, Place, &[u8]), String> {
    const FIXED: usize = 46;
    let cut = || "its directory is cut off".to_owned();
    let (fixed, rest) = bytes.split_at_checked(FIXED).ok_or_else(cut)?;
    if !fixed.starts_with(b"PK\x01\x02") {
        return Err("its directory is not one".to_owned());
    }
    let length = |at: usize| number(fixed, at, 2) as usize;
    let (name, rest) = rest.split_at_checked(length(28)).ok_or_else(cut)?;
    let (extra, rest) = rest.split_at_checked(length(30)).ok_or_else(cut)?;
    let (_, rest) = rest.split_at_checked(length(32)).ok_or_else(cut)?;
    let name = str::from_utf8(name).map_err(|_| "a name in it is not UTF-8".to_owned())?;

    // In this order the 64-bit field has those that are needed.
    let mut numbers = [number(fixed, 24, 4), number(fixed, 20, 4), number(fixed, 42, 4)];
    let mut large = large_numbers(extra).chunks_exact(8);
    for value in numbers.iter_mut().filter(|value| **value == ELSEWHERE) {
        *value = number(large.next().ok_or_else(cut)?, 0, 8);
    }
    let [length, stored, header] = numbers;
    // Compressed: method 8, …; encrypted: the lowest flag.
    if number(fixed, 10, 2) != 0 || number(fixed, 8, 2) & 1 != 0 || length != stored {
        return Err(format!("`{name}` is compressed or encrypted, which torch never does"));
    }
    Ok((name, Place { header, length }, rest))
}

/// The contents of the extra field that has numbers of 64 bits, or nothing.
fn large_numbers(mut extra: &[u8]) -> &[u8] {
    while let Some((head, rest)) = extra.split_at_checked(4) {
        let Some((field, rest)) = rest.split_at_checked(number(head, 2, 2) as usize) else { break };
        if number(head, 0, 2) == 1 {
            return field;
        }
        extra = rest;
    }
    &[]
}

/// A little-endian number of some bytes; bytes that are not there count as zero.
fn number(bytes: &[u8], at: usize, size: usize) -> u64 {
    bytes.iter().skip(at).take(size).rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
}
