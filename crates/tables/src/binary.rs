//! Files that are no texts, by their first bytes.

/// Binary formats that are found among texts and tables, or with their extensions. Decoded as windows-1252 they would pass for text.
const FORMATS: [(&[u8], &str); 20] = [
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive (as Word and Excel files are)"),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel file"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ\0", "compressed with xz"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"PAR1", "a Parquet file"),
    (b"ARROW1\0\0", "an Arrow file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"\x80\x04\x95", "a Python pickle"),
    (b"\x7fELF", "a program"),
    (b"\x89PNG", "a PNG image"),
    (b"GIF8", "a GIF image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"OggS", "an Ogg recording"),
];

/// What a file is, if it is no text. Texts have hardly any control characters; those in UTF-16 have many NUL bytes, but in
/// a pattern.
pub fn what_instead(bytes: &[u8]) -> Option<&'static str> {
    if let Some((_, what)) = FORMATS.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Some(what);
    }
    let start = &bytes[..bytes.len().min(1 << 16)];
    let control = start.iter().filter(|byte| matches!(byte, 0..=8 | 14..=26 | 28..=31)).count();
    (control * 20 > start.len() && crate::encoding::utf16_of(bytes).is_none()).then_some("binary data")
}
