//! JSON files as people read them: indented, with a final newline.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result, ResultExt};

/// A value as indented JSON with a final newline.
///
/// # Errors
/// When the value has no JSON form, such as a map whose keys are not strings.
pub fn to_json(value: &impl Serialize) -> Result<String> {
    let mut text = serde_json::to_string_pretty(value).or_other(|| "this value has no JSON form".to_owned())?;
    text.push('\n');
    Ok(text)
}

/// Writes a value as indented JSON with a final newline.
///
/// # Errors
/// When the value has no JSON form or the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = to_json(value).map_err(|error| error.context(format!("cannot write {}", path.display())))?;
    fs::write(path, text).map_err(|error| Error::io("write", path, &error))
}

/// Reads a JSON file.
///
/// # Errors
/// When it cannot be read, or is not the JSON of a `T`: the message has the line and column.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(|error| Error::io("read", path, &error))?;
    serde_json::from_str(&text).or_data(|| format!("{} is not valid", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn files_are_indented_and_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        write_json(&path, &BTreeMap::from([("b", 1)])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\n  \"b\": 1\n}\n");
        assert_eq!(read_json::<BTreeMap<String, u8>>(&path).unwrap()["b"], 1);
    }

    #[test]
    fn errors_name_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.json");
        assert!(read_json::<u8>(&path).unwrap_err().message().starts_with("cannot read"));
        fs::write(&path, "{").unwrap();
        assert!(read_json::<u8>(&path).unwrap_err().message().ends_with("a.json is not valid"));
        let error = write_json(&path, &BTreeMap::from([([1], 1)])).unwrap_err().render();
        assert!(error.contains("a.json\n  caused by: this value has no JSON form"), "{error}");
    }
}
