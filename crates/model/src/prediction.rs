//! The labels that a row's probabilities assign.

use firebrand_metrics::{likely, most_likely};

use crate::ProblemType;

impl ProblemType {
    /// Indices of the predicted labels, in ascending order: the most likely one (the first of equals), or every label with a
    /// probability of at least 0.5. A single-label row with a NaN has no prediction.
    pub fn predicted(self, probabilities: &[f32]) -> Vec<u32> {
        match self {
            Self::SingleLabelClassification => most_likely(probabilities).into_iter().collect(),
            Self::MultiLabelClassification => likely(probabilities),
        }
    }
}

#[cfg(test)]
mod tests {
    use ProblemType::{MultiLabelClassification, SingleLabelClassification};

    use super::*;

    #[test]
    fn a_single_label_model_predicts_the_first_of_the_most_likely_labels() {
        let probabilities = SingleLabelClassification.probabilities(&[0.0, 2.0, 2.0]);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(SingleLabelClassification.predicted(&probabilities), [1]);
        assert_eq!(SingleLabelClassification.predicted(&[0.5, f32::NAN]), [0_u32; 0]);
        assert_eq!(SingleLabelClassification.predicted(&[]), [0_u32; 0]);
    }

    #[test]
    fn a_multi_label_model_predicts_every_label_from_one_half_on() {
        let probabilities = MultiLabelClassification.probabilities(&[0.0, -1.0, 3.0]);
        assert_eq!(MultiLabelClassification.predicted(&probabilities), [0, 2]);
        assert_eq!(MultiLabelClassification.predicted(&[0.1, f32::NAN]), [0_u32; 0]);
    }
}
