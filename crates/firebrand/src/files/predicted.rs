//! The columns that are added to a row.

use std::collections::HashMap;

use firebrand_pipeline::{Error, Result};
use serde_json::Value as Json;

use crate::predictor::Answer;
use firebrand_infer::Refusal;

/// What is put in front of the predicted columns' names if one of them is taken.
const PREFIX: &str = "predicted_";

/// What predictions are made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shape {
    /// The model's labels.
    pub(super) labels: Vec<String>,
    pub(super) multi_label: bool,
    /// Most labels of a row.
    pub(super) top_k: usize,
    /// A multi-label model assigns labels of at least this probability.
    pub(super) threshold: f32,
    /// Whether each label has a column.
    pub(super) scores: bool,
}

/// A predicted column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A single-label model's label of this rank, from 0.
    Label(usize),
    /// Its probability.
    Score(usize),
    /// The labels that a multi-label model assigns.
    Labels,
    /// Their probabilities.
    Scores,
    /// The probability of the label with this index.
    ScoreOf(usize),
    /// Why there is no prediction.
    Error,
}

/// The predicted columns with their names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Predicted {
    pub(super) shape: Shape,
    pub(super) columns: Vec<(String, What)>,
}

/// What is predicted for a row.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Outcome {
    /// The labels that are written, most likely first, by their indices.
    labels: Vec<usize>,
    /// Their probabilities.
    scores: Vec<f32>,
    /// The probabilities of all labels, if they are written.
    all: Vec<f32>,
    /// Why there is no prediction.
    error: Option<String>,
}

/// A value of a predicted column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Text(&'a str),
    Float(f32),
    Texts(Vec<&'a str>),
    Floats(&'a [f32]),
}

impl Predicted {
    /// The columns for an input with these columns.
    ///
    /// # Errors
    /// When their names are taken, with and without the prefix.
    pub(super) fn new(shape: Shape, taken: &[String]) -> Result<Self> {
        let mut columns = Vec::new();
        if shape.multi_label {
            columns.extend([("labels".to_owned(), What::Labels), ("scores".to_owned(), What::Scores)]);
        } else {
            for rank in 0..shape.top_k.min(shape.labels.len()) {
                let suffix = if rank == 0 { String::new() } else { format!("_{}", rank + 1) };
                columns.push((format!("label{suffix}"), What::Label(rank)));
                columns.push((format!("score{suffix}"), What::Score(rank)));
            }
        }
        if shape.scores {
            let each = shape.labels.iter().enumerate();
            columns.extend(each.map(|(index, label)| (format!("score_{label}"), What::ScoreOf(index))));
        }
        columns.push(("error".to_owned(), What::Error));
        let is_taken = |columns: &[(String, What)]| columns.iter().position(|(name, _)| taken.contains(name));
        if is_taken(&columns).is_some() {
            columns.iter_mut().for_each(|(name, _)| name.insert_str(0, PREFIX));
        }
        match is_taken(&columns) {
            None => Ok(Self { shape, columns }),
            Some(place) => Err(Error::data(format!(
                "the input has a column `{}`, which is the name of a predicted column",
                columns[place].0
            ))
            .hint("rename this column, or leave it out")),
        }
    }

    /// What a model's answer means for a row.
    pub(super) fn outcome(&self, answer: Result<Answer, Refusal>, index: &HashMap<String, usize>) -> Outcome {
        let Shape { labels, multi_label, top_k, threshold, scores } = &self.shape;
        let answer = match answer {
            Ok(answer) => answer,
            Err(refusal) => return Outcome::refused(format!("the text {refusal}")),
        };
        let known = || answer.scores.iter().filter_map(|score| Some((*index.get(&score.label)?, score.score)));
        let assigned = known().take(*top_k).filter(|(_, score)| !multi_label || score >= threshold);
        let (assigned, probabilities) = assigned.unzip();
        let mut all = Vec::new();
        if *scores {
            all.resize(labels.len(), 0.0);
            known().for_each(|(index, score)| all[index] = score);
        }
        Outcome { labels: assigned, scores: probabilities, all, error: None }
    }

    /// The value of a column.
    pub(super) fn value<'a>(&'a self, outcome: &'a Outcome, column: What) -> Value<'a> {
        let label = |index: &usize| self.shape.labels.get(*index).map_or("", String::as_str);
        if column == What::Error {
            return outcome.error.as_deref().map_or(Value::Null, Value::Text);
        }
        if outcome.error.is_some() {
            return Value::Null;
        }
        match column {
            What::Label(rank) => outcome.labels.get(rank).map_or(Value::Null, |index| Value::Text(label(index))),
            What::Score(rank) => outcome.scores.get(rank).map_or(Value::Null, |score| Value::Float(*score)),
            What::Labels => Value::Texts(outcome.labels.iter().map(label).collect()),
            What::Scores => Value::Floats(&outcome.scores),
            What::ScoreOf(index) => outcome.all.get(index).map_or(Value::Null, |score| Value::Float(*score)),
            What::Error => Value::Null,
        }
    }
}

impl Outcome {
    /// No prediction.
    pub(super) fn refused(why: String) -> Self {
        Self { error: Some(why), ..Self::default() }
    }

    /// Why there is no prediction.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }
}

impl Value<'_> {
    /// As JSON. Probabilities are as short as float32 allows.
    pub(super) fn to_json(&self) -> String {
        let float = |score: &f32| serde_json::to_string(score).unwrap_or_else(|_| "null".to_owned());
        match self {
            Self::Null => "null".to_owned(),
            Self::Text(text) => Json::from(*text).to_string(),
            Self::Float(score) => float(score),
            Self::Texts(texts) => Json::from(texts.clone()).to_string(),
            Self::Floats(scores) => format!("[{}]", scores.iter().map(float).collect::<Vec<_>>().join(",")),
        }
    }

    /// As a field of a CSV file; lists as JSON.
    pub(super) fn to_field(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Text(text) => (*text).to_owned(),
            Self::Float(_) | Self::Texts(_) | Self::Floats(_) => self.to_json(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::predictor::Score;

    fn shape() -> Shape {
        let labels = ["bad", "good", "so so"].map(str::to_owned).to_vec();
        Shape { labels, multi_label: false, top_k: 1, threshold: 0.5, scores: false }
    }

    fn names(shape: Shape, taken: &[&str]) -> Result<Vec<String>, String> {
        let taken: Vec<String> = taken.iter().map(|name| (*name).to_owned()).collect();
        let predicted = Predicted::new(shape, &taken).map_err(|error| error.message().to_owned())?;
        Ok(predicted.columns.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn names_that_are_taken_get_a_prefix() {
        assert_eq!(names(shape(), &["text"]).unwrap(), ["label", "score", "error"]);
        let more = Shape { top_k: 2, scores: true, ..shape() };
        assert_eq!(
            names(more, &[]).unwrap(),
            ["label", "score", "label_2", "score_2", "score_bad", "score_good", "score_so so", "error"]
        );
        let expected = ["predicted_labels", "predicted_scores", "predicted_error"];
        assert_eq!(names(Shape { multi_label: true, ..shape() }, &["text", "labels"]).unwrap(), expected);
        let error = names(shape(), &["error", "predicted_label"]).unwrap_err();
        assert!(error.contains("`predicted_label`"), "{error}");
    }

    fn answer() -> Answer {
        let score = |label: &str, score| Score { label: label.to_owned(), score };
        let scores = vec![score("good", 0.7), score("so so", 0.5), score("bad", 0.1)];
        Answer { scores, assigned: None, truncated_tokens: 0, empty: false }
    }

    fn values(shape: Shape, answer: Result<Answer, Refusal>) -> Vec<String> {
        let predicted = Predicted::new(shape, &[]).unwrap();
        let index = predicted.shape.labels.iter().cloned().zip(0..).collect();
        let outcome = predicted.outcome(answer, &index);
        predicted.columns.iter().map(|(_, what)| predicted.value(&outcome, *what).to_field()).collect()
    }

    #[test]
    fn answers_become_values() {
        assert_eq!(values(shape(), Ok(answer())), ["good", "0.7", ""]);
        let more = Shape { top_k: 9, scores: true, ..shape() };
        assert_eq!(values(more, Ok(answer())), ["good", "0.7", "so so", "0.5", "bad", "0.1", "0.1", "0.7", "0.5", ""]);
        let several = Shape { multi_label: true, top_k: usize::MAX, ..shape() };
        assert_eq!(values(several.clone(), Ok(answer())), ["[\"good\",\"so so\"]", "[0.7,0.5]", ""]);
        let strict = Shape { threshold: 0.6, ..several.clone() };
        assert_eq!(values(strict, Ok(answer())), ["[\"good\"]", "[0.7]", ""]);
        assert_eq!(values(Shape { threshold: 0.9, ..several }, Ok(answer())), ["[]", "[]", ""]);
        assert_eq!(values(shape(), Err(Refusal::NotUtf8(3))), ["", "", "the text is not UTF-8: byte 3 cannot be read"]);
    }
}
