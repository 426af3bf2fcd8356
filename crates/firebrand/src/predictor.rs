//! From raw texts to labels: the one place that knows which engine computes.

use firebrand_metrics::THRESHOLD;
use firebrand_model::{Classifier, ProblemType, Tokens};
use firebrand_pipeline::{Error, Result, ResultExt};
use firebrand_text::{Encoded, TextOptions, TextTokenizer};
use serde::Serialize;

use crate::bundle;
use crate::cli::{Precision, Predict};
use crate::refusal::{InputKind, Refusal};

/// A text, or a pair of texts, to be classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    /// The text, or the first of a pair.
    pub(crate) text: &'a str,
    /// The second text of a pair.
    pub(crate) pair: Option<&'a str>,
}

impl<'a> From<&'a str> for Query<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, pair: None }
    }
}

/// A label and its probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Score {
    /// The label's name.
    pub(crate) label: String,
    /// Single-label probabilities add up to 1; in a multi-label model each is between 0 and 1 on its own.
    pub(crate) score: f32,
}

/// The prediction for one query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    /// Every label, most likely first; equally likely ones in the model's order.
    pub(crate) scores: Vec<Score>,
    /// Number of labels that a multi-label model assigns: the first ones of `scores`. `None` for a single-label model,
    /// which always assigns the first.
    pub(crate) assigned: Option<usize>,
    /// Tokens lost to truncation.
    pub(crate) truncated_tokens: u32,
    /// Nothing of the text (of either text of a pair) reaches the model: its labels are those of the empty string.
    pub(crate) empty: bool,
}

/// A bundle, loaded and ready to classify texts.
#[derive(Debug)]
pub(crate) struct Predictor {
    classifier: Classifier,
    tokenizer: TextTokenizer,
    cleaning: TextOptions,
    /// What the model was trained on; `None` if the bundle does not say.
    kind: Option<InputKind>,
    /// Token ids of an empty text.
    empty_ids: Vec<u32>,
    batch_size: usize,
    threshold: f32,
}

impl Predictor {
    /// Loads a bundle: the model, its tokenizer, and the cleaning options (`text.json`). Without a `text.json` texts are not
    /// cleaned, and a warning says so.
    ///
    /// # Errors
    /// When an option cannot be honoured, or a file is missing, damaged, or belongs to another model.
    pub(crate) fn load(arguments: &Predict) -> Result<Self> {
        let (directory, batch_size) = (arguments.bundle.as_path(), arguments.batch_size.get());
        check_precision(arguments.precision)?;
        if let Some(threads) = arguments.threads {
            // Fails if the pool exists already, and nothing has computed before.
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads.get())
                .build_global()
                .or_other(|| format!("cannot start {threads} threads"))?;
        }
        let device = firebrand_model::device(&arguments.device).map_err(|error| {
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
        let predictor = Self { classifier, tokenizer, cleaning, kind, empty_ids, batch_size, threshold: THRESHOLD };
        predictor.with_threshold(arguments.threshold)
    }

    fn with_threshold(self, threshold: Option<f32>) -> Result<Self> {
        match threshold {
            None => Ok(self),
            Some(threshold) if !(0.0..=1.0).contains(&threshold) => {
                Err(Error::usage(format!("`--threshold {threshold}` is not a probability"))
                    .hint("it is between 0 and 1; 0.5 without this option"))
            }
            Some(_) if !self.is_multi_label() => Err(Error::usage(
                "`--threshold` is given, but the model assigns exactly one label: the most likely one",
            )
            .hint("leave it out; `--top-k` and `--scores` show other labels")),
            Some(threshold) => Ok(Self { threshold, ..self }),
        }
    }

    /// A multi-label model assigns the labels of at least this probability.
    pub(crate) fn threshold(&self) -> f32 {
        self.threshold
    }

    /// Names of the labels, in the model's order.
    pub(crate) fn labels(&self) -> &[String] {
        self.classifier.labels()
    }

    /// The most tokens per row, special tokens included; longer texts are truncated.
    pub(crate) fn max_length(&self) -> usize {
        self.tokenizer.max_length()
    }

    /// Whether the model was trained on pairs of texts rather than on single texts; `None` if the bundle does not say.
    pub(crate) fn pairs(&self) -> Option<bool> {
        self.kind.map(|kind| kind == InputKind::Pairs)
    }

    /// Whether the model assigns any number of labels rather than exactly one.
    pub(crate) fn is_multi_label(&self) -> bool {
        self.problem() == ProblemType::MultiLabelClassification
    }

    fn problem(&self) -> ProblemType {
        self.classifier.config().problem
    }

    /// Classifies queries, in their order. A query that cannot be classified is refused on its own; the others are answered.
    ///
    /// # Errors
    /// When the model fails on the whole batch.
    pub(crate) fn predict(&self, queries: &[Query<'_>]) -> Result<Vec<Result<Answer, Refusal>>> {
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
        let is_assigned = |probability: &&f32| **probability >= self.threshold;
        let assigned = self.is_multi_label().then(|| probabilities.iter().filter(is_assigned).count());
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

/// What computes today has one precision.
fn check_precision(precision: Precision) -> Result<()> {
    match precision {
        Precision::Auto | Precision::Fp32 => Ok(()),
        Precision::Int8 | Precision::Bf16 => {
            Err(Error::usage(format!("`--precision {}` is not supported yet", precision.name()))
                .hint("leave it out, or set it to `fp32`"))
        }
    }
}
