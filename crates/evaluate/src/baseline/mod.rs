//! Baselines without pretraining: the most frequent label, and TF-IDF with logistic regression.

mod logistic;
mod majority;
mod one_vs_rest;
mod sparse;
mod tfidf;
mod words;

use std::borrow::Cow;

use firebrand_dataset::LabelMap;
use firebrand_metrics::{Comparison, Task};
use firebrand_pipeline::{Error, Result, ResultExt};
use serde::Serialize;

use crate::outcome::Evaluation;
use crate::rows::Rows;
use logistic::{Logistic, Targets, outputs};
use one_vs_rest::{OneVsRest, Terms};
use sparse::SparseRows;
use tfidf::TfIdf;

/// Inverse regularisation strengths that are tried.
const INVERSE_PENALTIES: [f64; 3] = [1.0, 10.0, 100.0];
/// Maximum number of terms. On 20,000 film reviews, 200,000 score like all 366,000.
const MAX_FEATURES: usize = 200_000;
/// Maximum number of weights (terms times classes) of regressions over all terms, which limits the optimiser's memory to half
/// a gigabyte. Beyond it, each label has a regression of its own over the terms in its rows.
const MAX_WEIGHTS: usize = 2_000_000;
/// Above this many training rows times labels, the inverse regularisation strength is chosen on a sample of the rows.
const MAX_WORK: usize = 20_000_000;

/// The baselines and their evaluation on the test split.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Baselines {
    /// The most frequent label.
    pub(crate) majority: Majority,
    /// TF-IDF with logistic regression.
    pub(crate) tfidf: TfidfBaseline,
}

/// Always predicts the most frequent label, or set of labels, of the training rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Majority {
    /// That label or set of labels.
    pub(crate) labels: Vec<u32>,
    pub(crate) test: Evaluation,
    /// The comparison with the model, once computed.
    pub(crate) comparison: Option<Comparison>,
}

/// TF-IDF with logistic regression, trained on the training split.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TfidfBaseline {
    pub(crate) settings: Settings,
    pub(crate) test: Evaluation,
    /// The comparison with the model, once computed.
    pub(crate) comparison: Option<Comparison>,
}

/// How the TF-IDF baseline was fitted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Settings {
    /// Unigrams and bigrams.
    ngrams: [u32; 2],
    sublinear_tf: bool,
    /// Minimum document frequency of a term.
    min_rows: u32,
    /// Maximum number of terms.
    max_features: usize,
    /// Number of terms used.
    pub(crate) features: usize,
    pub(crate) training_rows: usize,
    /// Whether each label has a regression of its own.
    one_vs_rest: bool,
    /// Whether that regression uses only the terms in rows with the label.
    terms_of_label: bool,
    /// Inverse regularisation strength with the highest validation accuracy (micro F1 for multi-label data), rows weighted;
    /// the lowest in a tie.
    pub(crate) c: f64,
    /// The values of `c` that were tried.
    tried: Vec<Tried>,
    /// Number of training rows that `c` was chosen on.
    tried_on_rows: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Tried {
    c: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_micro_f1: Option<f64>,
}

/// Fits the baselines on the training split and evaluates them on the test split. `progress` is called as labels are fitted,
/// up to [`progress_total`].
///
/// # Errors
/// When rows have labels that are not in the map.
pub(crate) fn measure(
    train: &Rows,
    validation: &Rows,
    test: &Rows,
    labels: &LabelMap,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Baselines> {
    let majority = majority::measure(train, test, labels).or_data(|| "cannot evaluate the baselines".to_owned())?;
    Ok(Baselines { majority, tfidf: fit_tfidf(train, validation, test, labels, progress)? })
}

fn fit_tfidf(
    train: &Rows,
    validation: &Rows,
    test: &Rows,
    labels: &LabelMap,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<TfidfBaseline> {
    let broken = || "cannot evaluate the TF-IDF baseline".to_owned();
    let failed = |error| Error::other(format!("the TF-IDF baseline could not be fitted: {error}"));
    let tfidf = TfIdf::fit(train.texts(), MAX_FEATURES);
    let method = Method::new(labels, tfidf.features());

    let chosen_on = rows_to_choose_on(train, labels);
    let mut tried = Vec::new();
    let (c, fit) = {
        let [chosen_matrix, validation_matrix] =
            [chosen_on.as_ref(), validation].map(|part| tfidf.transform(part.texts()));
        let mut best: Option<(f64, f64, Regressions)> = None;
        let mut last: Option<Regressions> = None;
        for c in INVERSE_PENALTIES {
            let fit = method.fit(&chosen_matrix, &chosen_on, labels, c, last.as_ref(), progress).map_err(failed)?;
            let score = weighted_score(validation, labels, &fit.probabilities(&validation_matrix, labels));
            tried.push(Tried {
                c,
                validation_accuracy: (!labels.is_multi_label()).then_some(score),
                validation_micro_f1: labels.is_multi_label().then_some(score),
            });
            if best.as_ref().is_none_or(|(highest, ..)| score > *highest) {
                best = Some((score, c, fit.clone()));
            }
            last = Some(fit);
        }
        let Some((_, c, fit)) = best else {
            return Err(Error::other("no regularisation strength was tried for the TF-IDF baseline"));
        };
        (c, fit)
    };
    let fit = if chosen_on.len() < train.len() {
        method.fit(&tfidf.transform(train.texts()), train, labels, c, None, progress).map_err(failed)?
    } else {
        fit
    };
    let probabilities = fit.probabilities(&tfidf.transform(test.texts()), labels);
    Ok(TfidfBaseline {
        settings: Settings {
            ngrams: [1, 2],
            sublinear_tf: true,
            min_rows: TfIdf::MIN_ROWS,
            max_features: MAX_FEATURES,
            features: tfidf.features(),
            training_rows: train.len(),
            one_vs_rest: method != Method::Multinomial,
            terms_of_label: method == Method::OneVsRest(Terms::OfLabel),
            c,
            tried,
            tried_on_rows: chosen_on.len(),
        },
        test: Evaluation::new(test, &probabilities, labels).or_data(broken)?,
        comparison: None,
    })
}

/// The total progress that [`measure`] reports: one unit per label and fit.
pub(crate) fn progress_total(train: &Rows, labels: &LabelMap) -> u64 {
    let again = usize::from(rows_to_choose_on(train, labels).len() < train.len());
    (labels.len() * (INVERSE_PENALTIES.len() + again)) as u64
}

/// The training rows, or an evenly spaced sample if fitting all of them several times would take too long.
fn rows_to_choose_on<'a>(train: &'a Rows, labels: &LabelMap) -> Cow<'a, Rows> {
    let step = (train.len() * labels.len()).div_ceil(MAX_WORK);
    if step <= 1 { Cow::Borrowed(train) } else { Cow::Owned(train.every(step)) }
}

/// Weighted accuracy, or micro F1 for multi-label data. A validation split taken from the training rows has their weights, and
/// rows with weight 0 must not count.
fn weighted_score(rows: &Rows, labels: &LabelMap, probabilities: &[Vec<f32>]) -> f64 {
    let task = Task::new(labels.is_multi_label());
    let (mut hits, mut all) = (0.0, 0.0);
    for ((truth, row), &weight) in rows.truth.iter().zip(probabilities).zip(&rows.weights) {
        let predicted = task.assign(row);
        let right = truth.iter().filter(|label| predicted.contains(label)).count();
        // For single-label data this is the accuracy.
        hits += f64::from(weight) * (2 * right) as f64;
        all += f64::from(weight) * (truth.len() + predicted.len()) as f64;
    }
    if all > 0.0 { hits / all } else { 0.0 }
}

/// One regression for all labels, or one per label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    /// One regression over all labels.
    Multinomial,
    /// One per label, against its absence.
    OneVsRest(Terms),
}

impl Method {
    fn new(labels: &LabelMap, features: usize) -> Self {
        match (features * outputs(labels.len()) <= MAX_WEIGHTS, labels.is_multi_label()) {
            (true, false) => Self::Multinomial,
            (true, true) => Self::OneVsRest(Terms::All),
            (false, _) => Self::OneVsRest(Terms::OfLabel),
        }
    }

    /// Fits the regressions; `start`, fitted to the same rows with another `c`, is used for a warm start.
    fn fit(
        self,
        matrix: &SparseRows,
        rows: &Rows,
        labels: &LabelMap,
        c: f64,
        start: Option<&Regressions>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Regressions, argmin::core::Error> {
        if let Self::OneVsRest(terms) = self {
            return Ok(Regressions::OneVsRest(OneVsRest::fit(matrix, rows, labels.len(), terms, c, progress)?));
        }
        let targets = Targets { truth: &rows.truth.concat(), weights: &rows.weights, classes: labels.len() };
        let start =
            start.and_then(|start| if let Regressions::Multinomial(start) = start { Some(start) } else { None });
        let fit = Logistic::fit(matrix, targets, c, start)?;
        progress(labels.len() as u64);
        Ok(Regressions::Multinomial(fit))
    }
}

/// The fitted regressions.
#[derive(Debug, Clone)]
enum Regressions {
    Multinomial(Logistic),
    OneVsRest(OneVsRest),
}

impl Regressions {
    /// Label probabilities for each row.
    fn probabilities(&self, matrix: &SparseRows, labels: &LabelMap) -> Vec<Vec<f32>> {
        match self {
            Self::Multinomial(all) => all.probabilities(matrix),
            Self::OneVsRest(each) if labels.is_multi_label() => each.probabilities(matrix),
            Self::OneVsRest(each) => each.distributions(matrix),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(rows: &[(&str, u32)]) -> Rows {
        let rows = (0..).zip(rows).map(|(id, (text, label))| (id, (*text).to_owned(), *label));
        Rows::of(rows)
    }

    fn labels(count: usize) -> LabelMap {
        LabelMap::new((0..count).map(|label| format!("label {label}")).collect()).unwrap()
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
    fn tfidf_learns_words_and_the_majority_predicts_one_label() {
        let [train, validation, test] = colours();
        let baselines = measure(&train, &validation, &test, &labels(3), &|_| {}).unwrap();
        assert_eq!(baselines.tfidf.test.figures.accuracy, 1.0);
        assert_eq!(baselines.tfidf.settings.c, 1.0);
        assert_eq!(baselines.tfidf.settings.training_rows, 12);
        assert_eq!(baselines.majority.labels, [0]);
        assert!((baselines.majority.test.figures.accuracy - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn multi_label_data_is_learned_label_by_label() {
        let [mut train, mut validation, mut test] = colours();
        let several = |rows: &mut Rows, more: &[(usize, &str, &[u32])]| {
            for (row, text, set) in more {
                *rows = std::mem::take(rows).with_text(*row, text);
                rows.truth[*row] = set.to_vec();
            }
        };
        several(
            &mut train,
            &[(0, "red apple in green grass", &[0, 2]), (6, "blue sea, green leaf", &[1, 2]), (7, "nothing", &[])],
        );
        several(&mut validation, &[(0, "red and green", &[0, 2])]);
        several(&mut test, &[(0, "blue and red", &[0, 1]), (2, "none of them", &[])]);
        let baselines = measure(&train, &validation, &test, &labels(3).with_multi_label(true), &|_| {}).unwrap();
        let averages = baselines.tfidf.test.figures.averages;
        assert!(averages.micro.precision == Some(1.0) && averages.micro.f1 >= Some(0.8), "{averages:?}");
        assert_eq!(baselines.tfidf.settings.tried[0].validation_accuracy, None);
        assert!(baselines.tfidf.settings.tried.iter().any(|tried| tried.validation_micro_f1 == Some(1.0)));
        assert!(baselines.majority.test.figures.averages.micro.f1.unwrap() < 0.5);
    }

    #[test]
    fn two_runs_are_equal_to_the_last_bit() {
        let [train, validation, test] = colours();
        let run = || measure(&train, &validation, &test, &labels(3), &|_| {}).unwrap();
        assert_eq!(run(), run());
    }

    #[test]
    fn texts_without_words_are_evaluated_too() {
        let [train, validation, test] =
            [part(&[("!", 0), ("?", 1), ("…", 1)]), part(&[("-", 1)]), part(&[("-", 1), ("+", 0)])];
        let baselines = measure(&train, &validation, &test, &labels(2), &|_| {}).unwrap();
        assert_eq!(baselines.tfidf.settings.features, 0);
        assert_eq!(baselines.tfidf.test.figures.accuracy, 0.5);
    }

    /// Field case 20: four of five rows have a wrong label and almost no weight, in training and in validation.
    #[test]
    fn rows_without_weight_do_not_count() {
        let row = |place: u32| {
            let label = place % 2;
            let text = ["fine film", "dull play"][label as usize];
            let wrong = !place.is_multiple_of(5);
            (format!("{text} {}", place % 7), if wrong { 1 - label } else { label }, if wrong { 0.001 } else { 1.0 })
        };
        let part = |rows: std::ops::Range<u32>| {
            let rows: Vec<_> = rows.map(row).collect();
            let mut part = Rows::of((0..).zip(&rows).map(|(id, (text, label, _))| (id, text.clone(), *label)));
            part.weights = rows.iter().map(|row| row.2).collect();
            part
        };
        let test = Rows::of((0..20).map(|id| {
            let label = (id % 2) as u32;
            (id, ["a fine film", "a dull play"][label as usize].to_owned(), label)
        }));
        let baselines = measure(&part(0..200), &part(200..240), &test, &labels(2), &|_| {}).unwrap();
        assert_eq!(baselines.tfidf.test.figures.accuracy, 1.0);
    }

    #[test]
    fn a_regression_per_label_scores_like_one_over_all() {
        let [train, validation, test] = colours();
        let tfidf = TfIdf::fit(train.texts(), MAX_FEATURES);
        let [train_matrix, test_matrix] = [&train, &test].map(|part| tfidf.transform(part.texts()));
        let labels = labels(3);
        for method in [Method::Multinomial, Method::OneVsRest(Terms::All), Method::OneVsRest(Terms::OfLabel)] {
            let fit = method.fit(&train_matrix, &train, &labels, 10.0, None, &|_| {}).unwrap();
            let evaluation = Evaluation::new(&test, &fit.probabilities(&test_matrix, &labels), &labels).unwrap();
            assert_eq!(evaluation.figures.accuracy, 1.0, "{method:?}");
        }
        assert_eq!(Method::new(&labels, 700_000), Method::OneVsRest(Terms::OfLabel));
        assert_eq!(Method::new(&labels.clone().with_multi_label(true), 1000), Method::OneVsRest(Terms::All));
        assert!(rows_to_choose_on(&validation, &labels).len() == validation.len());
        let many = LabelMap::new((0..30_000_000 / train.len()).map(|label| label.to_string()).collect()).unwrap();
        assert!(rows_to_choose_on(&train, &many).len() <= train.len() / 2);
    }
}
