//! `new-stage`: what it writes compiles, without a warning, and passes its own test, for every slot.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SLOTS: [&str; 8] = ["fetch", "clean", "split", "augment", "tokenize", "train", "evaluate", "export"];

/// A stage's crate with all that the skeleton uses of one, and nothing to compile.
const BUILT_IN: &str = r#"//! The built-in stage, but for its work.
use firebrand_pipeline::{Result, Slot, Stage, StageIo};

/// The stage.
#[derive(Debug)]
pub struct {{Slot}};

impl Stage for {{Slot}} {
    const SLOT: Slot = Slot::{{Slot}};
    type Config = std::collections::BTreeMap<String, firebrand_json::Value>;

    fn run(_config: &Self::Config, io: &StageIo) -> Result<()> {
        io.log("the built-in ran");
        Ok(())
    }
}
"#;

fn camel(slot: &str) -> String {
    slot[..1].to_uppercase() + &slot[1..]
}

/// A workspace with the real `firebrand-pipeline` and a small crate in the place of every stage's.
fn workspace(root: &Path) {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = fs::read_to_string(real.join("Cargo.toml")).unwrap();
    let start = manifest.find("[workspace.dependencies]").unwrap();
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"crates/*\"]\n\n[workspace.package]\nversion = \"0.1.0\"\n\
         edition = \"2024\"\nrust-version = \"1.95\"\nlicense = \"MIT\"\npublish = false\n\n{}",
        manifest[start..].replace("path = \"crates/", &format!("path = \"{}/crates/", real.display()))
    );
    fs::write(root.join("Cargo.toml"), manifest).unwrap();
    fs::copy(real.join("Cargo.lock"), root.join("Cargo.lock")).unwrap();
    for slot in SLOTS {
        let dir = root.join("crates").join(slot);
        fs::create_dir_all(dir.join("src")).unwrap();
        fs::write(
            dir.join("Cargo.toml"),
            format!(
                "[package]\nname = \"firebrand-{slot}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n\
                 firebrand-pipeline.workspace = true\nfirebrand-json = {{ package = \"serde_json\", version = \"1\" }}\n"
            ),
        )
        .unwrap();
        fs::write(dir.join("src/lib.rs"), BUILT_IN.replace("{{Slot}}", &camel(slot))).unwrap();
    }
}

fn xtask(root: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask")).arg("--root").arg(root).args(arguments).output().unwrap()
}

/// The directory that this test's own binaries are below, so that what is compiled there serves again.
fn target() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("new-stage")
}

#[test]
fn a_new_stage_of_every_slot_compiles_and_passes_its_test() {
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
    let output = command.env("CARGO_TARGET_DIR", target()).env("RUSTFLAGS", "-Dwarnings").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}");
    // In each the test of the library; `main.rs` has none.
    assert_eq!(told.matches("1 passed").count(), SLOTS.len(), "{told}");

    // As a process it does what the built-in one does, and says who it is.
    let program = target().join("debug").join(format!("my-clean{}", std::env::consts::EXE_SUFFIX));
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--offline", "--quiet", "--package", "my-clean"]).current_dir(root);
        let built = build.env("CARGO_TARGET_DIR", target()).env("RUSTFLAGS", "-Dwarnings").status().unwrap();
        assert!(built.success());
    }
    let request = serde_json::json!({
        "protocol": 1, "slot": "clean", "run": "r", "config": {}, "origins": {}, "inputs": {}, "output": root,
        "cache": root, "workspace": root, "resume": false,
    });
    fs::write(root.join("request.json"), request.to_string()).unwrap();
    let output = Command::new(program).arg("run").arg(root.join("request.json")).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && told.contains("filled by my-clean") && told.contains("the built-in ran"),
        "{told}"
    );
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
