//! The names that Hugging Face's `datasets` gives to classes, which it stores as integers.

use serde_json::Value;

/// The names of a column's classes, in the order of their integers, from a file's `huggingface` metadata
/// (`{"info": {"features": …}}`) or from a `dataset_info.json` (`{"features": …}`).
pub(super) fn class_names(json: &str, column: &str) -> Option<Vec<String>> {
    let value: Value = serde_json::from_str(json).ok()?;
    let features = value.pointer("/info/features").or_else(|| value.get("features"))?;
    names_of(features.get(column)?)
}

/// The names of a `ClassLabel`, or of a list of them in any of the ways that releases of `datasets` write it.
fn names_of(feature: &Value) -> Option<Vec<String>> {
    if let Value::Array(items) = feature {
        return names_of(items.first()?);
    }
    match feature.get("_type")?.as_str()? {
        "ClassLabel" => {
            let names = feature.get("names")?.as_array()?;
            names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
        }
        "Sequence" | "List" | "LargeList" => names_of(feature.get("feature")?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_every_form() {
        let label = r#"{"names": ["neg", "pos"], "_type": "ClassLabel"}"#;
        for feature in [
            label.to_owned(),
            format!(r#"[{label}]"#),
            format!(r#"{{"feature": {label}, "_type": "List"}}"#),
            format!(r#"{{"feature": {label}, "length": -1, "_type": "Sequence"}}"#),
        ] {
            for json in [
                format!(r#"{{"info": {{"features": {{"label": {feature}}}}}, "fingerprint": "x"}}"#),
                format!(r#"{{"features": {{"label": {feature}}}}}"#),
            ] {
                assert_eq!(class_names(&json, "label"), Some(vec!["neg".to_owned(), "pos".to_owned()]), "{json}");
                assert_eq!(class_names(&json, "other"), None);
            }
        }
        assert_eq!(class_names(r#"{"features": {"label": {"dtype": "int64", "_type": "Value"}}}"#, "label"), None);
        assert_eq!(class_names("nonsense", "label"), None);
    }
}
