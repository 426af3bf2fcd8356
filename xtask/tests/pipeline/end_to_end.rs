//! The whole pipeline, as a user runs it, on a small project of the test's own. `.ci/run` runs the quickstart with its real
//! weights and reviews.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{self, Project, workspace};

const ALL: [&str; 8] = ["fetch", "clean", "split", "augment", "tokenize", "train", "evaluate", "export"];

#[test]
fn what_is_fresh_is_kept_and_what_changed_is_made_again() {
    let project = Project::new();
    let first = project.xtask(&["pipeline", "CONFIG", "--json"]).succeeded();
    assert_eq!(first.ran(), ALL);
    let json = first.json();
    assert!((0.0..=1.0).contains(&json["test"]["accuracy"].as_f64().unwrap()), "{json}");
    assert!(json["test"]["macro_f1"].is_number(), "{json}");

    assert!(project.xtask(&["pipeline", "CONFIG", "--json"]).succeeded().ran().is_empty());

    let set = ["--set", "train.learning_rate=2e-3"];
    let status = project.xtask(&[&["status", "CONFIG"][..], &set].concat()).succeeded();
    assert!(status.stdout.contains("learning_rate"), "{}", status.stdout);
    let third = project.xtask(&[&["pipeline", "CONFIG", "--json"][..], &set].concat()).succeeded();
    assert_eq!(third.ran(), ["train", "evaluate", "export"]);

    // Equal rows in other bytes: what follows the stage whose outputs did not change is kept.
    project.write("reviews.csv", common::reviews(60) + "\n");
    let fourth = project.xtask(&[&["pipeline", "CONFIG", "--json"][..], &set].concat()).succeeded();
    assert_eq!(fourth.ran()[0], "fetch", "{}", fourth.stdout);
}

#[test]
fn equal_runs_write_equal_bytes() {
    let [first, second] = [Project::new(), Project::new()];
    for project in [&first, &second] {
        project.xtask(&["pipeline", "CONFIG"]).succeeded();
    }
    for (stage, file) in [
        ("clean", "examples.parquet"),
        ("split", "train.parquet"),
        ("tokenize", "train.parquet"),
        ("train", "model/model.safetensors"),
        ("train", "metrics.jsonl"),
        ("evaluate", "report.html"),
        ("evaluate", "predictions.parquet"),
        ("export", "bundle/README.md"),
        ("export", "bundle/model.safetensors"),
    ] {
        let bytes = |project: &Project| fs::read(project.stage(stage).join(file)).unwrap();
        assert!(bytes(&first) == bytes(&second), "{stage}/{file} differs");
    }
}

#[test]
fn a_bundle_answers() {
    let project = Project::new();
    project.xtask(&["pipeline", "CONFIG"]).succeeded();
    let bundle = "[DIR]/data/runs/small/export/bundle";
    let one = project.xtask(&["predict", bundle, "a good film", "a dull plot"]).succeeded();
    assert_eq!(one.stdout.lines().count(), 2, "{}", one.stdout);
    let json = project.xtask(&["predict", bundle, "--json", "a good film"]).succeeded();
    assert!(["positive", "negative"].contains(&json.json()["label"].as_str().unwrap()), "{}", json.stdout);
}

/// Rows with any number of labels, from a list in JSON Lines to the bundle, which gives texts as many.
#[test]
fn any_number_of_labels_goes_all_the_way() {
    let project = Project::new();
    // A word for each label among others, and no label for one row in eight.
    let row = |row: usize| {
        let labels: Vec<usize> = (0..3).filter(|label| row >> label & 1 == 1).collect();
        let others = [["xx", "yy"], ["zz", "xx"], ["yy", "zz"]][row / 8 % 3];
        let words: Vec<&str> = labels.iter().map(|&label| ["aa", "bb", "cc"][label]).collect();
        let names: Vec<&str> = labels.iter().map(|&label| ["alpha", "beta", "gamma"][label]).collect();
        (format!("{} {} {} {row}", others[0], words.join(" "), others[1]), names)
    };
    let rows: Vec<(String, Vec<&str>)> = (0..400).map(row).collect();
    let line = |(text, labels): &(String, Vec<&str>)| serde_json::json!({ "text": text, "labels": labels }).to_string();
    project.write("notes.jsonl", rows.iter().map(line).collect::<Vec<_>>().join("\n"));
    project.configure("reviews.csv", "notes.jsonl");
    project.configure("[tokenize]", "[clean]\nmulti_label = true\n\n[tokenize]");
    project.configure("epochs = 1", "epochs = 8");
    let answer = project.xtask(&["pipeline", "CONFIG", "--json"]).succeeded().json();
    let json = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(project.path("data/runs/small").join(path)).unwrap()).unwrap()
    };
    assert_eq!(json("clean/labels.json")["multi_label"], true);
    assert!(answer["test"]["micro_f1"].as_f64().unwrap() > 0.9, "{answer}");
    let metrics = json("evaluate/metrics.json");
    let of = |figures: &serde_json::Value| figures["averages"]["micro"]["f1"].as_f64().unwrap();
    assert!(of(&metrics["test"]) > of(&metrics["baselines"]["majority"]), "{metrics}");
    assert_eq!(json("export/bundle/config.json")["problem_type"], "multi_label_classification");

    let bundle = "[DIR]/data/runs/small/export/bundle";
    for (text, labels) in [("xx aa cc zz", &["alpha", "gamma"][..]), ("yy bb zz", &["beta"]), ("zz xx", &[])] {
        let found = project.xtask(&["predict", bundle, "--json", text]).succeeded().json();
        let mut found: Vec<&str> =
            found["labels"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, labels, "{text}");
    }
    let columns = project.xtask(&["predict", bundle, "yy bb zz"]).succeeded().stdout;
    assert!(columns.starts_with("beta\t") && columns.matches('*').count() == 1, "{columns}");

    // The same rows as a table, with a separator between the labels.
    let other = Project::new();
    let table: String = rows.iter().map(|(text, labels)| format!("{text},{}\n", labels.join("; "))).collect();
    other.write("reviews.csv", "text,label\n".to_owned() + &table);
    other.configure("[tokenize]", "[clean]\nmulti_label = true\nlabel_separator = \";\"\n\n[tokenize]");
    other.xtask(&["stage", "fetch", "CONFIG"]).succeeded();
    other.xtask(&["stage", "clean", "CONFIG"]).succeeded();
    for file in ["examples.parquet", "labels.json"] {
        let bytes = |project: &Project| fs::read(project.stage("clean").join(file)).unwrap();
        assert!(bytes(&project) == bytes(&other), "{file} differs");
    }
}

/// Two texts per row, from the CSV to the bundle, which then wants two as well.
#[test]
fn pairs_of_texts_go_all_the_way() {
    let project = Project::new();
    let row = |row: usize| {
        let (first, second) =
            (["a dog", "the cat", "one bee"][row % 3], ["barks", "purrs", "hums"][(row + row % 2) % 3]);
        format!("{first} {row},it {second} {row},{}\n", if row.is_multiple_of(2) { "yes" } else { "no" })
    };
    project.write("reviews.csv", "first,second,label\n".to_owned() + &(0..60).map(row).collect::<String>());
    project.configure("[tokenize]", "[clean]\ntext_column = \"first\"\npair_column = \"second\"\n\n[tokenize]");
    let answer = project.xtask(&["pipeline", "CONFIG", "--json"]).succeeded();
    let json = |path: &str| -> serde_json::Value {
        serde_json::from_slice(&fs::read(project.path("data/runs/small").join(path)).unwrap()).unwrap()
    };
    assert_eq!(json("tokenize/report.json")["pairs"], true);
    assert_eq!(json("export/bundle/text.json")["pairs"], true);
    let card = fs::read_to_string(project.stage("export").join("bundle/README.md")).unwrap();
    assert!(card.contains("Every pair of texts") && card.contains("\"text_pair\": \"another\""), "{card}");
    // The report lists the mistakes, if there are any, with each text of a pair as a paragraph of its own.
    let report = fs::read_to_string(project.stage("evaluate").join("report.html")).unwrap();
    let mistaken = answer.json()["test"]["accuracy"].as_f64().unwrap() < 1.0;
    assert_eq!(report.contains("</p><p class=\"quote\" dir=\"auto\">it "), mistaken);

    let bundle = "[DIR]/data/runs/small/export/bundle";
    let by_tab = project.xtask(&["predict", bundle, "--json", "a dog\tit barks"]).succeeded().json();
    assert!(["yes", "no"].contains(&by_tab["label"].as_str().unwrap()), "{by_tab}");
    let by_option = project.xtask(&["predict", bundle, "--json", "--pair", "it barks", "a dog"]).succeeded().json();
    assert_eq!(by_tab, by_option);
    let single = project.xtask(&["predict", bundle, "a dog"]);
    assert_eq!(single.code, Some(4));
    assert!(single.stderr.contains("a single text, but the model was trained on pairs"), "{}", single.stderr);
}

/// The documentation's example: `clean` in Python, and one line of configuration.
#[test]
fn a_stage_in_python_takes_the_place_of_a_built_in_one() {
    let script = documented_script();
    let project = Project::new();
    project.write("clean.py", &script);
    let python = python_with_pyarrow();
    let command = format!(
        "[clean]\ncommand = [\"{}\", \"{}\"]\n[tokenize]",
        python.display(),
        project.path("clean.py").display()
    );
    project.configure("[tokenize]", &command);
    project.xtask(&["pipeline", "CONFIG"]).succeeded();
    assert!(project.stage("export").join("bundle/config.json").exists());

    // Without an output of its slot, the stage has failed, and the message names what is missing.
    project.write("clean.py", script.replace("\"labels.json\"", "\"label.json\""));
    let answer = project.xtask(&["pipeline", "CONFIG"]);
    assert_ne!(answer.code, Some(0));
    assert!(answer.stderr.contains("clean") && answer.stderr.contains("labels.json"), "{}", answer.stderr);
}

/// The script `clean.py` of README.md or a page of `docs/`.
fn documented_script() -> String {
    let pages = fs::read_dir(workspace().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut texts = pages.chain([workspace().join("README.md")]).map(|path| fs::read_to_string(path).unwrap());
    let script = |text: String| Some(text.split_once("```python\n# clean.py\n")?.1.split_once("```")?.0.to_owned());
    texts.find_map(script).expect("a page has the script")
}

/// A Python with pyarrow, which the example writes Parquet with: the machine's, or one in the target directory.
fn python_with_pyarrow() -> PathBuf {
    let has_it = |python: &Path| {
        Command::new(python).args(["-c", "import pyarrow"]).output().is_ok_and(|output| output.status.success())
    };
    let system = PathBuf::from("python3");
    if has_it(&system) {
        return system;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = directory.join("bin/python");
    if !has_it(&python) {
        let run = |program: &Path, arguments: &[&str]| {
            let status = Command::new(program).args(arguments).status().unwrap();
            assert!(status.success(), "{} {arguments:?}", program.display());
        };
        run(&system, &["-m", "venv", &directory.display().to_string()]);
        run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "pyarrow"]);
    }
    python
}
