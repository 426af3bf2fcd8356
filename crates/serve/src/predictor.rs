//! From raw texts to labels.

use std::path::Path;

use firebrand_model::{Classifier, ProblemType, Tokens, softmax};
use firebrand_pipeline::{Error, Result, ResultExt, progress};
use firebrand_text::{Encoded, TextOptions, TextTokenizer};
use serde::Serialize;

use crate::bundle;

/// A label and how likely it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The label's name.
    pub label: String,
    /// Its probability; those of all labels add up to 1.
    pub score: f32,
}

/// What a text is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The most likely label.
    pub label: String,
    /// Its probability.
    pub score: f32,
    /// Every label, most likely first; in the labels' order where equally likely.
    pub scores: Vec<Score>,
    /// Tokens that were cut off, as the model takes no longer text.
    pub cut: u32,
}

/// A bundle, ready to answer.
#[derive(Debug)]
pub struct Predictor {
    classifier: Classifier,
    tokenizer: TextTokenizer,
    cleaning: TextOptions,
    batch_size: usize,
}

impl Predictor {
    /// Loads a bundle: model, tokenizer, and how texts are cleaned (`text.json`). Without that last file texts are taken as
    /// they are, and stderr is told.
    ///
    /// `batch_size` is how many texts are computed together at most; it decides on memory and speed, not on answers.
    ///
    /// # Errors
    /// When the device cannot be used, or a file is missing, damaged, or of another model.
    pub fn load(directory: &Path, device: &str, batch_size: usize) -> Result<Self> {
        let device = firebrand_model::device(device).map_err(|error| {
            Error::config(format!("the device cannot be used: {error}"))
                .hint("leave `--device` out, or set it to `flex`, to run on the CPU")
        })?;
        bundle::check(directory)?;
        let tokenizer = TextTokenizer::read(directory, None)?;
        let path = directory.join("text.json");
        let cleaning = if path.exists() {
            TextOptions::read(&path)?
        } else {
            progress::log(&format!("note: there is no {}: texts are taken as they are", path.display()));
            TextOptions::UNTOUCHED
        };
        let classifier = Classifier::load(directory, &device)
            .or_data(|| format!("cannot load the model in {}", directory.display()))
            .map_err(|error| error.hint("`cargo xtask stage export --force` makes the bundle again"))?;
        check(directory, &classifier, &tokenizer)?;
        Ok(Self { classifier, tokenizer, cleaning, batch_size })
    }

    /// The labels' names, in the model's order.
    pub fn labels(&self) -> &[String] {
        self.classifier.labels()
    }

    /// The longest text, in tokens, special tokens included.
    pub fn max_length(&self) -> usize {
        self.tokenizer.max_length()
    }

    /// Answers texts, in their order.
    ///
    /// # Errors
    /// When the tokenizer cannot write a text, or the model's answer is no number.
    pub fn predict(&self, texts: &[&str]) -> Result<Vec<Answer>> {
        let cleaned: Vec<String> = texts.iter().map(|text| self.cleaning.clean(text)).collect();
        let cleaned: Vec<&str> = cleaned.iter().map(String::as_str).collect();
        let mut rows = self.tokenizer.encode_batch(&cleaned)?;
        // Without special tokens an empty text has no token at all, and the model must see one.
        for row in rows.iter_mut().filter(|row| row.ids.is_empty()) {
            *row = Encoded { ids: vec![self.classifier.pad_token_id()], type_ids: vec![0], cut: row.cut };
        }
        let tokens: Vec<Tokens<'_>> =
            rows.iter().map(|row| Tokens { ids: &row.ids, type_ids: &row.type_ids }).collect();
        let logits = self
            .classifier
            .logits(&tokens, self.batch_size, &mut |_| ())
            .or_data(|| "the model cannot answer the tokenized texts".to_owned())?;
        logits.iter().zip(&rows).map(|(logits, row)| self.answer(logits, row.cut)).collect()
    }

    fn answer(&self, logits: &[f32], cut: u32) -> Result<Answer> {
        let labels = self.labels();
        if logits.len() != labels.len() || logits.iter().any(|logit| !logit.is_finite()) {
            return Err(Error::data(format!("the model answers {logits:?}, which are no scores of {labels:?}"))
                .hint("its weights are damaged, or training has diverged: train it again with a lower learning rate"));
        }
        let mut scores: Vec<Score> =
            labels.iter().zip(softmax(logits)).map(|(label, score)| Score { label: label.clone(), score }).collect();
        scores.sort_by(|a, b| b.score.total_cmp(&a.score));
        let Some(Score { label, score }) = scores.first().cloned() else {
            return Err(Error::data("the model has no labels"));
        };
        Ok(Answer { label, score, scores, cut })
    }
}

/// Model and tokenizer must be of one bundle, and of the kind that is answered here.
fn check(directory: &Path, classifier: &Classifier, tokenizer: &TextTokenizer) -> Result<()> {
    if classifier.config().problem != ProblemType::SingleLabelClassification {
        return Err(Error::data(format!("{} gives a text several labels", directory.join("config.json").display()))
            .hint("this program answers with one label per text"));
    }
    let misfit = |what: &str, tokenizer: usize, model: usize| {
        let place = directory.display();
        Err(Error::data(format!(
            "tokenizer and model in {place} do not fit: {what}: {tokenizer} in the tokenizer, {model} in the model"
        ))
        .hint("they are of different models: `cargo xtask stage export --force` makes the bundle again"))
    };
    if tokenizer.vocab_size() > classifier.vocab_size() {
        return misfit("the number of tokens", tokenizer.vocab_size(), classifier.vocab_size());
    }
    if let Some(most) = classifier.max_length().filter(|&most| tokenizer.max_length() > most) {
        return misfit("the longest text", tokenizer.max_length(), most);
    }
    Ok(())
}
