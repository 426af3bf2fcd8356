//! `new-stage`: what it writes compiles, without a warning, and passes its own test, for every slot.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SLOTS: [&str; 8] = ["fetch", "clean", "split", "augment", "tokenize", "train", "evaluate", "export"];

/// A stage's crate with all that the skeleton and the runner use of one, and little to compile.
const BUILT_IN: &str = r#"//! The built-in stage, but for its work.
use firebrand_pipeline::{OutputKind, Result, Slot, Stage, StageIo};

/// The stage.
#[derive(Debug)]
pub struct {{Slot}};

impl Stage for {{Slot}} {
    const SLOT: Slot = Slot::{{Slot}};
    type Config = std::collections::BTreeMap<String, serde_json::Value>;

    fn run(_config: &Self::Config, io: &StageIo) -> Result<()> {
        io.log("the built-in ran");
        for output in Self::SLOT.outputs() {
            let path = io.output(output.path);
            match output.kind {
                OutputKind::Parquet => std::fs::write(path, "PAR1 rows PAR1").unwrap(),
                OutputKind::Directory => std::fs::write(io.output_dir(output.path)?.join("file"), "x").unwrap(),
                _ => std::fs::write(path, "{}\n").unwrap(),
            }
        }
        Ok(())
    }
}
"#;

const MAIN: &str =
    "fn main() -> std::process::ExitCode {\n    firebrand_pipeline::main::<firebrand_{{slot}}::{{Slot}}>()\n}\n";

fn camel(slot: &str) -> String {
    slot[..1].to_uppercase() + &slot[1..]
}

/// A workspace with the real `firebrand-pipeline` and a small crate in the place of every stage's.
fn workspace(root: &Path) {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = fs::read_to_string(real.join("Cargo.toml")).unwrap();
    let start = manifest.find("[workspace.dependencies]").unwrap();
    // Dependencies and lints, but not the profiles, which optimise.
    let end = manifest.find("[profile.").unwrap();
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n\n[workspace.package]\nversion = \"0.1.0\"\n\
         edition = \"2024\"\nrust-version = \"1.95\"\nlicense = \"MIT\"\npublish = false\n\n[profile.dev]\ndebug = false\n\n{}",
        manifest[start..end].replace("path = \"crates/", &format!("path = \"{}/crates/", real.display()))
    );
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
    fs::copy(real.join("Cargo.lock"), root.join("Cargo.lock")).unwrap();
    let krate = |package: &str, files: &[(&str, &str)]| {
        let name = package.trim_start_matches("firebrand-");
        let dir = root.join("crates").join(name);
        fs::create_dir_all(dir.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"{package}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
             firebrand-pipeline.workspace = true\nserde_json.workspace = true\n"
        );
        fs::write(dir.join("Cargo.toml"), manifest).unwrap();
        for (path, text) in files {
            fs::write(dir.join(path), text.replace("{{slot}}", name).replace("{{Slot}}", &camel(name))).unwrap();
        }
    };
    for slot in SLOTS {
        krate(&format!("firebrand-{slot}"), &[("src/lib.rs", BUILT_IN), ("src/main.rs", MAIN)]);
    }
    for program in ["firebrand", "firebrand-inspect"] {
        krate(program, &[("src/main.rs", "fn main() {}\n")]);
    }
    fs::write(root.join("my.toml"), "").unwrap();
}

fn xtask(root: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("--root").arg(root).args(arguments).env("CARGO_TARGET_DIR", target());
    command.env("CARGO_NET_OFFLINE", "true").output().unwrap()
}

/// Kept between runs, so that the few dependencies are compiled once.
fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("new-stage")
}

#[test]
fn a_new_stage_of_every_slot_compiles_passes_its_test_and_runs() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path();
    workspace(root);
    for slot in SLOTS {
        let output = xtask(root, &["new-stage", slot, &format!("my-{slot}")]);
        assert!(output.status.success(), "{output:?}");
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.contains(&format!("\n    [{slot}]\n    package = \"my-{slot}\"\n")), "{told}");
    }
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--offline", "--quiet"]).current_dir(root);
    for slot in SLOTS {
        command.arg("--package").arg(format!("my-{slot}"));
    }
    let output = command.env("CARGO_TARGET_DIR", target()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && !told.contains("warning"), "{told}");
    // In each the test of the library; `main.rs` has none.
    assert_eq!(told.matches("1 passed").count(), SLOTS.len(), "{told}");

    // One line of configuration puts it into the run.
    let set = ["pipeline", "my.toml", "--set", "clean.package=my-clean"];
    let output = xtask(root, &set);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert_eq!(
        (told.matches("filled by my-clean").count(), told.matches("the built-in ran").count()),
        (1, 8),
        "{told}"
    );
    let manifest = fs::read_to_string(root.join("data/runs/my/clean/manifest.json")).unwrap();
    assert!(
        manifest.contains("\"package\": \"my-clean\"") && manifest.contains("\"version\": \"0.1.0\""),
        "{manifest}"
    );
    let again = String::from_utf8(xtask(root, &set).stderr).unwrap();
    assert_eq!(again.matches("is fresh").count(), 8, "{again}");

    let output = xtask(root, &["pipeline", "my.toml", "--set", "clean.package=my-claen"]);
    assert_eq!(output.status.code(), Some(3));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("error: --set: the workspace has no package `my-claen`\n\nhint: did you mean `my-clean`?"),
        "{told}"
    );

    // A stage that does not compile stops everything before it starts.
    fs::write(root.join("crates/my-clean/src/main.rs"), "fn main() { no }\n").unwrap();
    let output = xtask(root, &set);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("cannot find value `no`") && told.contains("error: the stages do not compile"), "{told}");
}

#[test]
fn what_cannot_be_a_crate_is_refused() {
    let place = tempfile::tempdir().unwrap();
    for (arguments, problem) in [
        (["new-stage", "claen", "my-clean"], "error: there is no stage `claen`"),
        (["new-stage", "clean", "My Clean"], "error: \"My Clean\" cannot be a crate's name"),
    ] {
        let output = xtask(place.path(), &arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().starts_with(problem));
    }
    assert!(!place.path().join("crates").exists());
}
