//! File kinds, by file name.

use std::fmt;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Fields between commas, semicolons or tabs, with a header line.
    Csv,
    /// Fields between tabs, with a header line.
    Tsv,
    /// One JSON object per line.
    JsonLines,
    /// An array of JSON objects, or JSON Lines under another ending.
    Json,
    /// Apache Parquet.
    Parquet,
    /// An Apache Arrow file (Feather) or stream, as `datasets` saves them.
    Arrow,
    /// Anything else: one text, whose folder is its label.
    Document,
}

impl Kind {
    /// The kind of a file, and whether it is compressed with gzip.
    pub fn of(name: &str) -> (Self, bool) {
        let lower = name.to_lowercase();
        let (plain, compressed) = match lower.strip_suffix(".gz") {
            Some(plain) => (plain, true),
            None => (lower.as_str(), false),
        };
        let kind = match plain.rsplit_once('.').map(|(_, ending)| ending) {
            Some("csv") => Self::Csv,
            Some("tsv" | "tab") => Self::Tsv,
            Some("jsonl" | "ndjson") => Self::JsonLines,
            Some("json") => Self::Json,
            Some("parquet" | "pq") => Self::Parquet,
            Some("arrow" | "arrows" | "feather" | "ipc") => Self::Arrow,
            _ => Self::Document,
        };
        // Columnar files compress their own columns, and nobody sends single documents compressed.
        (kind, compressed && !matches!(kind, Self::Parquet | Self::Arrow | Self::Document))
    }

    /// What rows are counted by in messages: text files have lines, columnar ones only rows.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Csv | Self::Tsv | Self::JsonLines => "line",
            Self::Json | Self::Parquet | Self::Arrow | Self::Document => "row",
        }
    }

    /// The name in messages; kinds that are read alike share one.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv | Self::Tsv => "CSV or TSV",
            Self::JsonLines | Self::Json => "JSON",
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
            Self::Document => "text",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_by_ending() {
        assert_eq!(Kind::of("a/B.CSV"), (Kind::Csv, false));
        assert_eq!(Kind::of("b.tsv.gz"), (Kind::Tsv, true));
        assert_eq!(Kind::of("b.ndjson"), (Kind::JsonLines, false));
        assert_eq!(Kind::of("b.json.gz"), (Kind::Json, true));
        assert_eq!(Kind::of("b.parquet"), (Kind::Parquet, false));
        assert_eq!(Kind::of("train/data-00000-of-00001.arrow"), (Kind::Arrow, false));
        assert_eq!(Kind::of("spam/0001.2f8a"), (Kind::Document, false));
        assert_eq!(Kind::of("csv"), (Kind::Document, false));
    }
}
