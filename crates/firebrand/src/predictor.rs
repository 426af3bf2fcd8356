//! From raw texts to labels: the one place that knows which engine computes.

use firebrand_infer::{Classifier, Options};
use firebrand_metrics::THRESHOLD;
use firebrand_pipeline::{Error, Result};

pub(crate) use firebrand_infer::{Answer, Query, Refusal, Score};

use crate::cli::{Precision, Predict};

/// A bundle, loaded and ready to classify texts.
#[derive(Debug)]
pub(crate) struct Predictor {
    classifier: Classifier,
    threshold: f32,
}

impl Predictor {
    /// Loads a bundle: the model, its tokenizer, and the cleaning options (`text.json`). Without a `text.json` texts are not
    /// cleaned, and a warning says so.
    ///
    /// # Errors
    /// When an option cannot be honoured, or a file is missing, damaged, or belongs to another model.
    pub(crate) fn load(arguments: &Predict) -> Result<Self> {
        let precision = match arguments.precision {
            Precision::Auto => None,
            Precision::Int8 => Some(firebrand_infer::Precision::Int8),
            Precision::Fp32 => Some(firebrand_infer::Precision::Fp32),
        };
        let options = Options { precision, threads: arguments.threads, ..Options::default() };
        let classifier = Classifier::open_with(&arguments.bundle, &options)?;
        if classifier.pairs().is_none() {
            tracing::warn!("there is no {}: texts are not cleaned", arguments.bundle.join("text.json").display());
        }
        Self { classifier, threshold: THRESHOLD }.with_threshold(arguments.threshold)
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
        self.classifier.max_length()
    }

    /// Whether the model was trained on pairs of texts rather than on single texts; `None` if the bundle does not say.
    pub(crate) fn pairs(&self) -> Option<bool> {
        self.classifier.pairs()
    }

    /// Whether the model assigns any number of labels rather than exactly one.
    pub(crate) fn is_multi_label(&self) -> bool {
        self.classifier.is_multi_label()
    }

    /// Its precision, as `--precision` has it.
    pub(crate) fn precision(&self) -> String {
        self.classifier.precision().to_string()
    }

    /// Classifies queries, in their order. A query that cannot be classified is refused on its own; the others are answered.
    pub(crate) fn predict(&self, queries: &[Query<'_>]) -> Vec<Result<Answer, Refusal>> {
        let mut answers = self.classifier.predict(queries);
        if self.is_multi_label() {
            for answer in answers.iter_mut().flatten() {
                // The most likely labels come first.
                let assigned = answer.scores.iter().take_while(|score| score.score >= self.threshold).count();
                answer.assigned = Some(assigned);
            }
        }
        answers
    }
}
