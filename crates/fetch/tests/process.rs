//! The stage as the process that the runner starts: exit codes, the registries' clients, several at once, and kills.
//!
//! The clients are scripts made here; nothing leaves this machine.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../src/tests/server.rs"]
#[expect(dead_code, reason = "shared with the tests inside the crate, which use all of it")]
mod server;

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use server::{Page, Server};
use sha2::{Digest, Sha256};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A workspace with a cache and a directory of programs that is all of `PATH`.
struct Machine {
    home: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { home: tempfile::tempdir().unwrap() };
        for dir in ["bin", "model"] {
            fs::create_dir(machine.path(dir)).unwrap();
        }
        fs::write(machine.path("model/config.json"), "{}").unwrap();
        fs::write(machine.path("model/model.safetensors"), "weights").unwrap();
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Puts a shell script on the `PATH`.
    fn program(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A client that notes its arguments in `calls` and brings `archive` under a name into its last argument.
    fn client(&self, program: &str, archive: &[u8], name: &str) {
        fs::write(self.path("archive"), archive).unwrap();
        let home = self.home.path().display();
        self.program(
            program,
            &format!(
                "echo \"{program} $*\" >> {home}/calls\nfor last; do :; done\n/bin/sleep 0.2\n/bin/cp {home}/archive $last/{name}"
            ),
        );
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn start(&self, verb: &str, run: &str, data: &Value) -> Child {
        let out = self.path(run);
        let _ = fs::remove_dir_all(&out);
        fs::create_dir(&out).unwrap();
        let request = json!({
            "protocol": 1, "slot": "fetch", "run": run, "inputs": {}, "resume": false,
            "config": { "data": data, "model": { "path": "model" }, "max_unpacked_mib": 10 },
            "origins": { "data": "configs/my.toml:3", "data.path": "configs/my.toml:3" },
            "output": out, "cache": self.path("cache"), "workspace": self.home.path(),
        });
        let file = self.path(&format!("{run}.json"));
        fs::write(&file, request.to_string()).unwrap();
        Command::new(env!("CARGO_BIN_EXE_firebrand-fetch"))
            .args([Path::new(verb), &file])
            .env("PATH", self.path("bin"))
            .env("NO_PROXY", "*")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self, data: &Value) -> Output {
        self.start("run", "out", data).wait_with_output().unwrap()
    }
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The exit code and stderr; nothing may be on stdout.
fn ended(output: &Output) -> (i32, String) {
    assert!(output.stdout.is_empty());
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn says(output: &Output, code: i32, expected: &[&str]) {
    let (found, text) = ended(output);
    assert_eq!(found, code, "{text}");
    for part in expected {
        assert!(text.contains(part), "expected {part:?} in:\n{text}");
    }
}

#[test]
fn a_wheel_is_fetched_with_pip_and_then_needs_no_client() {
    let machine = Machine::new();
    let wheel = zip(&[("p/data.csv", b"text,label\n"), ("p/__init__.py", b"raise SystemExit")]);
    machine.client("python3", &wheel, "p-1.0-py3-none-any.whl");
    let data = json!({ "pypi": "p==1.0", "sha256": sha256(&wheel), "inside": "p/data.csv" });
    says(&machine.run(&data), 0, &["raw/ has 1 file, 11 bytes"]);
    assert_eq!(fs::read_to_string(machine.path("out/raw/data.csv")).unwrap(), "text,label\n");
    let calls = machine.calls();
    assert_eq!(calls.len(), 1);
    for argument in ["-m pip download", "--no-deps", "--only-binary=:all:", " p==1.0 ", " -d "] {
        assert!(calls[0].contains(argument), "{argument} in {}", calls[0]);
    }
    let origins: Value = serde_json::from_str(&fs::read_to_string(machine.path("out/source.json")).unwrap()).unwrap();
    assert_eq!(origins["data"]["downloads"][0]["file"], "p-1.0-py3-none-any.whl");
    assert_eq!(origins["data"]["downloads"][0]["sha256"], sha256(&wheel));

    fs::remove_file(machine.path("bin/python3")).unwrap();
    says(&machine.run(&data), 0, &[]);
    // Unpinned, it is known by what the first run noted; and its hash is told.
    says(&machine.run(&json!({ "pypi": "p==1.0" })), 0, &["not pinned", &sha256(&wheel)]);
}

#[test]
fn a_package_is_fetched_with_npm_without_scripts() {
    let machine = Machine::new();
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    let mut header = tar::Header::new_ustar();
    header.set_size(11);
    tar.append_data(&mut header, "package/data/a.csv", &b"text,label\n"[..]).unwrap();
    machine.client("npm", &tar.into_inner().unwrap().finish().unwrap(), "scope-p-1.0.0.tgz");
    says(&machine.run(&json!({ "npm": ["@scope/p@1.0.0"], "inside": "package/data" })), 0, &[]);
    assert_eq!(fs::read_to_string(machine.path("out/raw/a.csv")).unwrap(), "text,label\n");
    let calls = machine.calls();
    assert!(calls[0].starts_with("npm pack @scope/p@1.0.0 --ignore-scripts --pack-destination "), "{}", calls[0]);
}

#[test]
fn a_wrong_hash_shows_both_and_nothing_is_kept() {
    let machine = Machine::new();
    let wheel = zip(&[("p/data.csv", b"text,label\n")]);
    machine.client("python3", &wheel, "p.whl");
    let pinned = "0".repeat(64);
    says(
        &machine.run(&json!({ "pypi": "p==1.0", "sha256": pinned })),
        4,
        &["p==1.0 is not what was pinned", &pinned, &sha256(&wheel)],
    );
    assert_eq!(fs::read_dir(machine.path("cache/downloads")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(machine.path("cache/tmp")).unwrap().count(), 0);
}

#[test]
fn a_missing_client_is_named() {
    let machine = Machine::new();
    says(
        &machine.run(&json!({ "pypi": "p==1.0" })),
        1,
        &["fetched with pip", "`python3 -m pip`", "install Python 3", "path = "],
    );
    says(&machine.run(&json!({ "npm": "p@1.0.0" })), 1, &["fetched with npm", "install Node.js"]);
    // A Python without pip is as good as none, but a pip of its own will do.
    machine.program("python3", "echo '/usr/bin/python3: No module named pip' >&2\nexit 1");
    says(&machine.run(&json!({ "pypi": "p==1.0" })), 1, &["fetched with pip", "`python3 -m pip`"]);
    machine.client("pip", &zip(&[("a.csv", b"text,label\n")]), "p.whl");
    says(&machine.run(&json!({ "pypi": "p==1.0" })), 0, &[]);
}

#[test]
fn a_client_that_fails_is_quoted() {
    let machine = Machine::new();
    machine.program(
        "python3",
        "i=0\nwhile [ $i -lt 30 ]; do echo \"line $i\"; i=$((i+1)); done\necho 'no such thing' >&2\nexit 1",
    );
    let output = machine.run(&json!({ "pypi": "p==1.0" }));
    says(&output, 1, &["cannot download `p==1.0`", "line 29", "no such thing", "pip config list"]);
    assert!(!ended(&output).1.contains("line 20"));
    machine.program("python3", "exit 3");
    says(&machine.run(&json!({ "pypi": "p==1.0" })), 1, &["exit status: 3"]);
    machine.program("python3", "exit 0");
    says(&machine.run(&json!({ "pypi": "p==1.0" })), 1, &["left 0 files"]);
}

#[test]
fn two_runs_at_once_fetch_once() {
    let machine = Machine::new();
    let wheel = zip(&[("p/data.csv", b"text,label\n")]);
    machine.client("python3", &wheel, "p.whl");
    for data in [json!({ "pypi": "p==1.0", "sha256": sha256(&wheel) }), json!({ "pypi": "q==1.0" })] {
        fs::write(machine.path("calls"), "").unwrap();
        let runs: Vec<_> = ["one", "two", "three"].map(|run| machine.start("run", run, &data)).into_iter().collect();
        for (run, name) in runs.into_iter().zip(["one", "two", "three"]) {
            says(&run.wait_with_output().unwrap(), 0, &[]);
            assert_eq!(fs::read_to_string(machine.path(name).join("raw/p/data.csv")).unwrap(), "text,label\n");
        }
        assert_eq!(machine.calls().len(), 1);
    }
}

#[test]
fn two_downloads_of_one_address_do_not_collide() {
    let (machine, server) = (Machine::new(), Server::start());
    let body: Vec<u8> = (0..100_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let mut page = Page::new(body.clone());
    page.pause = Duration::from_millis(2);
    server.page("/a.bin", page);
    let data = json!({ "url": server.url("/a.bin") });
    let runs = ["one", "two"].map(|run| machine.start("run", run, &data));
    for (run, name) in runs.into_iter().zip(["one", "two"]) {
        says(&run.wait_with_output().unwrap(), 0, &[]);
        assert_eq!(fs::read(machine.path(name).join("raw/a.bin")).unwrap(), body);
    }
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn a_kill_at_any_moment_leaves_no_half_entry_and_the_next_run_completes() {
    let (machine, server) = (Machine::new(), Server::start());
    let noise: Vec<u8> = (0..150_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let archive = zip(&[("d/a.bin", &noise[..70_000]), ("d/b.bin", &noise[70_000..])]);
    let mut page = Page::new(archive.clone());
    page.pause = Duration::from_millis(2);
    server.page("/a.zip", page);
    let data = json!({ "url": server.url("/a.zip"), "sha256": sha256(&archive) });
    // Killed once with a part of the download on disk, however slow the machine is: the next run must go on with it.
    let part = || fs::read_dir(machine.path("cache/partial")).ok()?.flatten().next()?.metadata().ok();
    let mut child = machine.start("run", "out", &data);
    let started = std::time::Instant::now();
    while part().is_none_or(|part| part.len() == 0) && started.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The whole takes about 300 ms, most of it the download, which every run goes on with.
    for delay in [5, 20, 50, 80, 10, 60, 1, 40, 30, 15, 3, 8] {
        let mut child = machine.start("run", "out", &data);
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        for entry in fs::read_dir(machine.path("cache/downloads")).into_iter().flatten() {
            let entry = entry.unwrap().path();
            assert_eq!(fs::read(entry.join("a.zip")).unwrap(), archive);
        }
        for entry in fs::read_dir(machine.path("cache/unpacked")).into_iter().flatten() {
            let entry = entry.unwrap().path();
            assert_eq!(fs::read(entry.join("files/d/b.bin")).unwrap(), &noise[70_000..]);
        }
    }
    says(&machine.run(&data), 0, &[]);
    assert_eq!(fs::read(machine.path("out/raw/d/a.bin")).unwrap(), &noise[..70_000]);
    assert_eq!(fs::read(machine.path("out/raw/d/b.bin")).unwrap(), &noise[70_000..]);
    let ranges: Vec<_> = server.seen().iter().filter(|seen| seen.headers.contains_key("range")).cloned().collect();
    assert!(!ranges.is_empty(), "no run went on with what an earlier one had brought");
}

#[test]
fn check_needs_no_network_and_names_the_place() {
    let machine = Machine::new();
    let check = |data: Value| machine.start("check", "out", &data).wait_with_output().unwrap();
    says(&check(json!({ "pypi": "p==1.0" })), 0, &[]);
    says(&check(json!({ "hub": "org/name" })), 0, &[]);
    says(&check(json!({})), 3, &["configs/my.toml:3: `fetch.data` names no data", "hint: "]);
    says(&check(json!({ "path": "" })), 3, &["configs/my.toml:3: `fetch.data.path` is empty"]);
    says(&check(json!({ "path": "nowhere.csv" })), 4, &["`data.path` = \"nowhere.csv\" is not there"]);
    says(&check(json!({ "paht": "x" })), 3, &["there is no key `fetch.data.paht`", "did you mean `path`?"]);
    assert!(!machine.path("cache").exists());
}
