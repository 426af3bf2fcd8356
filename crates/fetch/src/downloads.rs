//! Downloaded files in the cache, found by their pinned or remembered hash.

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_pipeline::{Error, Result, StageIo};
use serde::{Deserialize, Serialize};

use crate::archive::Limits;
use crate::cache::{Cache, Temporary, create_dir};
use crate::download::Download;
use crate::http::Http;
use crate::packages::Client;
use crate::tree::Tree;
use crate::{digest, unpacked};

/// A download: an entry of `source.json`, and what the cache remembers about a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The package with its version, or the URL.
    pub(crate) from: String,
    /// The name of the file.
    pub(crate) file: String,
    /// Its size.
    pub(crate) bytes: u64,
    /// The SHA-256 of its content.
    pub(crate) sha256: String,
}

/// What to download.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    Package(Client, &'a str),
    Url(&'a str),
}

/// The cache and what is needed to fill it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Downloads<'a> {
    pub(crate) cache: &'a Cache,
    pub(crate) http: &'a Http,
    pub(crate) limits: Limits,
    pub(crate) io: &'a StageIo,
}

impl Downloads<'_> {
    /// The unpacked archive; downloaded and unpacked unless it is in the cache.
    pub(crate) fn archive(&self, wanted: Wanted<'_>, pinned: Option<&str>) -> Result<(Tree, Record)> {
        if let Some(record) = self.remembered(wanted, pinned)
            && let Some(tree) = unpacked::find(&record.sha256, self.cache)
        {
            return Ok((tree, record));
        }
        let (path, record) = self.file(wanted, pinned)?;
        let tree = unpacked::one(&path, &record.sha256, &record.file, self.cache, self.limits, self.io)?;
        Ok((tree, record))
    }

    /// The file; downloaded unless it is in the cache.
    pub(crate) fn file(&self, wanted: Wanted<'_>, pinned: Option<&str>) -> Result<(PathBuf, Record)> {
        if let Some(found) = self.find(wanted, pinned)? {
            return Ok(found);
        }
        // The same key as that of the partial download, so the lock covers it too.
        let lock = self.cache.lock(&key(wanted, pinned), wanted.name(), self.io)?;
        // Another process may have downloaded it meanwhile.
        if let Some(found) = self.find(wanted, pinned)? {
            return Ok(found);
        }
        let made = self.cache.temporary(&lock)?;
        let (path, sha256) = match wanted {
            Wanted::Package(client, package) => {
                let path = client.download(package, &made.dir("files")?, self.io)?;
                let sha256 = digest::of_file(&path)?;
                (path, sha256)
            }
            Wanted::Url(url) => self.download(url, pinned, &made)?,
        };
        let record = self.record(wanted, &path, sha256)?;
        if let Some(pinned) = pinned
            && !pinned.eq_ignore_ascii_case(&record.sha256)
        {
            return Err(differs(wanted.name(), pinned, &record.sha256));
        }
        // `find` does not return a damaged entry: replace it.
        if self
            .entry_file(&record.sha256)
            .is_some_and(|file| digest::of_file(&file).ok().as_ref() != Some(&record.sha256))
        {
            self.io.log(format!("{} was damaged in the cache: replacing it", record.file));
            self.cache.discard(&lock, "downloads", &record.sha256)?;
        }
        let entry = self.cache.temporary(&lock)?;
        let target = entry.path().join(&record.file);
        fs::rename(&path, &target).map_err(|error| Error::io("move", &path, &error))?;
        let entry = self.cache.commit(entry, "downloads", &record.sha256)?;
        self.cache.remember(&wanted.key(), &record)?;
        let path = self.entry_file(&record.sha256).unwrap_or_else(|| entry.join(&record.file));
        Ok((path, record))
    }

    /// The file in the cache, if its content still has its hash.
    fn find(&self, wanted: Wanted<'_>, pinned: Option<&str>) -> Result<Option<(PathBuf, Record)>> {
        let remembered = self.remembered(wanted, pinned);
        let Some(sha256) = remembered.as_ref().map(|record| record.sha256.clone()).or(pinned.map(str::to_lowercase))
        else {
            return Ok(None);
        };
        let Some(path) = self.entry_file(&sha256) else { return Ok(None) };
        if digest::of_file(&path)? != sha256 {
            return Ok(None);
        }
        let record = match remembered {
            Some(record) => record,
            None => self.record(wanted, &path, sha256)?,
        };
        Ok(Some((path, record)))
    }

    /// What an earlier run remembered about this source, unless another hash is pinned now.
    fn remembered(&self, wanted: Wanted<'_>, pinned: Option<&str>) -> Option<Record> {
        let record: Record = self.cache.recall(&wanted.key())?;
        pinned.is_none_or(|pinned| pinned.eq_ignore_ascii_case(&record.sha256)).then_some(record)
    }

    /// The file of an entry of `downloads/`.
    fn entry_file(&self, sha256: &str) -> Option<PathBuf> {
        let entries = fs::read_dir(self.cache.entry("downloads", sha256)).ok()?;
        entries.flatten().map(|entry| entry.path()).min()
    }

    fn record(&self, wanted: Wanted<'_>, path: &Path, sha256: String) -> Result<Record> {
        let bytes = fs::metadata(path).map_err(|error| Error::io("read", path, &error))?.len();
        let file = match wanted {
            Wanted::Url(url) => file_name(url),
            Wanted::Package(..) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        Ok(Record { from: wanted.name().to_owned(), file, bytes, sha256 })
    }

    /// Downloads a URL into the temporary directory, through a partial file that outlives this process.
    fn download(&self, url: &str, pinned: Option<&str>, made: &Temporary) -> Result<(PathBuf, String)> {
        let part = self.cache.entry("partial", &format!("{}.part", key(Wanted::Url(url), pinned)));
        let name = file_name(url);
        let resumed = fs::metadata(&part).is_ok_and(|data| data.len() > 0);
        let download =
            Download { url, what: &name, token: None, size: None, part: &part, same_content: pinned.is_some() };
        download.run(self.http, self.io)?;
        let mut sha256 = digest::of_file(&part)?;
        if resumed && pinned.is_some_and(|pinned| !pinned.eq_ignore_ascii_case(&sha256)) {
            self.io.log(format!("the rest of an earlier download of {name} does not match: starting over"));
            fs::remove_file(&part).map_err(|error| Error::io("remove", &part, &error))?;
            download.run(self.http, self.io)?;
            sha256 = digest::of_file(&part)?;
        }
        let dir = made.path().join("files");
        create_dir(&dir)?;
        let path = dir.join(&name);
        fs::rename(&part, &path).map_err(|error| Error::io("move", &part, &error))?;
        Ok((path, sha256))
    }
}

impl<'a> Wanted<'a> {
    /// Its name in messages and in `source.json`.
    pub(crate) fn name(self) -> &'a str {
        match self {
            Self::Package(_, package) => package,
            Self::Url(url) => url,
        }
    }

    /// Its key in the cache's index.
    fn key(self) -> String {
        match self {
            Self::Package(client, package) => format!("{}:{package}", client.key()),
            Self::Url(url) => format!("url:{url}"),
        }
    }
}

/// The key of the entry: the pinned hash, if there is one, or else the hash of the source.
fn key(wanted: Wanted<'_>, pinned: Option<&str>) -> String {
    pinned.map_or_else(|| digest::of_bytes(wanted.key().as_bytes()), str::to_lowercase)
}

/// The error for content whose hash is not the pinned one.
pub(crate) fn differs(name: &str, pinned: &str, found: &str) -> Error {
    Error::data(format!("{name} is not what was pinned: it has sha256 {found}, the config says {pinned}"))
        .hint("either the pinned hash is mistyped, or the file was changed on its way or at its origin")
        .hint(format!("if you trust what is there now, set sha256 = \"{found}\""))
}

/// A file name for a URL: its last segment, without unusual characters.
pub(crate) fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let last = path.split_once('/').and_then(|(_, path)| path.rsplit('/').find(|part| !part.is_empty())).unwrap_or("");
    let mut bytes = Vec::new();
    let mut rest = last.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = || u8::from_str_radix(std::str::from_utf8(after.get(..2)?).ok()?, 16).ok();
        match escaped().filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    let safe = |c: char| if c.is_alphanumeric() || "._-+ ".contains(c) { c } else { '_' };
    let name: String = String::from_utf8_lossy(&bytes).chars().map(safe).collect();
    let name = name.trim_start_matches('.').trim();
    if name.is_empty() { "download".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::file_name;

    #[test]
    fn file_names_are_plain() {
        assert_eq!(file_name("https://a.b/c/reviews.csv?x=1/2#y"), "reviews.csv");
        assert_eq!(file_name("https://a.b/c/my%20file.csv"), "my file.csv");
        assert_eq!(file_name("https://a.b/..%2f..%2fetc"), "_.._etc");
        assert_eq!(file_name("https://a.b/%zz%"), "_zz_");
        assert_eq!(file_name("https://a.b/c/"), "c");
        assert_eq!(file_name("https://a.b"), "download");
        assert_eq!(file_name("https://a.b/.."), "download");
    }
}
