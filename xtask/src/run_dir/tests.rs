//! Tests of a run's directory.

use std::collections::BTreeMap;

use super::*;

fn recipe(stage: Slot, executable: &str, input: &str) -> Recipe {
    Recipe {
        stage,
        executable: executable.to_owned(),
        config: serde_json::json!({ "epochs": executable.len() }),
        files: BTreeMap::new(),
        inputs: stage.inputs().iter().map(|&slot| (slot, input.to_owned())).collect(),
    }
}

fn manifest(slot: Slot, seconds: f64) -> Manifest {
    Manifest {
        stage: slot,
        package: "p".to_owned(),
        version: None,
        protocol: 1,
        executable: "e".to_owned(),
        resumed_from: Vec::new(),
        config: serde_json::json!({}),
        files: BTreeMap::new(),
        inputs: BTreeMap::new(),
        outputs: vec![OutputFile { path: "model".to_owned(), bytes: 1, blake3: seconds.to_string() }],
        seconds,
    }
}

fn run_dir() -> (tempfile::TempDir, RunDir) {
    let dir = tempfile::tempdir().unwrap();
    let run = RunDir::new(dir.path().to_owned());
    (dir, run)
}

fn finish(run: &RunDir, slot: Slot, seconds: f64) -> Option<PathBuf> {
    run.begin(slot, &recipe(slot, "e", "input")).unwrap();
    fs::write(run.tmp(slot).join("model"), "x").unwrap();
    run.commit(slot, &manifest(slot, seconds)).unwrap()
}

fn seconds(run: &RunDir, slot: Slot) -> Option<f64> {
    run.manifest(slot).unwrap().map(|manifest| manifest.seconds)
}

#[test]
fn a_new_result_takes_the_place_of_the_old_one() {
    let (_dir, run) = run_dir();
    finish(&run, Slot::Clean, 1.0);
    fs::write(run.stage(Slot::Clean).join("old.txt"), "x").unwrap();
    finish(&run, Slot::Clean, 2.0);
    assert_eq!(seconds(&run, Slot::Clean), Some(2.0));
    assert!(!run.stage(Slot::Clean).join("old.txt").exists());
    assert!(!run.old(Slot::Clean).exists() && !run.tmp(Slot::Clean).exists());
}

#[test]
fn a_kill_between_the_two_renames_is_made_good() {
    let (_dir, run) = run_dir();
    finish(&run, Slot::Clean, 1.0);
    run.begin(Slot::Clean, &recipe(Slot::Clean, "e", "input")).unwrap();
    let text = serde_json::to_string(&manifest(Slot::Clean, 2.0)).unwrap();
    fs::write(run.tmp(Slot::Clean).join(MANIFEST), text).unwrap();
    fs::rename(run.stage(Slot::Clean), run.old(Slot::Clean)).unwrap();
    run.recover().unwrap();
    assert_eq!(seconds(&run, Slot::Clean), Some(2.0));
    assert!(!run.old(Slot::Clean).exists());
    // And where the new one is not complete, the old one comes back.
    run.begin(Slot::Clean, &recipe(Slot::Clean, "e", "input")).unwrap();
    fs::rename(run.stage(Slot::Clean), run.old(Slot::Clean)).unwrap();
    run.recover().unwrap();
    assert_eq!(seconds(&run, Slot::Clean), Some(2.0));
    assert!(!run.tmp(Slot::Clean).exists());
}

#[test]
fn training_is_resumed_whatever_changed_but_its_inputs() {
    let (_dir, run) = run_dir();
    for slot in [Slot::Clean, Slot::Train] {
        let trains = slot == Slot::Train;
        assert_eq!(run.begin(slot, &recipe(slot, "one", "input")).unwrap(), Begun::Empty);
        fs::write(run.tmp(slot).join("checkpoint"), "x").unwrap();
        run.recover().unwrap();
        assert_eq!(run.tmp(slot).join("checkpoint").exists(), trains);
        let resumed = |executable: &str| run.begin(slot, &recipe(slot, executable, "input")).unwrap();
        let expected = |executables: &[&str]| match trains {
            true => Begun::Resumed(executables.iter().map(|&name| name.to_owned()).collect()),
            false => Begun::Empty,
        };
        assert_eq!(resumed("one"), expected(&[]));
        assert_eq!(resumed("other"), expected(&["one"]));
        assert_eq!(resumed("other"), expected(&["one"]));
        assert_eq!(resumed("third"), expected(&["one", "other"]));
        assert_eq!(resumed("one"), expected(&["other", "third"]));
        assert_eq!(run.tmp(slot).join("checkpoint").exists(), trains);
    }
}

#[test]
fn training_on_other_inputs_is_set_aside() {
    let (_dir, run) = run_dir();
    let begin = |input: &str| run.begin(Slot::Train, &recipe(Slot::Train, "e", input)).unwrap();
    let work = || fs::write(run.tmp(Slot::Train).join("checkpoint"), "x").unwrap();
    begin("one");
    // Nothing was made yet: there is nothing to keep.
    assert_eq!(begin("two"), Begun::Empty);
    work();
    let why = "input changed (fetch, clean, tokenize)".to_owned();
    assert_eq!(begin("three"), Begun::SetAside { to: run.path().join("train.set-aside-1"), why });
    assert!(
        run.path().join("train.set-aside-1/checkpoint").exists() && !run.tmp(Slot::Train).join("checkpoint").exists()
    );
    work();
    // Without a key nothing vouches for what is there.
    fs::remove_file(run.key(Slot::Train)).unwrap();
    let why = "nothing says what it was made from".to_owned();
    assert_eq!(begin("three"), Begun::SetAside { to: run.path().join("train.set-aside-2"), why });
    assert!(run.discard(Slot::Train).unwrap());
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
}

#[test]
fn superseded_work_is_no_part_of_the_result() {
    let (_dir, run) = run_dir();
    for slot in [Slot::Clean, Slot::Train] {
        run.begin(slot, &recipe(slot, "e", "input")).unwrap();
        fs::create_dir(run.tmp(slot).join("checkpoints.superseded")).unwrap();
        fs::create_dir(run.tmp(slot).join("checkpoints.superseded-2")).unwrap();
        fs::write(run.tmp(slot).join("model"), "x").unwrap();
        let mut kept = run.set_superseded_aside(slot).unwrap();
        kept.sort();
        let expected = ["train.set-aside-1", "train.set-aside-2"].map(|name| run.path().join(name));
        assert_eq!(kept, if slot == Slot::Train { expected.to_vec() } else { Vec::new() });
        assert_eq!(fs::read_dir(run.tmp(slot)).unwrap().count(), if slot == Slot::Train { 1 } else { 3 });
    }
}

#[test]
fn one_previous_model_is_kept() {
    let (_dir, run) = run_dir();
    let previous = run.previous(Slot::Train);
    assert_eq!(finish(&run, Slot::Train, 1.0), None);
    // The same result once more is no other model.
    assert_eq!(finish(&run, Slot::Train, 1.0), None);
    for (seconds, before) in [(2.0, 1.0), (3.0, 2.0)] {
        assert_eq!(finish(&run, Slot::Train, seconds), Some(previous.clone()));
        let kept: Manifest = read_json(&previous.join(MANIFEST)).unwrap();
        assert_eq!((kept.seconds, previous.join("model").exists()), (before, true));
    }
    // A kill before the old result was put there is made good.
    fs::rename(&previous, run.old(Slot::Train)).unwrap();
    run.recover().unwrap();
    assert!(previous.exists() && !run.old(Slot::Train).exists());
    run.discard(Slot::Train).unwrap();
    assert!(!previous.exists());
    finish(&run, Slot::Clean, 1.0);
    assert_eq!(finish(&run, Slot::Clean, 2.0), None);
    assert!(!run.previous(Slot::Clean).exists());
}

#[test]
fn what_is_discarded_is_gone_and_damage_is_seen() {
    let (_dir, run) = run_dir();
    finish(&run, Slot::Train, 1.0);
    let mut damaged = manifest(Slot::Train, 1.0);
    assert_eq!(run.first_damage(&damaged), None);
    let output = OutputFile { path: "a".to_owned(), bytes: 1, blake3: String::new() };
    damaged.outputs.push(output);
    assert_eq!(run.first_damage(&damaged).as_deref(), Some("a"));
    fs::write(run.stage(Slot::Train).join("a"), "x").unwrap();
    assert_eq!(run.first_damage(&damaged), None);
    assert!(run.discard(Slot::Train).unwrap());
    assert!(!run.discard(Slot::Train).unwrap());
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 0);
}
