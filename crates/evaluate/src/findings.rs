//! Findings: problems that the main figures do not show, such as a useless model with a high accuracy.
//!
//! Each finding states the problem and what to do. Findings are warnings in the log, the first part of the report, and
//! `findings` in `metrics.json`, which the runner repeats at the end of a run.

use std::collections::BTreeSet;

use firebrand_dataset::LabelMap;
use firebrand_metrics::{Comparison, Figures};
use serde::Serialize;

use crate::baseline::Baselines;
use crate::compare::Judgement;
use crate::display::{count, label_name, optional, p_value, rows};
use crate::outcome::Evaluation;

/// Maximum number of labels that a finding names; it counts the others.
const NAMED: usize = 3;
/// A label with fewer rows in test and validation together may be missed by chance.
const MIN_LABEL_ROWS: u64 = 2;
/// With fewer test rows, only a model that is not better at all is called no better: chance hides small differences.
const MIN_ROWS_FOR_SIGNIFICANCE: u64 = 100;

/// Something that the user should know about the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

/// The kind of a finding, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// The model predicts the same label for every test row.
    OneLabelForAll,
    /// A multi-label model assigns no label to any test row.
    NothingAssigned,
    /// The model never predicts labels that rows have.
    LabelNeverPredicted,
    /// The model is no better than always predicting the most frequent label.
    NoBetterThanMajority,
    /// The model is no better than TF-IDF with logistic regression.
    NoBetterThanTfidf,
    /// Labels without test rows, on which the model cannot be evaluated.
    LabelWithoutTestRows,
}

/// All findings.
pub(crate) fn findings(
    labels: &LabelMap,
    test: &Evaluation,
    validation: &Evaluation,
    baselines: Option<&Baselines>,
) -> Vec<Finding> {
    let search = Search { labels, test: &test.figures, validation: &validation.figures };
    let mut found = Vec::new();
    let degenerate =
        if labels.is_multi_label() { search.nothing_assigned(test) } else { search.one_label_for_all(test) };
    match degenerate {
        Some(finding) => found.push(finding),
        None => found.extend(search.never_predicted()),
    }
    if let Some(Baselines { majority, tfidf }) = baselines {
        // Predicting one label for all rows implies this finding.
        let new = found.iter().all(|finding| !matches!(finding.kind, Kind::OneLabelForAll | Kind::NothingAssigned));
        let names: Vec<String> =
            majority.labels.iter().filter_map(|&label| labels.name(label)).map(label_name).collect();
        let prediction = if names.is_empty() { "no label".to_owned() } else { names.join(", ") };
        let compared = majority.comparison.as_ref().filter(|_| new);
        found.extend(compared.and_then(|comparison| search.no_better_than_majority(&prediction, comparison)));
        found.extend(tfidf.comparison.as_ref().and_then(|comparison| search.no_better_than_tfidf(comparison)));
    }
    found.extend(search.without_test_rows());
    found
}

struct Search<'a> {
    labels: &'a LabelMap,
    test: &'a Figures,
    validation: &'a Figures,
}

impl Search<'_> {
    fn one_label_for_all(&self, test: &Evaluation) -> Option<Finding> {
        let given: BTreeSet<u32> = test.predicted.iter().flatten().copied().collect();
        let label = *given.first().filter(|_| given.len() == 1)?;
        let others: Vec<usize> =
            self.labels_where(|place| place as u32 != label && self.test.classes[place].support > 0);
        if others.is_empty() {
            return None;
        }
        let everywhere = self.validation.classes[label as usize].predicted == self.validation.rows;
        let validation = if everywhere { " and every validation row" } else { "" };
        Some(Finding {
            kind: Kind::OneLabelForAll,
            message: format!(
                "the model predicts {} for every test row{validation}: {} never predicted, and accuracy {:.4} is the share of \
                 one label. {}",
                self.name(label as usize),
                self.listed(&others, |place| self.test.classes[place].support),
                self.test.accuracy,
                self.advice_for_rare_labels()
            ),
        })
    }

    fn nothing_assigned(&self, test: &Evaluation) -> Option<Finding> {
        let there = self.test.classes.iter().any(|class| class.support > 0);
        let nothing = there && test.predicted.iter().all(Vec::is_empty);
        nothing.then(|| Finding {
            kind: Kind::NothingAssigned,
            message: format!(
                "the model assigns no label to any of the {} test rows: no probability reaches one half. Train longer \
                 (`train.epochs`), raise `train.learning_rate`, or set `train.class_weights = \"balanced\"`",
                count(self.test.rows)
            ),
        })
    }

    fn never_predicted(&self) -> Option<Finding> {
        let support = |place: usize| self.test.classes[place].support + self.validation.classes[place].support;
        let predicted = |place: usize| self.test.classes[place].predicted + self.validation.classes[place].predicted;
        let never = self.labels_where(|place| predicted(place) == 0 && support(place) >= MIN_LABEL_ROWS);
        (!never.is_empty()).then(|| Finding {
            kind: Kind::LabelNeverPredicted,
            message: format!(
                "{} never predicted, neither on the test nor on the validation rows. {}",
                self.listed(&never, support),
                self.advice_for_rare_labels()
            ),
        })
    }

    fn no_better_than_majority(&self, prediction: &str, comparison: &Comparison) -> Option<Finding> {
        let headline = comparison.headline();
        // With fewer rows that only one of them classifies correctly, even a perfect model would not be significantly better.
        let discordant = comparison.only_first_right + comparison.only_second_right;
        let hidden_by_chance = headline.p_value >= firebrand_metrics::LEVEL
            && self.test.rows >= MIN_ROWS_FOR_SIGNIFICANCE
            && discordant >= 6;
        (headline.difference <= 0.0 || hidden_by_chance).then(|| Finding {
            kind: Kind::NoBetterThanMajority,
            message: format!(
                "the model is no better than always predicting {prediction}: {} {} against {} ({}). Train longer \
                 (`train.epochs`), raise `train.learning_rate`, or check that the texts determine the label",
                self.figure_name(),
                self.headline_figure(0.0),
                self.headline_figure(headline.difference),
                p_value(headline.p_value)
            ),
        })
    }

    /// The comparison with TF-IDF, and what to do.
    fn no_better_than_tfidf(&self, comparison: &Comparison) -> Option<Finding> {
        // A perfect baseline cannot be beaten.
        let perfect = self.test.accuracy == 1.0;
        (comparison.headline().difference <= 0.0 && !perfect).then(|| Finding {
            kind: Kind::NoBetterThanTfidf,
            message: format!(
                "{}. Train longer (`train.epochs`), try another `train.learning_rate` or a larger pretrained model",
                Judgement::new(comparison).message
            ),
        })
    }

    fn without_test_rows(&self) -> Option<Finding> {
        let without = self.labels_where(|place| self.test.classes[place].support == 0);
        (!without.is_empty()).then(|| {
            let names = self.names(&without);
            let have = if without.len() == 1 { "has" } else { "have" };
            Finding {
                kind: Kind::LabelWithoutTestRows,
                message: format!(
                    "{names} {have} no test rows: how well they are predicted is unknown, and macro F1 counts such a label as 0. \
                     Raise `split.test`, or add rows with them"
                ),
            }
        })
    }

    fn labels_where(&self, found: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.labels.len()).filter(|&place| found(place)).collect()
    }

    fn name(&self, place: usize) -> String {
        label_name(&self.labels.names()[place])
    }

    /// `a`, `b` and 3 more labels.
    fn names(&self, places: &[usize]) -> String {
        self.joined(places, |place| self.name(place))
    }

    /// `a` (3 rows) is, `a` (3 rows) and `b` (1 row) are.
    fn listed(&self, places: &[usize], support: impl Fn(usize) -> u64) -> String {
        let verb = if places.len() == 1 { "is" } else { "are" };
        let item = |place: usize| format!("{} ({})", self.name(place), rows(support(place)));
        format!("{} {verb}", self.joined(places, item))
    }

    fn joined(&self, places: &[usize], item: impl Fn(usize) -> String) -> String {
        let mut items: Vec<String> = places.iter().take(NAMED).map(|&place| item(place)).collect();
        match places.len().saturating_sub(NAMED) {
            0 => {}
            1 => items.push("1 more label".to_owned()),
            more => items.push(format!("{} more labels", count(more as u64))),
        }
        let last = items.pop().unwrap_or_default();
        if items.is_empty() { last } else { format!("{} and {last}", items.join(", ")) }
    }

    fn advice_for_rare_labels(&self) -> &'static str {
        if self.labels.is_multi_label() {
            "Set `train.class_weights = \"balanced\"`, train longer (`train.epochs`), or add rows with the rare labels"
        } else {
            "Set `train.sampling = \"balanced\"` or `train.class_weights = \"balanced\"`, train longer (`train.epochs`), or \
             add rows with the rare labels"
        }
    }

    fn figure_name(&self) -> &'static str {
        if self.labels.is_multi_label() { "micro F1" } else { "accuracy" }
    }

    /// The model's main figure minus a difference.
    fn headline_figure(&self, difference: f64) -> String {
        let figure = if self.labels.is_multi_label() { self.test.averages.micro.f1 } else { Some(self.test.accuracy) };
        optional(figure.map(|figure| figure - difference), 4)
    }
}

#[cfg(test)]
mod tests {
    use firebrand_metrics::Task;

    use super::*;
    use crate::baseline::{Majority, measure};
    use crate::compare::compare;
    use crate::rows::Rows;

    const NAMES: [&str; 3] = ["fine", "fr\u{1b}aud", "odd"];

    fn labels(count: usize) -> LabelMap {
        LabelMap::new(NAMES[..count].iter().map(|&name| name.to_owned()).collect()).unwrap()
    }

    fn rows_of(truth: &[u32]) -> Rows {
        Rows::of((0..).zip(truth).map(|(id, &label)| (id, format!("text {id}"), label)))
    }

    fn evaluation(truth: &[u32], predicted: &[u32], labels: &LabelMap) -> Evaluation {
        let probabilities: Vec<Vec<f32>> = predicted
            .iter()
            .map(|&label| (0..labels.len() as u32).map(|other| if other == label { 1.0 } else { 0.0 }).collect())
            .collect();
        Evaluation::new(&rows_of(truth), &probabilities, labels).unwrap()
    }

    /// The kinds and messages of the findings if test and validation are alike.
    fn found(truth: &[u32], predicted: &[u32], count: usize) -> (Vec<Kind>, Vec<String>) {
        let labels = labels(count);
        let evaluation = evaluation(truth, predicted, &labels);
        let found = findings(&labels, &evaluation, &evaluation, None);
        (found.iter().map(|finding| finding.kind).collect(), found.into_iter().map(|finding| finding.message).collect())
    }

    /// Field case 22: one row in twelve is fraud, and no text shows it.
    #[test]
    fn one_label_for_all_is_found() {
        let truth: Vec<u32> = (0..24).map(|row| u32::from(row % 12 == 0)).collect();
        let (kinds, messages) = found(&truth, &[0; 24], 2);
        assert_eq!(kinds, [Kind::OneLabelForAll]);
        assert!(
            messages[0].starts_with(
                "the model predicts `fine` for every test row and every validation row: `fr\\u{1b}aud` (2 rows) is never \
                 predicted, and accuracy 0.9167 is the share of one label. Set `train.sampling = \"balanced\"` or "
            ),
            "{messages:?}"
        );
        // Every row has that label, so the prediction is correct.
        assert_eq!(found(&[0; 24], &[0; 24], 2).0, [Kind::LabelWithoutTestRows]);
    }

    #[test]
    fn a_label_that_is_never_predicted_is_found() {
        let (kinds, messages) = found(&[0, 0, 1, 1, 2, 2], &[0, 0, 1, 1, 1, 0], 3);
        assert_eq!(kinds, [Kind::LabelNeverPredicted]);
        assert!(messages[0].starts_with("`odd` (4 rows) is never predicted, neither on the test"), "{messages:?}");
        assert_eq!(found(&[0, 0, 1, 1, 2, 2], &[0, 0, 1, 1, 2, 0], 3).0, []);
    }

    #[test]
    fn labels_without_test_rows_are_found() {
        let (kinds, messages) = found(&[0, 0, 1], &[0, 0, 1], 3);
        assert_eq!(kinds, [Kind::LabelWithoutTestRows]);
        assert!(messages[0].starts_with("`odd` has no test rows"), "{messages:?}");
    }

    #[test]
    fn a_multi_label_model_that_assigns_nothing_is_found() {
        let labels = labels(2).with_multi_label(true);
        let rows = rows_of(&[0, 1, 1]);
        let never_assigns = Evaluation::new(&rows, &[[0.4, 0.1]; 3], &labels).unwrap();
        let found = findings(&labels, &never_assigns, &never_assigns, None);
        assert_eq!(found[0].kind, Kind::NothingAssigned);
        assert!(found[0].message.contains("to any of the 3 test rows") && found[0].message.contains("train.epochs"));
        let assigns = Evaluation::new(&rows, &[[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]], &labels).unwrap();
        assert_eq!(findings(&labels, &assigns, &assigns, None), []);
    }

    /// Findings for a model that is correct on `right` of 100 rows, compared with the baselines; the texts determine the label.
    fn against_baselines(right: usize) -> Vec<Kind> {
        let labels = labels(2);
        let truth: Vec<u32> = (0..100).map(|row| u32::from(row % 10 < 4)).collect();
        let texts = |rows: &[u32]| {
            Rows::of(
                (0..).zip(rows).map(|(id, &label)| (id, ["good day", "bad night"][label as usize].to_owned(), label)),
            )
        };
        let rows = texts(&truth);
        let mut baselines = measure(&rows, &rows, &rows, &labels, &|_| {}).unwrap();
        let predicted: Vec<u32> =
            truth.iter().enumerate().map(|(row, &l)| if row < right { l } else { 1 - l }).collect();
        let mut model = evaluation(&truth, &predicted, &labels);
        compare(&rows, Task::SingleLabel, &mut model, Some(&mut baselines));
        findings(&labels, &model, &model, Some(&baselines)).into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn a_model_is_compared_with_the_baselines() {
        assert_eq!(against_baselines(100), []);
        assert_eq!(against_baselines(90), [Kind::NoBetterThanTfidf]);
        // 60 of 100 rows have the most frequent label.
        assert_eq!(against_baselines(62), [Kind::NoBetterThanMajority, Kind::NoBetterThanTfidf]);
        assert_eq!(against_baselines(50), [Kind::NoBetterThanMajority, Kind::NoBetterThanTfidf]);
    }

    #[test]
    fn many_labels_are_counted_not_listed() {
        let labels = LabelMap::new((0..1000).map(|label| format!("l{label}")).collect()).unwrap();
        let truth: Vec<u32> = (0..2000).map(|row| row % 1000).collect();
        let predicted: Vec<u32> = truth.iter().map(|label| if *label < 7 { 8 } else { *label }).collect();
        let evaluation = evaluation(&truth, &predicted, &labels);
        let found = findings(&labels, &evaluation, &evaluation, None);
        assert!(
            found[0].message.starts_with("`l0` (4 rows), `l1` (4 rows), `l2` (4 rows) and 4 more labels are never")
        );
    }

    #[test]
    fn a_majority_without_labels_is_described() {
        let labels = labels(2).with_multi_label(true);
        let rows = rows_of(&[0, 1]);
        let model = Evaluation::new(&rows, &[[0.1, 0.9], [0.9, 0.1]], &labels).unwrap();
        let mut baselines = measure(&rows, &rows, &rows, &labels, &|_| {}).unwrap();
        baselines.majority = Majority { labels: vec![], ..baselines.majority };
        let mut judged = model.clone();
        compare(&rows, Task::MultiLabel, &mut judged, Some(&mut baselines));
        let found = findings(&labels, &judged, &judged, Some(&baselines));
        let majority = found.iter().find(|finding| finding.kind == Kind::NoBetterThanMajority);
        assert!(majority.is_some_and(|finding| finding.message.contains("always predicting no label")), "{found:?}");
    }
}
