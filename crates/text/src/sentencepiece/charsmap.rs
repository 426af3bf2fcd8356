//! The normalization table (charsmap) in a SentencePiece model: a double-array trie from strings to their replacements.
//!
//! The `tokenizers` library does not check it: an offset out of bounds would make it panic on some text. So every node that a
//! text can reach is visited here once.

use tokenizers::normalizers::Precompiled;

/// More than ten times the largest that SentencePiece comes with.
const MOST_BYTES: usize = 4 << 20;

/// Parses and validates a charsmap.
///
/// # Errors
/// A sentence about what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Precompiled, &'static str> {
    if bytes.len() > MOST_BYTES {
        return Err("its charsmap is too large");
    }
    check(bytes).ok_or("its charsmap is damaged")?;
    Precompiled::from(bytes).map_err(|_| "its charsmap is damaged")
}

/// `None` if some text leads out of bounds, in the trie or in the replacements.
fn check(bytes: &[u8]) -> Option<()> {
    let (size, rest) = bytes.split_first_chunk()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    let (trie, replacements) = rest.split_at_checked(size)?;
    let (units, []) = trie.as_chunks::<4>() else { return None };
    let units: Vec<u32> = units.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
    let replacements = str::from_utf8(replacements).ok()?;

    // The children of a node are in one block of 256 units: the unit of a byte is at the node's position XOR the byte.
    let block_is_inside = |node: usize| (node | 0xff) < units.len();
    let root = offset(*units.first()?);
    let mut visited = vec![false; units.len()];
    let mut queue = vec![root];
    while let Some(node) = queue.pop() {
        if !block_is_inside(node) {
            return None;
        }
        if std::mem::replace(&mut visited[node], true) {
            continue;
        }
        for byte in 1..=0xff_u8 {
            let position = node ^ usize::from(byte);
            let unit = units[position];
            if label(unit) != u32::from(byte) {
                continue;
            }
            let child = position ^ offset(unit);
            if has_value(unit) {
                let start = usize::try_from(*units.get(child)? & 0x7fff_ffff).ok()?;
                // The library reads up to the next NUL or the end.
                replacements.get(start..)?;
            }
            queue.push(child);
        }
    }
    Some(())
}

fn offset(unit: u32) -> usize {
    // 22 bits, shifted by 0 or 8: fits into 32.
    ((unit >> 10) as usize) << ((unit & (1 << 9)) >> 6)
}

fn label(unit: u32) -> u32 {
    unit & ((1 << 31) | 0xff)
}

fn has_value(unit: u32) -> bool {
    (unit >> 8) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One rule: `a` becomes the replacement at an offset.
    fn trie(child_offset: u32, value: u32) -> Vec<u32> {
        let mut units = vec![0_u32; 512];
        // The root's children are at 0 ^ byte; the child's value is at its position ^ its offset.
        units[usize::from(b'a')] = (child_offset << 10) | (1 << 8) | u32::from(b'a');
        if let Some(unit) = units.get_mut((u32::from(b'a') ^ child_offset) as usize) {
            *unit = value | (1 << 31);
        }
        units
    }

    fn bytes(units: &[u32], replacements: &[u8]) -> Vec<u8> {
        let size = u32::try_from(units.len() * 4).unwrap();
        let units = units.iter().flat_map(|unit| unit.to_le_bytes());
        size.to_le_bytes().into_iter().chain(units).chain(replacements.iter().copied()).collect()
    }

    #[test]
    fn a_whole_table_is_read_and_applied() {
        let table = read(&bytes(&trie(256, 3), "xy\0é\0".as_bytes())).unwrap();
        assert_eq!(table.normalize_string("abc"), "ébc");
    }

    #[test]
    fn what_leads_outside_is_refused() {
        let replacements = "xy\0é\0".as_bytes();
        for (units, why) in [
            (trie(256, 4), "in the middle of a character"),
            (trie(256, 99), "behind the replacements"),
            (trie(512, 3), "behind the trie"),
            (trie(256, 3)[..100].to_vec(), "a root without a whole block"),
            (Vec::new(), "no root"),
        ] {
            assert!(read(&bytes(&units, replacements)).is_err(), "{why}");
        }
        assert!(read(&[9, 0, 0, 0]).is_err());
        assert!(read(&bytes(&trie(256, 3), b"\xff\xfe\xfd\xfc")).is_err());
    }

    #[test]
    fn a_trie_that_leads_back_to_itself_ends() {
        let mut units = vec![0_u32; 256];
        for byte in 1..=0xff_u8 {
            // Every child is the root again: its position ^ its offset = 0.
            units[usize::from(byte)] = (u32::from(byte) << 10) | u32::from(byte);
        }
        assert!(read(&bytes(&units, b"")).is_ok());
    }
}
