//! Inputs that cannot be evaluated: each is a data error with a hint.

use super::*;

#[test]
fn a_model_with_other_labels_is_refused() {
    let run = Run::new();
    LabelMap::new(["beta", "alpha", "gamma"].map(str::to_owned).to_vec())
        .unwrap()
        .write(&run.path("clean/labels.json"))
        .unwrap();
    assert!(run.refused().message().contains("label 0 is `alpha` in the model and `beta` in labels.json"));
}

#[test]
fn one_label_is_refused() {
    let run = Run::new();
    LabelMap::new(vec!["only".to_owned()]).unwrap().write(&run.path("clean/labels.json")).unwrap();
    assert!(run.refused().message().contains("only one label, `only`"));
}

#[test]
fn a_damaged_model_is_refused() {
    let run = Run::new();
    let weights = run.path("train/model/model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    assert!(run.refused().message().starts_with("cannot load the model in "));
    fs::remove_file(&weights).unwrap();
    assert!(run.refused().render().contains("model.safetensors"));
}

#[test]
fn tokens_that_the_model_cannot_take_are_refused() {
    let run = Run::new();
    let (_, mut tokens) = rows(2000, 30);
    tokens[3].ids[0] = 120;
    write_tokens(&run.path("tokenize/test.parquet"), &tokens).unwrap();
    let error = run.refused();
    assert!(error.message().starts_with("the model cannot classify"), "{}", error.render());
    assert!(error.render().contains("120"), "{}", error.render());
}

#[test]
fn tokens_of_other_rows_are_refused() {
    let run = Run::new();
    write_tokens(&run.path("tokenize/test.parquet"), &rows(2000, 29).1).unwrap();
    assert!(run.refused().message().ends_with("29 rows instead of 30"));
}

#[test]
fn missing_inputs_are_named() {
    for file in
        ["clean/labels.json", "split/test.parquet", "augment/train.parquet", "train/metrics.jsonl", "train/model"]
    {
        let run = Run::new();
        let path = run.path(file);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        let (stage, name) = file.split_once('/').unwrap();
        let message = run.refused().message().to_owned();
        assert!(message.starts_with(&format!("the `{stage}` stage left no `{name}`")), "{message}");
    }
}

#[test]
fn a_model_whose_logits_overflow_is_refused() {
    let run = Run::new();
    let weights = run.path("train/model/model.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    // The first eight bytes are the length of the header; everything after the header is float32. NaN would be
    // refused when loading; numbers this large are not, but their sums are not finite.
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for value in bytes[8 + header..].chunks_exact_mut(4) {
        value.copy_from_slice(&f32::MAX.to_le_bytes());
    }
    fs::write(&weights, &bytes).unwrap();
    let error = run.refused();
    assert!(error.message().contains("is not finite"), "{}", error.render());
}
