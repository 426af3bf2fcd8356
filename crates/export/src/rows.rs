//! The test rows that the exported model is evaluated on, and the evaluate stage's predictions for them.

use std::collections::HashMap;
use std::path::Path;

use firebrand_dataset::{LabelMap, Prediction, TokenRow, read_predictions, read_tokens};
use firebrand_model::Tokens;
use firebrand_pipeline::{Error, Result};

/// The tokenized test split.
#[derive(Debug)]
pub(crate) struct TestRows {
    rows: Vec<TokenRow>,
    /// The label map of the rows.
    pub(crate) labels: LabelMap,
}

impl TestRows {
    /// Reads the rows, whose labels must be in the map.
    ///
    /// # Errors
    /// When the file cannot be read, has no rows, or has labels that are not in the map.
    pub(crate) fn read(path: &Path, labels: &LabelMap) -> Result<Self> {
        let rows = read_tokens(path)?;
        if rows.is_empty() {
            return Err(Error::data(format!("{} has no rows to evaluate the model on", path.display()))
                .hint("raise `split.test`, or add data"));
        }
        for row in &rows {
            if let Some(problem) = labels.problem_of(&row.labels) {
                return Err(Error::data(format!("{}: row {} {problem}", path.display(), row.id)).hint(
                    "tokens and labels are from different runs: run `cargo xtask pipeline --from tokenize --force`",
                ));
            }
        }
        Ok(Self { rows, labels: labels.clone() })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The rows themselves.
    pub(crate) fn rows(&self) -> &[TokenRow] {
        &self.rows
    }

    /// Label indices of each row: exactly one, or any number if the map is multi-label.
    pub(crate) fn truth(&self) -> Vec<Vec<u32>> {
        self.rows.iter().map(|row| row.labels.clone()).collect()
    }

    /// The row's id.
    pub(crate) fn id(&self, row: usize) -> u64 {
        self.rows[row].id
    }

    /// Number of truncated rows.
    pub(crate) fn cut_rows(&self) -> usize {
        self.rows.iter().filter(|row| row.cut > 0).count()
    }

    /// The rows as the model's input.
    pub(crate) fn tokens(&self) -> Vec<Tokens<'_>> {
        self.rows.iter().map(|row| Tokens { ids: &row.ids, type_ids: &row.type_ids }).collect()
    }

    /// Reads the evaluate stage's predictions, in the order of these rows.
    pub(crate) fn read_predictions(&self, path: &Path) -> Result<Vec<Prediction>> {
        self.align(read_predictions(path)?, path)
    }

    fn align(&self, predictions: Vec<Prediction>, path: &Path) -> Result<Vec<Prediction>> {
        let stale = |problem: String| {
            Error::data(format!("{} does not match the tokenized test rows: {problem}", path.display()))
                .hint("run `cargo xtask stage evaluate --force` to create it again")
        };
        let found = predictions.len();
        let mut by_id: HashMap<u64, Prediction> = predictions.into_iter().map(|row| (row.id, row)).collect();
        if found != self.len() || by_id.len() != self.len() {
            return Err(stale(format!("{found} rows with {} ids instead of {}", by_id.len(), self.len())));
        }
        let aligned = self.rows.iter().map(|row| {
            let prediction = by_id.remove(&row.id).ok_or_else(|| stale(format!("row {} is missing", row.id)))?;
            if let Some(problem) = self.labels.problem_of(&prediction.predicted) {
                return Err(stale(format!("the prediction for row {} {problem}", row.id)));
            }
            let (found, classes) = (prediction.probabilities.len(), self.labels.len());
            if found != classes {
                return Err(stale(format!("row {} has {found} probabilities, but {classes} are expected", row.id)));
            }
            Ok(prediction)
        });
        aligned.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(id: u64, probabilities: &[f32]) -> Prediction {
        Prediction { id, labels: vec![0], predicted: vec![0], probabilities: probabilities.to_vec() }
    }

    fn rows(ids: &[u64]) -> TestRows {
        let row = |&id: &u64| TokenRow { id, ids: vec![1], type_ids: vec![0], labels: vec![0], weight: 1.0, cut: 0 };
        let labels = LabelMap::new(vec!["no".to_owned(), "yes".to_owned()]).unwrap();
        TestRows { rows: ids.iter().map(row).collect(), labels }
    }

    #[test]
    fn predictions_are_read_in_the_order_of_the_rows() {
        let align = |predictions| rows(&[7, 3]).align(predictions, Path::new("predictions.parquet"));
        let fine = align(vec![prediction(3, &[0.5, 0.5]), prediction(7, &[1.0, 0.0])]).unwrap();
        assert_eq!(fine.iter().map(|row| row.id).collect::<Vec<_>>(), [7, 3]);
        let refused = |predictions| align(predictions).unwrap_err().message().to_owned();
        assert!(refused(vec![prediction(3, &[0.5, 0.5])]).ends_with("1 rows with 1 ids instead of 2"));
        assert!(refused(vec![prediction(3, &[0.5, 0.5]); 2]).ends_with("2 rows with 1 ids instead of 2"));
        assert!(refused(vec![prediction(3, &[0.5, 0.5]), prediction(8, &[0.5, 0.5])]).ends_with("row 7 is missing"));
        assert!(refused(vec![prediction(3, &[0.5]), prediction(7, &[1.0, 0.0])]).contains("1 probabilities"));
        let two = Prediction { predicted: vec![0, 1], ..prediction(3, &[0.5, 0.5]) };
        assert!(
            refused(vec![two, prediction(7, &[1.0, 0.0])]).ends_with("the prediction for row 3 has 2 labels [0, 1]")
        );
    }
}
