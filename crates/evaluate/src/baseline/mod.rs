//! What the model is measured against: the most frequent label, and a classic without pretraining.

mod logistic;
mod majority;
mod sparse;
mod tfidf;
mod words;

use firebrand_metrics::{ConfusionMatrix, Figures, MetricsError, most_likely};
use firebrand_pipeline::{Error, Result, ResultExt};
use serde::Serialize;

use crate::rows::Rows;
use logistic::{Logistic, Targets, outputs};
use tfidf::TfIdf;

/// Inverse penalties that are tried.
const INVERSE_PENALTIES: [f64; 3] = [1.0, 10.0, 100.0];
/// The most terms that are kept. On 20,000 film reviews, 200,000 score like all 366,000.
const MAX_FEATURES: usize = 200_000;
/// The most weights, terms times classes: keeps the optimiser's memory under half a gigabyte.
const MAX_WEIGHTS: usize = 2_000_000;

/// The baselines' figures on the test part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Baselines {
    /// Always the most frequent label.
    pub(crate) majority: Majority,
    /// TF-IDF with logistic regression.
    pub(crate) classic: Classic,
}

/// Always the label that most training rows have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Majority {
    /// That label.
    pub(crate) label: u32,
    pub(crate) test: Figures,
}

/// TF-IDF with logistic regression, trained on the training part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Classic {
    pub(crate) settings: Settings,
    pub(crate) test: Figures,
}

/// How the classic was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Settings {
    /// Words and pairs of words.
    ngrams: [u32; 2],
    sublinear_tf: bool,
    /// Rows that a term must be in.
    min_rows: u32,
    /// The most terms that were allowed.
    max_features: usize,
    /// Terms that were used.
    pub(crate) features: usize,
    pub(crate) training_rows: usize,
    /// The inverse penalty with the highest validation accuracy, the lowest of equals.
    pub(crate) c: f64,
    /// What was tried.
    tried: Vec<Tried>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Tried {
    c: f64,
    validation_accuracy: f64,
}

/// Trains and measures the baselines.
///
/// # Errors
/// When the rows' labels are beyond `classes`.
pub(crate) fn measure(train: &Rows, validation: &Rows, test: &Rows, classes: usize) -> Result<Baselines> {
    let broken = || "cannot measure the baselines".to_owned();
    let majority = majority::measure(&train.truth, &test.truth, classes).or_data(broken)?;
    Ok(Baselines { majority, classic: classic(train, validation, test, classes)? })
}

fn classic(train: &Rows, validation: &Rows, test: &Rows, classes: usize) -> Result<Classic> {
    let max_features = MAX_FEATURES.min(MAX_WEIGHTS / outputs(classes));
    let tfidf = TfIdf::fit(train.texts(), max_features);
    let [train_rows, validation_rows, test_rows] = [train, validation, test].map(|part| tfidf.transform(part.texts()));
    let targets = Targets { truth: &train.truth, weights: &train.weights, classes };

    let mut tried = Vec::new();
    let mut best: Option<(f64, f64, Logistic)> = None;
    let mut last: Option<Logistic> = None;
    for c in INVERSE_PENALTIES {
        let fit = Logistic::fit(&train_rows, targets, c, last.as_ref())
            .map_err(|error| Error::other(format!("the TF-IDF baseline could not be fitted: {error}")))?;
        let predicted = answers(&fit.probabilities(&validation_rows));
        let validation_accuracy = ConfusionMatrix::new(&validation.truth, &predicted, classes)
            .or_data(|| "cannot measure the TF-IDF baseline".to_owned())?
            .accuracy();
        tried.push(Tried { c, validation_accuracy });
        if best.as_ref().is_none_or(|(accuracy, ..)| validation_accuracy > *accuracy) {
            best = Some((validation_accuracy, c, fit.clone()));
        }
        last = Some(fit);
    }
    let Some((_, c, fit)) = best else { return Err(Error::other("no penalty was tried for the TF-IDF baseline")) };
    Ok(Classic {
        settings: Settings {
            ngrams: [1, 2],
            sublinear_tf: true,
            min_rows: TfIdf::MIN_ROWS,
            max_features,
            features: tfidf.features(),
            training_rows: train.truth.len(),
            c,
            tried,
        },
        test: figures(&test.truth, &fit.probabilities(&test_rows), classes)
            .or_data(|| "cannot measure the TF-IDF baseline".to_owned())?,
    })
}

/// The most likely class of each row; a row that is none counts as class 0, and [`figures`] refuses it.
fn answers(probabilities: &[Vec<f32>]) -> Vec<u32> {
    probabilities.iter().map(|row| most_likely(row).unwrap_or_default()).collect()
}

fn figures(truth: &[u32], probabilities: &[Vec<f32>], classes: usize) -> Result<Figures, MetricsError> {
    Figures::new(truth, &answers(probabilities), Some(probabilities), classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(rows: &[(&str, u32)]) -> Rows {
        let rows = (0..).zip(rows).map(|(id, (text, label))| (id, (*text).to_owned(), *label));
        Rows::of(rows)
    }

    fn colours() -> [Rows; 3] {
        let train: Vec<(&str, u32)> = [
            ("red apple", 0),
            ("blue sky", 1),
            ("green leaf", 2),
            ("red rose", 0),
            ("blue sea", 1),
            ("green grass", 2),
        ]
        .repeat(2);
        [part(&train), part(&[("red", 0), ("blue", 1)]), part(&[("a red one", 0), ("so blue", 1), ("very green", 2)])]
    }

    #[test]
    fn words_decide_and_the_majority_knows_one_label() {
        let [train, validation, test] = colours();
        let baselines = measure(&train, &validation, &test, 3).unwrap();
        assert_eq!(baselines.classic.test.accuracy, 1.0);
        assert_eq!(baselines.classic.settings.c, 1.0);
        assert_eq!(baselines.classic.settings.training_rows, 12);
        assert_eq!(baselines.majority.label, 0);
        assert!((baselines.majority.test.accuracy - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn two_runs_are_equal_to_the_last_bit() {
        let [train, validation, test] = colours();
        let run = || measure(&train, &validation, &test, 3).unwrap();
        assert_eq!(run(), run());
    }

    #[test]
    fn texts_without_words_are_measured_too() {
        let [train, validation, test] =
            [part(&[("!", 0), ("?", 1), ("…", 1)]), part(&[("-", 1)]), part(&[("-", 1), ("+", 0)])];
        let baselines = measure(&train, &validation, &test, 2).unwrap();
        assert_eq!(baselines.classic.settings.features, 0);
        assert_eq!(baselines.classic.test.accuracy, 0.5);
    }
}
