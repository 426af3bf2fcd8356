//! How text files are read, checked.

use encoding_rs::Encoding;
use firebrand_pipeline::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::config::Config;
use crate::settings::choice;

/// What to do with rows that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BadRows {
    /// Refuse the file.
    Error,
    /// Leave them out.
    Drop,
}

/// What encloses the fields of a CSV file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quote {
    /// A quotation mark, unless the file makes sense only without.
    Detect,
    /// Nothing: quotation marks are text.
    None,
    /// This character.
    Is(u8),
}

/// How text files are read.
#[derive(Debug, Clone)]
pub(crate) struct ReadOptions {
    /// `None`: detected.
    pub(crate) separator: Option<u8>,
    pub(crate) quote: Quote,
    /// `None`: detected.
    pub(crate) encoding: Option<&'static Encoding>,
    /// Whether there is a header; `None`: detected.
    pub(crate) header: Option<bool>,
    pub(crate) null_values: Vec<String>,
    pub(crate) bad_rows: BadRows,
}

impl ReadOptions {
    pub(crate) fn new(config: &Config) -> Result<Self> {
        let quote = match config.quote.as_str() {
            "" => Quote::Detect,
            "none" => Quote::None,
            quote => Quote::Is(character("quote", quote, "or \"none\"")?),
        };
        let separator = match config.separator.as_str() {
            "" => None,
            "tab" => Some(b'\t'),
            separator => Some(character("separator", separator, "\"\\t\" is a tab")?),
        };
        if let (Some(separator), Quote::Is(quote)) = (separator, quote)
            && separator == quote
        {
            return Err(Error::key("quote", format!("= {:?} is the separator too", config.quote))
                .hint("they must be two characters; `quote = \"none\"` for a file without quotes"));
        }
        let encoding = match config.encoding.as_str() {
            "" => None,
            name => Some(Encoding::for_label(name.as_bytes()).ok_or_else(|| {
                Error::key("encoding", format!("= {name:?} is no encoding that is known here"))
                    .hint("for example \"utf-8\", \"windows-1252\", \"utf-16le\", \"shift_jis\", \"gbk\", \"koi8-r\"")
            })?),
        };
        let header = match &config.header {
            Value::Bool(header) => Some(*header),
            Value::String(auto) if auto == "auto" => None,
            other => {
                return Err(Error::key("header", format!("= {other} is none of true, false, \"auto\"")));
            }
        };
        Ok(Self {
            separator,
            quote,
            encoding,
            header,
            null_values: config.null_values.clone(),
            bad_rows: choice("bad_rows", &config.bad_rows, &["error", "drop"])?,
        })
    }
}

/// One ASCII character that can part or enclose fields.
fn character(key: &str, text: &str, also: &str) -> Result<u8> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Ok(*byte),
        _ => Err(Error::key(key, format!("= {text:?} is not one ASCII character"))
            .hint(format!("\";\", for example; {also}"))),
    }
}
