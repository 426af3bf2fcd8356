//! How text files are read, according to the configuration.

use encoding_rs::Encoding;
use firebrand_pipeline::{Error, Result};
use firebrand_tables::{Interface, Quote, ReadOptions};
use serde_json::Value;

use crate::config::Config;
use crate::settings::choice;

/// Checks the options.
///
/// # Errors
/// When one of them has no such value; the message names its key.
pub(crate) fn read_options(config: &Config) -> Result<ReadOptions> {
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
            return Err(Error::key("header", format!("= {other} is not true, false or \"auto\"")));
        }
    };
    Ok(ReadOptions {
        separator,
        quote,
        encoding,
        header,
        bad_rows: choice("bad_rows", &config.bad_rows, &["error", "drop"])?,
        interface: Interface::Configuration,
    })
}

/// One ASCII character that can part or enclose fields.
fn character(key: &str, text: &str, also: &str) -> Result<u8> {
    firebrand_tables::character(text).ok_or_else(|| {
        Error::key(key, format!("= {text:?} is not one ASCII character")).hint(format!("\";\", for example; {also}"))
    })
}
