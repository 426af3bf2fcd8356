//! The content of a file, and as a text.

use std::io::Read;

use firebrand_pipeline::{Error, Result};

use crate::files::SourceFile;

/// The content, uncompressed; never empty.
pub(crate) fn read(file: &SourceFile) -> Result<Vec<u8>> {
    let mut bytes = std::fs::read(&file.path).map_err(|error| Error::io("read", &file.path, &error))?;
    if file.compressed && !bytes.is_empty() {
        let mut plain = Vec::new();
        // Several members behind each other are one file, as gzip itself has it.
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).map_err(|error| {
            Error::data(format!("{} is not a whole gzip file", file.name)).caused_by(&error).hint("fetch it again")
        })?;
        bytes = plain;
    }
    if bytes.is_empty() {
        return Err(Error::data(format!("{} is empty", file.name))
            .hint("leave it out with `train_files` below [clean], or fetch it again"));
    }
    Ok(bytes)
}

/// The content as a text without byte order mark.
///
/// Tables must be UTF-8: guessing an encoding from a few odd bytes among thousands of rows would damage texts unnoticed.
pub(crate) fn text<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str> {
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Error::data(format!("{name} is UTF-16")).hint("save it as UTF-8"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (before, rest) = bytes.split_at(error.valid_up_to());
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let odd = rest.first().copied().unwrap_or_default();
        Error::data(format!(
            "{name}, line {line} is not UTF-8: byte {} of the line is 0x{odd:02X}",
            before.len() - start + 1
        ))
        .hint("save it as UTF-8; if it is of an old Windows: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW")
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_utf8_has_a_line_and_a_byte() {
        let error = text("a.csv", b"text,label\nfine,a\ncaf\xe9,b\n").unwrap_err();
        assert_eq!(error.message(), "a.csv, line 3 is not UTF-8: byte 4 of the line is 0xE9");
        assert_eq!(error.kind().exit_code(), 4);
        assert_eq!(text("a.csv", b"\xff\xfea\0").unwrap_err().message(), "a.csv is UTF-16");
        assert_eq!(text("a.csv", "\u{feff}ä".as_bytes()).unwrap(), "ä");
    }
}
