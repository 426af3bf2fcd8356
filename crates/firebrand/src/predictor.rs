//! From raw texts to labels.

use std::path::Path;

use firebrand_metrics::Task;
use firebrand_model::{Classifier, ProblemType, Tokens};
use firebrand_pipeline::{Error, Result, ResultExt};
use firebrand_text::{Encoded, TextOptions, TextTokenizer};
use serde::Serialize;

use crate::bundle;
use crate::refusal::{InputKind, Refusal};

/// A text, or a pair of texts, to be classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query<'a> {
    /// The text, or the first of a pair.
    pub text: &'a str,
    /// The second text of a pair.
    pub pair: Option<&'a str>,
}

impl<'a> From<&'a str> for Query<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, pair: None }
    }
}

/// A label and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The label's name.
    pub label: String,
    /// Single-label probabilities add up to 1; in a multi-label model each is between 0 and 1 on its own.
    pub score: f32,
}

/// The prediction for one query.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Every label, most likely first; equally likely ones in the model's order.
    pub scores: Vec<Score>,
    /// Number of labels that a multi-label model assigns: the first ones of `scores`. `None` for a single-label model,
    /// which always assigns the first.
    pub assigned: Option<usize>,
    /// Tokens lost to truncation.
    pub truncated_tokens: u32,
    /// Nothing of the text (of either text of a pair) reaches the model: its labels are those of the empty string.
    pub empty: bool,
}

/// A bundle, loaded and ready to classify texts.
#[derive(Debug)]
pub struct Predictor {
    classifier: Classifier,
    tokenizer: TextTokenizer,
    cleaning: TextOptions,
    /// What the model was trained on; `None` if the bundle does not say.
    kind: Option<InputKind>,
    /// Token ids of an empty text.
    empty_ids: Vec<u32>,
    batch_size: usize,
}

impl Predictor {
    /// Loads a bundle: the model, its tokenizer, and the cleaning options (`text.json`). Without a `text.json` texts are not
    /// cleaned, and a warning says so.
    ///
    /// `batch_size` is the largest number of texts in one forward pass; it affects memory and speed, not predictions.
    ///
    /// # Errors
    /// When the device is not available, or a file is missing, damaged, or belongs to another model.
    pub fn load(directory: &Path, device: &str, batch_size: usize) -> Result<Self> {
        let device = firebrand_model::device(device).map_err(|error| {
            Error::config(format!("the device cannot be used: {error}"))
                .hint("leave `--device` out, or set it to `flex`, to run on the CPU")
        })?;
        bundle::check(directory)?;
        let tokenizer = TextTokenizer::read(directory, None)?;
        let path = directory.join("text.json");
        let (cleaning, kind) = if path.exists() {
            let options = TextOptions::read(&path)?;
            let kind = if options.pairs { InputKind::Pairs } else { InputKind::Single };
            (options, Some(kind))
        } else {
            tracing::warn!("there is no {}: texts are not cleaned", path.display());
            (TextOptions::UNTOUCHED, None)
        };
        let classifier = Classifier::load(directory, &device)
            .or_data(|| format!("cannot load the model in {}", directory.display()))
            .map_err(|error| error.hint("`cargo xtask stage export --force` makes the bundle again"))?;
        bundle::check_fit(directory, &classifier, &tokenizer)?;
        // A tokenizer that cannot encode an empty text will refuse the empty texts, one by one.
        let empty = match kind {
            Some(InputKind::Pairs) => tokenizer.encode_pair("", ""),
            _ => tokenizer.encode(""),
        };
        let empty_ids = empty.map_or_else(|_| Vec::new(), |encoded| encoded.ids);
        Ok(Self { classifier, tokenizer, cleaning, kind, empty_ids, batch_size })
    }

    /// Names of the labels, in the model's order.
    pub fn labels(&self) -> &[String] {
        self.classifier.labels()
    }

    /// The most tokens per row, special tokens included; longer texts are truncated.
    pub fn max_length(&self) -> usize {
        self.tokenizer.max_length()
    }

    /// Whether the model was trained on pairs of texts rather than on single texts; `None` if the bundle does not say.
    pub fn pairs(&self) -> Option<bool> {
        self.kind.map(|kind| kind == InputKind::Pairs)
    }

    /// Whether the model assigns any number of labels rather than exactly one.
    pub fn is_multi_label(&self) -> bool {
        self.problem() == ProblemType::MultiLabelClassification
    }

    fn problem(&self) -> ProblemType {
        self.classifier.config().problem
    }

    /// Classifies queries, in their order. A query that cannot be classified is refused on its own; the others are answered.
    ///
    /// # Errors
    /// When the model fails on the whole batch.
    pub fn predict(&self, queries: &[Query<'_>]) -> Result<Vec<Result<Answer, Refusal>>> {
        let rows: Vec<Result<Row, Refusal>> = queries.iter().map(|query| self.encode(query)).collect();
        let tokens: Vec<Tokens<'_>> = rows
            .iter()
            .flatten()
            .map(|row| Tokens { ids: &row.encoded.ids, type_ids: &row.encoded.type_ids })
            .collect();
        let logits = self
            .classifier
            .logits(&tokens, self.batch_size, &mut |_| ())
            .or_data(|| "the model cannot classify the tokenized texts".to_owned())?;
        let mut logits = logits.into_iter();
        let mut answer = |row: Row| self.answer(&logits.next().unwrap_or_default(), &row);
        Ok(rows.into_iter().map(|row| row.and_then(&mut answer)).collect())
    }

    fn encode(&self, query: &Query<'_>) -> Result<Row, Refusal> {
        let given = if query.pair.is_some() { InputKind::Pairs } else { InputKind::Single };
        if let Some(expected) = self.kind.filter(|&expected| expected != given) {
            return Err(Refusal::Kind { expected });
        }
        let text = self.cleaning.clean(query.text);
        let pair = query.pair.map(|pair| self.cleaning.clean(pair));
        let encoded = match &pair {
            Some(pair) => self.tokenizer.encode_pair(&text, pair),
            None => self.tokenizer.encode(&text),
        };
        let encoded = encoded.map_err(|error| {
            let message = std::iter::once(error.message()).chain(error.causes().iter().map(String::as_str));
            Refusal::Tokenizer(message.collect::<Vec<_>>().join(": "))
        })?;
        let blank = [Some(&text), pair.as_ref()].into_iter().flatten().any(|text| text.trim().is_empty());
        let empty = blank || encoded.ids == self.empty_ids;
        Ok(Row { encoded, empty })
    }

    fn answer(&self, logits: &[f32], row: &Row) -> Result<Answer, Refusal> {
        let labels = self.labels();
        if logits.len() != labels.len() || logits.iter().any(|logit| !logit.is_finite()) {
            return Err(Refusal::NotFinite);
        }
        let probabilities = self.problem().probabilities(logits);
        let multi_label = self.is_multi_label();
        let assigned = multi_label.then(|| Task::new(multi_label).assign(&probabilities).len());
        let mut scores: Vec<Score> =
            labels.iter().zip(probabilities).map(|(label, score)| Score { label: label.clone(), score }).collect();
        scores.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(Answer { scores, assigned, truncated_tokens: row.encoded.cut, empty: row.empty })
    }
}

/// A query as the model reads it.
struct Row {
    encoded: Encoded,
    empty: bool,
}
