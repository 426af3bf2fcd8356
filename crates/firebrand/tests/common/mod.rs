//! A bundle as export leaves it, tiny: BERT of random weights, 120 tokens, 24 positions, labels alpha, beta, gamma.

mod wordpiece;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use firebrand_arch::{FloatTensor, INT8_FILE, Pretrained, parameters, save_int8};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use wordpiece::tokenizer;

/// What the program answered.
#[derive(Debug)]
pub(crate) struct Answer {
    code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        self.failed(0)
    }

    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Stdout's lines, each a JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub(crate) struct Bundle {
    directory: TempDir,
}

impl Bundle {
    pub(crate) fn new() -> Self {
        let bundle = Self { directory: tempfile::tempdir().unwrap() };
        fs::create_dir(bundle.path("")).unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/models/bert");
        for name in ["config.json", "model.safetensors"] {
            fs::copy(golden.join(name), bundle.path(name)).unwrap();
        }
        bundle.write("tokenizer.json", &tokenizer().to_string());
        bundle.write("tokenizer_config.json", "{\"model_max_length\": 24}");
        bundle.write(
            "text.json",
            &json!({ "strip_html": true, "unicode": "nfc", "strip_control": true, "collapse_whitespace": true,
                "lowercase": true })
            .to_string(),
        );
        bundle
    }

    /// A file of the bundle; the bundle itself has no name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let bundle = self.directory.path().join("bundle");
        if name.is_empty() { bundle } else { bundle.join(name) }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Sets a key of the model's `config.json`.
    pub(crate) fn configure(&self, key: &str, value: Value) {
        let text = fs::read_to_string(self.path("config.json")).unwrap();
        let mut config: Map<String, Value> = serde_json::from_str(&text).unwrap();
        config.insert(key.to_owned(), value);
        self.write("config.json", &Value::Object(config).to_string());
    }

    /// Adds the weights in int8.
    pub(crate) fn add_int8(&self) {
        let model = Pretrained::open(&self.path("")).unwrap();
        let parameters = parameters(&model.config().network).into_iter().map(|(path, shape)| {
            let values = model.parameter(&path, &shape).unwrap();
            (path, FloatTensor::new(values, shape))
        });
        fs::create_dir(self.path("int8")).unwrap();
        save_int8(&self.path(INT8_FILE), model.config(), parameters.collect()).unwrap();
    }

    /// Makes it a model of text pairs.
    pub(crate) fn take_pairs(&self) {
        let options = fs::read_to_string(self.path("text.json")).unwrap();
        self.write("text.json", &options.replacen('{', "{\"pairs\": true,", 1));
    }

    /// Gives the tokenizer a further token, of this id.
    pub(crate) fn add_tokens(&self, id: usize) {
        let mut tokenizer = tokenizer();
        tokenizer["model"]["vocab"]["extra"] = json!(id);
        self.write("tokenizer.json", &tokenizer.to_string());
    }

    /// `firebrand predict BUNDLE ARGUMENTS…`
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_firebrand"));
        command.arg("predict").arg(self.path("")).args(arguments);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn predict(&self, arguments: &[&str], stdin: impl AsRef<[u8]>) -> Answer {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that reads no stdin may have ended already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_ref());
        let output = child.wait_with_output().unwrap();
        Answer {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
