//! A small project as a user might have it: a CSV of reviews, a tiny BERT, a configuration, and the runner on them.

#[path = "../../../crates/firebrand/tests/common/wordpiece.rs"]
mod wordpiece;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Map, Value};
use tempfile::TempDir;
pub(crate) use wordpiece::tokenizer;

/// The packages whose programs the runner starts.
const PROGRAMS: [&str; 10] = [
    "firebrand-fetch",
    "firebrand-clean",
    "firebrand-split",
    "firebrand-augment",
    "firebrand-tokenize",
    "firebrand-train",
    "firebrand-evaluate",
    "firebrand-export",
    "firebrand",
    "firebrand-inspect",
];

/// What the runner answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// Fails the test unless the runner ended well.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in stdout:\n{}", self.stdout))
    }

    /// The names of the stages that ran, in their order.
    #[track_caller]
    pub(crate) fn ran(&self) -> Vec<String> {
        let json = self.json();
        let stages = json["stages"].as_array().unwrap().iter();
        stages.filter(|stage| stage["state"] == "ran").map(|stage| stage["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// A directory with everything that a run needs.
pub(crate) struct Project {
    directory: TempDir,
}

impl Project {
    /// 60 reviews of two labels, and a model of random weights that takes 24 tokens.
    pub(crate) fn new() -> Self {
        let project = Self { directory: tempfile::tempdir().unwrap() };
        project.write("reviews.csv", reviews(60));
        fs::create_dir(project.path("model")).unwrap();
        for name in ["config.json", "model.safetensors"] {
            fs::copy(golden_bert().join(name), project.path("model").join(name)).unwrap();
        }
        project.write("model/tokenizer.json", tokenizer().to_string());
        project.write("config.toml", project.configuration());
        project
    }

    /// The configuration's text, to change before it is written.
    pub(crate) fn configuration(&self) -> String {
        let directory = self.directory.path().display();
        format!(
            "[run]\n\
             name = \"small\"\n\
             dir = \"{directory}/data\"\n\
             \n\
             [fetch]\n\
             data = {{ path = \"{directory}/reviews.csv\" }}\n\
             model = {{ path = \"{directory}/model\" }}\n\
             \n\
             [tokenize]\n\
             max_length = 24\n\
             \n\
             [train]\n\
             epochs = 1\n\
             batch_size = 8\n\
             learning_rate = 1e-3\n\
             \n\
             [export]\n\
             # A model of random weights has no accuracy to lose.\n\
             max_accuracy_drop = 1.0\n"
        )
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A stage's finished directory.
    pub(crate) fn stage(&self, name: &str) -> PathBuf {
        self.path("data/runs/small").join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Changes the configuration's text.
    #[track_caller]
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path("config.toml")).unwrap();
        assert!(text.contains(from), "`{from}` is not in the configuration");
        self.write("config.toml", text.replacen(from, to, 1));
    }

    /// Changes a value of the model's `config.json`.
    pub(crate) fn configure_model(&self, key: &str, value: Value) {
        let path = self.path("model/config.json");
        let mut config: Map<String, Value> = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        config.insert(key.to_owned(), value);
        fs::write(path, Value::Object(config).to_string()).unwrap();
    }

    /// `cargo xtask ARGUMENTS…`, with `CONFIG` standing for the configuration's path.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let config = self.path("config.toml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        for argument in arguments {
            match *argument {
                "CONFIG" => command.arg(&config),
                other => command.arg(other.replace("[DIR]", &self.directory.path().display().to_string())),
            };
        }
        command.stdin(Stdio::null()).env("FIREBRAND_BIN_DIR", programs());
        // Nothing of the machine's own settings shall matter.
        for name in ["HF_HUB_OFFLINE", "HF_HOME", "HF_HUB_CACHE", "BURN_DEVICE", "FIREBRAND_LOG"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs `cargo xtask ARGUMENTS…` to its end.
    pub(crate) fn xtask(&self, arguments: &[&str]) -> Answer {
        self.answer(self.command(arguments))
    }

    /// Runs a command to its end.
    pub(crate) fn answer(&self, mut command: Command) -> Answer {
        let output = command.output().unwrap();
        Answer {
            code: output.status.code(),
            stdout: self.redact(&String::from_utf8(output.stdout).unwrap()),
            stderr: self.redact(&String::from_utf8(output.stderr).unwrap()),
        }
    }

    /// `[DIR]` for this project's directory, `[ROOT]` for the workspace's.
    fn redact(&self, text: &str) -> String {
        let root = workspace();
        text.replace(&self.directory.path().display().to_string(), "[DIR]")
            .replace(&root.display().to_string(), "[ROOT]")
    }
}

/// The same command, and whatever it starts, where no file may grow beyond so many blocks of 512 bytes.
#[cfg(unix)]
pub(crate) fn limit_file_size(command: &Command, blocks: u32) -> Command {
    let mut limited = Command::new("sh");
    // Without the signal, which would end the process, writing fails as on a full disk.
    limited.arg("-c").arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"")).arg("sh");
    limited.arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    limited
}

/// The directory of the stages' programs: the one that `FIREBRAND_BIN_DIR` names, or else cargo's, after one build for all
/// tests of this process.
fn programs() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        if let Some(dir) = std::env::var_os("FIREBRAND_BIN_DIR").filter(|dir| !dir.is_empty()) {
            return dir.into();
        }
        // All of them, as the runner does it: with fewer packages, dependencies would be compiled with other features.
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--manifest-path"]).arg(workspace().join("Cargo.toml"));
        for name in PROGRAMS {
            cargo.arg("--package").arg(name);
        }
        // As the runner does: `ring` would be compiled again for a process that describes another package.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CARGO_PKG_")) {
            cargo.env_remove(name);
        }
        cargo.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH").env_remove("CARGO_PRIMARY_PACKAGE");
        assert!(cargo.status().unwrap().success());
        Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap().to_owned()
    })
}

/// The workspace's root.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A tiny BERT of random weights, in the hub's layout: 120 tokens, 24 positions, labels alpha, beta, gamma.
fn golden_bert() -> PathBuf {
    workspace().join("crates/model/tests/golden/models/bert")
}

/// `text,label` with rows whose words tell the label.
pub(crate) fn reviews(rows: usize) -> String {
    const GOOD: [&str; 4] = ["good", "fine", "great", "lovely"];
    const BAD: [&str; 4] = ["bad", "dull", "awful", "poor"];
    const THINGS: [&str; 5] = ["film", "plot", "cast", "score", "ending"];
    let mut text = "text,label\n".to_owned();
    for row in 0..rows {
        let (words, label) = if row % 2 == 0 { (GOOD, "positive") } else { (BAD, "negative") };
        let (word, thing) = (words[row / 2 % 4], THINGS[row / 8 % 5]);
        text.push_str(&format!("a {word} {thing} no {row},{label}\n"));
    }
    text
}
