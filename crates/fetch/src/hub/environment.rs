//! The environment variables of `huggingface_hub`, with the same meaning.

use std::path::{Path, PathBuf};

/// The hub's endpoint, token and cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Environment {
    /// `HF_ENDPOINT`, without a trailing slash.
    pub(crate) endpoint: String,
    /// `HF_TOKEN`, or the content of the token file.
    pub(crate) token: Option<String>,
    /// `HF_HUB_CACHE`, else `$HF_HOME/hub`, else `$XDG_CACHE_HOME/huggingface/hub`, else `~/.cache/huggingface/hub`.
    pub(crate) cache: PathBuf,
    /// `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`): never touch the network.
    pub(crate) offline: bool,
}

impl Environment {
    /// Reads the process's environment.
    pub(crate) fn of_process() -> Self {
        Self::from(|name| std::env::var(name).ok(), std::env::home_dir())
    }

    /// Reads the given variables.
    pub(crate) fn from(variable: impl Fn(&str) -> Option<String>, home: Option<PathBuf>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let path = |name: &str| set(name).map(|text| expand_home(&text, home.as_deref()));
        let root = path("HF_HOME").unwrap_or_else(|| {
            let caches = path("XDG_CACHE_HOME")
                .unwrap_or_else(|| home.clone().unwrap_or_else(std::env::temp_dir).join(".cache"));
            caches.join("huggingface")
        });
        let token_file = path("HF_TOKEN_PATH").unwrap_or_else(|| root.join("token"));
        let token = set("HF_TOKEN")
            .or_else(|| set("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| std::fs::read_to_string(token_file).ok())
            .map(|token| token.trim().to_owned())
            // A header can hold nothing else, and a token with a line break is no token.
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        let endpoint = set("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let offline = set("HF_HUB_OFFLINE").or_else(|| set("TRANSFORMERS_OFFLINE"));
        Self {
            endpoint: endpoint.trim().trim_end_matches('/').to_owned(),
            token,
            cache: path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")).unwrap_or_else(|| root.join("hub")),
            offline: offline
                .is_some_and(|value| ["1", "on", "yes", "true"].contains(&value.trim().to_ascii_lowercase().as_str())),
        }
    }
}

/// `~` and `~/…` as the home directory.
pub(crate) fn expand_home(path: &str, home: Option<&Path>) -> PathBuf {
    match (path.strip_prefix('~'), home) {
        (Some(""), Some(home)) => home.to_owned(),
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Environment::from(find, Some(PathBuf::from("/home/me")))
    }

    #[test]
    fn the_cache_is_where_the_hubs_clients_have_it() {
        let cache = |pairs: &[(&str, &str)]| environment(pairs).cache;
        assert_eq!(cache(&[]), Path::new("/home/me/.cache/huggingface/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/h")]), Path::new("/home/me/h/hub"));
        assert_eq!(cache(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]), Path::new("/c"));
        assert_eq!(cache(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "")]), Path::new("/h/hub"));
    }

    #[test]
    fn offline_is_what_the_hubs_clients_take_for_true() {
        for (value, expected) in [("1", true), ("ON", true), ("true", true), ("Yes", true), ("0", false), ("", false)] {
            assert_eq!(environment(&[("HF_HUB_OFFLINE", value)]).offline, expected, "{value}");
        }
        assert!(environment(&[("TRANSFORMERS_OFFLINE", "1")]).offline);
    }

    #[test]
    fn the_token_comes_from_the_variable_or_the_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().to_str().unwrap().to_owned();
        assert_eq!(environment(&[("HF_HOME", &path)]).token, None);
        std::fs::write(home.path().join("token"), "hf_file\n").unwrap();
        assert_eq!(environment(&[("HF_HOME", &path)]).token.as_deref(), Some("hf_file"));
        assert_eq!(environment(&[("HF_HOME", &path), ("HF_TOKEN", "hf_var")]).token.as_deref(), Some("hf_var"));
        assert_eq!(environment(&[("HF_ENDPOINT", "http://localhost:1/")]).endpoint, "http://localhost:1");
    }
}
