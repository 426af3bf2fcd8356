//! The encoding of text files.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Which UTF-16 this is: by its byte order mark, or because every other byte of its start is NUL, as in Latin text.
pub fn utf16_of(bytes: &[u8]) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return (encoding != UTF_8).then_some(encoding);
    }
    let start = &bytes[..bytes.len().min(1 << 12)];
    let nul = |odd: usize| start.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (nul(0), nul(1), start.len() / 2);
    if half < 2 {
        return None;
    }
    match (even * 10 < half, odd * 10 < half) {
        (true, false) if odd * 2 > half => Some(UTF_16LE),
        (false, true) if even * 2 > half => Some(UTF_16BE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_known_by_its_mark_or_its_zeros() {
        let text = "text,label\nä,1\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!((utf16_of(&little), utf16_of(&big)), (Some(UTF_16LE), Some(UTF_16BE)));
        assert_eq!((utf16_of(b"\xff\xfea\0"), utf16_of(b"\xfe\xff\0a")), (Some(UTF_16LE), Some(UTF_16BE)));
        assert_eq!((utf16_of(text.as_bytes()), utf16_of("\u{feff}a".as_bytes())), (None, None));
    }
}
