//! Stages that fail, are killed, are custom, or leave out what they owe.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fake::{Place, STAGES, answer};

fn send(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Waits until something is so, and fails when it never is.
#[track_caller]
fn until(mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < Duration::from_secs(20), "this never came about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_left_out_output_is_named() {
    let place = Place::new();
    place.steered("FAKE_OMIT", "clean:labels.json").ended(1).says(&[
        "error: the `clean` stage (firebrand-clean) left out its output `labels.json`",
        "hint: a `clean` stage writes these into `output` of its request: examples.parquet, labels.json",
    ]);
    assert!(!place.run_dir().join("clean").exists());
    place.xtask("pipeline", &[]).ended(0).says(&["fetch is fresh", "clean runs: has not run"]);
    place.verify();
}

#[test]
fn exit_codes_are_passed_on() {
    let place = Place::new();
    for (code, expected) in [(2, 2), (3, 3), (4, 4), (5, 5), (1, 1), (101, 1)] {
        let answer = place.steered("FAKE_FAIL", &format!("split:{code}"));
        answer
            .ended(expected)
            .says(&[&format!("error: the `split` stage (firebrand-split) failed (exit code {code})")]);
        assert_eq!(answer.stdout, "");
    }
    place.steered("FAKE_FAIL", "split:130").ended(130).says(&["error: interrupted"]);
    place.verify();
}

#[test]
fn a_refused_configuration_stops_everything_before_it_starts() {
    let place = Place::new();
    place.configure("[split]\n\nseed = 7\n");
    let answer = place.steered("FAKE_REFUSE", "split");
    answer.ended(3).says(&["error: my.toml:3: `split.seed` is not to this stage's taste", "refused its configuration"]);
    assert_eq!(place.ran(), Vec::<String>::new());
    assert!(!place.run_dir().join("fetch").exists());
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let place = Place::new();
    fs::remove_file(place.path("bin/firebrand-augment")).unwrap();
    place
        .xtask("pipeline", &[])
        .ended(1)
        .says(&["the package `firebrand-augment`, which fills `augment`, has no program"]);
    place.configure("[clean]\ncommand = [\"no-such-program\", \"clean.py\"]\n");
    place.install("firebrand-augment");
    place.xtask("pipeline", &[]).ended(3).says(&["cannot start `no-such-program clean.py` for the `clean` stage"]);
}

#[test]
fn a_custom_package_fills_its_slot_with_keys_of_its_own() {
    let place = Place::new();
    place.install("my-clean");
    place.configure("[clean]\npackage = \"my-clean\"\nmin_words = 3\n");
    place.xtask("pipeline", &[]).ended(0);
    assert_eq!(place.manifest("clean")["package"], "my-clean");
    assert_eq!(place.manifest("clean")["config"]["min_words"], 3);
    place.configure("");
    let status = place.xtask("status", &[]);
    assert!(status.stdout.contains("clean  stale: config changed (min_words: 3 → unset)"), "{status:#?}");
}

const SCRIPT: &str = r#"import json, pathlib, shutil, sys, time
verb, request = sys.argv[1], json.load(open(sys.argv[2]))
if verb == "check":
    sys.exit(3 if request["config"]["min_characters"] < 0 else 0)
print("this is for the user")
assert (pathlib.Path(request["inputs"]["fetch"]) / "raw").is_dir()
output = pathlib.Path(request["output"])
time.sleep(request["config"].get("pause", 0))
shutil.copy("prepared.parquet", output / "examples.parquet")
if not request["config"].get("forget"):
    (output / "labels.json").write_text(json.dumps({"labels": ["a", "b"]}))
"#;

#[test]
fn a_script_fills_a_slot() {
    let place = Place::new();
    place.write("clean.py", SCRIPT);
    place.write("prepared.parquet", "PAR1 some rows PAR1");
    place.configure("[clean]\ncommand = [\"python3\", \"clean.py\"]\n");
    let first = place.xtask("pipeline", &["--json"]);
    first.ended(0).says(&["this is for the user"]).json();
    assert_eq!(place.manifest("clean")["package"], "python3 clean.py");
    place.verify();
    place.calls();
    place.xtask("pipeline", &[]).ended(0).says(&["clean is fresh"]);

    // The script is the stage's executable.
    place.write("clean.py", &SCRIPT.replace("\"b\"]", "\"c\"]"));
    place
        .xtask("pipeline", &[])
        .ended(0)
        .says(&["clean runs: executable changed", "split runs: input changed (clean)"]);
    place
        .xtask("pipeline", &["--set", "clean.min_characters=-1"])
        .ended(3)
        .says(&["error: the `clean` stage (python3 clean.py) refused its configuration (exit code 3)"]);
    place
        .xtask("pipeline", &["--set", "clean.forget=true"])
        .ended(1)
        .says(&["error: the `clean` stage (python3 clean.py) left out its output `labels.json`"]);
    place.verify();
}

#[test]
fn a_script_that_outlives_its_runner_keeps_the_next_one_waiting() {
    let place = Place::new();
    place.write("clean.py", SCRIPT);
    place.write("prepared.parquet", "PAR1 some rows PAR1");
    place.configure("[clean]\ncommand = [\"python3\", \"clean.py\"]\npause = 2\n");
    let mut first = place.start("pipeline", &[], 0);
    until(|| place.run_dir().join("clean.tmp").exists());
    std::thread::sleep(Duration::from_millis(300));
    first.kill().unwrap();
    first.wait().unwrap();
    let second = place.xtask("pipeline", &["--set", "clean.pause=0"]);
    second.ended(0).says(&["waiting for process", "(stage clean), which works on this run"]);
    place.verify();
}

#[test]
fn two_at_once_take_turns() {
    let place = Place::new();
    let first = place.start("pipeline", &[], 20);
    until(|| place.run_dir().join("fetch.tmp").exists());
    let second = place.start("pipeline", &[], 20);
    let (first, second) = (answer(first.wait_with_output().unwrap()), answer(second.wait_with_output().unwrap()));
    first.ended(0);
    second.ended(0).says(&["waiting for process", "export is fresh"]);
    assert_eq!(place.ran(), STAGES);
    place.verify();
}

#[test]
fn an_interrupt_ends_the_stage_and_the_same_command_goes_on() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let place = Place::new();
        let child = place.start("pipeline", &[], 30);
        until(|| place.run_dir().join("split.tmp").exists());
        // To the runner alone, as a supervisor does it.
        send(&child, signal);
        let answer = answer(child.wait_with_output().unwrap());
        answer.ended(130).says(&["error: interrupted", "hint: the same command continues from here"]);
        assert_eq!(answer.stdout, "");
        place.calls();
        place.xtask("pipeline", &[]).ended(0).says(&["clean is fresh"]);
        assert_eq!(place.ran(), &STAGES[2..]);
        place.verify();
    }
}

/// Kills the runner while training writes.
fn kill_while_training(place: &Place) {
    let mut child = place.start("pipeline", &[], 40);
    until(|| place.run_dir().join("train.tmp/metrics.jsonl").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    place.calls();
}

#[test]
fn a_killed_training_is_resumed_whatever_changed_but_its_inputs() {
    let place = Place::new();
    kill_while_training(&place);
    place.xtask("pipeline", &[]).ended(0).says(&["train resumes an interrupted run: has not run"]);
    assert!(place.calls().contains(&"train run resumed".to_owned()));
    assert_eq!(place.manifest("train").get("resumed_from"), None);
    place.verify();
    place.xtask("clean-run", &[]).ended(0);

    // Whether another configuration can go on from there is the stage's to say.
    kill_while_training(&place);
    place.xtask("pipeline", &["--set", "train.epochs=4"]).ended(0).says(&["train resumes an interrupted run"]);
    assert!(place.calls().contains(&"train run resumed".to_owned()));
    place.xtask("clean-run", &[]).ended(0);

    kill_while_training(&place);
    let before = firebrand_pipeline::hash::file(&place.path("bin/firebrand-train")).unwrap();
    place.rebuild("firebrand-train");
    place.xtask("pipeline", &[]).ended(0).says(&["train was begun by another build of firebrand-train"]);
    assert!(place.calls().contains(&"train run resumed".to_owned()));
    assert_eq!(place.manifest("train")["resumed_from"], serde_json::json!([before]));
    place.verify();
}

#[test]
fn a_killed_training_on_other_inputs_is_set_aside() {
    let place = Place::new();
    kill_while_training(&place);
    place.xtask("pipeline", &["--set", "clean.lowercase=true"]).ended(0).says(&[
        "train runs: has not run",
        "train work of an interrupted run is set aside in data/runs/my/train.set-aside-1: input changed (clean, tokenize)",
    ]);
    assert!(place.calls().contains(&"train run".to_owned()));
    assert!(place.run_dir().join("train.set-aside-1/metrics.jsonl").exists());
    place.verify();
    place.xtask("clean-run", &[]).ended(0);
    assert!(!place.run_dir().exists());
}

#[test]
fn a_model_that_a_new_one_replaces_is_kept() {
    let place = Place::new();
    place.xtask("pipeline", &[]).ended(0);
    let first = place.manifest("train");
    let set = ["--set", "train.epochs=4"];
    place
        .xtask("pipeline", &set)
        .ended(0)
        .says(&["train the result that this one replaces is kept in data/runs/my/train.previous"]);
    assert_eq!(place.manifest("train.previous"), first);
    assert!(!place.run_dir().join("evaluate.previous").exists());
    // The same result once more replaces nothing.
    let again = place.xtask("pipeline", &[&set[..], &["--force", "--only", "train"]].concat());
    assert!(!again.ended(0).stderr.contains("previous"), "{again:#?}");
    assert_eq!(place.manifest("train.previous"), first);
    place.xtask("clean-run", &[]).ended(0);
    assert!(!place.run_dir().exists());
}

/// Starts a program that ignores SIGHUP, as under `nohup`, or does not, whatever this process does.
fn start_with_hangup(command: &Command, action: &str) -> Child {
    const PROGRAM: &str = "import os, signal, sys
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
os.execvp(sys.argv[2], sys.argv[2:])";
    let mut python = Command::new("python3");
    python.args(["-c", PROGRAM, action]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => python.env(name, value),
            None => python.env_remove(name),
        };
    }
    python.env("FAKE_DELAY_MS", "200").stdin(Stdio::null());
    python.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn under_nohup_a_closed_terminal_does_not_matter() {
    let place = Place::new();
    let child = start_with_hangup(&place.command("pipeline", &[]), "SIG_IGN");
    until(|| place.run_dir().join("clean.tmp").exists());
    send(&child, Signal::SIGHUP);
    answer(child.wait_with_output().unwrap()).ended(0);
    place.verify();

    // Without it, the run ends, and goes on later.
    let child = start_with_hangup(&place.command("pipeline", &["--force"]), "SIG_DFL");
    until(|| place.run_dir().join("clean.tmp").exists());
    send(&child, Signal::SIGHUP);
    answer(child.wait_with_output().unwrap()).ended(130);
    place.verify();
}

#[test]
fn watched_files_make_a_script_stale() {
    let place = Place::new();
    place.write("clean.py", &format!("import words\n{SCRIPT}"));
    place.write("words.py", "");
    place.write("prepared.parquet", "PAR1 some rows PAR1");
    place.configure("[clean]\ncommand = [\"python3\", \"clean.py\"]\nwatch = [\"wor*.py\"]\n");
    place.xtask("pipeline", &[]).ended(0);
    let status = place.xtask("status", &[]);
    let note = "note: `clean` runs again when clean.py, words.py changes; not watched: `python3` and other files that it reads";
    assert!(status.ended(0).stdout.contains(note), "{status:#?}");
    place.write("words.py", "WORDS = []");
    place.xtask("pipeline", &[]).ended(0).says(&["clean runs: executable changed"]);
    place.configure("[clean]\ncommand = [\"python3\", \"clean.py\"]\nwatch = [\"wrods.py\"]\n");
    place.xtask("pipeline", &[]).ended(3).says(&["error: my.toml:3: `clean.watch` = \"wrods.py\" matches no file"]);
}
