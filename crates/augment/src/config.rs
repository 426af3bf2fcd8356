//! The `[augment]` section.

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

/// The configuration of the stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The augmentation method; `"none"` adds no variants.
    pub method: String,
}

/// An augmentation method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// No variants.
    None,
}

impl Method {
    const ALL: [(&'static str, Method); 1] = [("none", Self::None)];
}

impl Config {
    /// Parses the method. The key is a string so that the error for an unknown one names the key and its place.
    pub(crate) fn method(&self) -> Result<Method> {
        let found = Method::ALL.into_iter().find(|(name, _)| *name == self.method);
        found.map(|(_, method)| method).ok_or_else(|| {
            let names: Vec<_> = Method::ALL.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            Error::key("method", format!("= {:?} is not a method of augmentation", self.method))
                .hint(format!("the methods are: {}", names.join(", ")))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firebrand_pipeline::{Slot, config::default_section};

    #[test]
    fn the_defaults_fit() {
        let config: Config = default_section(Slot::Augment).unwrap();
        assert_eq!(config.method().unwrap(), Method::None);
    }

    #[test]
    fn other_methods_and_keys_are_refused() {
        for method in ["synonyms", "None", ""] {
            let error = Config { method: method.to_owned() }.method().unwrap_err();
            assert_eq!(error.message(), format!("`method` = {method:?} is not a method of augmentation"));
            assert!(error.render().ends_with("hint: the methods are: \"none\""));
            assert_eq!(error.kind().exit_code(), 3);
        }
        let error = serde_json::from_str::<Config>(r#"{"method": "none", "rate": 1}"#).unwrap_err().to_string();
        assert!(error.contains("unknown field `rate`"), "{error}");
    }
}
