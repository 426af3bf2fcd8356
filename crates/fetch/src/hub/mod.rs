//! A small client of the Hugging Face hub.
//!
//! Written over plain HTTP rather than on a client crate, because what matters here is what those leave out: the cache
//! variables and offline switch of Python's clients, their locks, resuming with a check of size and hash, and messages
//! that say what to do.

mod environment;
mod layout;
pub(crate) mod patterns;

use firebrand_pipeline::{Error, Glob, Result, StageIo, closest_first};
use serde::{Deserialize, Serialize};

pub(crate) use environment::{Environment, expand_home};
pub(crate) use layout::{Repositories, is_commit};

use crate::cache::{Cache, lock_file};
use crate::digest;
use crate::download::Download;
use crate::http::{Ask, Failure, Http, encode, header};
use crate::tree::Tree;
use layout::Folder;

/// Which files of which repository.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) kind: Repositories,
    pub(crate) repository: &'a str,
    pub(crate) revision: &'a str,
    /// Globs; empty: what [`patterns`] says for the kind.
    pub(crate) files: &'a [Glob],
}

/// The hub as this run sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hub<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) http: &'a Http,
    pub(crate) cache: &'a Cache,
    pub(crate) io: &'a StageIo,
}

/// A revision: the commit it stands for, and the files of that commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Listing {
    commit: String,
    files: Vec<String>,
}

/// What the API answers, as far as it is needed.
#[derive(Deserialize)]
struct Answer {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl Hub<'_> {
    /// Brings the files into the hub's cache; returns the commit and where they are.
    pub(crate) fn fetch(&self, wanted: Wanted<'_>) -> Result<(String, Tree)> {
        let folder = Folder::new(&self.environment.cache, wanted.kind, wanted.repository);
        let (listing, online) = self.listing(wanted, &folder)?;
        let files = choose(wanted, &listing)?;
        let missing: Vec<_> = files.iter().filter(|file| !folder.has(&listing.commit, file)).collect();
        if !missing.is_empty() && !online {
            return Err(self.not_cached(wanted, &folder).hint(format!("missing: {}", missing[0])));
        }
        for file in &missing {
            self.bring(wanted, &folder, &listing.commit, file)?;
        }
        match folder.set_commit(wanted.revision, &listing.commit) {
            // A cache that has everything may be one that nobody may write to.
            Err(_) if missing.is_empty() => {}
            noted => noted?,
        }
        let tree = Tree::below(&folder.snapshot(&listing.commit), files);
        Ok((listing.commit, tree))
    }

    /// What the revision holds, and whether what is missing may be asked for.
    fn listing(&self, wanted: Wanted<'_>, folder: &Folder) -> Result<(Listing, bool)> {
        // A commit never changes: what an earlier run noted of it holds.
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
        match self.http.patiently(self.io, || self.ask(wanted)) {
            Ok(answer) => {
                let listing = checked(wanted, answer)?;
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

    /// Asks the API for the revision.
    fn ask(&self, wanted: Wanted<'_>) -> std::result::Result<Vec<u8>, Failure> {
        let mut body = self.http.get(&self.api_url(wanted), Ask { token: self.token(), from: None })?.into_body();
        // Large repositories list many files; nothing honest lists this many bytes.
        body.with_config().limit(256 << 20).read_to_vec().map_err(|error| Failure::Network(Box::new(error)))
    }

    /// Downloads one file into the cache.
    fn bring(&self, wanted: Wanted<'_>, folder: &Folder, commit: &str, file: &str) -> Result<()> {
        let url = self.file_url(wanted, commit, file);
        let what = format!("{}/{file}", wanted.repository);
        let headers = self.http.patiently(self.io, || self.http.head(&url, self.token())).map_err(|failure| {
            if matches!(failure.status(), Some(401 | 403)) {
                self.refused(wanted, failure)
            } else {
                failure.into_error(&what, &url)
            }
        })?;
        // Large files are stored apart: their own tag and size are not those of the answer that redirects to them.
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
            // The tag of a large file is the SHA-256 of its content.
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

/// What the cache has of the revision.
fn cached(wanted: Wanted<'_>, folder: &Folder) -> Result<Option<Listing>> {
    let Some(commit) = folder.commit_of(wanted.revision) else { return Ok(None) };
    let tree = folder.files(&commit)?;
    Ok(tree.map(|tree| Listing { commit, files: tree.files.into_iter().map(|file| file.to).collect() }))
}

/// Believes the API's answer only as far as it can do no harm: the names become paths.
fn checked(wanted: Wanted<'_>, answer: Vec<u8>) -> Result<Listing> {
    let answer: Answer = serde_json::from_slice(&answer).map_err(|error| {
        Error::other(format!("the hub's answer about `{}` is not what a hub answers", wanted.repository))
            .caused_by(&error)
            .hint("is HF_ENDPOINT set to something else than a hub, or is there a login page in between?")
    })?;
    let plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', ':', '\0']);
    let files: Vec<_> = answer.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    let bad = files.iter().find(|file| !file.split('/').all(plain));
    match bad {
        Some(bad) => Err(Error::data(format!("`{}` on the hub has a file with the name {bad:?}", wanted.repository))),
        None if !is_commit(&answer.sha) => {
            Err(Error::other(format!("the hub names {:?} as a commit of `{}`", answer.sha, wanted.repository)))
        }
        None => Ok(Listing { commit: answer.sha, files }),
    }
}

/// The files of the revision that are wanted, sorted.
fn choose(wanted: Wanted<'_>, listing: &Listing) -> Result<Vec<String>> {
    let all = || listing.files.iter().map(String::as_str);
    let mut chosen: Vec<&str> = match (wanted.files, wanted.kind) {
        ([], Repositories::Models) => patterns::model(all()),
        ([], Repositories::Datasets) => patterns::data(all()),
        (globs, _) => all().filter(|file| globs.iter().any(|glob| glob.matches(file))).collect(),
    };
    chosen.sort_unstable();
    chosen.dedup();
    if chosen.is_empty() {
        let wanted_names: Vec<_> = wanted.files.iter().map(Glob::as_str).collect();
        let what = if wanted_names.is_empty() {
            "no table (csv, tsv, jsonl, json, parquet)".to_owned()
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
