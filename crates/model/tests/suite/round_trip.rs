//! What is loaded and saved is the same, bit for bit and name for name, for every family.
//!
//! Where `FIREBRAND_ROUND_TRIP` names a directory, what is saved stays there, for `scripts/check_families.py`, which loads it
//! with transformers.

use std::fs;
use std::path::{Path, PathBuf};

use firebrand_arch::{SafetensorsFile, StartFrom, StartHead, write_safetensors};
use firebrand_model::{Classifier, device, named_parameters};
use serde_json::{Value, json};

use crate::support::{Fixture, for_each_fixture, read_json};

/// Calls a check with every fixture on one device: where parameters live makes no difference to files.
fn each(mut check: impl FnMut(&Fixture)) {
    let first = device("flex").unwrap();
    for_each_fixture(|fixture, device| {
        if *device == first {
            check(fixture);
        }
    });
}

fn load(directory: &Path) -> Classifier {
    Classifier::load(directory, &device("flex").unwrap()).unwrap()
}

#[test]
fn every_family_is_saved_as_it_was_loaded() {
    let kept = std::env::var_os("FIREBRAND_ROUND_TRIP").map(PathBuf::from);
    let temporary = tempfile::tempdir().unwrap();
    each(|fixture| {
        let name = fixture.directory.file_name().unwrap();
        let saved = kept.as_deref().unwrap_or(temporary.path()).join(name);
        load(&fixture.directory).save(&saved).unwrap();

        let file = |directory: &Path| SafetensorsFile::read(&directory.join("model.safetensors")).unwrap();
        let (before, after) = (file(&fixture.directory), file(&saved));
        assert_eq!(before.shapes(), after.shapes());
        for name in before.shapes().into_keys() {
            let bits = |file: &SafetensorsFile| -> Vec<u32> {
                file.floats(&name).unwrap().values.into_iter().map(f32::to_bits).collect()
            };
            assert!(bits(&before) == bits(&after), "{name} differs");
        }
        assert_eq!(read_json(&fixture.directory.join("config.json"))["architectures"], config(&saved)["architectures"]);

        let rows = fixture.rows();
        let logits = |directory: &Path| load(directory).logits(&rows.tokens(), 4, &mut |_| ()).unwrap();
        assert_eq!(logits(&fixture.directory), logits(&saved));
    });
}

fn config(directory: &Path) -> Value {
    read_json(&directory.join("config.json"))
}

/// Without prefix and head, as the hub's files of bare encoders are: the encoder is found, the head is new.
#[test]
fn bare_encoders_get_a_new_head() {
    let directory = tempfile::tempdir().unwrap();
    each(|fixture| {
        let classifier = load(&fixture.directory);
        let file = SafetensorsFile::read(&fixture.directory.join("model.safetensors")).unwrap();
        let prefix = match classifier.family() {
            "distilbert" => "distilbert.",
            "gpt2" | "xlnet" => "transformer.",
            "deberta-v2" => "deberta.",
            "modernbert" => "model.",
            other => &format!("{other}."),
        };
        let tensors: Vec<_> = file
            .shapes()
            .into_keys()
            .filter_map(|name| Some((name.strip_prefix(prefix)?.to_owned(), file.floats(&name).unwrap())))
            .collect();
        assert!(tensors.len() > 10, "{prefix} is in few names");
        let views = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.view()));
        let strings = [("format".to_owned(), "pt".to_owned())].into();
        write_safetensors(&directory.path().join("model.safetensors"), views, strings).unwrap();
        fs::copy(fixture.directory.join("config.json"), directory.path().join("config.json")).unwrap();

        let error = Classifier::load(directory.path(), &device("flex").unwrap()).unwrap_err().to_string();
        assert!(error.contains("is missing"), "{error}");
        let from = StartFrom { head: StartHead::New, ..StartFrom::new(vec!["a".into(), "b".into()], 1) };
        let (started, report) = Classifier::start(directory.path(), &from, &device("flex").unwrap()).unwrap();
        assert_eq!(report.loaded + report.new.len(), named_parameters(&started.network).len());
        assert_eq!(started.network.head.output.weight.val().dims()[1], 2);
        assert!(report.left_out.is_empty(), "{report:?}");
        assert!(!report.new.is_empty());
    });
}

/// A head is kept by its labels' names, not by their places.
#[test]
fn a_head_is_kept_by_the_names_of_its_labels() {
    each(|fixture| {
        let classifier = load(&fixture.directory);
        let device = device("flex").unwrap();
        let rows = fixture.rows();
        let rows = rows.tokens();
        let before = classifier.logits(&rows, 4, &mut |_| ()).unwrap();

        let reversed: Vec<String> = classifier.labels().iter().rev().cloned().collect();
        let from = StartFrom {
            head: StartHead::Keep,
            problem: classifier.config().problem,
            ..StartFrom::new(reversed.clone(), 1)
        };
        let (kept, report) = Classifier::start(&fixture.directory, &from, &device).unwrap();
        assert!(report.new.is_empty(), "{report:?}");
        assert_eq!(kept.labels(), reversed);
        let after = kept.logits(&rows, 4, &mut |_| ()).unwrap();
        for (before, after) in before.iter().zip(after) {
            assert_eq!(before.iter().rev().copied().collect::<Vec<_>>(), after);
        }

        let other = StartFrom::new(vec!["one".into(), "two".into()], 1);
        let (replaced, report) = Classifier::start(&fixture.directory, &other, &device).unwrap();
        assert!(report.new.iter().any(|name| name.contains("weight")), "{report:?}");
        assert_eq!(replaced.labels().len(), 2);
        let keep = StartFrom { head: StartHead::Keep, ..other };
        let error = Classifier::start(&fixture.directory, &keep, &device).unwrap_err().to_string();
        assert!(error.contains("cannot be kept") && error.contains("one"), "{error}");
    });
}

/// The mean of the hidden states, by choice: it is saved so that it is read back the same, and so that transformers does not
/// take its output map for its own.
#[test]
fn mean_pooling_is_saved_under_a_name_of_its_own() {
    let saved = tempfile::tempdir().unwrap();
    each(|fixture| {
        let device = device("flex").unwrap();
        let from =
            StartFrom { mean_pooling: true, head: StartHead::New, ..StartFrom::new(vec!["a".into(), "b".into()], 1) };
        let (classifier, report) = Classifier::start(&fixture.directory, &from, &device).unwrap();
        classifier.save(saved.path()).unwrap();
        let file = SafetensorsFile::read(&saved.path().join("model.safetensors")).unwrap();
        let own = classifier.family() == "modernbert";
        assert_eq!(file.shapes().contains_key("mean_pooling.classifier.weight"), !own);
        assert_eq!(config(saved.path())["classifier_pooling"], json!("mean"));
        assert_eq!(report.new.len(), 2, "{report:?}");

        let rows = fixture.rows();
        let rows = rows.tokens();
        let answers = load(saved.path()).logits(&rows, 4, &mut |_| ()).unwrap();
        assert_eq!(answers, classifier.logits(&rows, 4, &mut |_| ()).unwrap());
        // Padding does not count into the mean.
        let alone = classifier.logits(&rows, 1, &mut |_| ()).unwrap();
        for (one, other) in answers.concat().iter().zip(alone.concat()) {
            assert!((one - other).abs() < 1e-5, "{one} and {other}");
        }
    });
}
