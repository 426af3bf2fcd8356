//! A classifier with int8 weights: written, read back, and close to the one it was made of.

use std::fs;

use burn::tensor::Device;
use firebrand_arch::INT8_FILE;
use firebrand_model::{Classifier, Tokens};
use tempfile::TempDir;

use crate::support::golden;

const IDS: [&[u32]; 3] = [&[38, 17, 66, 56, 31, 72, 18, 37], &[102, 58, 79], &[70, 101, 11, 107, 83]];

fn device() -> Device {
    firebrand_model::device("flex").unwrap()
}

fn saved() -> (TempDir, Classifier) {
    let directory = tempfile::tempdir().unwrap();
    let classifier = Classifier::load(&golden().join("models/bert"), &device()).unwrap();
    classifier.save(directory.path()).unwrap();
    classifier.save_int8(directory.path()).unwrap();
    (directory, classifier)
}

fn logits(classifier: &Classifier) -> Vec<f32> {
    let zeros = [0; 8];
    let rows: Vec<_> = IDS.iter().map(|ids| Tokens { ids, type_ids: &zeros[..ids.len()] }).collect();
    classifier.logits(&rows, 8, &mut |_| ()).unwrap().concat()
}

#[test]
fn scores_stay_close_and_the_file_is_small() {
    let (directory, classifier) = saved();
    let loaded = Classifier::load_int8(directory.path(), &device()).unwrap();
    assert_eq!(loaded.labels(), classifier.labels());
    let (exact, rough) = (logits(&classifier), logits(&loaded));
    let largest = exact.iter().zip(&rough).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(largest > 0.0, "int8 cannot be without loss here");
    assert!(largest < 0.1, "{largest}: {exact:?} became {rough:?}");
    let bytes = |path: &str| fs::metadata(directory.path().join(path)).unwrap().len();
    // The header weighs more in so small a model.
    assert!(bytes(INT8_FILE) * 2 < bytes("model.safetensors"));
}
