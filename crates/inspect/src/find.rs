//! Finding the model that the user named.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result};

/// A model's directory.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) directory: PathBuf,
    /// The commit, if it comes from the hub.
    pub(crate) commit: Option<String>,
}

/// An existing directory, or else a model of the hub.
///
/// # Errors
/// When it is neither.
pub(crate) fn model(name: &str, cache: &Path) -> Result<Found> {
    let path = Path::new(name);
    if path.is_dir() {
        return Ok(Found { directory: path.to_owned(), commit: None });
    }
    if path.exists() {
        let error = Error::data(format!("{name} is a file, not a model's directory"));
        let parent = path.parent().filter(|parent| parent.join("config.json").is_file());
        return Err(match parent {
            Some(parent) => error.hint(format!("did you mean {}?", parent.display())),
            None => error.hint("a model is a directory with config.json, weights and tokenizer files"),
        });
    }
    if is_path(name) {
        return Err(Error::data(format!("there is no directory {name}"))
            .hint("the model that a run starts from is in `data/runs/RUN/fetch/pretrained`")
            .hint("a model of the hub is named `organisation/name`, without a dot or slash before it"));
    }
    let (repository, revision) = name.split_once('@').unwrap_or((name, "main"));
    let found = firebrand_fetch::hub_model(repository, revision, cache)
        .map_err(|error| error.hint(format!("there is no directory {name} either")))?;
    Ok(Found { directory: found.directory, commit: Some(found.commit) })
}

/// Whether this can only be a path: names on the hub have at most one slash, and none at an end.
fn is_path(name: &str) -> bool {
    let repository = name.split('@').next().unwrap_or_default();
    name.starts_with(['.', '/', '~'])
        || name.contains('\\')
        || name.ends_with('/')
        || repository.matches('/').count() > 1
}

#[cfg(test)]
mod tests {
    use super::is_path;

    #[test]
    fn names_and_paths_differ() {
        for path in ["./model", "../a/b", "/abs", "~/m", "a/b/c", "model/", "a\\b"] {
            assert!(is_path(path), "{path}");
        }
        for name in ["gpt2", "org/name", "org/name@main", "gpt2@refs/pr/1"] {
            assert!(!is_path(name), "{name}");
        }
    }
}
