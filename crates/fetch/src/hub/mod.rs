//! A small client of the Hugging Face hub.
//!
//! It uses plain HTTP rather than a client crate, because those lack what matters here: the environment variables, offline
//! mode and locks of Python's clients, resuming with a check of size and hash, and messages that say what to do.

mod environment;
mod layout;
pub(crate) mod patterns;

use std::path::PathBuf;

use firebrand_pipeline::{Error, Glob, Result, StageIo, closest_first};
use serde::{Deserialize, Serialize};

pub(crate) use environment::{Environment, expand_home};
pub(crate) use layout::{Repositories, is_commit};

use crate::cache::{Cache, lock_file};
use crate::digest;
use crate::download::Download;
use crate::http::{Ask, Failure, Http, encode, header};
use crate::tree::{Picked, Tree};
use layout::Folder;

/// A repository at a revision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) kind: Repositories,
    pub(crate) repository: &'a str,
    pub(crate) revision: &'a str,
}

/// A client of the hub.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hub<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) http: &'a Http,
    pub(crate) cache: &'a Cache,
    pub(crate) io: &'a StageIo,
}

/// A revision of which the files are known, and brought when they are asked for.
#[derive(Debug)]
pub(crate) struct Snapshot<'a> {
    hub: Hub<'a>,
    wanted: Wanted<'a>,
    folder: Folder,
    listing: Listing,
    /// Whether missing files may be downloaded.
    online: bool,
}

/// The commit of a revision, and its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Listing {
    commit: String,
    files: Vec<String>,
}

/// The API's response, as far as it is needed.
#[derive(Deserialize)]
struct Response {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Snapshot<'_> {
    /// The commit of the revision.
    pub(crate) fn commit(&self) -> &str {
        &self.listing.commit
    }

    /// The commit's directory in the hub's cache.
    pub(crate) fn directory(&self) -> PathBuf {
        self.folder.snapshot(&self.listing.commit)
    }

    /// Every file of the revision, whether it is here yet or not.
    pub(crate) fn tree(&self) -> Tree {
        Tree::below(&self.directory(), self.listing.files.iter().cloned())
    }

    /// The files that match one of the globs, or without any the tables of a data set, as they were brought into the cache.
    pub(crate) fn matching(&self, globs: &[Glob]) -> Result<Tree> {
        let tree = Tree::below(&self.directory(), choose(self.wanted, globs, &self.listing)?);
        self.bring(&tree.files)?;
        Ok(tree)
    }

    /// Brings files of [`tree`](Self::tree) into the cache, unless they are there.
    pub(crate) fn bring(&self, files: &[Picked]) -> Result<()> {
        let directory = self.directory();
        let name = |file: &Picked| {
            let below = file.from.strip_prefix(&directory).unwrap_or(&file.from);
            below.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
        };
        let missing: Vec<_> =
            files.iter().map(name).filter(|file| !self.folder.has(&self.listing.commit, file)).collect();
        if !missing.is_empty() && !self.online {
            return Err(self.hub.not_cached(self.wanted, &self.folder).hint(format!("missing: {}", missing[0])));
        }
        for file in &missing {
            self.hub.bring(self.wanted, &self.folder, &self.listing.commit, file)?;
        }
        match self.folder.set_commit(self.wanted.revision, &self.listing.commit) {
            // A cache that has everything may be read-only.
            Err(_) if missing.is_empty() => Ok(()),
            noted => noted,
        }
    }
}

impl<'a> Hub<'a> {
    /// Finds out what the revision holds.
    pub(crate) fn snapshot(self, wanted: Wanted<'a>) -> Result<Snapshot<'a>> {
        let folder = Folder::new(&self.environment.cache, wanted.kind, wanted.repository);
        let (listing, online) = self.listing(wanted, &folder)?;
        Ok(Snapshot { hub: self, wanted, folder, listing, online })
    }

    /// The files of the revision, and whether missing ones may be downloaded.
    fn listing(&self, wanted: Wanted<'_>, folder: &Folder) -> Result<(Listing, bool)> {
        // A commit never changes: what an earlier run remembered is still true.
        let key = format!("hub:{}:{}@{}", wanted.kind.plural(), wanted.repository, wanted.revision);
        let known = is_commit(wanted.revision).then(|| self.cache.recall::<Listing>(&key)).flatten();
        if let Some(listing) = known {
            return Ok((listing, !self.environment.offline));
        }
        if self.environment.offline {
            return match cached(wanted, folder)? {
                Some(listing) => Ok((listing, false)),
                None => Err(self.not_cached(wanted, folder)),
            };
        }
        match self.http.with_retries(self.io, || self.ask(wanted)) {
            Ok(response) => {
                let listing = validated(wanted, &response)?;
                if is_commit(wanted.revision) {
                    self.cache.remember(&key, &listing)?;
                }
                Ok((listing, true))
            }
            Err(failure @ Failure::Network(_)) => match cached(wanted, folder)? {
                Some(listing) => {
                    self.io.log(format!(
                        "the hub was not reached ({failure}): taking {} from its cache",
                        wanted.repository
                    ));
                    Ok((listing, false))
                }
                None => Err(self.refused(wanted, failure)),
            },
            Err(failure) => Err(self.refused(wanted, failure)),
        }
    }

    /// Requests the revision from the API.
    fn ask(&self, wanted: Wanted<'_>) -> std::result::Result<Vec<u8>, Failure> {
        let mut body = self.http.get(&self.api_url(wanted), Ask { token: self.token(), from: None })?.into_body();
        // Large repositories list many files; nothing honest lists this many bytes.
        body.with_config().limit(256 << 20).read_to_vec().map_err(|error| Failure::Network(Box::new(error)))
    }

    /// Downloads one file into the cache.
    fn bring(&self, wanted: Wanted<'_>, folder: &Folder, commit: &str, file: &str) -> Result<()> {
        let url = self.file_url(wanted, commit, file);
        let what = format!("{}/{file}", wanted.repository);
        let headers = self.http.with_retries(self.io, || self.http.head(&url, self.token())).map_err(|failure| {
            if matches!(failure.status(), Some(401 | 403)) {
                self.refused(wanted, failure)
            } else {
                failure.into_error(&what, &url)
            }
        })?;
        // Large files are stored elsewhere: their ETag and size are not those of the redirect.
        let etag = header(&headers, "x-linked-etag").or_else(|| header(&headers, "etag"));
        let etag = etag.map(|tag| tag.trim_start_matches("W/").trim_matches('"'));
        let length = header(&headers, "content-length").filter(|_| header(&headers, "location").is_none());
        let size = header(&headers, "x-linked-size").or(length).and_then(|text| text.parse::<u64>().ok());
        let named = |tag: &&str| {
            !tag.is_empty()
                && tag.len() < 200
                && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let etag = etag.filter(named).ok_or_else(|| {
            Error::other(format!("{url} was answered without a usable ETag"))
                .hint(format!("is {} really a hub? HF_ENDPOINT sets it", self.environment.endpoint))
        })?;
        let lock = lock_file(&folder.lock_path(etag)?, &what, self.io)?;
        let blob = folder.blob(etag);
        if !blob.is_file() {
            let part = folder.incomplete(etag)?;
            let download =
                Download { url: &url, what: &what, token: self.token(), size, part: &part, same_content: true };
            download.run(self.http, self.io)?;
            // The ETag of a large file is the SHA-256 of its content.
            if etag.len() == 64 {
                let found = digest::of_file(&part)?;
                if found != etag {
                    let _ = std::fs::remove_file(&part);
                    return Err(Error::data(format!("{what} is damaged: it has sha256 {found}, the hub says {etag}"))
                        .hint("run the same command again: it starts over"));
                }
            }
            std::fs::rename(&part, &blob).map_err(|error| Error::io("write", &blob, &error))?;
        }
        drop(lock);
        folder.link(commit, file, etag)
    }

    fn token(&self) -> Option<&str> {
        self.environment.token.as_deref()
    }

    fn api_url(&self, wanted: Wanted<'_>) -> String {
        let endpoint = &self.environment.endpoint;
        format!("{endpoint}/api/{}/{}/revision/{}", wanted.kind.plural(), wanted.repository, encode(wanted.revision))
    }

    fn file_url(&self, wanted: Wanted<'_>, commit: &str, file: &str) -> String {
        let prefix = match wanted.kind {
            Repositories::Models => "",
            Repositories::Datasets => "datasets/",
        };
        let path: Vec<_> = file.split('/').map(encode).collect();
        format!("{}/{prefix}{}/resolve/{commit}/{}", self.environment.endpoint, wanted.repository, path.join("/"))
    }

    fn not_cached(&self, wanted: Wanted<'_>, folder: &Folder) -> Error {
        let why = if self.environment.offline { "HF_HUB_OFFLINE is set" } else { "the hub was not reached" };
        Error::other(format!(
            "{why}, and the hub's cache does not have all of `{}` at `{}` ({})",
            wanted.repository,
            wanted.revision,
            folder.path().display()
        ))
        .hint("fetch it once where the hub is reached and bring the cache along (HF_HUB_CACHE, HF_HOME), or use `path = …`")
    }

    fn refused(&self, wanted: Wanted<'_>, failure: Failure) -> Error {
        let kind = wanted.kind.plural();
        let page = match wanted.kind {
            Repositories::Models => format!("{}/{}", self.environment.endpoint, wanted.repository),
            Repositories::Datasets => format!("{}/datasets/{}", self.environment.endpoint, wanted.repository),
        };
        let status = failure.status();
        let error = failure.into_error(&format!("`{}` from the hub", wanted.repository), &self.api_url(wanted));
        match status {
            Some(404) => error.hint(format!(
                "the hub has no such repository among its {kind}, or it has no revision `{}`: see {page}",
                wanted.revision
            )),
            Some(401) => error
                .hint("the repository does not exist, or it is private: check its name, and set HF_TOKEN to a token that may read it"),
            Some(403) => error.hint(format!("accept its terms at {page}, and set HF_TOKEN to a token of that account")),
            Some(_) => error,
            None => error.hint("another address of the hub is set with HF_ENDPOINT; HF_HUB_OFFLINE=1 takes what its cache has"),
        }
    }
}

/// The files of the revision that are in the cache.
fn cached(wanted: Wanted<'_>, folder: &Folder) -> Result<Option<Listing>> {
    let Some(commit) = folder.commit_of(wanted.revision) else { return Ok(None) };
    let tree = folder.files(&commit)?;
    Ok(tree.map(|tree| Listing { commit, files: tree.files.into_iter().map(|file| file.to).collect() }))
}

/// Checks the API's response, whose names become paths.
fn validated(wanted: Wanted<'_>, response: &[u8]) -> Result<Listing> {
    let response: Response = serde_json::from_slice(response).map_err(|error| {
        Error::other(format!("the response about `{}` is not a hub's", wanted.repository))
            .caused_by(&error)
            .hint("is HF_ENDPOINT set to something else than a hub, or is there a login page in between?")
    })?;
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
    let files: Vec<_> = response.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    let bad = files.iter().find(|file| !file.split('/').all(plain));
    match bad {
        Some(bad) => Err(Error::data(format!("`{}` on the hub has a file with the name {bad:?}", wanted.repository))),
        None if !is_commit(&response.sha) => {
            Err(Error::other(format!("the hub names {:?} as a commit of `{}`", response.sha, wanted.repository)))
        }
        None => Ok(Listing { commit: response.sha, files }),
    }
}

/// The files of the revision that match one of the globs, or without any the tables of a data set, sorted.
fn choose(wanted: Wanted<'_>, globs: &[Glob], listing: &Listing) -> Result<Vec<String>> {
    let all = || listing.files.iter().map(String::as_str);
    let mut chosen: Vec<&str> = match globs {
        [] => patterns::data(all()),
        globs => all().filter(|file| globs.iter().any(|glob| glob.matches(file))).collect(),
    };
    chosen.sort_unstable();
    chosen.dedup();
    if chosen.is_empty() {
        let wanted_names: Vec<_> = globs.iter().map(Glob::as_str).collect();
        let what = if wanted_names.is_empty() {
            "no table (csv, tsv, jsonl, json, parquet, arrow, feather)".to_owned()
        } else {
            format!("no file that matches {}", wanted_names.join(", "))
        };
        let error = Error::data(format!("`{}` on the hub has {what} at `{}`", wanted.repository, wanted.revision))
            .hint(closest_first(wanted_names.first().unwrap_or(&"train.csv"), all()));
        return Err(match wanted.kind {
            Repositories::Datasets => {
                error.hint("the hub keeps most data sets as tables too: revision = \"refs/convert/parquet\"")
            }
            Repositories::Models => error,
        });
    }
    Ok(chosen.into_iter().map(str::to_owned).collect())
}
