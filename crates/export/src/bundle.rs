//! The files of `bundle/` beside the weights: tokenizer, cleaning options, reference figures.

use std::fs;
use std::path::Path;

use firebrand_dataset::LabelMap;
use firebrand_model::{Classifier, ProblemType};
use firebrand_pipeline::{Error, Result, ResultExt};
use firebrand_text::{TextOptions, TextTokenizer};

use crate::rows::TestRows;

/// Rows on which the written model must answer as the trained one, to the last bit.
const PROBES: usize = 32;

/// Loads a classifier of this pipeline.
///
/// # Errors
/// When the directory is no whole model, or its labels are not those of the data.
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
    let several = classifier.config().problem == ProblemType::MultiLabelClassification;
    if several != labels.is_multi_label() {
        let number = |several: bool| if several { "any number of labels" } else { "one label" };
        return Err(Error::data(format!(
            "the model and the data disagree: a text has {} in {}, and {} in labels.json",
            number(several),
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
        .map_err(|error| error.hint("run `cargo xtask stage train --force` to make it again"))
}

/// Loads what was written, and checks on some rows that it answers exactly as what was trained.
///
/// # Errors
/// When it does not: a mistake in this project, or a disk that does not keep what it is given.
pub(crate) fn reload(bundle: &Path, trained: &Classifier, device: &str, rows: &TestRows) -> Result<Classifier> {
    let written = load(bundle, device)?;
    let tokens = rows.tokens();
    let probes: Vec<_> = tokens.iter().step_by(tokens.len().div_ceil(PROBES)).copied().collect();
    let ask = |classifier: &Classifier| {
        classifier
            .logits(&probes, probes.len(), &mut |_| ())
            .or_data(|| "the model cannot answer the tokenized test rows".to_owned())
    };
    let bits = |logits: Vec<Vec<f32>>| -> Vec<u32> { logits.concat().into_iter().map(f32::to_bits).collect() };
    if bits(ask(trained)?) != bits(ask(&written)?) {
        return Err(Error::other(format!(
            "the model in {} does not answer as the trained one, although it was just written from it",
            bundle.display()
        ))
        .hint("check the disk, and report this if it comes again"));
    }
    Ok(written)
}

/// Brings the tokenizer along and reads it back from the bundle. Returns the longest text, in tokens.
///
/// # Errors
/// When it is no tokenizer, or one that does not fit the model.
pub(crate) fn copy_tokenizer(from: &Path, bundle: &Path, classifier: &Classifier) -> Result<usize> {
    TextTokenizer::read(from, None)?.write(bundle)?;
    let tokenizer = TextTokenizer::read(bundle, None)?;
    let misfit = |what: &str, tokenizer: usize, model: usize| {
        Error::data(format!(
            "tokenizer and model do not fit: {what}: {tokenizer} in the tokenizer, {model} in the model"
        ))
        .hint("they are of different runs: run `cargo xtask pipeline --from tokenize --force`")
    };
    if tokenizer.vocab_size() > classifier.vocab_size() {
        return Err(misfit("the number of tokens", tokenizer.vocab_size(), classifier.vocab_size()));
    }
    if let Some(most) = classifier.max_length().filter(|&most| tokenizer.max_length() > most) {
        return Err(misfit("the longest text", tokenizer.max_length(), most));
    }
    Ok(tokenizer.max_length())
}

/// Brings the cleaning options along. `None`: a custom clean stage left none.
///
/// # Errors
/// When the file is damaged or cannot be written.
pub(crate) fn copy_cleaning(from: Option<&Path>, bundle: &Path) -> Result<Option<TextOptions>> {
    let Some(from) = from else { return Ok(None) };
    let options = TextOptions::read(from)?;
    options.write(&bundle.join("text.json"))?;
    Ok(Some(options))
}

/// Copies a file's content. Not its permissions: an input that must not be written to would pass them on.
///
/// # Errors
/// When the system refuses.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).map_err(|error| Error::io("read", from, &error))?;
    fs::write(to, bytes).map_err(|error| Error::io("write", to, &error))
}

/// A file's size.
///
/// # Errors
/// When it is not there.
pub(crate) fn size(path: &Path) -> Result<u64> {
    fs::metadata(path).map(|found| found.len()).map_err(|error| Error::io("read", path, &error))
}
