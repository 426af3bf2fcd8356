//! The content of a file, and as a text.

use std::borrow::Cow;
use std::io::Read;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use firebrand_pipeline::{Error, Result};
use firebrand_tables::wording::short;
use firebrand_tables::{utf16_of, what_instead};

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

/// The content of a table as a text, without byte order mark, and what to tell the user if its encoding was guessed.
///
/// UTF-8 and UTF-16 are recognised. Anything else is read as windows-1252 if it looks like Western text; one that is mostly
/// UTF-8 with some odd bytes does not, because guessing there would damage its other texts unnoticed.
pub(crate) fn text<'a>(
    name: &str,
    bytes: &'a [u8],
    encoding: Option<&'static Encoding>,
) -> Result<(Cow<'a, str>, Option<String>)> {
    if let Some(encoding) = encoding {
        return Ok((decode(name, bytes, encoding)?, None));
    }
    if let Some(utf16) = utf16_of(bytes) {
        return Ok((decode(name, bytes, utf16)?, None));
    }
    if let Some(what) = what_instead(bytes) {
        return Err(Error::data(format!("{name} is not a text but {what}"))
            .hint("save it as CSV, TSV, JSON Lines or Parquet, or name the files to read with `train_files`"));
    }
    match decode(name, bytes, UTF_8) {
        Ok(text) => Ok((text, None)),
        Err(error) if !looks_western(bytes) => Err(error),
        Err(_) => {
            let text = decode(name, bytes, WINDOWS_1252)?;
            let lines = text.lines().filter(|line| !line.is_ascii()).take(3);
            let lines: Vec<_> = lines.map(|line| format!("\n    {}", short(line, 100))).collect();
            let note = format!(
                "{name} is not UTF-8 and is read as windows-1252, a guess (`encoding` below [clean] sets it). Three of its \
                 lines:{}",
                lines.concat()
            );
            Ok((text, Some(note)))
        }
    }
}

fn decode<'a>(name: &str, bytes: &'a [u8], encoding: &'static Encoding) -> Result<Cow<'a, str>> {
    let mark = Encoding::for_bom(bytes).filter(|(found, _)| *found == encoding).map_or(0, |(_, length)| length);
    let content = bytes.get(mark..).unwrap_or_default();
    if let Some(text) = encoding.decode_without_bom_handling_and_without_replacement(content) {
        return Ok(text);
    }
    let hint = "`encoding` below [clean] names another: \"windows-1252\", \"windows-1251\", \"shift_jis\", \"gbk\", …";
    if encoding != UTF_8 {
        return Err(Error::data(format!("{name} is not {}", encoding.name())).hint(hint));
    }
    let valid = std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len);
    let (before, rest) = bytes.split_at(valid);
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Err(Error::data(format!(
        "{name}, line {line} is not UTF-8: byte {} of the line is 0x{:02X}",
        before.len() - start + 1,
        rest.first().copied().unwrap_or_default()
    ))
    .hint("save it as UTF-8")
    .hint(hint))
}

/// Whether what is not UTF-8 looks like windows-1252: none of the five bytes that have no meaning there, few letters with
/// accents among the others, and hardly any of what is UTF-8 beyond ASCII.
fn looks_western(bytes: &[u8]) -> bool {
    let (mut proper, mut odd, mut letters) = (0_usize, 0_usize, 0_usize);
    for chunk in bytes.utf8_chunks() {
        proper += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        letters += chunk.valid().bytes().filter(u8::is_ascii_alphabetic).count();
        odd += chunk.invalid().len();
    }
    let undefined = |byte: &u8| matches!(byte, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
    proper < odd && odd * 4 < letters && !bytes.iter().any(undefined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<(String, bool), String> {
        let read = text("a.csv", bytes, None).map_err(|error| error.message().to_owned())?;
        Ok((read.0.into_owned(), read.1.is_some()))
    }

    #[test]
    fn encodings_are_recognised_or_guessed() {
        assert_eq!(read("\u{feff}ä".as_bytes()), Ok(("ä".to_owned(), false)));
        assert_eq!(read(b"\xff\xfea\0\xe4\0"), Ok(("aä".to_owned(), false)));
        assert_eq!(read(b"\xfe\xff\0a\0\xe4"), Ok(("aä".to_owned(), false)));
        let utf16: Vec<u8> = "text,label\nä,1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16), Ok(("text,label\nä,1\n".to_owned(), false)));
        assert_eq!(read(b"text,label\n10 \x80,a\ncaf\xe9,b\n"), Ok(("text,label\n10 €,a\ncafé,b\n".to_owned(), true)));
        let (_, note) = text("a.csv", b"text,label\n10 \x80,a\ncaf\xe9,b\n", None).unwrap();
        assert!(note.unwrap().ends_with("Three of its lines:\n    10 €,a\n    café,b"));
    }

    #[test]
    fn what_cannot_be_guessed_is_refused() {
        let error = read(
            "text,label\nnaïve,a\n".as_bytes().iter().chain(b"caf\xe9,b\n").copied().collect::<Vec<_>>().as_slice(),
        );
        assert_eq!(error.unwrap_err(), "a.csv, line 3 is not UTF-8: byte 4 of the line is 0xE9");
        // Russian in windows-1251 would be nonsense.
        let russian = b"text,label\n\xf5\xee\xf0\xee\xf8\xee \xf1\xe4\xe5\xeb\xe0\xed\xee,1\n";
        assert!(read(russian).unwrap_err().contains("line 2 is not UTF-8"));
        let given = text("a.csv", russian, Encoding::for_label(b"windows-1251")).unwrap();
        assert_eq!((given.0.as_ref(), given.1), ("text,label\nхорошо сделано,1\n", None));
        assert!(text("a.csv", b"caf\xe9", Some(UTF_8)).is_err());
    }

    #[test]
    fn binary_files_are_called_what_they_are() {
        assert_eq!(
            read(b"PK\x03\x04..").unwrap_err(),
            "a.csv is not a text but a ZIP archive (as Word and Excel files are)"
        );
        assert_eq!(read(b"a\0\0\0b\x01\0\0").unwrap_err(), "a.csv is not a text but binary data");
    }
}
