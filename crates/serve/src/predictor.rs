//! From raw texts to labels.

use std::path::Path;

use firebrand_model::{Classifier, ProblemType, Tokens, softmax};
use firebrand_pipeline::{Error, Result, ResultExt, progress};
use firebrand_text::{Encoded, TextOptions, TextTokenizer};
use serde::Serialize;

use crate::bundle;

/// What the model is asked about: a text, or a pair of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// The text, or the first of two.
    pub text: &'a str,
    /// The second text.
    pub pair: Option<&'a str>,
}

impl<'a> From<&'a str> for Query<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, pair: None }
    }
}

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
    /// Whether the model was trained on pairs of texts; `None` where the bundle does not say.
    pairs: Option<bool>,
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
        let (cleaning, pairs) = if path.exists() {
            let options = TextOptions::read(&path)?;
            (options, Some(options.pairs))
        } else {
            progress::log(&format!("note: there is no {}: texts are taken as they are", path.display()));
            (TextOptions::UNTOUCHED, None)
        };
        let classifier = Classifier::load(directory, &device)
            .or_data(|| format!("cannot load the model in {}", directory.display()))
            .map_err(|error| error.hint("`cargo xtask stage export --force` makes the bundle again"))?;
        check(directory, &classifier, &tokenizer)?;
        Ok(Self { classifier, tokenizer, cleaning, pairs, batch_size })
    }

    /// The labels' names, in the model's order.
    pub fn labels(&self) -> &[String] {
        self.classifier.labels()
    }

    /// The longest text, in tokens, special tokens included.
    pub fn max_length(&self) -> usize {
        self.tokenizer.max_length()
    }

    /// Whether the model was trained on pairs of texts rather than on single ones; `None` where the bundle does not say.
    pub fn pairs(&self) -> Option<bool> {
        self.pairs
    }

    /// Answers texts, or pairs of them, in their order.
    ///
    /// # Errors
    /// When the model takes pairs and is asked about a single text, or the other way round; when the tokenizer cannot write a
    /// text, or the model's answer is no number.
    pub fn predict(&self, queries: &[Query<'_>]) -> Result<Vec<Answer>> {
        if let Some(index) =
            queries.iter().position(|query| self.pairs.is_some_and(|pairs| pairs != query.pair.is_some()))
        {
            return Err(self.other_kind(index + 1));
        }
        let row = |query: &Query<'_>| -> Result<Encoded> {
            let text = self.cleaning.clean(query.text);
            match query.pair {
                Some(pair) => self.tokenizer.encode_pair(&text, &self.cleaning.clean(pair)),
                None => self.tokenizer.encode(&text),
            }
        };
        let rows = queries.iter().map(row).collect::<Result<Vec<_>>>()?;
        let tokens: Vec<Tokens<'_>> =
            rows.iter().map(|row| Tokens { ids: &row.ids, type_ids: &row.type_ids }).collect();
        let logits = self
            .classifier
            .logits(&tokens, self.batch_size, &mut |_| ())
            .or_data(|| "the model cannot answer the tokenized texts".to_owned())?;
        logits.iter().zip(&rows).map(|(logits, row)| self.answer(logits, row.cut)).collect()
    }

    /// Text `number` (from 1) is a single one where the model takes pairs, or the other way round.
    pub(crate) fn other_kind(&self, number: usize) -> Error {
        if self.pairs == Some(true) {
            Error::data(format!("text {number} is a single text, but the model was trained on pairs of texts"))
                .hint("put the second text behind the first with a tab between them, or give it with `--pair`")
        } else {
            Error::data(format!("text {number} is a pair of texts, but the model was trained on single ones"))
                .hint("leave `--pair` out")
        }
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
