//! One text in a file of its own.

use firebrand_pipeline::{Error, Result};
use firebrand_tables::{utf16_of, what_instead};

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
pub(crate) fn read(file: &SourceFile, encoding: Option<&'static encoding_rs::Encoding>) -> Result<Document> {
    let bytes = std::fs::read(&file.path).map_err(|error| Error::io("read", &file.path, &error))?;
    match what_instead(&bytes) {
        Some(what) => Err(Error::data(format!("{} is not a text but {what}", file.name))
            .hint("make texts of them first, or name the text files with `train_files`, as in [\"*/*.txt\"]")),
        None => Ok(decode(&bytes, encoding)),
    }
}

fn decode(bytes: &[u8], encoding: Option<&'static encoding_rs::Encoding>) -> Document {
    let detected = encoding.or_else(|| utf16_of(bytes));
    let (text, _, broken) = detected.unwrap_or(encoding_rs::UTF_8).decode(bytes);
    if !broken || encoding.is_some() {
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
        assert_eq!(decode("\u{feff}naïve €".as_bytes(), None), document("naïve €", false));
        assert_eq!(decode(b"na\xefve \x80", None), document("naïve €", true));
        assert_eq!(decode(b"\xff\xfea\0\xe4\0", None), document("aä", false));
        assert_eq!(decode(b"", None), document("", false));
        assert_eq!(decode(b"\xe4", encoding_rs::Encoding::for_label(b"koi8-r")), document("Д", false));
    }
}
