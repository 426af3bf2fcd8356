//! What kinds of files are read and written.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use firebrand_pipeline::{Error, Result};
use firebrand_tables::{Kind, what_instead};
use serde::Serialize;

use super::bytes::read_error;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Format {
    Csv,
    Tsv,
    JsonLines,
    Parquet,
}

const KNOWN: &str = "it ends in .csv, .tsv, .jsonl or .parquet";

impl Format {
    /// The format of an input, by its name or else by its first bytes, and whether it is compressed with gzip.
    ///
    /// # Errors
    /// When it is a kind of file that is not read here.
    pub(super) fn of_input(path: &Path) -> Result<(Self, bool)> {
        let shown = path.display();
        let (kind, compressed) = Kind::of(&path.to_string_lossy());
        let format = match kind {
            Kind::Csv => Self::Csv,
            Kind::Tsv => Self::Tsv,
            Kind::JsonLines => Self::JsonLines,
            Kind::Parquet => Self::Parquet,
            Kind::Arrow => {
                return Err(Error::usage(format!("{shown} is an Arrow file, which `predict` does not read"))
                    .hint("write it as Parquet: `pyarrow.parquet.write_table(pyarrow.feather.read_table(…), …)`"));
            }
            Kind::Json if compressed => Self::JsonLines,
            Kind::Json | Kind::Document => Self::by_content(path)?,
        };
        Ok((format, compressed))
    }

    fn by_content(path: &Path) -> Result<Self> {
        let mut start = Vec::new();
        File::open(path)
            .and_then(|file| file.take(1 << 16).read_to_end(&mut start))
            .map_err(|error| read_error(path, &error))?;
        let shown = path.display();
        if start.starts_with(b"PAR1") {
            return Ok(Self::Parquet);
        }
        if let Some(what) = what_instead(&start) {
            return Err(Error::data(format!("{shown} is not a table but {what}"))
                .hint("save it as CSV, TSV, JSON Lines or Parquet"));
        }
        let text = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&start);
        match text.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Ok(Self::JsonLines),
            Some(b'[') => Err(array(path)),
            _ => Ok(Self::Csv),
        }
    }

    /// The format of an output, by its name.
    ///
    /// # Errors
    /// When the name says none of the formats that are written.
    pub(super) fn of_output(path: &Path) -> Result<Self> {
        let shown = path.display();
        match Kind::of(&path.to_string_lossy()) {
            (_, true) => Err(Error::usage(format!("the output {shown} is not written compressed")).hint(KNOWN)),
            (Kind::Csv, _) => Ok(Self::Csv),
            (Kind::Tsv, _) => Ok(Self::Tsv),
            (Kind::JsonLines, _) => Ok(Self::JsonLines),
            (Kind::Parquet, _) => Ok(Self::Parquet),
            (Kind::Json | Kind::Arrow | Kind::Document, _) => {
                Err(Error::usage(format!("the name of the output {shown} does not say how to write it")).hint(KNOWN))
            }
        }
    }

    /// The kind of table, for the rules about it.
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Csv => Kind::Csv,
            Self::Tsv => Kind::Tsv,
            Self::JsonLines => Kind::JsonLines,
            Self::Parquet => Kind::Parquet,
        }
    }
}

/// The error for a file that is one large array.
pub(super) fn array(path: &Path) -> Error {
    Error::data(format!("{} is a JSON array, which cannot be read row by row", path.display()))
        .hint("make JSON Lines of it, one object per line: `jq -c '.[]' FILE`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_known_by_name_or_content() {
        let directory = tempfile::tempdir().unwrap();
        let of = |name: &str, content: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, content).unwrap();
            Format::of_input(&path).map_err(|error| error.message().to_owned())
        };
        assert_eq!(of("a.CSV.gz", b""), Ok((Format::Csv, true)));
        assert_eq!(of("a.parquet", b""), Ok((Format::Parquet, false)));
        assert_eq!(of("a", b"PAR1.."), Ok((Format::Parquet, false)));
        assert_eq!(of("a.json", b" {\"text\": 1}"), Ok((Format::JsonLines, false)));
        assert_eq!(of("a.txt", b"text,label\n"), Ok((Format::Csv, false)));
        assert!(
            of("a.json", b"[{}]").unwrap_err().ends_with("a.json is a JSON array, which cannot be read row by row")
        );
        assert!(
            of("a", b"PK\x03\x04")
                .unwrap_err()
                .ends_with("is not a table but a ZIP archive (as Word and Excel files are)")
        );
        assert!(of("a.feather", b"").unwrap_err().contains("is an Arrow file"));
    }

    #[test]
    fn outputs_are_known_by_name() {
        assert_eq!(Format::of_output("a/b.JSONL".as_ref()).unwrap(), Format::JsonLines);
        for name in ["a", "a.json", "a.csv.gz", "a.arrow"] {
            assert_eq!(Format::of_output(name.as_ref()).unwrap_err().kind().exit_code(), 2, "{name}");
        }
    }
}
