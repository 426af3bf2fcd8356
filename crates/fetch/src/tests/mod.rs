//! The stage as a whole, in this process, against loopback only.

mod hub;
mod local;
mod server;
mod url;

use std::path::{Path, PathBuf};
use std::time::Duration;

use firebrand_pipeline::{Request, Slot, Stage, StageIo};
use serde_json::{Value, json};

use crate::http::Http;
use crate::hub::Environment;
use crate::{Config, Fetch};

/// A stage's view of a new temporary directory.
pub(crate) fn stage_io() -> (tempfile::TempDir, StageIo) {
    let home = tempfile::tempdir().unwrap();
    let io = stage_io_in(home.path());
    (home, io)
}

/// A stage's view of a directory.
pub(crate) fn stage_io_in(home: &Path) -> StageIo {
    std::fs::create_dir_all(home.join("out")).unwrap();
    StageIo::new(Request { output: home.join("out"), ..Request::in_dir(home, Slot::Fetch) })
}

/// A home with a workspace, a cache, a hub's cache, and a small model to name where only the data matters.
struct Bench {
    home: tempfile::TempDir,
    endpoint: String,
    offline: bool,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let bench = Self { home, endpoint: "http://127.0.0.1:9".to_owned(), offline: false };
        bench.write("model/config.json", b"{}");
        bench.write("model/model.safetensors", b"weights");
        bench.write("reviews.csv", b"text,label\ngood,1\n");
        bench
    }

    fn write(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    /// All files below a directory, sorted; links count as what they point to.
    fn list(&self, path: &str) -> Vec<String> {
        let tree = crate::tree::Tree::walk(&self.path(path)).unwrap_or_default();
        tree.files.into_iter().map(|file| file.to).collect()
    }

    fn data(&self, data: Value) -> Result<(), String> {
        self.run(&json!({ "data": data, "model": { "path": "model" }, "max_unpacked_mib": 1 }))
    }

    fn model(&self, model: Value) -> Result<(), String> {
        self.run(&json!({ "data": { "path": "reviews.csv" }, "model": model, "max_unpacked_mib": 1 }))
    }

    fn environment(&self) -> Environment {
        let variable = |name: &str| match name {
            "HF_ENDPOINT" => Some(self.endpoint.clone()),
            "HF_TOKEN" => Some("hf_secret".to_owned()),
            "HF_HUB_CACHE" => Some(self.path("hub").to_str().unwrap().to_owned()),
            "HF_HUB_OFFLINE" => self.offline.then(|| "1".to_owned()),
            _ => None,
        };
        Environment::from(variable, None)
    }

    /// Runs the stage into a new `out/`; the error is what the user would see.
    fn run(&self, config: &Value) -> Result<(), String> {
        let config: Config = serde_json::from_value(config.clone()).unwrap();
        let out = self.path("out");
        if out.exists() {
            std::fs::remove_dir_all(&out).unwrap();
        }
        let io = stage_io_in(self.home.path());
        let environment = self.environment();
        Fetch::check(&config)
            .and_then(|()| Fetch::check_files(&config, self.home.path()))
            .and_then(|()| crate::run(&config, &io, &Http::with_pause(Duration::from_millis(1)), &environment))
            .map_err(|error| format!("{} ({})", error.render(), error.kind().exit_code()))
    }
}

/// Checks that the error has all of these in it.
fn says(result: Result<(), String>, expected: &[&str]) {
    let error = result.expect_err("this must fail");
    for text in expected {
        assert!(error.contains(text), "expected {text:?} in:\n{error}");
    }
}

/// The `[fetch]` of a file, with the sources of the file that it extends.
fn fetch_section(path: &Path) -> toml::Table {
    let mut file: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let mut fetch = match file.get("extends") {
        Some(base) => fetch_section(&path.with_file_name(base.as_str().unwrap())),
        None => toml::Table::new(),
    };
    if let Some(toml::Value::Table(own)) = file.remove("fetch") {
        fetch.extend(own);
    }
    fetch
}

/// The files that users run are valid, and whatever they fetch is pinned, but for these, which say so.
#[test]
fn the_configurations_that_come_with_the_project_are_valid() {
    const UNPINNED: [&str; 1] = ["camembert-base"];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs");
    let list = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "toml")).collect()
    };
    let mut seen = 0;
    for path in [list(&folder), list(&folder.join("models"))].concat() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "default" {
            continue;
        }
        let mut fetch = fetch_section(&path);
        fetch.entry("max_unpacked_mib").or_insert(toml::Value::Integer(20_000));
        let config: Config = fetch.try_into().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Fetch::check(&config).unwrap_or_else(|error| panic!("{}: {}", path.display(), error.render()));
        for source in [&config.data, &config.model] {
            let pinned = source.path.is_some()
                || !source.sha256.is_empty()
                || source.revision.as_deref().is_some_and(crate::hub::is_commit);
            assert!(pinned || UNPINNED.contains(&name), "{} fetches something that is not pinned", path.display());
        }
        seen += 1;
    }
    assert!(seen >= 18);
}
