//! From bytes to text.

use std::fs;
use std::io::Read;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use firebrand_pipeline::{Error, Result};
use flate2::read::MultiGzDecoder;

use crate::files::SourceFile;

/// The whole text of a table's file: UTF-8, or UTF-16 with its mark. Anything else is an error, since a wrong guess would
/// spoil a whole column in silence.
pub(super) fn text(file: &SourceFile) -> Result<String> {
    let bytes = bytes(file)?;
    let name = &file.name;
    match Encoding::for_bom(&bytes) {
        Some((encoding, mark)) if encoding != UTF_8 => {
            let (text, broken) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
            if broken {
                return Err(Error::data(format!("{name} says it is {} but is not", encoding.name()))
                    .hint("save it again as UTF-8"));
            }
            Ok(text.into_owned())
        }
        mark => {
            let start = mark.map_or(0, |(_, length)| length);
            let text = String::from_utf8(bytes).map_err(|error| {
                let good = error.utf8_error().valid_up_to();
                let bytes = error.as_bytes();
                let line = 1 + bytes.iter().take(good).filter(|byte| **byte == b'\n').count();
                let byte = bytes.get(good).copied().unwrap_or_default();
                Error::data(format!("{name}:{line}: not UTF-8 (byte 0x{byte:02x})"))
                    .hint("save the file as UTF-8, for example: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW")
            })?;
            Ok(if start == 0 { text } else { text.get(start..).unwrap_or_default().to_owned() })
        }
    }
}

/// A single document's text, and whether it had to be taken for windows-1252. Collections of documents (mails above
/// all) come from many programs, and one odd file must not spoil the rest; any bytes are a text in windows-1252.
pub(super) fn lenient(bytes: &[u8]) -> (String, bool) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        let (text, broken) = encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default());
        if !broken {
            return (text.into_owned(), false);
        }
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), false),
        Err(_) => (WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(), true),
    }
}

/// The file's bytes, unpacked where it is compressed.
fn bytes(file: &SourceFile) -> Result<Vec<u8>> {
    let bytes = fs::read(&file.path).map_err(|error| Error::io("read", &file.path, &error))?;
    if !file.compressed {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).map_err(|error| {
        Error::data(format!("{} cannot be unpacked: it is damaged, or not gzip", file.name))
            .caused_by(&error)
            .hint("fetch it again")
    })?;
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::files::Kind;

    fn read(name: &str, content: &[u8]) -> Result<String, String> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(name);
        fs::write(&path, content).unwrap();
        let (kind, compressed) = Kind::of(name);
        text(&SourceFile { path, name: name.to_owned(), kind, compressed, part: None }).map_err(|error| error.render())
    }

    #[test]
    fn marks_go_and_tell_the_encoding() {
        assert_eq!(read("a.csv", b"\xef\xbb\xbftext").unwrap(), "text");
        assert_eq!(read("a.csv", b"\xff\xfet\0\xe4\0").unwrap(), "tä");
        assert_eq!(read("a.csv", b"\xfe\xff\0t\0\xe4").unwrap(), "tä");
        assert!(read("a.csv", b"\xff\xfet\0\x00\xd8").unwrap_err().contains("says it is UTF-16LE but is not"));
    }

    #[test]
    fn broken_utf8_names_the_line() {
        let error = read("a.csv", b"text,label\ngood,1\ncaf\xe9,2\n").unwrap_err();
        assert!(error.contains("a.csv:3: not UTF-8 (byte 0xe9)") && error.contains("hint: save"), "{error}");
    }

    #[test]
    fn gzip_is_unpacked() {
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(b"text,label\n").unwrap();
        let packed = writer.finish().unwrap();
        assert_eq!(read("a.csv.gz", &packed).unwrap(), "text,label\n");
        for damaged in [&packed[..12], b"text"] {
            let error = read("a.csv.gz", damaged).unwrap_err();
            assert!(error.contains("a.csv.gz cannot be unpacked"), "{error}");
        }
    }

    #[test]
    fn documents_are_taken_as_they_come() {
        assert_eq!(lenient("tä".as_bytes()), ("tä".to_owned(), false));
        assert_eq!(lenient(b"\xef\xbb\xbft"), ("t".to_owned(), false));
        assert_eq!(lenient(b"\xff\xfet\0"), ("t".to_owned(), false));
        assert_eq!(lenient(b"\xa35 \x93fine\x94"), ("£5 “fine”".to_owned(), true));
    }
}
