//! From raw texts to labels.

use std::path::Path;

use firebrand_arch::{ModelConfig, ProblemType, Tokens};
use firebrand_kernels::inference::Isa;
use firebrand_metrics::Task;
use rayon::prelude::*;
use serde::Serialize;

use crate::encode::{Encoder, Row};
use crate::refusal::{InputKind, Refusal};
use crate::weights::read_config;
use crate::{Error, Model, Options, Precision, Result, integrity};

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

/// The answer to one query.
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

/// A fine-tuned classifier, ready to answer. Can be shared between threads.
#[derive(Debug)]
pub struct Classifier {
    encoder: Encoder,
    model: Model,
}

/// Texts that a thread tokenizes and computes at a time.
const CHUNK: usize = 64;

impl Classifier {
    /// Opens a bundle, or any sequence classifier of the supported families in the hub's layout.
    ///
    /// # Errors
    /// When a file is missing, damaged, or belongs to another model.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(directory, &Options::default())
    }

    /// The same, with options.
    ///
    /// # Errors
    /// As of [`open`](Self::open); and when the environment variable [`Isa::VARIABLE`] names an instruction set that the
    /// processor lacks.
    pub fn open_with(directory: impl AsRef<Path>, options: &Options) -> Result<Self> {
        let directory = directory.as_ref();
        let precision = Model::check(directory, options)?;
        let most = read_config(directory)?.max_length;
        // The tokenizer is read while the weights are.
        let (encoder, model) = rayon::join(
            || Encoder::open(directory, options.max_length.map(usize::from), most),
            || Model::load(directory, options, precision),
        );
        let (encoder, model) = (encoder?, model?);
        integrity::check_fit(directory, model.config(), encoder.tokenizer())?;
        Ok(Self { encoder, model })
    }

    /// Names of the labels, in the model's order.
    pub fn labels(&self) -> &[String] {
        &self.model.config().labels
    }

    /// The most tokens per row, special tokens included; longer texts are truncated.
    pub fn max_length(&self) -> usize {
        self.encoder.tokenizer().max_length()
    }

    /// Whether the model was trained on pairs of texts rather than on single texts; `None` if the directory does not say.
    pub fn pairs(&self) -> Option<bool> {
        self.encoder.kind().map(|kind| kind == InputKind::Pairs)
    }

    /// Whether the model assigns any number of labels rather than exactly one.
    pub fn is_multi_label(&self) -> bool {
        self.model.config().problem == ProblemType::MultiLabelClassification
    }

    /// The arithmetic of its linear layers.
    pub fn precision(&self) -> Precision {
        self.model.precision()
    }

    /// The instruction set that it computes with.
    pub fn isa(&self) -> Isa {
        self.model.isa()
    }

    /// The model's configuration.
    pub fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    /// Classifies texts, in their order.
    ///
    /// # Errors
    /// When one of them cannot be classified; [`predict`](Self::predict) answers the others all the same.
    pub fn classify<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Answer>> {
        let queries: Vec<Query<'_>> = texts.iter().map(|text| Query::from(text.as_ref())).collect();
        let answers = self.predict(&queries).into_iter().enumerate();
        answers
            .map(|(index, answer)| {
                answer.map_err(|refusal| Error::data(format!("text {} {refusal}", index + 1)).hint(refusal.hint()))
            })
            .collect()
    }

    /// Classifies queries, in their order. A query that cannot be classified is refused on its own; the others are answered.
    pub fn predict(&self, queries: &[Query<'_>]) -> Vec<Result<Answer, Refusal>> {
        let threads = self.model.engine().pool().current_num_threads();
        let chunk = CHUNK.min(queries.len().div_ceil(threads)).max(1);
        if queries.len() < 2 * threads {
            // Too few to keep all threads busy on their own: they share each text.
            return self.model.engine().pool().install(|| self.answer_chunk(queries, true));
        }
        let answers: Vec<Vec<_>> = self.model.engine().pool().install(|| {
            queries.par_chunks(chunk).with_max_len(1).map(|queries| self.answer_chunk(queries, false)).collect()
        });
        answers.into_iter().flatten().collect()
    }

    /// The logits of rows of tokens, in their order: `[rows][labels]`.
    ///
    /// # Errors
    /// When a row is empty, longer than the model takes, or has a token or type that the model does not have.
    pub fn logits(&self, rows: &[Tokens<'_>]) -> Result<Vec<Vec<f32>>> {
        self.model.logits(rows)
    }

    /// A text's tokens as the model reads them: ids and type ids, special tokens included.
    ///
    /// # Errors
    /// When it cannot be tokenized.
    pub fn tokenize(&self, query: Query<'_>) -> Result<(Vec<u32>, Vec<u32>), Refusal> {
        let Row { encoded, .. } = self.encoder.encode(&query)?;
        Ok((encoded.ids, encoded.type_ids))
    }

    fn answer_chunk(&self, queries: &[Query<'_>], shared: bool) -> Vec<Result<Answer, Refusal>> {
        let encode = |query| {
            let row = self.encoder.encode(query)?;
            self.model.engine().check(&tokens(&row)).map_err(|error| Refusal::Tokenizer(error.message().to_owned()))?;
            Ok(row)
        };
        let rows: Vec<Result<Row, Refusal>> = if shared {
            queries.par_iter().with_max_len(1).map(encode).collect()
        } else {
            queries.iter().map(encode).collect()
        };
        let texts: Vec<Tokens<'_>> = rows.iter().flatten().map(tokens).collect();
        let mut logits = self.model.engine().units(&texts, shared).into_iter();
        let mut answer = |row: Row| self.answer(&logits.next().unwrap_or_default(), &row);
        rows.into_iter().map(|row| row.and_then(&mut answer)).collect()
    }

    fn answer(&self, logits: &[f32], row: &Row) -> Result<Answer, Refusal> {
        let labels = self.labels();
        if logits.len() != labels.len() || logits.iter().any(|logit| !logit.is_finite()) {
            return Err(Refusal::NotFinite);
        }
        let probabilities = self.model.config().problem.probabilities(logits);
        let multi_label = self.is_multi_label();
        let assigned = multi_label.then(|| Task::new(multi_label).assign(&probabilities).len());
        let mut scores: Vec<Score> =
            labels.iter().zip(probabilities).map(|(label, score)| Score { label: label.clone(), score }).collect();
        scores.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(Answer { scores, assigned, truncated_tokens: row.encoded.cut, empty: row.empty })
    }
}

fn tokens(row: &Row) -> Tokens<'_> {
    Tokens { ids: &row.encoded.ids, type_ids: &row.encoded.type_ids }
}
