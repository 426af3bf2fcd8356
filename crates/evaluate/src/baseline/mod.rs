//! What the model is measured against: the most frequent label, and a classic without pretraining.

mod logistic;
mod majority;
mod sparse;
mod tfidf;
mod words;

use firebrand_dataset::LabelMap;
use firebrand_metrics::Figures;
use firebrand_pipeline::{Error, Result, ResultExt};
use serde::Serialize;

use crate::outcome::answers;
use crate::rows::Rows;
use logistic::{Logistic, Targets, outputs};
use sparse::SparseRows;
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

/// Always the label, or the set of labels, that most training rows have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Majority {
    /// That label, or those.
    pub(crate) labels: Vec<u32>,
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
    /// The inverse penalty with the highest validation accuracy (micro F1, where rows have any number of labels), the lowest
    /// of equals.
    pub(crate) c: f64,
    /// What was tried.
    tried: Vec<Tried>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct Tried {
    c: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_micro_f1: Option<f64>,
}

/// Trains and measures the baselines.
///
/// # Errors
/// When the rows' labels are not those of the map.
pub(crate) fn measure(train: &Rows, validation: &Rows, test: &Rows, labels: &LabelMap) -> Result<Baselines> {
    let broken = || "cannot measure the baselines".to_owned();
    let majority = if labels.is_multi_label() {
        majority::measure_sets(&train.truth, &test.truth, labels.len()).or_data(broken)?
    } else {
        majority::measure(&train.single(), &test.single(), labels.len()).or_data(broken)?
    };
    Ok(Baselines { majority, classic: classic(train, validation, test, labels)? })
}

fn classic(train: &Rows, validation: &Rows, test: &Rows, labels: &LabelMap) -> Result<Classic> {
    let broken = || "cannot measure the TF-IDF baseline".to_owned();
    let weights = if labels.is_multi_label() { labels.len() } else { outputs(labels.len()) };
    let max_features = MAX_FEATURES.min(MAX_WEIGHTS / weights);
    let tfidf = TfIdf::fit(train.texts(), max_features);
    let [train_rows, validation_rows, test_rows] = [train, validation, test].map(|part| tfidf.transform(part.texts()));

    let mut tried = Vec::new();
    let mut best: Option<(f64, f64, Regressions)> = None;
    let mut last: Option<Regressions> = None;
    for c in INVERSE_PENALTIES {
        let fit = Regressions::fit(&train_rows, train, labels, c, last.as_ref())
            .map_err(|error| Error::other(format!("the TF-IDF baseline could not be fitted: {error}")))?;
        let (_, figures) = answers(validation, &fit.probabilities(&validation_rows), labels).or_data(broken)?;
        let score = if labels.is_multi_label() { figures.averages.micro.f1 } else { figures.accuracy };
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
    let Some((_, c, fit)) = best else { return Err(Error::other("no penalty was tried for the TF-IDF baseline")) };
    let (_, figures) = answers(test, &fit.probabilities(&test_rows), labels).or_data(broken)?;
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
        test: figures,
    })
}

/// What decides about a row: one regression over all labels, or, where a row has any number of them, one for each label
/// against its absence (scikit-learn's `OneVsRestClassifier`).
#[derive(Debug, Clone)]
enum Regressions {
    One(Logistic),
    EachLabel(Vec<Logistic>),
}

impl Regressions {
    fn fit(
        matrix: &SparseRows,
        rows: &Rows,
        labels: &LabelMap,
        c: f64,
        start: Option<&Self>,
    ) -> Result<Self, argmin::core::Error> {
        let weights = &rows.weights;
        if !labels.is_multi_label() {
            let targets = Targets { truth: &rows.single(), weights, classes: labels.len() };
            let start = start.and_then(|start| if let Self::One(start) = start { Some(start) } else { None });
            return Ok(Self::One(Logistic::fit(matrix, targets, c, start)?));
        }
        let each = (0..labels.len()).map(|label| {
            let has = |row: &Vec<u32>| u32::from(row.contains(&(label as u32)));
            let truth: Vec<u32> = rows.truth.iter().map(has).collect();
            let start = start.and_then(|start| if let Self::EachLabel(all) = start { all.get(label) } else { None });
            Logistic::fit(matrix, Targets { truth: &truth, weights, classes: 2 }, c, start)
        });
        Ok(Self::EachLabel(each.collect::<Result<_, _>>()?))
    }

    /// One list per row, by label.
    fn probabilities(&self, matrix: &SparseRows) -> Vec<Vec<f32>> {
        match self {
            Self::One(all) => all.probabilities(matrix),
            Self::EachLabel(each) => {
                let mut rows = vec![Vec::with_capacity(each.len()); matrix.len()];
                for label in each {
                    for (row, no_and_yes) in rows.iter_mut().zip(label.probabilities(matrix)) {
                        row.extend(no_and_yes.get(1));
                    }
                }
                rows
            }
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
    fn words_decide_and_the_majority_knows_one_label() {
        let [train, validation, test] = colours();
        let baselines = measure(&train, &validation, &test, &labels(3)).unwrap();
        assert_eq!(baselines.classic.test.accuracy, 1.0);
        assert_eq!(baselines.classic.settings.c, 1.0);
        assert_eq!(baselines.classic.settings.training_rows, 12);
        assert_eq!(baselines.majority.labels, [0]);
        assert!((baselines.majority.test.accuracy - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn each_of_any_number_of_labels_is_learned_by_itself() {
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
        let baselines = measure(&train, &validation, &test, &labels(3).with_multi_label(true)).unwrap();
        let averages = baselines.classic.test.averages;
        assert!(averages.micro.precision == 1.0 && averages.micro.f1 >= 0.8, "{averages:?}");
        assert_eq!(baselines.classic.settings.tried[0].validation_accuracy, None);
        assert!(baselines.classic.settings.tried.iter().any(|tried| tried.validation_micro_f1 == Some(1.0)));
        assert!(baselines.majority.test.averages.micro.f1 < 0.5);
    }

    #[test]
    fn two_runs_are_equal_to_the_last_bit() {
        let [train, validation, test] = colours();
        let run = || measure(&train, &validation, &test, &labels(3)).unwrap();
        assert_eq!(run(), run());
    }

    #[test]
    fn texts_without_words_are_measured_too() {
        let [train, validation, test] =
            [part(&[("!", 0), ("?", 1), ("…", 1)]), part(&[("-", 1)]), part(&[("-", 1), ("+", 0)])];
        let baselines = measure(&train, &validation, &test, &labels(2)).unwrap();
        assert_eq!(baselines.classic.settings.features, 0);
        assert_eq!(baselines.classic.test.accuracy, 0.5);
    }
}
