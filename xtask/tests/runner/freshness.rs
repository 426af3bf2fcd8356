//! What runs, what does not, and what is said about it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::fake::{self, Place, STAGES};

/// A workspace in which everything ran.
fn finished() -> Place {
    let place = Place::new();
    place.xtask("pipeline", &[]).ended(0);
    place.calls();
    place
}

#[test]
fn everything_is_checked_then_run_then_fresh() {
    let place = Place::new();
    let answer = place.xtask("pipeline", &["--json"]);
    let json = answer.ended(0).json();
    let checks = STAGES.map(|stage| format!("{stage} check"));
    let calls = place.calls();
    assert_eq!(calls[..8], checks);
    let runs = calls.iter().filter(|call| call.ends_with(" run"));
    assert!(runs.eq(&STAGES.map(|stage| format!("{stage} run"))), "{calls:?}");
    place.verify();
    assert_eq!(json["run"], "my");
    assert_eq!(json["test"], json!({ "accuracy": 0.75, "macro_f1": 0.5 }));
    assert_eq!(json["report"], "data/runs/my/evaluate/report.html");
    assert_eq!(json["bundle"], "data/runs/my/export/bundle");
    let stages: Vec<_> =
        json["stages"].as_array().unwrap().iter().map(|stage| (&stage["name"], &stage["state"])).collect();
    assert_eq!(stages.len(), 8);
    assert!(stages.iter().all(|(_, state)| **state == "ran"), "{stages:?}");

    let started = Instant::now();
    let second = place.xtask("pipeline", &[]);
    assert!(started.elapsed() < Duration::from_secs(3));
    assert_eq!(
        second.ended(0).stdout,
        "test    accuracy 0.7500, macro F1 0.5000\nreport  data/runs/my/evaluate/report.html\n\
         bundle  data/runs/my/export/bundle\n\
         try it  cargo xtask predict data/runs/my/export/bundle \"some text\"\n"
    );
    assert_eq!(place.calls(), Vec::<String>::new());
    let json = place.xtask("pipeline", &["--json"]).json();
    assert!(json["stages"].as_array().unwrap().iter().all(|stage| stage["state"] == "fresh"));
}

#[test]
fn a_changed_key_reruns_its_stage_and_what_follows() {
    let place = finished();
    let set = ["--set", "train.learning_rate=3e-5"];
    let status = place.xtask("status", &set);
    assert_eq!(
        status.ended(0).stdout,
        "my in data/runs/my\n     fetch  fresh\n     clean  fresh\n     split  fresh\n   augment  fresh\n  tokenize  fresh\n\
         \x20    train  stale: config changed (learning_rate: 5e-5 → 3e-5)\n  evaluate  stale: follows train\n\
         \x20   export  stale: follows train, evaluate\n"
    );
    assert_eq!(place.calls(), Vec::<String>::new());
    place.xtask("pipeline", &set).ended(0).says(&["train runs: config changed (learning_rate"]);
    assert_eq!(place.ran(), ["train", "evaluate", "export"]);
    place.verify();
    place.xtask("pipeline", &set).ended(0);
    assert_eq!(place.ran(), Vec::<String>::new());
}

#[test]
fn a_stage_with_the_same_result_leaves_the_next_ones_fresh() {
    let place = finished();
    let json = place.xtask("pipeline", &["--only", "clean", "--force", "--json"]).ended(0).json();
    assert_eq!(json["stages"][0]["name"], "clean");
    assert_eq!(place.ran(), ["clean"]);
    place.xtask("pipeline", &[]).ended(0);
    assert_eq!(place.ran(), Vec::<String>::new());
}

#[test]
fn a_dry_run_changes_nothing() {
    let place = Place::new();
    let answer = place.xtask("pipeline", &["--dry-run"]);
    assert!(answer.ended(0).stdout.contains("     train  has not run"), "{answer:#?}");
    assert!(!place.path("data").exists());
    place.xtask("status", &[]).ended(0);
    assert!(!place.path("data").exists());
    let json = place.xtask("status", &["--json"]).ended(0).json();
    assert_eq!(json["stages"][5], json!({ "name": "train", "state": "missing", "reasons": ["has not run"] }));
}

#[test]
fn a_file_that_the_configuration_names_is_looked_into() {
    let place = finished();
    place.write("reviews.csv", "text,label\ngood,1\n");
    let status = place.xtask("status", &[]);
    assert!(status.ended(0).stdout.contains("fetch  stale: file changed (reviews.csv)"), "{status:#?}");
    // Gone, it cannot be fetched again, and what was fetched is still what it was.
    fs::remove_file(place.path("reviews.csv")).unwrap();
    place.xtask("pipeline", &[]).ended(0);
    assert_eq!(place.ran(), Vec::<String>::new());
}

#[test]
fn another_executable_reruns_its_stage() {
    let place = finished();
    place.rebuild("firebrand-augment");
    let status = place.xtask("status", &[]);
    assert!(status.ended(0).stdout.contains("augment  stale: executable changed"), "{status:#?}");
    place.xtask("pipeline", &[]).ended(0);
    // It came to the same result.
    assert_eq!(place.ran(), ["augment"]);
}

#[test]
fn status_judges_without_a_program_that_is_not_built() {
    let place = finished();
    fs::remove_file(place.path("bin/firebrand-augment")).unwrap();
    fs::remove_file(place.path("bin/firebrand-export")).unwrap();
    let status = place.xtask("status", &["--set", "export.int8=false"]);
    assert!(status.ended(0).stdout.contains("   augment  fresh\n"), "{status:#?}");
    assert!(
        status.stdout.ends_with(
            "\nnote: not built yet, so judged without their programs: firebrand-augment, firebrand-export\n"
        ),
        "{status:#?}"
    );
    let json = place.xtask("status", &["--json"]).ended(0).json();
    assert_eq!(json["notes"].as_array().unwrap().len(), 1);
    // To run, it takes the program.
    place
        .xtask("pipeline", &["--force", "--only", "augment"])
        .ended(1)
        .says(&["the package `firebrand-augment`, which fills `augment`, has no program"]);
}

#[test]
fn the_level_decides_what_is_logged() {
    let place = finished();
    for (level, expected) in [("", 9), ("info", 9), ("warn", 0), ("off", 0)] {
        let output = place.command("pipeline", &[]).env("FIREBRAND_LOG", level).output().unwrap();
        assert_eq!(fake::answer(output).ended(0).stderr.lines().count(), expected, "{level}");
    }
    let output = place.command("pipeline", &[]).env("FIREBRAND_LOG", "loud").output().unwrap();
    fake::answer(output).ended(0).says(&["warning: FIREBRAND_LOG is `loud`, but must be off, error, warn, info"]);
}

#[test]
fn a_removed_output_is_made_again() {
    let place = finished();
    fs::remove_file(place.run_dir().join("tokenize/tokenizer/config.json")).unwrap();
    place.xtask("pipeline", &[]).ended(0).says(&["output removed or changed (tokenizer/config.json)"]);
    assert_eq!(place.ran(), ["tokenize"]);
    place.verify();
    fs::write(place.run_dir().join("clean/manifest.json"), "{").unwrap();
    place.xtask("pipeline", &[]).ended(0).says(&["clean runs: its manifest cannot be read"]);
    assert_eq!(place.ran(), ["clean"]);
}

#[test]
fn one_stage_needs_what_comes_before_it() {
    let place = Place::new();
    place.xtask("stage", &["split", "my.toml"]).ended(1).says(&[
        "error: the `clean` stage of this run has not finished yet",
        "hint: maybe you forgot a previous step?",
    ]);
    for stage in ["fetch", "clean", "split"] {
        place.xtask("stage", &[stage, "my.toml"]).ended(0);
    }
    assert_eq!(place.ran(), ["fetch", "clean", "split"]);
    let answer = place.xtask("stage", &["split", "my.toml", "--set", "clean.lowercase=true", "--force"]);
    answer.ended(0).says(&["clean is not fresh, but used as it is: config changed (lowercase: false → true)"]);
    assert_eq!(place.ran(), ["split"]);
    place.xtask("pipeline", &["--from", "augment"]).ended(0);
    assert_eq!(place.ran(), &STAGES[3..]);
    place.xtask("pipeline", &["--from", "augment", "--to", "train", "--force"]).ended(0);
    assert_eq!(place.ran(), ["augment", "tokenize", "train"]);
    place.xtask("pipeline", &["--to", "clean", "--force"]).ended(0);
    assert_eq!(place.ran(), ["fetch", "clean"]);
    place.xtask("pipeline", &["--from", "train", "--to", "split"]).ended(2).says(&[
        "--to names a stage that comes before that of --from",
        "hint: the stages' order: fetch, clean, split, augment, tokenize, train, evaluate, export",
    ]);
    place.xtask("stage", &["trian", "my.toml"]).ended(2).says(&["there is no stage `trian`"]);
    place.xtask("pipeline", &["--from", "trian"]).ended(2).says(&["there is no stage `trian`"]);
}

#[test]
fn clean_run_leaves_the_cache_and_what_is_not_its_own() {
    let place = finished();
    fs::create_dir_all(place.path("data/cache")).unwrap();
    place.write("data/cache/wheel", "x");
    place.write("data/runs/my/notes.txt", "mine");
    let answer = place.xtask("clean-run", &[]);
    assert_eq!(
        answer.ended(0).stdout,
        "removed fetch, clean, split, augment, tokenize, train, evaluate, export from data/runs/my\n\
         kept the cache in data/cache, and files in data/runs/my that are not the run's\n"
    );
    let left: Vec<_> = fs::read_dir(place.run_dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    fs::remove_file(place.path("data/runs/my/notes.txt")).unwrap();
    place.xtask("clean-run", &[]).ended(0);
    assert!(!place.run_dir().exists());
    assert_eq!(place.xtask("clean-run", &[]).ended(0).stdout, "nothing to remove: data/runs/my is not there\n");
    assert!(place.path("data/cache/wheel").exists());
}
