//! Reads the trained model and writes the files of `bundle/`: model, tokenizer, cleaning options, reference statistics.

use std::fs;
use std::path::Path;

use firebrand_arch::ProblemType;
use firebrand_dataset::LabelMap;
use firebrand_model::Classifier;
use firebrand_pipeline::{Error, Result, ResultExt};
use firebrand_text::{TextOptions, TextTokenizer};

use crate::rows::TestRows;

/// Number of rows on which the logits of the written and the trained model must be equal to the last bit.
const PROBES: usize = 32;

/// Loads the model of the train stage.
///
/// # Errors
/// When it is incomplete, or its labels differ from those of the data.
pub(crate) fn load_trained(directory: &Path, device: &str, labels: &LabelMap) -> Result<Classifier> {
    let classifier = load(directory, device)?;
    if classifier.labels() != labels.names() {
        let problem = format!(
            "the model and the data disagree about the labels: {:?} in {}, {:?} in labels.json",
            classifier.labels(),
            directory.join("config.json").display(),
            labels.names()
        );
        return Err(Error::data(problem)
            .hint("the model was trained on other data: run `cargo xtask pipeline --from train --force`"));
    }
    let multi_label = classifier.config().problem == ProblemType::MultiLabelClassification;
    if multi_label != labels.is_multi_label() {
        let number = |multi_label: bool| if multi_label { "any number of labels" } else { "one label" };
        return Err(Error::data(format!(
            "the model and the data disagree: a text has {} in {}, but {} in labels.json",
            number(multi_label),
            directory.join("config.json").display(),
            number(labels.is_multi_label())
        ))
        .hint("the model was trained on other data: run `cargo xtask pipeline --from train --force`"));
    }
    Ok(classifier)
}

fn load(directory: &Path, device: &str) -> Result<Classifier> {
    let device =
        firebrand_model::device(device).map_err(|error| Error::key("device", format!("cannot be used: {error}")))?;
    Classifier::load(directory, &device)
        .or_data(|| format!("cannot load the model in {}", directory.display()))
        .map_err(|error| error.hint("run `cargo xtask stage train --force` to create it again"))
}

/// Loads the model that was just written, and checks on some rows that its logits equal those of the trained model.
///
/// # Errors
/// When they differ, because of a bug or a failing disk.
pub(crate) fn reload(bundle: &Path, trained: &Classifier, device: &str, rows: &TestRows) -> Result<Classifier> {
    let written = load(bundle, device)?;
    let tokens = rows.tokens();
    let probes: Vec<_> = tokens.iter().step_by(tokens.len().div_ceil(PROBES)).copied().collect();
    let scores = |classifier: &Classifier| {
        classifier
            .logits(&probes, probes.len(), &mut |_| ())
            .or_data(|| "the model cannot classify the tokenized test rows".to_owned())
    };
    let bits = |logits: Vec<Vec<f32>>| -> Vec<u32> { logits.concat().into_iter().map(f32::to_bits).collect() };
    if bits(scores(trained)?) != bits(scores(&written)?) {
        return Err(Error::other(format!(
            "the model in {} was just written, but its logits differ from those of the trained model",
            bundle.display()
        ))
        .hint("check the disk, and report this if it happens again"));
    }
    Ok(written)
}

/// Writes the tokenizer and reads it back from the bundle. Returns the maximum number of tokens per
/// row.
///
/// # Errors
/// When it is not a tokenizer, or not the tokenizer of this model.
pub(crate) fn copy_tokenizer(from: &Path, bundle: &Path, classifier: &Classifier) -> Result<usize> {
    TextTokenizer::read(from, None)?.write(bundle)?;
    let tokenizer = TextTokenizer::read(bundle, None)?;
    tokenizer.check_fit(classifier.vocab_size(), classifier.max_length()).map_err(|error| {
        error.hint("they are from different runs: run `cargo xtask pipeline --from tokenize --force`")
    })?;
    Ok(tokenizer.max_length())
}

/// Copies the cleaning options. `None` if a custom clean stage wrote none.
///
/// # Errors
/// When the file is damaged or cannot be written.
pub(crate) fn copy_cleaning(from: Option<&Path>, bundle: &Path) -> Result<Option<TextOptions>> {
    let Some(from) = from else { return Ok(None) };
    let options = TextOptions::read(from)?;
    options.write(&bundle.join("text.json"))?;
    Ok(Some(options))
}

/// Copies the content of a file but not its permissions, so that copies of read-only inputs are writable.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).map_err(|error| Error::io("read", from, &error))?;
    fs::write(to, bytes).map_err(|error| Error::io("write", to, &error))
}

/// A file's size in bytes.
///
/// # Errors
/// When the file does not exist.
pub(crate) fn size(path: &Path) -> Result<u64> {
    fs::metadata(path).map(|found| found.len()).map_err(|error| Error::io("read", path, &error))
}
