//! Models of the hub, for programs that are not the stage.

use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Request, Result, Stage, StageIo, read_json};

use crate::cache::Cache;
use crate::http::Http;
use crate::hub::{Environment, Hub, Repositories, Wanted};
use crate::model_dir::{self, Asker, Place};
use crate::{Fetch, validate};

/// A model of the hub, on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubModel {
    /// The commit's directory in the hub's cache; [`local_model`](crate::local_model) finds the model in it.
    pub directory: PathBuf,
    /// The commit of the revision.
    pub commit: String,
}

/// Downloads a model's configuration, tokenizer and weights into the hub's own cache, as `[fetch] model = { hub = … }`
/// does. The cache's location, tokens and `HF_HUB_OFFLINE` are those of `huggingface_hub`. Only missing files are
/// downloaded; progress is shown on stderr.
///
/// `repository` is `organisation/name`, or a name alone; `revision` a branch, a tag or a commit. `cache` is the directory
/// of the runs' downloads, which also remembers the files of pinned commits.
///
/// # Errors
/// When the name is invalid, the hub has no such model or cannot be reached, it is not a checkpoint, or the cache lacks a file and
/// there is no network.
pub fn hub_model(repository: &str, revision: &str, cache: &Path) -> Result<HubModel> {
    bring(repository, revision, cache, &Http::new(), &Environment::of_process())
}

/// The same with another HTTP client and environment.
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
    let snapshot = hub.snapshot(Wanted { kind: Repositories::Models, repository, revision })?;
    let tree = snapshot.tree();
    let bring = |names: &[&str]| {
        let files = tree.files.iter().filter(|file| names.contains(&file.to.as_str()));
        snapshot.bring(&files.cloned().collect::<Vec<_>>())
    };
    let read = |name: &str| {
        bring(&[name])?;
        read_json(&snapshot.directory().join(name))
    };
    let place = Place { asker: Asker::Hub(repository), names: tree.paths().map(str::to_owned).collect(), read: &read };
    let files = model_dir::choose(&place)?.files;
    bring(&files.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>())?;
    Ok(HubModel { directory: snapshot.directory(), commit: snapshot.commit().to_owned() })
}
