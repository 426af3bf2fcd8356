//! One text in a file of its own.

use firebrand_pipeline::{Error, Result};

use crate::files::SourceFile;

/// A document's text.
#[derive(Debug, PartialEq)]
pub(crate) struct Document {
    pub(crate) text: String,
    /// Whether it was no UTF-8 and was read as windows-1252.
    pub(crate) guessed: bool,
}

/// Reads a document. Collections of old mails and news mix encodings file by file; windows-1252 gives every byte a meaning
/// and is right for most of what is no UTF-8.
pub(crate) fn read(file: &SourceFile) -> Result<Document> {
    let bytes = std::fs::read(&file.path).map_err(|error| Error::io("read", &file.path, &error))?;
    match FORMATS.iter().find(|(start, _)| bytes.starts_with(start)) {
        Some((_, what)) => Err(Error::data(format!("{} is not a text but {what}", file.name))
            .hint("make texts of them first, or name the text files with `train_files`, as in [\"*/*.txt\"]")),
        None => Ok(decode(&bytes)),
    }
}

/// What people have in folders beside texts. Read as windows-1252 it would pass for one.
const FORMATS: [(&[u8], &str); 6] = [
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive (as Word files are)"),
    (b"\xd0\xcf\x11\xe0", "an old Word file"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
];

fn decode(bytes: &[u8]) -> Document {
    let encoding = encoding_rs::Encoding::for_bom(bytes).map_or(encoding_rs::UTF_8, |(encoding, _)| encoding);
    let (text, _, broken) = encoding.decode(bytes);
    if !broken {
        return Document { text: text.into_owned(), guessed: false };
    }
    let (text, _, _) = encoding_rs::WINDOWS_1252.decode(bytes);
    Document { text: text.into_owned(), guessed: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let document = |text: &str, guessed| Document { text: text.to_owned(), guessed };
        assert_eq!(decode("\u{feff}naïve €".as_bytes()), document("naïve €", false));
        assert_eq!(decode(b"na\xefve \x80"), document("naïve €", true));
        assert_eq!(decode(b"\xff\xfea\0\xe4\0"), document("aä", false));
        assert_eq!(decode(b""), document("", false));
    }
}
