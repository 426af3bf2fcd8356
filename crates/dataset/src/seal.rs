//! A checksum inside the Parquet files that this crate writes, verified before anything is decoded.
//!
//! Parquet itself does not detect a changed byte, and some changes make decoders allocate more memory than there is, which
//! aborts the process. The seal is between the last column chunk and the footer, which readers skip: they find the footer from
//! the end of the file, and column chunks by their offset from its start. Files of other writers have no seal and are not
//! verified.

use firebrand_pipeline::hash;

const MARK: &[u8] = b"firebrand-seal-1";
/// Length in bytes of the mark and a hash in hexadecimal.
const LENGTH: usize = MARK.len() + 64;

/// Inserts the seal into a complete Parquet file; all other bytes stay the same.
pub(crate) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(footer) = footer(&bytes) {
        let (data, end) = bytes.split_at(footer);
        let seal = [MARK, hash_of(data, end).as_bytes()].concat();
        bytes.splice(footer..footer, seal);
    }
    bytes
}

/// Whether the seal matches the content; true if there is no seal.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    // The footer is longer than the file.
    let Some(footer) = footer(bytes) else { return false };
    let (before, end) = bytes.split_at(footer);
    let Some((data, seal)) = before.len().checked_sub(LENGTH).map(|start| before.split_at(start)) else { return true };
    match seal.strip_prefix(MARK) {
        Some(found) => found == hash_of(data, end).as_bytes(),
        // Either the file has no seal, or the length of the footer was changed and the seal is elsewhere.
        None => !bytes.windows(MARK.len()).rev().take(1 << 20).any(|window| window == MARK),
    }
}

fn hash_of(data: &[u8], end: &[u8]) -> String {
    hash::bytes([hash::bytes(data), hash::bytes(end)].concat().as_bytes())
}

/// Offset of the footer: `… footer, its length in four bytes, PAR1`.
fn footer(bytes: &[u8]) -> Option<usize> {
    let length = bytes.len().checked_sub(8)?;
    let footer = bytes[length..length + 4].try_into().map(u32::from_le_bytes).ok()?;
    length.checked_sub(usize::try_from(footer).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_holds_until_a_byte_changes() {
        let file = b"PAR1some dataFOOT\x04\0\0\0PAR1".to_vec();
        assert!(is_whole(&file));
        let sealed = seal(file.clone());
        assert_eq!(sealed.len(), file.len() + LENGTH);
        assert!(sealed.starts_with(b"PAR1some data") && sealed.ends_with(b"FOOT\x04\0\0\0PAR1"));
        assert!(is_whole(&sealed));
        let mark = 13..13 + MARK.len();
        for index in (4..sealed.len() - 4).filter(|index| !mark.contains(index)) {
            let mut damaged = sealed.clone();
            damaged[index] ^= 1;
            assert!(!is_whole(&damaged), "byte {index}");
        }
    }

    #[test]
    fn other_files_are_not_verified() {
        for bytes in [&b""[..], b"PAR1", b"PAR1\xff\xff\xff\xffPAR1"] {
            assert_eq!(seal(bytes.to_vec()), bytes);
            assert!(!is_whole(bytes));
        }
    }
}
