//! What a file is, by its name.

use std::fmt;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
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
    /// The kind, and whether the file is compressed with gzip.
    pub(crate) fn of(name: &str) -> (Self, bool) {
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

    /// The name in messages, where kinds that are read alike share one.
    pub(crate) fn name(self) -> &'static str {
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

/// Whether a file only describes the data around it, as hubs and archives add them.
pub(crate) fn is_description(name: &str) -> bool {
    const STEMS: [&str; 10] = [
        "readme",
        "license",
        "licence",
        "notice",
        "copying",
        "changelog",
        "citation",
        "dataset_info",
        "dataset_infos",
        "dataset_dict",
    ];
    const ENDINGS: [&str; 11] = ["md", "rst", "py", "ipynb", "yaml", "yml", "toml", "cff", "sha256", "md5", "crc"];
    let lower = name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let (stem, ending) = lower.split_once('.').unwrap_or((&lower, ""));
    // What `save_to_disk` notes about its files; a table may well be about states.
    if lower == "state.json" {
        return true;
    }
    STEMS.contains(&stem) || ENDINGS.contains(&ending)
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

    #[test]
    fn descriptions_are_no_data() {
        for name in ["README.md", "LICENSE", "x/NOTICE.txt", "dataset_infos.json", "load.py", "readme", "train/state.json"] {
            assert!(is_description(name), "{name}");
        }
        for name in ["reviews.csv", "notes.txt", "spam/0001", "state.csv"] {
            assert!(!is_description(name), "{name}");
        }
    }
}
