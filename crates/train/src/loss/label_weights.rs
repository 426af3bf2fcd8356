//! Weights of labels in the loss.

use std::collections::BTreeMap;

use firebrand_pipeline::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::Rows;

/// Where label weights come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// Only from `label_weights`.
    #[default]
    None,
    /// From label frequencies in the training split: the rarer, the heavier.
    Balanced,
}

/// The weight of each label, by index; `None` if all weigh the same. Given weights override computed ones.
///
/// Computed as `balanced` in scikit-learn: rows / (labels × rows of the label), so that the mean weight of a row is 1. For
/// multi-label classifiers: rows without the label / rows with it.
///
/// # Errors
/// A configuration error when a weight is given to a label that does not exist.
pub(crate) fn label_weights(
    kind: ClassWeights,
    given: &BTreeMap<String, f64>,
    names: &[String],
    several: bool,
    rows: &Rows,
) -> Result<Option<Vec<f32>>> {
    let mut weights = vec![1.0; names.len()];
    if kind == ClassWeights::Balanced {
        let mut counts = vec![0_usize; names.len()];
        (0..rows.len()).flat_map(|row| rows.labels(row)).for_each(|&label| counts[label as usize] += 1);
        let present = counts.iter().filter(|&&count| count > 0).count();
        for (weight, &count) in weights.iter_mut().zip(&counts).filter(|(_, count)| **count > 0) {
            *weight = match several {
                false => rows.len() as f64 / (present * count) as f64,
                // A label on every row weighs as if one row lacked it.
                true => (rows.len() - count).max(1) as f64 / count as f64,
            };
        }
    }
    for (name, &weight) in given {
        let Some(index) = names.iter().position(|label| label == name) else {
            let problem = format!("has a weight for `{name}`, but the labels are: {}", names.join(", "));
            return Err(Error::key("label_weights", problem));
        };
        weights[index] = weight;
    }
    let same = weights.iter().all(|&weight| weight == 1.0);
    Ok((!same).then(|| weights.into_iter().map(|weight| weight as f32).collect()))
}

#[cfg(test)]
mod tests {
    use firebrand_dataset::{LabelMap, TokenRow};

    use super::*;

    fn names() -> Vec<String> {
        ["ham", "spam", "other"].map(str::to_owned).to_vec()
    }

    fn rows(labels: &[&[u32]], several: bool) -> Rows {
        let row = |(id, labels): (usize, &&[u32])| TokenRow {
            id: id as u64,
            ids: vec![1],
            type_ids: vec![0],
            labels: labels.to_vec(),
            weight: 1.0,
            cut: 0,
        };
        let map = LabelMap::new(names()).unwrap().with_multi_label(several);
        Rows::new(labels.iter().enumerate().map(row).collect(), &map, "train").unwrap()
    }

    fn given(pairs: &[(&str, f64)]) -> BTreeMap<String, f64> {
        pairs.iter().map(|&(name, weight)| (name.to_owned(), weight)).collect()
    }

    /// `compute_class_weight("balanced", classes=[0, 1], y=[0, 0, 0, 1])` of scikit-learn: 0.6667 and 2.
    #[test]
    fn rare_labels_weigh_more() {
        let few = rows(&[&[0], &[0], &[0], &[1]], false);
        let found = label_weights(ClassWeights::Balanced, &given(&[]), &names(), false, &few).unwrap().unwrap();
        assert_eq!(found, [2.0 / 3.0, 2.0, 1.0]);
        let found = label_weights(ClassWeights::Balanced, &given(&[("spam", 5.0)]), &names(), false, &few).unwrap();
        assert_eq!(found.unwrap(), [2.0 / 3.0, 5.0, 1.0]);
    }

    #[test]
    fn where_rows_have_several_absence_is_held_against_presence() {
        let few = rows(&[&[0, 1], &[0], &[0], &[0, 1], &[]], true);
        let found = label_weights(ClassWeights::Balanced, &given(&[]), &names(), true, &few).unwrap().unwrap();
        assert_eq!(found, [0.25, 1.5, 1.0]);
    }

    #[test]
    fn no_weights_are_none_and_unknown_labels_are_named() {
        let few = rows(&[&[0], &[1]], false);
        assert_eq!(label_weights(ClassWeights::None, &given(&[]), &names(), false, &few).unwrap(), None);
        let error = label_weights(ClassWeights::None, &given(&[("egg", 2.0)]), &names(), false, &few).unwrap_err();
        assert!(error.message().contains("`label_weights`") && error.message().contains("`egg`"), "{error}");
        assert!(error.message().contains("ham, spam, other"), "{error}");
    }
}
