//! A workspace whose stages are `examples/fake_stage.rs`: quick, and steered by the environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const STAGES: [&str; 8] = ["fetch", "clean", "split", "augment", "tokenize", "train", "evaluate", "export"];

/// The workspace.
pub(crate) struct Place {
    root: TempDir,
}

impl Place {
    /// With an empty configuration.
    pub(crate) fn new() -> Self {
        let place = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("bin")).unwrap();
        for stage in STAGES {
            place.install(&format!("firebrand-{stage}"));
        }
        place.configure("[fetch]\ndata = { path = \"reviews.csv\" }\n");
        place.write("reviews.csv", "text,label\n");
        place
    }

    /// Makes the fake stage known under a package's name.
    pub(crate) fn install(&self, package: &str) {
        let xtask = Path::new(env!("CARGO_BIN_EXE_xtask"));
        let name = format!("fake_stage{}", std::env::consts::EXE_SUFFIX);
        let stage = xtask.parent().unwrap().join("examples").join(name);
        assert!(stage.exists(), "{} is not there: `cargo test -p xtask` builds it", stage.display());
        let to = self.path("bin").join(format!("{package}{}", std::env::consts::EXE_SUFFIX));
        // A link where the system has them: it is big.
        if fs::hard_link(&stage, &to).is_err() {
            fs::copy(&stage, &to).unwrap();
        }
    }

    /// Makes a package's program another executable that does the same.
    pub(crate) fn rebuild(&self, package: &str) {
        let program = self.path("bin").join(format!("{package}{}", std::env::consts::EXE_SUFFIX));
        let mut bytes = fs::read(&program).unwrap();
        bytes.push(0);
        // A new file: the old one is a link that all stages share.
        fs::remove_file(&program).unwrap();
        fs::write(&program, bytes).unwrap();
        #[cfg(unix)]
        fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    pub(crate) fn configure(&self, text: &str) {
        self.write("my.toml", text);
    }

    /// The run's directory.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.path("data/runs/my")
    }

    /// `cargo xtask VERB CONFIG ARGUMENTS…`, with the fake stages where there are stages.
    pub(crate) fn command(&self, verb: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.arg("--root").arg(self.root.path()).arg(verb);
        if verb != "stage" {
            command.arg("my.toml");
        }
        command.args(arguments);
        if verb != "clean-run" {
            command.arg("--bin-dir").arg(self.path("bin"));
        }
        command.env("FAKE_LOG", self.path("log")).env_remove("FIREBRAND_LOG").stdin(Stdio::null());
        command
    }

    pub(crate) fn start(&self, verb: &str, arguments: &[&str], delay_ms: u32) -> Child {
        let mut command = self.command(verb, arguments);
        command.env("FAKE_DELAY_MS", delay_ms.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn xtask(&self, verb: &str, arguments: &[&str]) -> Answer {
        answer(self.command(verb, arguments).output().unwrap())
    }

    /// With a variable that steers the fake stages.
    pub(crate) fn steered(&self, variable: &str, value: &str) -> Answer {
        answer(self.command("pipeline", &[]).env(variable, value).output().unwrap())
    }

    /// The calls of stages since this was last asked: `clean check`, `clean run`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let _ = fs::remove_file(self.path("log"));
        text.lines().map(str::to_owned).collect()
    }

    /// The stages that ran since this was last asked.
    pub(crate) fn ran(&self) -> Vec<String> {
        self.calls().iter().filter_map(|call| call.strip_suffix(" run").map(str::to_owned)).collect()
    }

    pub(crate) fn manifest(&self, stage: &str) -> Value {
        let path = self.run_dir().join(stage).join("manifest.json");
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    /// Fails unless every stage's directory that is there holds exactly what its manifest says.
    #[track_caller]
    pub(crate) fn verify(&self) {
        for stage in STAGES {
            let dir = self.run_dir().join(stage);
            if !dir.exists() {
                continue;
            }
            let manifest = self.manifest(stage);
            let mut expected = vec!["manifest.json".to_owned()];
            for output in manifest["outputs"].as_array().unwrap() {
                let path = output["path"].as_str().unwrap();
                let found = firebrand_pipeline::hash::file(&dir.join(path)).unwrap();
                assert_eq!(found, output["blake3"].as_str().unwrap(), "{path} of {stage}");
                expected.push(path.to_owned());
            }
            let mut found = Vec::new();
            walk(&dir, "", &mut found);
            found.sort();
            expected.sort();
            assert_eq!(found, expected, "{stage}");
        }
    }
}

fn walk(dir: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.path().is_dir() { walk(&entry.path(), &format!("{name}/"), found) } else { found.push(name) }
    }
}

/// What the runner answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn answer(output: Output) -> Answer {
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn ended(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Stderr has every one of these.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not in {self:#?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
