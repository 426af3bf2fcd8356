//! A model of the hub, for programs that are no stage.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Request, Result, Stage, StageIo};

use crate::cache::Cache;
use crate::http::Http;
use crate::hub::{Environment, Hub, Repositories, Wanted};
use crate::{Fetch, validate};

/// A model of the hub, on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    /// The commit's directory in the hub's cache.
    pub directory: PathBuf,
    /// The commit that the revision stood for.
    pub commit: String,
}

/// Brings a model's configuration, tokenizer and weights into the hub's own cache, as `[fetch] model = { hub = … }` does: the
/// cache's place, tokens and `HF_HUB_OFFLINE` are those of the hub's other clients. Only what is missing is downloaded; stderr
/// tells the progress.
///
/// `repository` is `organisation/name`, or a name alone; `revision` a branch, a tag or a commit. `cache` is where the runs'
/// downloads are kept: what is known of pinned commits lies there.
///
/// # Errors
/// When the name cannot be one, the hub has no such model or is not reached, or the cache lacks a file and there is no network.
pub fn hub_model(repository: &str, revision: &str, cache: &Path) -> Result<HubModel> {
    bring(repository, revision, cache, &Http::new(), &Environment::of_process())
}

/// The same, with other ways to the outside.
pub(crate) fn bring(
    repository: &str,
    revision: &str,
    cache: &Path,
    http: &Http,
    environment: &Environment,
) -> Result<HubModel> {
    if validate::check_hub(repository, revision, "model").is_err() {
        return Err(Error::usage(format!("`{repository}` at `{revision}` is not the name of a model on the hub"))
            .hint("write it as `organisation/name`, or `organisation/name@revision`"));
    }
    let io = StageIo::new(Request { cache: cache.to_owned(), ..Request::in_dir(cache, Fetch::SLOT) });
    let opened = Cache::open(cache)?;
    let hub = Hub { environment, http, cache: &opened, io: &io };
    let wanted = Wanted { kind: Repositories::Models, repository, revision, files: &[] };
    let (commit, tree) = hub.fetch(wanted)?;
    // `Hub::fetch` never returns an empty tree, and a model's files all lie in one directory.
    let directory = tree.files.first().and_then(|file| file.from.parent()).map(Path::to_owned).unwrap_or_default();
    Ok(HubModel { directory, commit })
}
